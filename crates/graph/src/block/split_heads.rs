//! A fused projection cut into parts head by head.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::SliceHeads;
use crate::text::{Code, several};
use serde::{Deserialize, Serialize};

/// A list of values: of channels that lie head by head the first so many of each head, the next, and so on; each is head by head again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitHeads {
    /// How many heads; they divide the channels.
    pub heads: usize,
    /// Channels of each part in one head; together a head's channels.
    pub channels: Vec<usize>,
}

/// A head is cut into at most so many.
const MOST: usize = 1 << 8;

impl Block for SplitHeads {
    const NAME: &'static str = "SplitHeads";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "SplitHeads(x: \"features\", heads: 2, channels: [1, 3])";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];
    const LIST: bool = true;

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let x = x.one("x")?;
        let all = b.channels(x);
        let sum = self.channels.iter().try_fold(0usize, |sum, n| sum.checked_add(*n));
        if sum.and_then(|n| n.checked_mul(self.heads)) != Some(all) || self.channels.len() > MOST || all == 0 {
            let message = format!("the parts of {} do not make up {}", several(self.heads, "head"), several(all, "channel"));
            return Err(Fault::new(Code::E0302, message)
                .on("channels")
                .help("give numbers whose sum, times `heads`, is that of the value"));
        }
        let (mut start, mut parts) = (0, vec![]);
        for (i, channels) in self.channels.iter().enumerate() {
            parts.push(b.op(&format!("part{i}"), SliceHeads { heads: self.heads, start, channels: *channels }, &[x])?);
            start += channels;
        }
        Ok(parts)
    }
}
