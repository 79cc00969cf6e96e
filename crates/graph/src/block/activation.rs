//! An activation by itself.

use super::{Block, Builder, Connected, FunctionForm, Port};
use crate::ir::{Fault, Value};
use serde::{Deserialize, Serialize};

/// A function of every number: `silu`, `relu`, `leaky_relu(slope: 0.1)`, `elu`, `prelu`, `gelu`, `sigmoid`, `tanh` and others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    pub function: FunctionForm,
}

impl Block for Activation {
    const NAME: &'static str = "Activation";
    const INPUTS: &'static [Port] = &[Port::one("x", "anything")];
    const EXAMPLE: &'static str = "Activation(x: \"features\", function: silu)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![self.function.lower(b, "act", x.one("x")?).map_err(|f| if f.field.is_some() { f.on("function") } else { f })?])
    }
}
