//! Every so manieth voxel.

use super::{Axes, Block, Builder, Connected, Port};
use crate::ir::{Fault, Triple, Value};
use crate::op::MaxPool3d;
use serde::{Deserialize, Serialize};

/// Voxels 0, `stride`, 2 `stride`, ... of each axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subsample {
    /// From one voxel that is kept to the next.
    #[serde(default = "two")]
    pub stride: Axes,
}

fn two() -> Axes {
    Axes::all(2)
}

impl Block for Subsample {
    const NAME: &'static str = "Subsample";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "Subsample(x: \"features\", stride: 2)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        // The largest of one voxel is that voxel.
        let stride = b.axes("stride", self.stride, 1)?;
        let pool = MaxPool3d { kernel: Triple::all(1), stride: Some(stride), padding: Triple::all(0) };
        Ok(vec![b.op("every", pool, &[x.one("x")?])?])
    }
}
