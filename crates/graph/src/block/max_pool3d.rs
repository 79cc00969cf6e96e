//! Max pooling.

use super::{Axes, Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::MaxPool3d;
use serde::{Deserialize, Serialize};

/// The largest number of each window of voxels; windows lie side by side unless a stride is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool3D {
    #[serde(default = "two")]
    pub kernel: Axes,
    /// From window to window; the kernel when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Axes>,
    /// Voxels on each side that are never the largest.
    #[serde(default, skip_serializing_if = "Axes::is_zero")]
    pub padding: Axes,
}

fn two() -> Axes {
    Axes::all(2)
}

impl Block for MaxPool3D {
    const NAME: &'static str = "MaxPool";
    const OLDER: Option<&'static str> = Some("MaxPool3D");
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "MaxPool(x: \"features\", kernel: 2)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let kernel = b.axes("kernel", self.kernel, 1)?;
        let stride = b.maybe_axes("stride", self.stride, 1)?.filter(|s| *s != kernel);
        let padding = b.axes("padding", self.padding, 0)?;
        Ok(vec![b.op("pool", MaxPool3d { kernel, stride, padding }, &[x.one("x")?])?])
    }
}
