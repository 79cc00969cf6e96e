//! Which values are volumes in memory, and when each can be had.
//!
//! A run goes epoch by epoch. A value that a global reduction stands before (a norm's statistics, a mean) is of a later epoch than
//! what is reduced; so is one that a convolution takes from memory. Within an epoch everything on one grid is one stage. What is not
//! in memory is made again in every stage that asks for it; whether that is cheaper than writing and reading it is decided by cost.
//!
//! May use `ir` and `op`.

use std::collections::{BTreeMap, BTreeSet};

use crate::ir::{Fact, Graph, Operator, Value};
use crate::op::{Conv3d, Interpolation, Op};

/// How a value is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Given.
    Input,
    /// A number a channel: in the table.
    Vector,
    /// The sum of a vector along each axis: in the table.
    Separable,
    /// Other values' channels: a concatenation or a slice.
    View,
    /// Number by number, or voxel by voxel.
    Point,
    /// From other voxels too, or from other channels.
    Sum,
    /// By [`super::whole`], alone.
    Whole,
}

/// Epochs and memory.
#[derive(Clone, Debug)]
pub struct StageChoice {
    pub class: Vec<Class>,
    /// It is a volume in memory (inputs and what is computed by itself are).
    pub kept: Vec<bool>,
    /// The first epoch whose stages can make it (or, of a vector, read it).
    pub epoch: Vec<usize>,
    /// The first epoch whose stages can make it from memory alone.
    pub far: Vec<usize>,
    /// A convolution that reads what its own stage makes.
    pub fused: Vec<bool>,
    /// Values whose moments are measured.
    pub measured: BTreeSet<Value>,
    /// What each stage gives, by epoch and grid.
    pub stages: BTreeMap<(usize, [usize; 3]), Vec<Value>>,
}

/// What one float costs to write or to read, in multiply-accumulates.
const MOVE: f64 = 18.0;
/// Rows of a usual tile.
const ROWS: f64 = 16.0;

/// The roots of a value through concatenations and slices: each with its channels there.
pub fn pieces(graph: &Graph<Op>, facts: &[Fact], v: Value) -> Vec<(Value, usize, usize)> {
    match &graph.node(v).op {
        Op::Concat(_) => graph.inputs(v).iter().flat_map(|i| pieces(graph, facts, *i)).collect(),
        Op::Slice(s) => {
            let (mut skip, mut left) = (s.start, s.channels);
            let mut all = vec![];
            for (root, first, count) in graph.inputs(v).iter().flat_map(|i| pieces(graph, facts, *i)) {
                let gone = skip.min(count);
                let take = (count - gone).min(left);
                if take > 0 {
                    all.push((root, first + gone, take));
                }
                (skip, left) = (skip - gone, left - take);
            }
            all
        }
        _ => vec![(v, 0, facts[v.0].channels)],
    }
}

/// The inputs whose numbers an operation reads; of the others, which come last, it takes the shape alone.
pub fn reads(graph: &Graph<Op>, v: Value) -> &[Value] {
    let (all, op) = (graph.inputs(v), &graph.node(v).op);
    &all[..(0..all.len()).take_while(|slot| op.reads(*slot)).count()]
}

pub fn is_vector(fact: &Fact) -> bool {
    fact.is_vector()
}

/// Whether a convolution's stage falls into grids of every so manieth plane or row.
fn is_dilated(c: &Conv3d) -> bool {
    let [d, h, _] = c.dilation.0;
    !c.is_pointwise() && (d > 1 || h > 1)
}

/// The values that a dilated convolution makes, and what follows it voxel by voxel.
fn by_dilated(graph: &Graph<Op>, class: &[Class]) -> Vec<bool> {
    let mut all = vec![false; graph.len()];
    for v in graph.values() {
        let follows = graph.inputs(v).iter().any(|x| all[x.0]);
        all[v.0] = match &graph.node(v).op {
            Op::Conv3d(c) => is_dilated(c) || c.is_pointwise() && follows,
            _ => class[v.0] == Class::Point && follows,
        };
    }
    all
}

