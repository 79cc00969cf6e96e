//! What operations are in ONNX: nodes, their attributes, and the tensors that they take. Knows no protobuf: a target makes a file of an [`OnnxGraph`].
//!
//! Values keep rank 5, `[N, C, D, H, W]`. Where a length is free, so that one file serves every size, an operation that needs it takes it from
//! the shape of an input when the network runs; where all lengths are known it is a constant.

use std::collections::HashSet;

use super::{Fact, Operator, Triple, Weight};

/// A tensor of an ONNX graph, by its name; the empty name stands for an input that is left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OnnxValue(pub String);

impl OnnxValue {
    /// An optional input of a node that is not given.
    pub fn none() -> Self {
        Self(String::new())
    }
}

/// An attribute of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum OnnxAttribute {
    Int(i64),
    Float(f32),
    Text(String),
    Ints(Vec<i64>),
}

impl OnnxAttribute {
    /// Numbers for depth, height and width at the near side and again at the far side: the `pads` of windows.
    pub fn both_sides(t: Triple) -> Self {
        Self::Ints([t.0, t.0].concat().into_iter().map(int).collect())
    }
}

impl From<usize> for OnnxAttribute {
    fn from(n: usize) -> Self {
        Self::Int(int(n))
    }
}

impl From<f64> for OnnxAttribute {
    fn from(v: f64) -> Self {
        Self::Float(v as f32)
    }
}

impl From<&str> for OnnxAttribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Triple> for OnnxAttribute {
    fn from(t: Triple) -> Self {
        Self::Ints(t.0.map(int).to_vec())
    }
}

/// ONNX counts in 64 bits with a sign; what is beyond was refused when the graph was compiled.
fn int(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A node with one output, after which it is named.
#[derive(Clone, Debug, PartialEq)]
pub struct OnnxNode {
    /// `Conv`
    pub op_type: &'static str,
    pub inputs: Vec<OnnxValue>,
    pub output: OnnxValue,
    pub attributes: Vec<(&'static str, OnnxAttribute)>,
}

/// What a graph holds beside its nodes.
#[derive(Clone, Debug, PartialEq)]
pub enum OnnxTensor {
    /// The weight of that name (`enc1.conv.weight`), its numbers read in these dimensions.
    Weight {
        of: String,
        dims: Vec<usize>,
    },
    Floats {
        dims: Vec<usize>,
        values: Vec<f32>,
    },
    Ints {
        dims: Vec<usize>,
        values: Vec<i64>,
    },
}

/// An input of an operation.
#[derive(Clone, Debug)]
pub struct OnnxInput {
    pub value: OnnxValue,
    /// At the size the network was compiled for.
    pub fact: Fact,
    /// D, H, W of it for several sizes of the network's input, that of `fact` first; alone where all lengths are fixed. What is the same for all
    /// of them is taken to be the same for every size.
    pub sizes: Vec<[usize; 3]>,
}

/// Where an operation stands.
#[derive(Clone, Debug)]
pub struct OnnxSite<'a> {
    /// The name of its output, which is its own.
    pub name: String,
    /// The path of the operation whose weights it uses: mostly its own.
    pub weights: &'a str,
    pub inputs: Vec<OnnxInput>,
}

/// Nodes in an order that can be run, and their tensors.
#[derive(Clone, Debug)]
pub struct OnnxGraph {
    /// The version of ONNX's operator set.
    pub opset: u32,
    /// Whether the batch is free; else it is that of the facts.
    pub free_batch: bool,
    pub nodes: Vec<OnnxNode>,
    pub tensors: Vec<(String, OnnxTensor)>,
    taken: HashSet<String>,
}

impl OnnxGraph {
    /// Without nodes.
    pub fn new(opset: u32, free_batch: bool) -> Self {
        Self { opset, free_batch, nodes: vec![], tensors: vec![], taken: HashSet::new() }
    }

    /// A name that no tensor has: the wanted one, or that with a number.
    pub fn fresh(&mut self, wanted: &str) -> String {
        let mut name = if wanted.is_empty() { "value".to_owned() } else { wanted.to_owned() };
        let mut n = 1usize;
        while !self.taken.insert(name.clone()) {
            n += 1;
            name = format!("{wanted}_{n}");
        }
        name
    }

    /// Writes the nodes of an operation; `None` where it has none, at this operator set, and is to be expanded.
    pub fn write(&mut self, op: &impl Operator, site: &OnnxSite<'_>) -> Option<OnnxValue> {
        let before = self.nodes.len();
        let facts: Vec<Fact> = site.inputs.iter().map(|i| i.fact).collect();
        let weights = [op.weights(&facts), op.buffers(&facts)].concat();
        let value = op.onnx(&mut OnnxBuilder { graph: self, site, weights })?;
        // The node that makes the output takes the operation's name; its other nodes are named after it.
        let made = self.nodes.iter().skip(before).any(|n| n.output == value);
        if !made {
            return Some(value);
        }
        let own = OnnxValue(site.name.clone());
        for node in self.nodes.iter_mut().skip(before) {
            let named = node.inputs.iter_mut().chain([&mut node.output]);
            named.filter(|v| **v == value).for_each(|v| *v = own.clone());
        }
        self.taken.remove(&value.0);
        Some(own)
    }

    /// Leaves out the tensors that no node takes.
    pub fn prune(&mut self) {
        let read: HashSet<&str> = self.nodes.iter().flat_map(|n| &n.inputs).map(|v| v.0.as_str()).collect();
        self.tensors.retain(|(name, _)| read.contains(name.as_str()));
    }

    /// A node that gives a value under a further name.
    pub fn rename(&mut self, value: &OnnxValue, name: &str) {
        let output = OnnxValue(name.to_owned());
        self.nodes.push(OnnxNode { op_type: "Identity", inputs: vec![value.clone()], output, attributes: vec![] });
    }

    fn tensor(&mut self, wanted: &str, tensor: OnnxTensor) -> OnnxValue {
        if let Some((name, _)) = self.tensors.iter().find(|(_, t)| *t == tensor) {
            return OnnxValue(name.clone());
        }
        let name = self.fresh(wanted);
        self.tensors.push((name.clone(), tensor));
        OnnxValue(name)
    }
}

/// What an operation writes its nodes with.
#[derive(Debug)]
pub struct OnnxBuilder<'a> {
    graph: &'a mut OnnxGraph,
    site: &'a OnnxSite<'a>,
    weights: Vec<Weight>,
}

