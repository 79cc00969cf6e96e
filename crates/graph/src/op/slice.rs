//! Some channels of a value.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Length, OnnxBuilder, OnnxValue, Operator, Volume64, Weights64};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// Channels `start .. start + channels`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    pub start: usize,
    pub channels: usize,
}

impl Operator for Slice {
    fn kind(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        if self.channels == 0 || self.start.checked_add(self.channels).is_none_or(|end| end > x.channels) {
            let message =
                format!("channels {} to {} of {} are not there", self.start, self.start.saturating_add(self.channels), x.channels);
            return Err(Fault::new(Code::E0302, message).help("take channels that are there"));
        }
        Ok(Fact { channels: self.channels, ..x })
    }

    fn work(&self, _: &[Fact], _: &Fact) -> Result<Cost, Fault> {
        Ok(Cost::default())
    }

    fn length(&self, x: &[Length], _: usize) -> Option<Length> {
        x.first().copied()
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        Some(x.first()?.sliced(self.start, y))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let at = |v: usize| i64::try_from(v).unwrap_or(i64::MAX);
        let (start, end) = (at(self.start), at(self.start.saturating_add(self.channels)));
        let inputs = [n.x(0), n.ints(&[start]), n.ints(&[end]), n.ints(&[1])];
        Some(n.node("Slice", &inputs, vec![]))
    }
}

impl Examples for Slice {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(Slice { start: 1, channels: 2 }, vec![Fact::new(2, 4, [3, 1, 2])])]
    }
}