fn classify(graph: &Graph<Op>, facts: &[Fact]) -> Vec<Class> {
    let mut class: Vec<Class> = vec![];
    for v in graph.values() {
        let x: Vec<Fact> = reads(graph, v).iter().map(|i| facts[i.0]).collect();
        let of = |i: usize| graph.inputs(v).get(i).map(|i| class[i.0]);
        let y = facts[v.0];
        let vectors = !x.is_empty() && x.iter().all(is_vector);
        let op = &graph.node(v).op;
        let c = match op {
            _ if graph.inputs(v).is_empty() => Class::Input,
            // It takes the shape of its input alone.
            _ if x.is_empty() => Class::Whole,
            _ if is_vector(&y) && (vectors || matches!(op, Op::GlobalAvgPool(_))) => Class::Vector,
            _ if is_vector(&y) || (vectors && !matches!(op, Op::PositionMap(_))) => Class::Whole,
            // A value of another batch stands for all: rare.
            _ if x.iter().any(|f| f.batch != y.batch) => Class::Whole,
            Op::PositionMap(_) => Class::Separable,
            Op::Conv3d(c) if of(0) == Some(Class::Separable) && c.is_pointwise() => Class::Separable,
            Op::ScaleShift(_) if of(0) == Some(Class::Separable) => Class::Separable,
            Op::Add(_) | Op::Sub(_) | Op::Mul(_) => {
                let fits = |f: &Fact| (f.size == y.size || is_vector(f)) && (f.channels == y.channels || f.channels == 1);
                let separable = |i: usize| of(i) == Some(Class::Separable) && x[i].channels == y.channels;
                let linear = |i: usize| separable(i) || is_vector(&x[i]);
                match op {
                    Op::Mul(_) if (separable(0) && is_vector(&x[1])) || (separable(1) && is_vector(&x[0])) => Class::Separable,
                    Op::Add(_) | Op::Sub(_) if linear(0) && linear(1) => Class::Separable,
                    _ if x.iter().all(fits) => Class::Point,
                    _ => Class::Whole,
                }
            }
            Op::Activation(_) | Op::ScaleShift(_) | Op::ChannelAffine(_) | Op::GroupNorm(_) | Op::Softmax(_) => Class::Point,
            Op::Concat(_) | Op::Slice(_) => Class::View,
            Op::ConvTranspose3d(c) if c.is_blocks() => Class::Sum,
            Op::MaxPool3d(p) if p.is_blocks() => Class::Sum,
            Op::Resize(r) if r.mode == Interpolation::Trilinear && !r.align_corners => Class::Sum,
            Op::Conv3d(_) => Class::Sum,
            _ => Class::Whole,
        };
        class.push(c);
    }
    class
}

/// Multiply-accumulates, or what takes as long, of one value.
fn work(graph: &Graph<Op>, facts: &[Fact], v: Value) -> f64 {
    let y = facts[v.0];
    let x = graph.inputs(v).first().map_or(y, |i| facts[i.0]);
    let numbers = y.channels as f64 * volume(&y);
    match &graph.node(v).op {
        Op::Conv3d(c) => numbers * (x.channels / c.groups.max(1)) as f64 * c.kernel.0.iter().product::<usize>() as f64,
        Op::ConvTranspose3d(_) => numbers * x.channels as f64 + 12.0 * numbers,
        Op::Resize(_) => 12.0 * numbers,
        Op::MaxPool3d(p) => numbers * 2.0 * p.kernel.0.iter().product::<usize>() as f64,
        Op::Activation(_) => 14.0 * numbers,
        Op::Softmax(_) => 20.0 * numbers,
        Op::Concat(_) | Op::Slice(_) | Op::Input(_) => 0.0,
        _ => 4.0 * numbers,
    }
}

fn volume(f: &Fact) -> f64 {
    f.batch as f64 * f.size.iter().map(|n| *n as f64).product::<f64>()
}

struct Chooser<'a> {
    graph: &'a Graph<Op>,
    facts: &'a [Fact],
    c: StageChoice,
    /// Convolutions that follow each other within a stage.
    depth: Vec<usize>,
    /// What [`work`] gives for each value.
    work: Vec<f64>,
}

