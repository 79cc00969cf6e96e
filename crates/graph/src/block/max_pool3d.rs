//! Max pooling.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Triple, Value};
use crate::op::MaxPool3d;
use serde::{Deserialize, Serialize};

/// The largest of each block of voxels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool3D {
    #[serde(default = "two")]
    pub kernel: Triple,
}

fn two() -> Triple {
    Triple::all(2)
}

impl Block for MaxPool3D {
    const NAME: &'static str = "MaxPool3D";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "MaxPool3D(x: \"features\", kernel: 2)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("pool", MaxPool3d { kernel: self.kernel }, &[x.one("x")?])?])
    }
}
