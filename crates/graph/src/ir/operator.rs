//! What an operation must be able to say of itself. Passes, the memory count, targets and tables ask it and know no operation by name.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use super::{Cost, Fact, Fault, Init, Length, OnnxBuilder, OnnxValue, Volume64, Weights64, count};

/// One learned tensor, laid out as PyTorch lays it out.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// The last part of its path: `weight` or `bias`.
    pub name: &'static str,
    pub dims: Vec<usize>,
    pub init: Init,
}

impl Weight {
    pub fn new(name: &'static str, dims: impl Into<Vec<usize>>, init: Init) -> Self {
        Self { name, dims: dims.into(), init }
    }
}

/// Which numbers of its inputs one number of an output needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The one in its own place of each input (where an input is repeated, the one that stands for it): such operations can be fused
    /// into one pass over memory.
    Elementwise,
    /// Others as well, but never one that has been overwritten when the output is written over an input of its shape.
    InPlace,
    /// Any.
    Arbitrary,
}

/// What an operation's backward pass reads again (`ctx.save_for_backward`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedForBackward {
    /// The slots of the inputs that it reads.
    pub inputs: Vec<usize>,
    pub output: bool,
    /// Bytes beside these, whatever the precision: statistics, the winners of a pooling.
    pub bytes: u64,
}

impl SavedForBackward {
    /// Its first input.
    pub fn input() -> Self {
        Self { inputs: vec![0], ..Self::default() }
    }

    /// Its output.
    pub fn output() -> Self {
        Self { output: true, ..Self::default() }
    }

    /// Nothing of its values, and so many bytes.
    pub fn bytes(bytes: u64) -> Self {
        Self { bytes, ..Self::default() }
    }
}

/// Rows `start .. start + rows` of the first dimension of a weight, read in other dimensions of as many numbers; one number may be
/// repeated to fill them.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightView {
    /// The weight's name in the operation that is expanded.
    pub of: &'static str,
    pub start: usize,
    pub rows: usize,
    pub dims: Vec<usize>,
}

/// An operation inside an expansion.
#[derive(Clone, Debug)]
pub struct ExpandedNode {
    /// Where it stands, under the path of the operation that is expanded.
    pub name: &'static str,
    pub op: Arc<dyn Operator>,
    pub inputs: Vec<Expanded>,
    /// Its weights by name, as views of the operation's own.
    pub weights: Vec<(&'static str, WeightView)>,
}

/// A value inside an expansion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expanded {
    /// An input of the operation that is expanded, by slot.
    Input(usize),
    /// The output of a node of the expansion.
    Node(usize),
}

/// What an operation stands for: simpler operations, the last of which gives its output.
#[derive(Clone, Debug)]
pub struct Expansion {
    pub nodes: Vec<ExpandedNode>,
    pub output: Expanded,
}

impl Default for Expansion {
    fn default() -> Self {
        Self { nodes: vec![], output: Expanded::Input(0) }
    }
}

impl Expansion {
    /// Adds an operation without weights; its output becomes that of the expansion.
    pub fn add(&mut self, name: &'static str, op: impl Operator, inputs: &[Expanded]) -> Expanded {
        self.with(name, op, inputs, vec![])
    }

    /// Adds an operation whose weights are views.
    pub fn with(
        &mut self,
        name: &'static str,
        op: impl Operator,
        inputs: &[Expanded],
        weights: Vec<(&'static str, WeightView)>,
    ) -> Expanded {
        self.nodes.push(ExpandedNode { name, op: Arc::new(op), inputs: inputs.to_vec(), weights });
        self.output = Expanded::Node(self.nodes.len() - 1);
        self.output
    }
}

/// An operation: what it takes, gives, holds and costs. Each gives exactly one value.
pub trait Operator: Any + Debug + Send + Sync {
    /// Its name: `conv3d`.
    fn kind(&self) -> &'static str;

    /// The fact of its output, or why there is none.
    ///
    /// # Errors
    /// A fault that names what does not fit.
    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault>;

