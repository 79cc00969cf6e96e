//! A learned factor for each channel.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::ChannelAffine;
use serde::{Deserialize, Serialize};

/// `weight[c] * x`, and `+ bias[c]` if asked for; a small first factor lets a residual branch begin as nearly nothing (layer scale).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelScale {
    /// What each factor starts as.
    #[serde(default = "one")]
    pub init: f64,
    #[serde(default)]
    pub bias: bool,
}

fn one() -> f64 {
    1.0
}

impl Block for ChannelScale {
    const NAME: &'static str = "ChannelScale";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "ChannelScale(x: \"features\", init: 0.000001)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("scale", ChannelAffine { scale: true, bias: self.bias, init: self.init }, &[x.one("x")?])?])
    }
}
