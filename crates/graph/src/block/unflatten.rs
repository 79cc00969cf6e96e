//! A sequence as a volume.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::Regrid;
use serde::{Deserialize, Serialize};

/// The tokens of a sequence on the grid of another value of as many voxels, row by row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unflatten {}

impl Block for Unflatten {
    const NAME: &'static str = "Unflatten";
    const INPUTS: &'static [Port] = &[Port::one("x", "a sequence, or another volume"), Port::one("like", "whose grid to take")];
    const EXAMPLE: &'static str = "Unflatten(x: \"tokens\", like: \"features\")";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("tokens", 8, 1), ("features", 4, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("unflatten", Regrid { like: true }, &[x.one("x")?, x.one("like")?])?])
    }
}
