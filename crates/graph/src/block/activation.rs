//! An activation by itself.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::{self, Function};
use serde::{Deserialize, Serialize};

/// One of `silu`, `relu`, `leaky_relu`, `gelu`, `sigmoid`, `tanh`, `abs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    pub function: Function,
}

impl Block for Activation {
    const NAME: &'static str = "Activation";
    const INPUTS: &'static [Port] = &[Port::one("x", "anything")];
    const EXAMPLE: &'static str = "Activation(x: \"features\", function: silu)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("act", op::Activation { function: self.function }, &[x.one("x")?])?])
    }
}
