//! Average pooling.

use super::{Axes, Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::AvgPool3d;
use serde::{Deserialize, Serialize};

/// The mean of each block of voxels; what is left over at the far edge is dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvgPool3D {
    #[serde(default = "two")]
    pub kernel: Axes,
}

fn two() -> Axes {
    Axes::all(2)
}

impl Block for AvgPool3D {
    const NAME: &'static str = "AvgPool";
    const OLDER: Option<&'static str> = Some("AvgPool3D");
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "AvgPool(x: \"features\", kernel: 2)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let kernel = b.axes("kernel", self.kernel, 1)?;
        Ok(vec![b.op("pool", AvgPool3d { kernel }, &[x.one("x")?])?])
    }
}
