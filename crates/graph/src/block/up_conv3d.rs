//! Learned upsampling.

use super::{Block, Builder, Connected, Port, conv3d::follow};
use crate::ir::{Fault, Triple, Value};
use crate::op::{ConvTranspose3d, Function};
use serde::{Deserialize, Serialize};

/// A transposed convolution whose stride is its kernel: each voxel becomes a block of voxels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpConv3D {
    /// Output channels.
    pub out: usize,
    /// By how much each axis grows.
    #[serde(default = "two")]
    pub kernel: Triple,
    #[serde(default = "yes")]
    pub bias: bool,
    /// Groups of a group norm after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Function>,
}

fn two() -> Triple {
    Triple::all(2)
}

fn yes() -> bool {
    true
}

impl Block for UpConv3D {
    const NAME: &'static str = "UpConv3D";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "UpConv3D(x: \"features\", out: 4)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let conv = ConvTranspose3d { out: self.out, kernel: self.kernel, stride: self.kernel, bias: self.bias };
        let y = b.op("conv", conv, &[x.one("x")?])?;
        Ok(vec![follow(b, y, self.norm, self.activation)?])
    }
}
