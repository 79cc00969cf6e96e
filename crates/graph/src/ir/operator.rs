//! What an operation must be able to say of itself.

use super::{Cost, Fact, Fault, count};

/// How a weight starts (PyTorch's defaults).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    Zeros,
    Ones,
    /// Uniform in `[-bound, bound]`; convolutions and linear layers use `1 / sqrt(fan in)`.
    Uniform(f64),
}

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
pub enum Reach {
    /// The one in its own place of each input (where an input is repeated, the one that stands for it): such operations can run
    /// one after the other on each number, without a volume between them.
    Place,
    /// Others as well, but never one that has been overwritten when the output is written over an input of its shape.
    Own,
    /// Any.
    Any,
}

/// What an operation's backward pass reads again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Its first and its second input.
    pub inputs: [bool; 2],
    pub output: bool,
    /// Bytes beside these, whatever the precision: statistics, the winners of a pooling.
    pub bytes: u64,
}

impl Kept {
    /// Its first input.
    pub const INPUT: Self = Self { inputs: [true, false], output: false, bytes: 0 };
    /// Its output.
    pub const OUTPUT: Self = Self { inputs: [false, false], output: true, bytes: 0 };
}

/// An operation: what it takes, gives, holds and costs. Each gives exactly one value.
pub trait Operator {
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

    /// Arithmetic and memory, without the parameters.
    ///
    /// # Errors
    /// When a count is beyond 64 bits.
    fn work(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault>;

    /// What is kept for its backward pass; `learns` says which inputs need a gradient, at least one of them or a weight does.
    fn kept(&self, _x: &[Fact], _learns: &[bool]) -> Kept {
        Kept::default()
    }

    /// Whether an operation of this kind, if it alone reads the output, is computed along with this one: what is between the two is
    /// then not kept for the backward pass.
    fn absorbs(&self, _next: &str) -> bool {
        false
    }

    /// Whether what an operation of this kind makes, if this one alone reads it, may be left to this one, which may then make the two in
    /// one sweep.
    fn takes(&self, _before: &str) -> bool {
        false
    }

    /// Which numbers one number of its output needs.
    fn reach(&self) -> Reach {
        Reach::Any
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
