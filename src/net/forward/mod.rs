//! Operations on Burn tensors: learned tensors, the forward pass of each operation, outputs that are deferred to their only reader.
//!
//! Part of `net`; may use `op` and `kernel`.

mod lazy;
mod ops;

use burn::tensor::Tensor;

pub use lazy::LazyTensor;

use crate::op::Op;

/// A learned tensor as the network holds it, in PyTorch's layout.
#[derive(burn::module::Module, Debug)]
pub enum Learned {
    /// A bias or a norm's affine, `[C]`.
    Vector(burn::module::Param<Tensor<1>>),
    /// A linear layer's weight, `[out, in]`.
    Matrix(burn::module::Param<Tensor<2>>),
    /// A convolution's kernel, `[out, in / groups, kD, kH, kW]`.
    Kernel(burn::module::Param<Tensor<5>>),
}

/// An operation's learned tensors by name, in the precision that it computes in.
pub struct Weights<'a> {
    pub all: &'a [(&'static str, &'a Learned)],
    pub precision: burn::tensor::DType,
}

impl Weights<'_> {
    fn find(&self, name: &str) -> Option<&Learned> {
        self.all.iter().find(|(n, _)| *n == name).map(|(_, l)| *l)
    }

    /// The gradient of what is given comes back in the weight's own precision.
    fn given<const D: usize>(&self, weight: &burn::module::Param<Tensor<D>>) -> Tensor<D> {
        weight.val().cast(self.precision)
    }

    /// A vector, if the operation has it.
    pub fn vector(&self, name: &str) -> Option<Tensor<1>> {
        match self.find(name) {
            Some(Learned::Vector(p)) => Some(self.given(p)),
            _ => None,
        }
    }

    /// A matrix that the operation declares in [`Operator::weights`].
    pub fn matrix(&self, name: &str) -> Tensor<2> {
        match self.find(name) {
            Some(Learned::Matrix(p)) => self.given(p),
            _ => unreachable!("the network is built from the same list of weights"),
        }
    }

    /// A kernel that the operation declares in [`Operator::weights`].
    pub fn kernel(&self, name: &str) -> Tensor<5> {
        match self.find(name) {
            Some(Learned::Kernel(p)) => self.given(p),
            _ => unreachable!("the network is built from the same list of weights"),
        }
    }
}

/// The only input of an operation that takes one.
fn first<T>(x: Vec<T>) -> T {
    match x.into_iter().next() {
        Some(t) => t,
        None => unreachable!("the graph was inferred with an input here"),
    }
}

/// The inputs of an operation that takes two.
fn pair<T>(x: Vec<T>) -> [T; 2] {
    match x.try_into() {
        Ok(two) => two,
        Err(_) => unreachable!("the graph was inferred with two inputs here"),
    }
}

/// Running an operation on Burn.
pub trait Forward {
    /// Takes tensors `[N, C, D, H, W]` whose shapes `infer` accepts and gives one of the shape that it says.
    fn forward(&self, weights: &Weights, x: Vec<Tensor<5>>) -> Tensor<5>;

    /// Defers the output to the only operation that reads it ([`Operator::takes`]), which fuses the two. `places` are the indices of the
    /// inputs among the values of the graph.
    ///
    /// # Errors
    /// The inputs as they are, where the output is to be computed here.
    fn defer(&self, x: Vec<LazyTensor>, places: &[usize]) -> Result<LazyTensor, Vec<LazyTensor>> {
        let _ = places;
        Err(x)
    }

    /// Its output after an operation that it absorbs ([`Operator::absorbs`]).
    fn forward_with(&self, weights: &Weights, x: Vec<Tensor<5>>, next: &Op) -> Tensor<5> {
        next.forward(&Weights { all: &[], ..*weights }, vec![self.forward(weights, x)])
    }
}

macro_rules! dispatch {
    ($op:expr, $o:ident => $call:expr) => {
        match $op {
            Op::Input($o) => $call,
            Op::Conv3d($o) => $call,
            Op::ConvTranspose3d($o) => $call,
            Op::Linear($o) => $call,
            Op::GroupNorm($o) => $call,
            Op::Activation($o) => $call,
            Op::Softmax($o) => $call,
            Op::MaxPool3d($o) => $call,
            Op::GlobalAvgPool($o) => $call,
            Op::Resize($o) => $call,
            Op::Concat($o) => $call,
            Op::Slice($o) => $call,
            Op::Add($o) => $call,
            Op::Sub($o) => $call,
            Op::Mul($o) => $call,
            Op::ScaleShift($o) => $call,
            Op::PositionMap($o) => $call,
        }
    };
}

impl Forward for Op {
    fn forward(&self, weights: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        dispatch!(self, o => o.forward(weights, x))
    }

    fn defer(&self, x: Vec<LazyTensor>, places: &[usize]) -> Result<LazyTensor, Vec<LazyTensor>> {
        dispatch!(self, o => o.defer(x, places))
    }

    fn forward_with(&self, weights: &Weights, x: Vec<Tensor<5>>, next: &Op) -> Tensor<5> {
        dispatch!(self, o => o.forward_with(weights, x, next))
    }
}
