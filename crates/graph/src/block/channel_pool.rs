//! One number of all channels of a voxel.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::{ReduceChannels, Reduction};
use serde::{Deserialize, Serialize};

/// The `mean` or the `max` over the channels: a volume of one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelPool {
    /// Which number.
    pub by: Reduction,
}

impl Block for ChannelPool {
    const NAME: &'static str = "ChannelPool";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "ChannelPool(x: \"features\", by: mean)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("pool", ReduceChannels { by: self.by }, &[x.one("x")?])?])
    }
}