    /// Its learned tensors, for inputs that `infer` accepted.
    fn weights(&self, _x: &[Fact]) -> Vec<Weight> {
        vec![]
    }

    /// Tensors that it holds and that no gradient moves: running statistics. They are saved with the weights, not counted as
    /// parameters and not given to the optimiser.
    fn buffers(&self, _x: &[Fact]) -> Vec<Weight> {
        vec![]
    }

    /// Arithmetic and memory, without the parameters.
    ///
    /// # Errors
    /// When a count is beyond 64 bits.
    fn work(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault>;

    /// What is saved for its backward pass; `learns` says which inputs need a gradient, at least one of them or a weight does.
    fn saved(&self, _x: &[Fact], _learns: &[bool]) -> SavedForBackward {
        SavedForBackward::default()
    }

    /// Whether an operation of this kind, if it alone reads the output, is computed along with this one: what is between the two is
    /// then not saved for the backward pass.
    fn fuses_epilogue(&self, _next: &str) -> bool {
        false
    }

    /// Whether what an operation of this kind makes, if this one alone reads it, may be left to this one, which may then make the two in
    /// one pass.
    fn fuses_producer(&self, _before: &str) -> bool {
        false
    }

    /// Which numbers one number of its output needs.
    fn access(&self) -> Access {
        Access::Arbitrary
    }

    /// Whether it reads the numbers of an input, and not only its shape.
    fn reads(&self, _slot: usize) -> bool {
        true
    }

    /// Whether its inputs may change places.
    fn commutes(&self) -> bool {
        false
    }

    /// Whether equal inputs and weights give equal outputs; not so where it draws random numbers.
    fn is_pure(&self) -> bool {
        true
    }

    /// The length of an axis of its output from those of its inputs, for every size at once; `None` where nothing is known. By default
    /// that of its first input, of elementwise operations on two the one that is not repeated.
    fn length(&self, x: &[Length], _axis: usize) -> Option<Length> {
        match (self.access(), x) {
            (Access::Arbitrary, _) => None,
            (_, [x]) => Some(*x),
            (_, [a, b]) => a.broadcast(*b),
            _ => None,
        }
    }

    /// What ptflops 0.7.5 adds to the multiply-accumulates.
    ///
    /// # Errors
    /// When a count is beyond 64 bits.
    fn ptflops(&self, _x: &[Fact], _y: &Fact) -> Result<u64, Fault> {
        Ok(0)
    }

    /// What thop 0.1.1 counts for it, where that is not its multiply-accumulates.
    ///
    /// # Errors
    /// When a count is beyond 64 bits.
    fn thop(&self, _x: &[Fact], _y: &Fact) -> Result<Option<u64>, Fault> {
        Ok(None)
    }

    /// Its definition in float64, for inputs that `infer` accepted: what kernels are held to. `None`: its expansion is its definition.
    fn reference(&self, _weights: &Weights64, _x: &[&Volume64], _y: Fact) -> Option<Volume64> {
        None
    }

    /// The operations it stands for, for inputs that `infer` accepted; `None` for a primitive. A target that has no kernel for it runs
    /// these.
    fn expand(&self, _x: &[Fact]) -> Option<Expansion> {
        None
    }

    /// Its node in ONNX, or the few that it is there, for inputs that `infer` accepted; its output. `None` where the operator set has none: its
    /// expansion is then written.
    fn onnx(&self, _n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        None
    }

    /// Why its nodes in ONNX are for volumes of one size, where they are; else lengths may be free.
    fn fixed_in_onnx(&self) -> Option<&'static str> {
        None
    }

    /// The whole cost: [`Operator::work`], the parameters and the bytes moved.
    ///
    /// # Errors
    /// When a count is beyond 64 bits.
    fn cost(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let mut c = self.work(x, y)?;
        for w in self.weights(x) {
            c = c.plus(Cost { params: count(&w.dims)?, ..Cost::default() })?;
        }
        let mut read = c.params;
        for f in x {
            read = read.saturating_add(f.elements()?);
        }
        c.read = read.saturating_mul(4);
        c.written = y.elements()?.saturating_mul(4);
        Ok(c)
    }
}
