//! Learned upsampling.

use super::{Axes, Block, Builder, Connected, FunctionForm, InitForm, NormForm, Port, conv3d::follow};
use crate::ir::{Fault, Value};
use crate::op::ConvTranspose3d;
use serde::{Deserialize, Serialize};

/// A transposed convolution, then a norm and an activation if asked for. Without a stride each voxel becomes a block of `kernel` voxels.
///
/// An axis of `n` voxels becomes `(n - 1) stride - 2 padding + kernel + output_padding`, as in PyTorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpConv3D {
    /// Output channels.
    pub out: usize,
    #[serde(default = "two")]
    pub kernel: Axes,
    /// By how much each axis grows; the kernel when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Axes>,
    /// Voxels taken away on each side.
    #[serde(default, skip_serializing_if = "Axes::is_zero")]
    pub padding: Axes,
    /// Voxels added at the far end.
    #[serde(default, skip_serializing_if = "Axes::is_zero")]
    pub output_padding: Axes,
    /// Groups of channels that do not see each other.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub groups: usize,
    #[serde(default = "yes")]
    pub bias: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<NormForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<FunctionForm>,
    #[serde(default, skip_serializing_if = "InitForm::is_default")]
    pub init: InitForm,
    #[serde(default, skip_serializing_if = "InitForm::is_default")]
    pub norm_init: InitForm,
}

fn two() -> Axes {
    Axes::all(2)
}

fn one() -> usize {
    1
}

fn is_one(n: &usize) -> bool {
    *n == 1
}

fn yes() -> bool {
    true
}

impl Block for UpConv3D {
    const NAME: &'static str = "UpConv";
    const OLDER: Option<&'static str> = Some("UpConv3D");
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "UpConv(x: \"features\", out: 4)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let kernel = b.axes("kernel", self.kernel, 1)?;
        let conv = ConvTranspose3d {
            stride: b.maybe_axes("stride", self.stride, 1)?.unwrap_or(kernel),
            padding: b.axes("padding", self.padding, 0)?,
            output_padding: b.axes("output_padding", self.output_padding, 0)?,
            groups: self.groups,
            bias: self.bias,
            ..ConvTranspose3d::new(self.out, kernel)
        };
        let y = b.op("conv", conv, &[x.one("x")?])?;
        self.init.begin(b, "init", y)?;
        Ok(vec![follow(b, y, self.norm.as_ref(), self.norm_init, self.activation)?])
    }
}