/// What a stage makes and what it reads.
struct Found {
    /// Those that are in either list.
    seen: Vec<bool>,
    made: Vec<Value>,
    read: Vec<Value>,
}

impl Found {
    fn forget(&mut self) {
        for v in self.made.drain(..).chain(self.read.drain(..)) {
            self.seen[v.0] = false;
        }
    }
}

/// Decides for a graph at sizes.
pub fn choose(graph: &Graph<Op>, facts: &[Fact]) -> StageChoice {
    let class = classify(graph, facts);
    let n = graph.len();
    let mut kept: Vec<bool> = class.iter().map(|c| matches!(c, Class::Input | Class::Whole)).collect();
    let volume = |v: Value| !matches!(class[v.0], Class::Vector);
    graph.outputs.iter().filter(|(_, v)| volume(*v)).for_each(|(_, v)| kept[v.0] = true);
    // What is computed by itself takes its inputs from memory.
    for v in graph.values().filter(|v| class[v.0] == Class::Whole) {
        reads(graph, v).iter().filter(|i| volume(**i)).for_each(|i| kept[i.0] = true);
    }
    // A stage on another grid would take a dilated convolution into itself, where it is slow.
    let dilated = by_dilated(graph, &class);
    for v in graph.values().filter(|v| class[v.0] == Class::Sum) {
        reads(graph, v).iter().filter(|x| facts[x.0].size != facts[v.0].size).for_each(|x| kept[x.0] |= dilated[x.0]);
    }
    let fixed = kept.clone();
    let mut measured = BTreeSet::new();
    for v in graph.values() {
        let reduces = match graph.node(v).op {
            Op::GroupNorm(_) => class[v.0] == Class::Point,
            Op::GlobalAvgPool(_) => class[v.0] == Class::Vector && !is_vector(&facts[graph.inputs(v)[0].0]),
            _ => false,
        };
        if reduces {
            measured.extend(pieces(graph, facts, graph.inputs(v)[0]).into_iter().map(|p| p.0));
        }
    }
    let c = StageChoice { class, kept, epoch: vec![0; n], far: vec![0; n], fused: vec![false; n], measured, stages: BTreeMap::new() };
    let work = graph.values().map(|v| work(graph, facts, v)).collect();
    let mut chooser = Chooser { graph, facts, c, depth: vec![0; n], work };
    // Each round keeps at least one value more.
    for _ in 0..=n {
        chooser.schedule();
        if !chooser.keep_more() {
            break;
        }
    }
    chooser.drop_unread(&fixed);
    chooser.c
}

