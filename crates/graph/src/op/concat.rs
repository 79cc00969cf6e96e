//! Channels of several values, one after the other.

use super::Examples;
use crate::ir::{Cost, Fact, Fault, Length, OnnxBuilder, OnnxValue, Operator, Volume64, Weights64};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// Along the channels; batch and size must be equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concat;

impl Operator for Concat {
    fn kind(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let (first, rest) =
            x.split_first().ok_or_else(|| Fault::new(Code::E0204, "`concat` needs at least one input").help("connect one or more"))?;
        let mut y = *first;
        for f in rest {
            if (f.batch, f.size) != (y.batch, y.size) {
                return Err(Fault::new(Code::E0301, format!("{first} and {f} cannot be put together: their sizes differ"))
                    .help("resize one of them, or check the strides on the way to it"));
            }
            y.channels = y
                .channels
                .checked_add(f.channels)
                .ok_or_else(|| Fault::new(Code::E0501, "a count is beyond 64 bits").help("make the widths smaller"))?;
        }
        Ok(y)
    }

    fn work(&self, _: &[Fact], _: &Fact) -> Result<Cost, Fault> {
        Ok(Cost::default())
    }

    fn length(&self, x: &[Length], _: usize) -> Option<Length> {
        x.first().copied()
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            let mut start = 0;
            for part in x {
                for c in 0..part.fact.channels {
                    out.channel_mut(n, start + c).copy_from_slice(part.channel(n, c));
                }
                start += part.fact.channels;
            }
        }
        Some(out)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        Some(n.node("Concat", &n.inputs(), vec![("axis", 1usize.into())]))
    }
}

impl Examples for Concat {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(Concat, vec![Fact::new(2, 3, [3, 4, 1]), Fact::new(2, 1, [3, 4, 1])])]
    }
}
