//! What machines run: one file per operation, each with its shape rule, its cost, its weights and its Burn forward.
//!
//! Level 2: may use `text`, `ir` and (with feature `run`) `kernel`.
//!
//! Adding an operation: one file, its `mod` line, and its name in the list below.

mod activation;
mod add;
mod arity;
mod concat;
mod conv3d;
mod conv_transpose3d;
mod global_avg_pool;
mod group_norm;
#[cfg(feature = "run")]
mod held;
mod input;
mod linear;
mod max_pool3d;
mod mul;
mod position_map;
mod resize;
mod scale_shift;
mod slice;
mod softmax;
mod sub;

pub use activation::Function;
#[cfg(feature = "run")]
pub use held::Held;

use crate::ir::{Cost, Fact, Fault, Kept, Operator, Reach, Weight};
#[cfg(feature = "run")]
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// A learned tensor as the network holds it, in PyTorch's layout.
#[cfg(feature = "run")]
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
#[cfg(feature = "run")]
pub struct Weights<'a> {
    pub all: &'a [(&'static str, &'a Learned)],
    pub precision: burn::tensor::DType,
}

#[cfg(feature = "run")]
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
#[cfg(feature = "run")]
fn first<T>(x: Vec<T>) -> T {
    match x.into_iter().next() {
        Some(t) => t,
        None => unreachable!("the graph was inferred with an input here"),
    }
}

/// The inputs of an operation that takes two.
#[cfg(feature = "run")]
fn pair<T>(x: Vec<T>) -> [T; 2] {
    match x.try_into() {
        Ok(two) => two,
        Err(_) => unreachable!("the graph was inferred with two inputs here"),
    }
}

/// Running an operation on Burn.
#[cfg(feature = "run")]
pub trait Forward {
    /// Takes tensors `[N, C, D, H, W]` whose shapes `infer` accepts and gives one of the shape that it says.
    fn forward(&self, weights: &Weights, x: Vec<Tensor<5>>) -> Tensor<5>;

    /// What the operation that takes its output ([`Operator::takes`]) makes it of, from the values of these numbers in the graph; the
    /// inputs as they are where it is to be computed by itself.
    ///
    /// # Errors
    /// The inputs.
    fn leave(&self, x: Vec<Held>, places: &[usize]) -> Result<Held, Vec<Held>> {
        let _ = places;
        Err(x)
    }

    /// Its output after an operation that it absorbs ([`Operator::absorbs`]).
    fn forward_with(&self, weights: &Weights, x: Vec<Tensor<5>>, next: &Op) -> Tensor<5> {
        next.forward(&Weights { all: &[], ..*weights }, vec![self.forward(weights, x)])
    }
}

/// A worked example of an operation: the laws are checked on it and on mutations of it.
pub struct Example {
    pub op: Op,
    pub inputs: Vec<Fact>,
}

/// What each operation's file provides beside [`Operator`].
trait Examples: Sized + Into<Op> {
    /// Specs and inputs that fit, odd sizes and batch 2 among them.
    fn examples() -> Vec<(Self, Vec<Fact>)>;
}

macro_rules! ops {
    ($($module:ident :: $name:ident,)*) => {
        $(pub use $module::$name;)*

        /// Any operation.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum Op { $($name($name),)* }

        $(impl From<$name> for Op {
            fn from(op: $name) -> Op { Op::$name(op) }
        })*

        impl Operator for Op {
            fn kind(&self) -> &'static str {
                match self { $(Op::$name(o) => o.kind(),)* }
            }
            fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
                match self { $(Op::$name(o) => o.infer(x),)* }
            }
            fn weights(&self, x: &[Fact]) -> Vec<Weight> {
                match self { $(Op::$name(o) => o.weights(x),)* }
            }
            fn work(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault> {
                match self { $(Op::$name(o) => o.work(x, y),)* }
            }
            fn kept(&self, x: &[Fact], learns: &[bool]) -> Kept {
                match self { $(Op::$name(o) => o.kept(x, learns),)* }
            }
            fn absorbs(&self, next: &str) -> bool {
                match self { $(Op::$name(o) => o.absorbs(next),)* }
            }
            fn takes(&self, before: &str) -> bool {
                match self { $(Op::$name(o) => o.takes(before),)* }
            }
            fn reach(&self) -> Reach {
                match self { $(Op::$name(o) => o.reach(),)* }
            }
        }

        #[cfg(feature = "run")]
        impl Forward for Op {
            fn forward(&self, weights: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
                match self { $(Op::$name(o) => o.forward(weights, x),)* }
            }
            fn leave(&self, x: Vec<Held>, places: &[usize]) -> Result<Held, Vec<Held>> {
                match self { $(Op::$name(o) => o.leave(x, places),)* }
            }
            fn forward_with(&self, weights: &Weights, x: Vec<Tensor<5>>, next: &Op) -> Tensor<5> {
                match self { $(Op::$name(o) => o.forward_with(weights, x, next),)* }
            }
        }

        impl Op {
            /// The worked examples of every operation: what the laws walk.
            pub fn examples() -> Vec<Example> {
                let mut all = vec![];
                $(all.extend(<$name as Examples>::examples().into_iter().map(|(op, inputs)| Example { op: op.into(), inputs }));)*
                all
            }

            /// The names of all operations.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];
        }
    };
}

ops! {
    input::Input,
    conv3d::Conv3d,
    conv_transpose3d::ConvTranspose3d,
    linear::Linear,
    group_norm::GroupNorm,
    activation::Activation,
    softmax::Softmax,
    max_pool3d::MaxPool3d,
    global_avg_pool::GlobalAvgPool,
    resize::Resize,
    concat::Concat,
    slice::Slice,
    add::Add,
    sub::Sub,
    mul::Mul,
    scale_shift::ScaleShift,
    position_map::PositionMap,
}
