//! A linear layer on the channels of each voxel.

use super::{Block, Builder, Connected, FunctionForm, InitForm, NormForm, Port, conv3d::follow};
use crate::ir::{Fault, Value};
use crate::op;
use serde::{Deserialize, Serialize};

/// `W x + b` on a vector, or on each voxel of a volume (a token), then a norm and an activation if asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
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

impl Block for Linear {
    const NAME: &'static str = "Linear";
    const INPUTS: &'static [Port] = &[Port::one("x", "a vector or a volume")];
    const EXAMPLE: &'static str = "Linear(x: \"anchors\", out: 4)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("anchors", 12, 0)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let linear = op::Linear { out: self.out, bias: self.bias };
        let y = b.op("linear", linear, &[x.one("x")?])?;
        self.init.begin(b, "init", y)?;
        Ok(vec![follow(b, y, self.norm.as_ref(), self.norm_init, self.activation)?])
    }
}
