//! The product of two values.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::Mul;
use serde::{Deserialize, Serialize};

/// `a * b`, number by number; one channel or one voxel stands for all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Multiply {}

impl Block for Multiply {
    const NAME: &'static str = "Multiply";
    const INPUTS: &'static [Port] = &[Port::one("a", "a value"), Port::one("b", "the other")];
    const EXAMPLE: &'static str = "Multiply(a: \"features\", b: \"gate\")";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1), ("gate", 1, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("mul", Mul, &[x.one("a")?, x.one("b")?])?])
    }
}
