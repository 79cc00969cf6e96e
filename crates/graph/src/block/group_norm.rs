//! Group normalisation by itself.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use serde::{Deserialize, Serialize};

/// Each group of channels is brought to mean 0 and variance 1, then scaled and shifted per channel (Wu and He 2018).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupNorm {
    #[serde(default = "four")]
    pub groups: usize,
}

fn four() -> usize {
    4
}

impl Block for GroupNorm {
    const NAME: &'static str = "GroupNorm";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "GroupNorm(x: \"features\", groups: 4)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.norm("norm", self.groups, x.one("x")?)?])
    }
}
