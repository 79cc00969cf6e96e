//! A stage from the values that it gives: what each of its nodes reads, how affine chains and sums become terms, and how weights
//! are packed. May use `ir`, `op`, `kernel::tile`.

use std::collections::HashMap;

use super::choose::{Class, StageChoice, pieces};
use crate::ir::{Fact, Graph, Value};
use crate::kernel::tile::{
    BufferRef as Place, ChannelConstants as Column, ChannelSources as Source, ConvWindow as Window, Isa as Form, LineBuffer as Local,
    Matrix, Space, Stage, StageNode as Node, StageOp as Kind, VolumeDesc as Volume, WINOGRAD_REACH, WinogradKernel, pack,
};
use crate::op::{Conv3d, Op};

/// Channels from which on dilated convolutions take Winograd's form.
const DILATED: usize = 8;

/// What stands in the table, a number a channel and batch item (separable values: `D + H + W` numbers a channel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    Value(Value),
    /// A vector of one channel, for as many as asked.
    Spread(Value, usize),
    /// Of the affine function that leads from the second value to the first.
    Scale(Value, Value),
    Shift(Value, Value),
}

/// Places in the table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub at: HashMap<Entry, Column>,
    pub len: usize,
}

impl Table {
    /// The place of an entry of `stride` numbers a batch item.
    pub fn column(&mut self, e: Entry, stride: usize, batch: usize) -> Column {
        if let Some(c) = self.at.get(&e) {
            return *c;
        }
        let c = Column { offset: self.len, stride };
        self.len += stride * batch;
        self.at.insert(e, c);
        c
    }
}

/// The trained numbers, by name.
pub trait Weights {
    fn get(&self, name: &str) -> &[f32];
}

/// What is known when stages are built.
#[derive(Clone, Copy)]
pub struct StageContext<'a> {
    pub graph: &'a Graph<Op>,
    pub facts: &'a [Fact],
    pub choice: &'a StageChoice,
    pub weights: &'a dyn Weights,
    pub spaces: &'a HashMap<Value, Space>,
    pub form: Form,
}

/// A stage in the making.
pub struct Builder<'a> {
    pub(super) known: StageContext<'a>,
    pub(super) table: &'a mut Table,
    pub(super) epoch: usize,
    pub(super) stage: Stage,
    pub(super) volumes: HashMap<Value, usize>,
    /// By value and phases.
    pub(super) locals: HashMap<(Value, usize), usize>,
    pub(super) asks: Vec<Entry>,
}

impl<'a> Builder<'a> {
    /// A builder of the stage of an epoch and a grid.
    pub fn new(known: StageContext<'a>, table: &'a mut Table, (epoch, size): (usize, [usize; 3]), batch: usize) -> Self {
        let stage = Stage { batch, size, volumes: vec![], locals: vec![], nodes: vec![], moments: 0 };
        Self { known, table, epoch, stage, volumes: HashMap::new(), locals: HashMap::new(), asks: vec![] }
    }

    /// The stage that gives these values, and where the moments of those that are measured stand.
    pub fn build(mut self, sinks: &[Value]) -> Built {
        let mut moments = vec![];
        for v in sinks {
            let kept = self.known.choice.kept[v.0] && !matches!(self.known.choice.class[v.0], Class::Input | Class::Whole);
            let local = match self.locals.get(&(*v, 1)) {
                Some(l) => *l,
                None => self.make(*v, 1),
            };
            let volume = kept.then(|| self.volume(*v));
            let first = self.known.choice.measured.contains(v).then(|| {
                moments.push((*v, self.stage.moments));
                self.stage.moments += self.fact(*v).channels;
                self.stage.moments - self.fact(*v).channels
            });
            if let Some(n) = self.stage.nodes.iter_mut().find(|n| n.to == Place::Local(local)) {
                (n.keep, n.moments) = (volume, first);
            }
        }
        // What nobody reads in the stage goes straight into its volume.
        let mut read = vec![false; self.stage.locals.len()];
        for p in self.stage.nodes.iter().flat_map(|n| n.kind.places()) {
            if let Place::Local(l) = p {
                read[l] = true;
            }
        }
        for n in &mut self.stage.nodes {
            if let (Place::Local(l), Some(v)) = (n.to, n.keep)
                && !read[l]
            {
                (n.to, n.keep) = (Place::Volume(v), None);
            }
        }
        Built { stage: self.stage, moments, asks: self.asks }
    }