impl OnnxBuilder<'_> {
    /// The version of the operator set: a node that came later is not written.
    pub fn opset(&self) -> u32 {
        self.graph.opset
    }

    /// An input of the operation.
    pub fn x(&self, slot: usize) -> OnnxValue {
        self.site.inputs.get(slot).map_or_else(OnnxValue::none, |i| i.value.clone())
    }

    /// All of them.
    pub fn inputs(&self) -> Vec<OnnxValue> {
        self.site.inputs.iter().map(|i| i.value.clone()).collect()
    }

    /// Channels of an input.
    pub fn channels(&self, slot: usize) -> usize {
        self.site.inputs.get(slot).map_or(0, |i| i.fact.channels)
    }

    /// D, H, W of an input for several sizes of the network's: see [`OnnxInput::sizes`].
    pub fn sizes(&self, slot: usize) -> &[[usize; 3]] {
        self.site.inputs.get(slot).map_or(&[], |i| &i.sizes)
    }

    /// D, H, W of an input where they are the same for every size of the network's input.
    pub fn fixed_size(&self, slot: usize) -> Option<[usize; 3]> {
        let (first, rest) = self.sizes(slot).split_first()?;
        rest.iter().all(|s| s == first).then_some(*first)
    }

    /// A weight or a buffer of the operation, in its own dimensions.
    pub fn weight(&mut self, name: &str) -> OnnxValue {
        let dims = self.weights.iter().find(|w| w.name == name).map(|w| w.dims.clone()).unwrap_or_default();
        self.weight_as(name, dims)
    }

    /// The same in other dimensions of as many numbers.
    pub fn weight_as(&mut self, name: &str, dims: impl Into<Vec<usize>>) -> OnnxValue {
        let of = format!("{}.{name}", self.site.weights);
        self.graph.tensor(&of.clone(), OnnxTensor::Weight { of, dims: dims.into() })
    }

    /// A weight with one number a channel, which fits volumes: `[C, 1, 1, 1]`.
    pub fn weight_by_channel(&mut self, name: &str) -> OnnxValue {
        let count = self.weights.iter().find(|w| w.name == name).map_or(1, |w| w.dims.iter().product());
        self.weight_as(name, [count, 1, 1, 1])
    }

    /// A constant.
    pub fn floats(&mut self, dims: impl Into<Vec<usize>>, values: Vec<f32>) -> OnnxValue {
        self.graph.tensor("constant", OnnxTensor::Floats { dims: dims.into(), values })
    }

    /// One number, which fits all shapes.
    pub fn scalar(&mut self, value: f64) -> OnnxValue {
        self.floats([], vec![value as f32])
    }

    /// A list of whole numbers.
    pub fn ints(&mut self, values: &[i64]) -> OnnxValue {
        self.graph.tensor("constant", OnnxTensor::Ints { dims: vec![values.len()], values: values.to_vec() })
    }

    /// Whole numbers in some dimensions.
    pub fn indices(&mut self, dims: impl Into<Vec<usize>>, values: impl IntoIterator<Item = usize>) -> OnnxValue {
        let values = values.into_iter().map(int).collect();
        self.graph.tensor("constant", OnnxTensor::Ints { dims: dims.into(), values })
    }

    /// One whole number.
    pub fn int(&mut self, value: i64) -> OnnxValue {
        self.graph.tensor("constant", OnnxTensor::Ints { dims: vec![], values: vec![value] })
    }

    /// Three numbers for D, H, W as a list.
    pub fn triple(&mut self, values: [usize; 3]) -> OnnxValue {
        self.ints(&values.map(int))
    }

    /// Adds a node.
    pub fn node(&mut self, op_type: &'static str, inputs: &[OnnxValue], attributes: Vec<(&'static str, OnnxAttribute)>) -> OnnxValue {
        let output = OnnxValue(self.graph.fresh(&format!("{}.{op_type}", self.site.name)));
        self.graph.nodes.push(OnnxNode { op_type, inputs: inputs.to_vec(), output: output.clone(), attributes });
        output
    }

    /// D, H, W of an input as a list: a constant, or what its shape says when the network runs.
    pub fn size(&mut self, slot: usize) -> OnnxValue {
        match self.fixed_size(slot) {
            Some(size) => self.triple(size),
            None => self.part_of_shape(slot, 2, 5),
        }
    }

    /// The shape `[N, channels, D, H, W]` as a list, with the batch of the first input and `size`, a list of D, H, W.
    pub fn shape(&mut self, channels: usize, size: OnnxValue) -> OnnxValue {
        let batch = if self.graph.free_batch {
            self.part_of_shape(0, 0, 1)
        } else {
            let batch = self.site.inputs.first().map_or(1, |i| i.fact.batch);
            self.ints(&[int(batch)])
        };
        let channels = self.ints(&[int(channels)]);
        self.join(&[batch, channels, size])
    }

    /// Lists of whole numbers one after the other; a constant where all of them are.
    pub fn join(&mut self, parts: &[OnnxValue]) -> OnnxValue {
        let constant = |v: &OnnxValue| match self.graph.tensors.iter().find(|(name, _)| *name == v.0) {
            Some((_, OnnxTensor::Ints { values, .. })) => Some(values.clone()),
            _ => None,
        };
        match parts.iter().map(constant).collect::<Option<Vec<_>>>() {
            Some(lists) => self.ints(&lists.concat()),
            None => self.node("Concat", parts, vec![("axis", OnnxAttribute::Int(0))]),
        }
    }

    fn part_of_shape(&mut self, slot: usize, from: i64, to: i64) -> OnnxValue {
        let x = self.x(slot);
        let shape = self.node("Shape", &[x], vec![]);
        let (from, to) = (self.ints(&[from]), self.ints(&[to]));
        self.node("Slice", &[shape, from, to], vec![])
    }

    /// Voxels `start .. end` of each axis, `end` a list of three.
    pub fn voxels(&mut self, x: OnnxValue, start: [usize; 3], end: OnnxValue) -> OnnxValue {
        let (start, axes) = (self.triple(start), self.ints(&[2, 3, 4]));
        self.node("Slice", &[x, start, end, axes], vec![])
    }

    /// The same numbers in other dimensions: 0 stands for that of the value in its place, -1 for what is left.
    pub fn reshape(&mut self, x: OnnxValue, dims: &[i64]) -> OnnxValue {
        let dims = self.ints(dims);
        self.node("Reshape", &[x, dims], vec![])
    }

    /// Axes in another order.
    pub fn transpose(&mut self, x: OnnxValue, order: &[i64]) -> OnnxValue {
        self.node("Transpose", &[x], vec![("perm", OnnxAttribute::Ints(order.to_vec()))])
    }

    /// A volume `[N, C, D, H, W]` as heads `[N, heads, C / heads, voxels]`.
    pub fn heads(&mut self, slot: usize, heads: usize) -> OnnxValue {
        let d = self.channels(slot) / heads.max(1);
        let x = self.x(slot);
        self.reshape(x, &[0, int(heads), int(d), -1])
    }

    /// Numbers in the order of memory as a volume `[N, channels, D, H, W]` on the grid of an input.
    pub fn volume(&mut self, x: OnnxValue, channels: usize, like: usize) -> OnnxValue {
        let size = self.size(like);
        let shape = self.shape(channels, size);
        self.node("Reshape", &[x, shape], vec![])
    }

    /// Sums or means over some axes, which stay with a length of 1. The axes became an input with set 18; those of sums with set 13.
    pub fn reduce(&mut self, op_type: &'static str, x: OnnxValue, axes: &[i64]) -> OnnxValue {
        if self.opset() < 18 && op_type != "ReduceSum" {
            return self.node(op_type, &[x], vec![("axes", OnnxAttribute::Ints(axes.to_vec()))]);
        }
        let axes = self.ints(axes);
        self.node(op_type, &[x, axes], vec![])
    }
}
