//! The difference of two values.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::Sub;
use serde::{Deserialize, Serialize};

/// `a - b`, number by number; one channel or one voxel stands for all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subtract {}

impl Block for Subtract {
    const NAME: &'static str = "Subtract";
    const INPUTS: &'static [Port] = &[Port::one("a", "a value"), Port::one("b", "what is taken away")];
    const EXAMPLE: &'static str = "Subtract(a: \"features\", b: \"gate\")";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1), ("gate", 1, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("sub", Sub, &[x.one("a")?, x.one("b")?])?])
    }
}