    pub(super) fn fact(&self, v: Value) -> Fact {
        self.known.facts[v.0]
    }

    pub(super) fn op(&self, v: Value) -> &'a Op {
        &self.known.graph.node(v).op
    }

    pub(super) fn inputs(&self, v: Value) -> &'a [Value] {
        self.known.graph.inputs(v)
    }

    pub(super) fn class(&self, v: Value) -> Class {
        self.known.choice.class[v.0]
    }

    fn weight(&self, v: Value, name: &str) -> &'a [f32] {
        let owner = self.known.graph.node(v).shares.unwrap_or(v);
        self.known.weights.get(&format!("{}.{name}", self.known.graph.node(owner).path))
    }

    /// Whether it lies in memory when the stage runs.
    pub(super) fn in_memory(&self, v: Value) -> bool {
        self.known.choice.kept[v.0] && (self.class(v) == Class::Input || self.known.choice.far[v.0] <= self.epoch)
    }

    fn volume(&mut self, v: Value) -> usize {
        let (fact, spaces, stage) = (self.fact(v), self.known.spaces, &mut self.stage);
        *self.volumes.entry(v).or_insert_with(|| {
            let space = spaces.get(&v).copied().unwrap_or(Space::Arena(0));
            stage.volumes.push(Volume { space, channels: fact.channels, size: fact.size });
            stage.volumes.len() - 1
        })
    }

    /// Where the channels of a value are; makes it if it is nowhere yet.
    pub(super) fn source(&mut self, v: Value) -> Source {
        if self.class(v) == Class::View && !self.in_memory(v) && !self.locals.contains_key(&(v, 1)) {
            let mut all = vec![];
            for (root, first, count) in pieces(self.known.graph, self.known.facts, v) {
                all.extend_from_slice(&self.source(root)[first..first + count]);
            }
            return all;
        }
        let place = match self.locals.get(&(v, 1)) {
            Some(l) => Place::Local(*l),
            None if self.in_memory(v) => Place::Volume(self.volume(v)),
            None => Place::Local(self.make(v, 1)),
        };
        (0..self.fact(v).channels).map(|c| (place, c)).collect()
    }

    /// A local that holds a value, for convolutions: its columns in phases.
    fn whole(&mut self, v: Value, phases: usize) -> usize {
        if let Some(l) = self.locals.get(&(v, phases)) {
            return *l;
        }
        if phases > 1 && self.class(v) == Class::Sum && !self.in_memory(v) {
            self.source(v);
        }
        self.make(v, phases)
    }

    fn push(&mut self, v: Value, phases: usize, kind: Kind) -> usize {
        let fact = self.fact(v);
        self.stage.locals.push(Local { channels: fact.channels, size: fact.size, phases });
        let l = self.stage.locals.len() - 1;
        self.locals.insert((v, phases), l);
        let node = self.known.graph.node(v);
        let copy = self.in_memory(v) || phases > 1;
        let name = if copy { format!("{} (read)", node.path) } else { node.path.clone() };
        self.stage.nodes.push(Node { name, kind, channels: fact.channels, to: Place::Local(l), keep: None, moments: None });
        l
    }

    /// Makes a value into a local.
    fn make(&mut self, v: Value, phases: usize) -> usize {
        let copy = self.in_memory(v) || self.locals.contains_key(&(v, 1)) || phases > 1 && self.class(v) == Class::Sum;
        if copy
            || matches!(self.class(v), Class::View | Class::Separable)
            || (self.class(v) == Class::Point && !matches!(self.op(v), Op::Softmax(_)))
        {
            let (terms, post) = self.sum(v, copy);
            let kind = Kind::Point { terms, post };
            return self.push(v, phases, kind);
        }
        let x = self.inputs(v)[0];
        let kind = match self.op(v) {
            Op::Softmax(_) => Kind::Softmax { x: self.source(x) },
            Op::Resize(_) => Kind::Resize { x: self.source(x) },
            Op::MaxPool3d(p) => Kind::Pool { x: self.source(x), kernel: p.kernel.0 },
            Op::Conv3d(c) if c.is_pointwise() => {
                let (x, affine) = self.affine_source(x);
                let (w, inputs) = (self.weight(v, "weight"), x.len());
                let packed = pack(inputs, c.out, self.known.form, |k, o| w[o * inputs + k]);
                let bias = if c.bias { self.weight(v, "bias").to_vec() } else { vec![] };
                Kind::Pointwise { x, matrix: Matrix { inputs, outputs: c.out, packed, bias }, affine }
            }
            Op::ConvTranspose3d(c) => {
                let (x, affine) = self.affine_source(x);
                let (w, inputs, taps) = (self.weight(v, "weight"), x.len(), c.kernel.0.iter().product::<usize>());
                let outputs = c.out * taps;
                let packed = pack(inputs, outputs, self.known.form, |k, o| w[k * outputs + o]);
                let b = self.weight(v, "bias");
                let bias = if c.bias { (0..outputs).map(|o| b[o / taps]).collect() } else { vec![] };
                Kind::Up { x, stride: c.stride.0, matrix: Matrix { inputs, outputs, packed, bias }, affine }
            }
            Op::Conv3d(c) => self.convolution(v, x, c),
            other => unreachable!("`{other:?}` is never of a stage: see `classify`"),
        };
        self.push(v, phases, kind)
    }

    fn convolution(&mut self, v: Value, x: Value, c: &Conv3d) -> Kind {
        let local = self.whole(x, c.stride.0[2]);
        let window = Window { kernel: c.kernel.0, stride: c.stride.0, padding: c.padding.0, dilation: c.dilation.0 };
        let w = self.weight(v, "weight");
        let bias = if c.bias { self.weight(v, "bias").to_vec() } else { vec![] };
        let channels = self.fact(x).channels;
        let (per, taps, outputs) = (channels / c.groups, window.taps(), c.out / c.groups);
        let [kd, kh, kw] = c.kernel.0;
        let plain = c.stride.0 == [1; 3] && c.dilation.0 == [1; 3];
        if plain && c.groups == channels && c.out == channels && matches!(kh, 1 | 3 | 5 | 7) {
            // [C, kD, kW, kH]
            let at = |i: usize| (i / taps) * taps + (i / (kw * kh) % kd * kh + i % kh) * kw + i / kh % kw;
            return Kind::Depthwise { x: local, window, weights: (0..channels * taps).map(|i| w[at(i)]).collect(), bias };
        }
        let form = self.known.form;
        let direct = |g: usize, bias: Vec<f32>| {
            let packed = pack(per * taps, outputs, form, |k, o| w[(g * outputs + o) * per * taps + k]);
            Matrix { inputs: per * taps, outputs, packed, bias }
        };
        let near = c.padding.0[2] <= WINOGRAD_REACH * c.dilation.0[2];
        // A dilated one becomes a direct one where its stage does not fall into grids: see `tile::interleave`. Networks of dilated layers are deep and
        // narrow: of few channels the direct sum is as fast, and nearer to the exact one.
        let many = if plain { c.out >= 4 && channels >= 2 } else { c.out >= DILATED && channels >= DILATED };
        if c.stride.0 == [1; 3] && c.groups == 1 && c.kernel.0 == [3; 3] && near && many {
            return Kind::Winograd { x: local, window, kernel: WinogradKernel::new(channels, c.out, w.to_vec(), bias) };
        }
        let part = |g: usize| if bias.is_empty() { vec![] } else { bias[g * outputs..(g + 1) * outputs].to_vec() };
        Kind::Dense { x: local, window, matrices: (0..c.groups).map(|g| direct(g, part(g))).collect() }
    }
}

/// A stage with what it takes from the table and gives to it.
pub struct Built {
    pub stage: Stage,
    /// Where the moments of each measured value stand.
    pub moments: Vec<(Value, usize)>,
    /// What is to be computed for the table before it runs.
    pub asks: Vec<Entry>,
}
