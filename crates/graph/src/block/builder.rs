//! How a block draws itself: operations added one after the other under the block's path.

use super::{Axes, Connected};
use crate::ir::{Fault, Graph, Initialisation, Triple, Value};
use crate::op::{Activation, Conv3d, GroupNorm, Linear, Op};

/// Adds operations to the op graph, naming each after the block that asked for it.
pub struct Builder<'a> {
    graph: &'a mut Graph<Op>,
    scope: String,
    /// Whether the graph is in two dimensions: the depth of every value is 1.
    flat: bool,
}

impl<'a> Builder<'a> {
    /// A builder for the node at `scope` (`enc1.ghost1`).
    pub fn new(graph: &'a mut Graph<Op>, scope: impl Into<String>) -> Self {
        Self { graph, scope: scope.into(), flat: false }
    }

    /// The same in two dimensions, if `flat`.
    pub fn flat(self, flat: bool) -> Self {
        Self { flat, ..self }
    }

    /// What a field says of each axis; in two dimensions the depth is `neutral` where it is not given.
    ///
    /// # Errors
    /// E0104 on the field `name` for numbers of another count than the graph has axes.
    pub fn axes(&self, name: &'static str, axes: Axes, neutral: usize) -> Result<Triple, Fault> {
        axes.over(self.flat, neutral).map_err(|f| f.on(name))
    }

    /// The same of a field that may be absent.
    ///
    /// # Errors
    /// As [`Builder::axes`].
    pub fn maybe_axes(&self, name: &'static str, axes: Option<Axes>, neutral: usize) -> Result<Option<Triple>, Fault> {
        axes.map(|axes| self.axes(name, axes, neutral)).transpose()
    }

    /// A kernel or a stride of `n` along each axis that the graph has.
    pub fn cube(&self, n: usize) -> Triple {
        Triple([if self.flat { 1 } else { n }, n, n])
    }

    /// A builder one level deeper.
    pub fn scope(&mut self, name: &str) -> Builder<'_> {
        let scope = self.path(name);
        Builder { graph: self.graph, scope, flat: self.flat }
    }

    /// Adds an operation; its weights are called `<block's path>.<name>.<weight>`.
    /// An empty name gives the block's own path: for blocks that are one operation.
    ///
    /// # Errors
    /// The operation's fault when the inputs do not fit.
    pub fn op(&mut self, name: &str, op: impl Into<Op>, inputs: &[Value]) -> Result<Value, Fault> {
        let path = self.path(name);
        self.graph.add(path, op.into(), inputs)
    }

    /// Adds an operation that uses the weights of `owner`.
    ///
    /// # Errors
    /// The operation's fault when the inputs do not fit.
    pub fn shared(&mut self, name: &str, inputs: &[Value], owner: Value) -> Result<Value, Fault> {
        let path = self.path(name);
        let op = self.graph.node(owner).op.clone();
        self.graph.add_shared(path, op, inputs, owner)
    }

    /// Lets the weights of the operation that gives `v` start otherwise than PyTorch's do.
    ///
    /// # Errors
    /// E0401 for what cannot be drawn.
    pub fn start(&mut self, v: Value, init: Initialisation) -> Result<(), Fault> {
        self.graph.start(v, init)
    }

    /// The channels of a value.
    pub fn channels(&self, v: Value) -> usize {
        self.graph.fact(v).channels
    }

    /// The voxels of a value along each axis at the size that the graph is compiled for: for what is learned for one size alone.
    pub fn size(&self, v: Value) -> [usize; 3] {
        self.graph.fact(v).size
    }

    /// A block used inside a block, under its own name.
    ///
    /// # Errors
    /// The inner block's fault.
    pub fn block<B: super::Block>(&mut self, name: &str, block: &B, inputs: &[(&'static str, Value)]) -> Result<Vec<Value>, Fault> {
        let mut x = Connected::default();
        inputs.iter().for_each(|(port, v)| x.connect(port, *v));
        block.lower(&mut self.scope(name), &x)
    }

    /// A 1x1x1 convolution with bias.
    ///
    /// # Errors
    /// The operation's fault when the inputs do not fit.
    pub fn pointwise(&mut self, name: &str, out: usize, x: Value) -> Result<Value, Fault> {
        self.op(name, Conv3d::new(out, Triple::all(1)), &[x])
    }

    /// A linear layer with bias.
    ///
    /// # Errors
    /// The operation's fault when the inputs do not fit.
    pub fn linear(&mut self, name: &str, out: usize, x: Value) -> Result<Value, Fault> {
        self.op(name, Linear::new(out), &[x])
    }

    /// Group normalisation.
    ///
    /// # Errors
    /// The operation's fault when the inputs do not fit.
    pub fn norm(&mut self, name: &str, groups: usize, x: Value) -> Result<Value, Fault> {
        self.op(name, GroupNorm::new(groups), &[x])
    }

    /// SiLU.
    ///
    /// # Errors
    /// The operation's fault when the inputs do not fit.
    pub fn silu(&mut self, name: &str, x: Value) -> Result<Value, Fault> {
        self.op(name, Activation::SILU, &[x])
    }

    fn path(&self, name: &str) -> String {
        match (self.scope.as_str(), name) {
            (scope, "") => scope.to_owned(),
            ("", name) => name.to_owned(),
            (scope, name) => format!("{scope}.{name}"),
        }
    }
}
