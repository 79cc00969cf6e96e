//! Fixed positions, and a learned number for a level.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op;
use serde::{Deserialize, Serialize};

/// A volume like `x` that holds each voxel's place: sines and cosines along the three axes, and learned numbers of the `level` (CoTr). Nodes of other
/// levels share the weights of the first: `shares: "..."`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinePosition {
    /// How many levels there are.
    #[serde(default = "one")]
    pub levels: usize,
    /// Which of them this is, from 0.
    #[serde(default)]
    pub level: usize,
}

fn one() -> usize {
    1
}

impl Block for SinePosition {
    const NAME: &'static str = "SinePosition";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume, of which the size and the channels are taken")];
    const EXAMPLE: &'static str = "SinePosition(x: \"features\")";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 12, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("position", op::SinePosition { levels: self.levels, level: self.level }, &[x.one("x")?])?])
    }
}
