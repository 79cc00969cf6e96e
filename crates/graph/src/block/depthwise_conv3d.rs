//! A convolution of each channel by itself.

use super::{Axes, Block, Builder, Connected, FunctionForm, InitForm, NormForm, Port, conv3d::follow};
use crate::ir::{Fault, Value};
use crate::op::Conv3d;
use serde::{Deserialize, Serialize};

/// One kernel a channel; then a norm and an activation if asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthwiseConv3D {
    #[serde(default = "three")]
    pub kernel: Axes,
    #[serde(default = "one")]
    pub stride: Axes,
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

fn three() -> Axes {
    Axes::all(3)
}

fn one() -> Axes {
    Axes::all(1)
}

fn yes() -> bool {
    true
}

impl Block for DepthwiseConv3D {
    const NAME: &'static str = "DepthwiseConv";
    const OLDER: Option<&'static str> = Some("DepthwiseConv3D");
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "DepthwiseConv(x: \"features\", kernel: 5, norm: group(2), activation: relu)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let x = x.one("x")?;
        let c = b.channels(x);
        let (kernel, stride) = (b.axes("kernel", self.kernel, 1)?, b.axes("stride", self.stride, 1)?);
        let conv = Conv3d::new(c, kernel).stride(stride).groups(c).bias(self.bias);
        let y = b.op("conv", conv, &[x])?;
        self.init.begin(b, "init", y)?;
        Ok(vec![follow(b, y, self.norm.as_ref(), self.norm_init, self.activation)?])
    }
}
