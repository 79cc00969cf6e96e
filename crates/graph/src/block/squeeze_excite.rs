//! Channel attention.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::{Activation, GlobalAvgPool, Mul};
use serde::{Deserialize, Serialize};

/// Each channel is scaled by `sigmoid(W2 SiLU(W1 mean(x)))`, the width between being `max(C / reduction, least)` (Hu et al. 2018).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqueezeExcite {
    #[serde(default = "eight")]
    pub reduction: usize,
    /// The smallest width between the two layers.
    #[serde(default = "four")]
    pub least: usize,
}

fn eight() -> usize {
    8
}

fn four() -> usize {
    4
}

impl Block for SqueezeExcite {
    const NAME: &'static str = "SqueezeExcite";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "SqueezeExcite(x: \"features\", reduction: 4)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 16, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let v = x.one("x")?;
        let c = b.channels(v);
        let between = c.checked_div(self.reduction).ok_or_else(|| Fault::field("reduction", "`reduction` is 0").help("use 1 or more"))?;
        let s = b.op("mean", GlobalAvgPool, &[v])?;
        let s = b.linear("fc1", between.max(self.least), s)?;
        let s = b.silu("silu", s)?;
        let s = b.linear("fc2", c, s)?;
        let s = b.op("sigmoid", Activation::SIGMOID, &[s])?;
        Ok(vec![b.op("scaled", Mul, &[v, s])?])
    }
}
