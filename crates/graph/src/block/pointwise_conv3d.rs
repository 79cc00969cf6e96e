//! A linear map of the channels of each voxel.

use super::{Block, Builder, Connected, FunctionForm, InitForm, NormForm, Port, conv3d::follow};
use crate::ir::{Fault, Triple, Value};
use crate::op::Conv3d;
use serde::{Deserialize, Serialize};

/// A 1x1x1 convolution; then a norm and an activation if asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointwiseConv3D {
    /// Output channels.
    pub out: usize,
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

fn yes() -> bool {
    true
}

impl Block for PointwiseConv3D {
    const NAME: &'static str = "PointwiseConv";
    const OLDER: Option<&'static str> = Some("PointwiseConv3D");
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "PointwiseConv(x: \"features\", out: 4)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let conv = Conv3d::new(self.out, Triple::all(1)).bias(self.bias);
        let y = b.op("conv", conv, &[x.one("x")?])?;
        self.init.begin(b, "init", y)?;
        Ok(vec![follow(b, y, self.norm.as_ref(), self.norm_init, self.activation)?])
    }
}
