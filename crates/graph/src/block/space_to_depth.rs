//! Blocks of voxels as channels.

use super::{Axes, Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op;
use serde::{Deserialize, Serialize};

/// The voxels of every block beside each other as channels: with a block of 2 eight times the channels at half the size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpaceToDepth {
    /// Voxels of a block along each axis.
    #[serde(default = "two")]
    pub block: Axes,
    /// Places within a block in the order of the channels; all of them, depth slowest, when not given. One may stand twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<Axes>,
}

fn two() -> Axes {
    Axes::all(2)
}

impl Block for SpaceToDepth {
    const NAME: &'static str = "SpaceToDepth";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "SpaceToDepth(x: \"features\", block: 2)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 4, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let offsets = self.offsets.iter().map(|o| b.axes("offsets", *o, 0)).collect::<Result<_, _>>()?;
        let op = op::SpaceToDepth { block: b.axes("block", self.block, 1)?, offsets };
        Ok(vec![b.op("merge", op, &[x.one("x")?])?])
    }
}
