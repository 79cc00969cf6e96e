//! Some of the channels.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op;
use serde::{Deserialize, Serialize};

/// Channels `start .. start + channels`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// The first channel, from 0.
    #[serde(default)]
    pub start: usize,
    /// How many.
    pub channels: usize,
}

impl Block for Slice {
    const NAME: &'static str = "Slice";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "Slice(x: \"features\", start: 2, channels: 4)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("slice", op::Slice { start: self.start, channels: self.channels }, &[x.one("x")?])?])
    }
}
