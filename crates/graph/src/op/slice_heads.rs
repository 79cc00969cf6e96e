//! The same part of every head's channels.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Length, OnnxBuilder, OnnxValue, Operator, Volume64, Weights64};
use crate::text::{Code, several};
use serde::{Deserialize, Serialize};

/// Channels `start .. start + channels` of each head, of channels that lie head by head: from `[N, heads * all, ..]` to `[N, heads * channels, ..]`.
/// Nothing is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceHeads {
    pub heads: usize,
    /// The first channel of a head that is taken, from 0.
    pub start: usize,
    /// How many of each head.
    pub channels: usize,
}

impl SliceHeads {
    /// The channel of the input that stands at channel `c` of the output.
    pub fn source(&self, inputs: usize, c: usize) -> usize {
        c / self.channels.max(1) * (inputs / self.heads.max(1)) + self.start + c % self.channels.max(1)
    }
}

impl Operator for SliceHeads {
    fn kind(&self) -> &'static str {
        "slice_heads"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        if self.heads == 0 || x.channels % self.heads != 0 {
            let message = format!("{} cannot be split into {}", several(x.channels, "channel"), several(self.heads, "head"));
            return Err(Fault::new(Code::E0302, message).on("heads").help("use a number of heads that divides the channels"));
        }
        let all = x.channels / self.heads;
        if self.channels == 0 || self.start.checked_add(self.channels).is_none_or(|end| end > all) {
            let message = format!("a head has {}, not those from {} on, {} in all", several(all, "channel"), self.start, self.channels);
            return Err(Fault::new(Code::E0302, message).on("channels").help("take a part of what each head has"));
        }
        Ok(Fact { channels: self.heads * self.channels, ..x })
    }

    fn work(&self, _: &[Fact], _: &Fact) -> Result<Cost, Fault> {
        Ok(Cost::default())
    }

    fn length(&self, x: &[Length], _: usize) -> Option<Length> {
        x.first().copied()
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            (0..y.channels).for_each(|c| out.channel_mut(n, c).copy_from_slice(x.channel(n, self.source(x.fact.channels, c))));
        }
        Some(out)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let int = |v: usize| i64::try_from(v).unwrap_or(i64::MAX);
        let by_head = n.heads(0, self.heads);
        let inputs = [by_head, n.ints(&[int(self.start)]), n.ints(&[int(self.start.saturating_add(self.channels))]), n.ints(&[2])];
        let part = n.node("Slice", &inputs, vec![]);
        Some(n.volume(part, self.heads * self.channels, 0))
    }
}

impl Examples for SliceHeads {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(Self { heads: 2, start: 1, channels: 2 }, vec![Fact::new(2, 8, [2, 1, 3])])]
    }
}