impl Chooser<'_> {
    /// Whether the moments or the volume of a value are wanted.
    fn wanted(&self, v: Value) -> bool {
        let made = matches!(self.c.class[v.0], Class::Point | Class::Sum | Class::View | Class::Separable);
        self.c.measured.contains(&v) || made && self.c.kept[v.0]
    }

    fn schedule(&mut self) {
        let (g, facts) = (self.graph, self.facts);
        for v in g.values() {
            let inputs = reads(g, v);
            let vector = |i: &Value| is_vector(&facts[i.0]);
            let ready = inputs.iter().filter(|i| vector(i)).map(|i| self.c.epoch[i.0]).max().unwrap_or(0);
            let local = inputs.iter().filter(|i| !vector(i)).map(|i| self.c.epoch[i.0]).max().unwrap_or(0).max(ready);
            let far = inputs.iter().filter(|i| !vector(i)).map(|i| self.c.far[i.0]).max().unwrap_or(0).max(ready);
            let near = |e: usize| {
                inputs
                    .iter()
                    .filter(|i| self.c.epoch[i.0] == e && !self.c.kept[i.0] | (self.c.far[i.0] > e))
                    .map(|i| self.depth[i.0])
                    .max()
                    .unwrap_or(0)
            };
            let measured = |v: Value| pieces(g, facts, v).into_iter().map(|p| self.c.epoch[p.0.0] + 1).max().unwrap_or(0);
            self.c.fused[v.0] = false;
            let (epoch, far, depth) = match (&g.node(v).op, self.c.class[v.0]) {
                (_, Class::Input) => (0, 0, 0),
                (_, Class::Whole) => (far, far, 0),
                (_, Class::Separable) => {
                    let e = inputs
                        .iter()
                        .filter(|i| vector(i) || self.c.class[i.0] == Class::Separable)
                        .map(|i| self.c.epoch[i.0])
                        .max()
                        .unwrap_or(0);
                    (e, e, 0)
                }
                (Op::GlobalAvgPool(_), Class::Vector) if !vector(&inputs[0]) => (measured(inputs[0]), measured(inputs[0]), 0),
                (_, Class::Vector) => (ready, ready, 0),
                (Op::GroupNorm(_), Class::Point) => {
                    let e = local.max(measured(inputs[0]));
                    (e, far.max(e), near(e))
                }
                (Op::Conv3d(c), _) if c.is_pointwise() => (local, far, near(local)),
                (Op::Conv3d(c), _) if c.stride.0 == [1; 3] && self.same_grid(v) => {
                    let near = near(local);
                    let fuse = local < far && near <= 1 && self.halo_cost(v, local) <= 2.0 * MOVE * self.floats(inputs[0]);
                    self.c.fused[v.0] = fuse;
                    if fuse { (local, far, near + 1) } else { (far, far, 1) }
                }
                (_, Class::Sum) => (far, far, 0),
                _ => (local, far, near(local)),
            };
            self.c.epoch[v.0] = epoch;
            self.depth[v.0] = depth;
            let stage = self.c.kept[v.0] && !matches!(self.c.class[v.0], Class::Input | Class::Whole);
            self.c.far[v.0] = if stage { epoch + 1 } else { far.max(epoch) };
        }
        self.c.stages.clear();
        let wanted: Vec<Value> = g.values().filter(|v| self.wanted(*v)).collect();
        for v in wanted {
            self.c.stages.entry((self.c.epoch[v.0], facts[v.0].size)).or_default().push(v);
        }
    }

    fn same_grid(&self, v: Value) -> bool {
        self.facts[v.0].size == self.facts[self.graph.inputs(v)[0].0].size
    }

    fn floats(&self, v: Value) -> f64 {
        self.facts[v.0].channels as f64 * volume(&self.facts[v.0])
    }

    /// What a convolution's look over the rows of its tile costs if its input is made in the same stage. Beyond all costs where the stage would
    /// have convolutions of several dilations: it falls into grids of their rows if all are alike.
    fn halo_cost(&self, v: Value, epoch: usize) -> f64 {
        let Op::Conv3d(c) = &self.graph.node(v).op else { return 0.0 };
        let halo = c.kernel.0[1] - 1;
        let mut seen = BTreeSet::new();
        let mut stack = reads(self.graph, v).to_vec();
        let mut cost = 0.0;
        while let Some(i) = stack.pop() {
            let memory = self.c.kept[i.0] && self.c.far[i.0] <= epoch;
            if memory || is_vector(&self.facts[i.0]) || !seen.insert(i) {
                continue;
            }
            if self.c.class[i.0] == Class::Sum {
                cost += self.work[i.0];
            }
            // So it does not where something comes from another grid.
            let alike = match &self.graph.node(i).op {
                Op::Conv3d(other) => other.is_pointwise() || other.dilation == c.dilation,
                _ => self.c.class[i.0] != Class::Sum || !is_dilated(c),
            };
            if !alike {
                return f64::INFINITY;
            }
            stack.extend(reads(self.graph, i));
        }
        cost * halo as f64 / ROWS
    }

    /// Adds what a stage makes for a value, and what it reads for it; `make`: even if it is in memory.
    fn closure(&self, v: Value, make: bool, epoch: usize, found: &mut Found) {
        if !make && (is_vector(&self.facts[v.0]) || self.c.class[v.0] == Class::Separable) || std::mem::replace(&mut found.seen[v.0], true)
        {
            return;
        }
        let memory = self.c.kept[v.0] && (self.c.far[v.0] <= epoch || self.c.class[v.0] == Class::Input);
        if memory && !make {
            found.read.push(v);
        } else {
            found.made.push(v);
            reads(self.graph, v).iter().for_each(|i| self.closure(*i, false, epoch, found));
        }
    }

    /// Keeps the first value that is cheaper to keep than to make again.
    fn keep_more(&mut self) -> bool {
        let mut found = Found { seen: vec![false; self.graph.len()], made: vec![], read: vec![] };
        let mut stages = vec![0usize; self.graph.len()];
        for ((epoch, _), sinks) in &self.c.stages {
            // A sink is made even though it is in memory afterwards.
            sinks.iter().for_each(|v| self.closure(*v, true, *epoch, &mut found));
            found.made.iter().for_each(|v| stages[v.0] += 1);
            found.forget();
        }
        // The one by whose keeping most is saved: not each of a chain of which the last is enough.
        let mut best: Option<(f64, Value)> = None;
        for v in self.graph.values() {
            if self.c.kept[v.0] || !matches!(self.c.class[v.0], Class::Point | Class::Sum) {
                continue;
            }
            let (stages, looked_at) = (stages[v.0], self.looked_at(v));
            // Nothing is made twice, and nobody looks at it from elsewhere.
            if stages == 0 || stages == 1 && !looked_at {
                continue;
            }
            self.closure(v, true, usize::MAX, &mut found);
            let again = found.made.iter().map(|v| self.work[v.0]).sum::<f64>()
                + found.read.iter().map(|v| MOVE / 2.0 * self.floats(*v)).sum::<f64>();
            let stages = stages as f64;
            let mut saved = (stages - 1.0) * again - 1.2 * MOVE * self.floats(v) * stages;
            // What a convolution that does not fuse looks at, when it is itself made by convolutions.
            if looked_at {
                let sum = |m: &&Value| self.c.class[m.0] == Class::Sum;
                let sums = found.made.iter().filter(sum).any(|m| !matches!(self.graph.node(*m).op, Op::Resize(_)));
                let heavy = found.made.iter().filter(sum).map(|v| self.work[v.0]).sum::<f64>();
                if sums && heavy > 2.0 * MOVE * self.floats(v) {
                    saved = saved.max(heavy - 2.4 * MOVE * self.floats(v));
                }
            }
            found.forget();
            if saved > 0.0 && best.is_none_or(|(s, _)| saved > s) {
                best = Some((saved, v));
            }
        }
        let Some((_, v)) = best else { return false };
        self.c.kept[v.0] = true;
        true
    }

    /// Takes from memory what no stage reads there: a value is kept for a convolution that does not fuse, and by that the convolution may fuse. What
    /// is `fixed` stays.
    fn drop_unread(&mut self, fixed: &[bool]) {
        let mut found = Found { seen: vec![false; self.graph.len()], made: vec![], read: vec![] };
        let mut read = vec![false; self.graph.len()];
        for ((epoch, _), sinks) in &self.c.stages {
            sinks.iter().for_each(|v| self.closure(*v, true, *epoch, &mut found));
            found.read.iter().for_each(|v| read[v.0] = true);
            found.forget();
        }
        for v in self.graph.values().filter(|v| !fixed[v.0] && !read[v.0]) {
            self.c.kept[v.0] = false;
        }
        let (kept, measured) = (&self.c.kept, &self.c.measured);
        self.c.stages.values_mut().for_each(|sinks| sinks.retain(|v| kept[v.0] || measured.contains(v)));
        self.c.stages.retain(|_, sinks| !sinks.is_empty());
    }

    /// Whether something that does not run in its stage looks at a value, itself or as part of a concatenation.
    fn looked_at(&self, v: Value) -> bool {
        self.graph.users(v).any(|u| match &self.graph.node(u).op {
            Op::Conv3d(c) if !c.is_pointwise() => !self.c.fused[u.0],
            Op::MaxPool3d(_) => true,
            Op::Concat(_) | Op::Slice(_) => self.looked_at(u),
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests;
