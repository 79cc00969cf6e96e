//! One number of all channels of a voxel.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Length, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Volume64, Weights64};
use serde::{Deserialize, Serialize};

/// How many numbers become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    Mean,
    Max,
}

/// `[N, C, D, H, W]` to `[N, 1, D, H, W]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReduceChannels {
    pub by: Reduction,
}

impl Operator for ReduceChannels {
    fn kind(&self) -> &'static str {
        match self.by {
            Reduction::Mean => "channel_mean",
            Reduction::Max => "channel_max",
        }
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        Ok(Fact { channels: 1, ..x })
    }

    fn work(&self, x: &[Fact], _: &Fact) -> Result<Cost, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        Ok(Cost { other: x.elements()?, ..Cost::default() })
    }

    fn saved(&self, _: &[Fact], _: &[bool]) -> SavedForBackward {
        match self.by {
            Reduction::Mean => SavedForBackward::default(),
            Reduction::Max => SavedForBackward::input(),
        }
    }

    fn length(&self, x: &[Length], _: usize) -> Option<Length> {
        x.first().copied()
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let c = x.fact.channels;
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            for at in 0..x.voxels() {
                let all = (0..c).map(|c| x.channel(n, c)[at]);
                out.channel_mut(n, 0)[at] = match self.by {
                    Reduction::Mean => all.sum::<f64>() / c as f64,
                    Reduction::Max => all.fold(f64::NEG_INFINITY, f64::max),
                };
            }
        }
        Some(out)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let op_type = match self.by {
            Reduction::Mean => "ReduceMean",
            Reduction::Max => "ReduceMax",
        };
        let x = n.x(0);
        Some(n.reduce(op_type, x, &[1]))
    }
}

impl Examples for ReduceChannels {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        [Reduction::Mean, Reduction::Max].map(|by| (ReduceChannels { by }, vec![Fact::new(2, 4, [3, 2, 5])])).to_vec()
    }
}
