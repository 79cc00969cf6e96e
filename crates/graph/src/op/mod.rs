//! What machines run: one file per operation, each with its shape rule, its cost and its weights.
//!
//! Level 2: may use `text` and `ir`.
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

use crate::ir::{Cost, Fact, Fault, Kept, Operator, Reach, Weight};
use serde::{Deserialize, Serialize};

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
