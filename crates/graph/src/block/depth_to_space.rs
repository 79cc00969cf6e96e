//! Channels as blocks of voxels.

use super::{Axes, Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op;
use serde::{Deserialize, Serialize};

/// The channels as blocks of voxels, the inverse of `SpaceToDepth`: with a block of 2 an eighth of the channels at twice the size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthToSpace {
    /// Voxels of a block along each axis.
    #[serde(default = "two")]
    pub block: Axes,
}

fn two() -> Axes {
    Axes::all(2)
}

impl Block for DepthToSpace {
    const NAME: &'static str = "DepthToSpace";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "DepthToSpace(x: \"features\", block: 2)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 16, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("expand", op::DepthToSpace { block: b.axes("block", self.block, 1)? }, &[x.one("x")?])?])
    }
}
