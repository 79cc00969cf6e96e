//! A volume as a sequence.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::Regrid;
use serde::{Deserialize, Serialize};

/// The voxels one after the other along the width, row by row: a sequence of tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl Block for Flatten {
    const NAME: &'static str = "Flatten";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "Flatten(x: \"features\")";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("flatten", Regrid { like: false }, &[x.one("x")?])?])
    }
}
