//! A fixed scale and shift.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::ScaleShift;
use serde::{Deserialize, Serialize};

/// `by * x + shift`, with the same two numbers everywhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The factor.
    #[serde(default = "one")]
    pub by: f64,
    /// What is added.
    #[serde(default)]
    pub shift: f64,
}

fn one() -> f64 {
    1.0
}

impl Block for Scale {
    const NAME: &'static str = "Scale";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "Scale(x: \"features\", by: 0.5)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("scale", ScaleShift { scale: self.by, shift: self.shift }, &[x.one("x")?])?])
    }
}
