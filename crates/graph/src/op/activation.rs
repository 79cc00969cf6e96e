//! Functions of one number.

use super::{
    Examples,
    arity::{elementwise, exactly},
};
use crate::ir::{Cost, Fact, Fault, Kept, Operator, Reach};
use serde::{Deserialize, Serialize};

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// `x * sigmoid(x)`
    Silu,
    Relu,
    /// `x` above 0, `0.01 x` below.
    LeakyRelu,
    /// The exact form, by the error function.
    Gelu,
    Sigmoid,
    Tanh,
    Abs,
}

/// The function of every number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activation {
    pub function: Function,
}

impl Activation {
    pub const SILU: Self = Self { function: Function::Silu };
    pub const SIGMOID: Self = Self { function: Function::Sigmoid };
    pub const ABS: Self = Self { function: Function::Abs };
}

impl Operator for Activation {
    fn kind(&self) -> &'static str {
        match self.function {
            Function::Silu => "silu",
            Function::Relu => "relu",
            Function::LeakyRelu => "leaky_relu",
            Function::Gelu => "gelu",
            Function::Sigmoid => "sigmoid",
            Function::Tanh => "tanh",
            Function::Abs => "abs",
        }
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        exactly::<1>(self.kind(), x).map(|[f]| f)
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let operations = match self.function {
            Function::Relu | Function::Abs => 1,
            Function::LeakyRelu => 2,
            Function::Sigmoid | Function::Tanh => 3,
            Function::Silu => 4,
            Function::Gelu => 5,
        };
        elementwise(y, operations)
    }

    fn kept(&self, _: &[Fact], _: &[bool]) -> Kept {
        match self.function {
            Function::Silu | Function::LeakyRelu | Function::Gelu | Function::Abs => Kept::INPUT,
            Function::Relu | Function::Sigmoid | Function::Tanh => Kept::OUTPUT,
        }
    }

    fn reach(&self) -> Reach {
        Reach::Place
    }
}

impl Examples for Activation {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        use Function::*;
        let x = Fact::new(2, 3, [3, 1, 5]);
        [Silu, Relu, LeakyRelu, Gelu, Sigmoid, Tanh, Abs].map(|function| (Activation { function }, vec![x])).to_vec()
    }
}
