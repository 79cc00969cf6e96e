//! One number of all voxels of a channel, other than their mean.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Length, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Volume64, Weights64};
use serde::{Deserialize, Serialize};

/// Which number. The mean is [`super::GlobalAvgPool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    Sum,
    Max,
}

/// `[N, C, D, H, W]` to `[N, C, 1, 1, 1]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GlobalReduce {
    pub by: Statistic,
}

impl Operator for GlobalReduce {
    fn kind(&self) -> &'static str {
        match self.by {
            Statistic::Sum => "global_sum",
            Statistic::Max => "global_max",
        }
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        Ok(Fact::vector(x.batch, x.channels))
    }

    fn work(&self, x: &[Fact], _: &Fact) -> Result<Cost, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        Ok(Cost { other: x.elements()?, ..Cost::default() })
    }

    fn saved(&self, _: &[Fact], _: &[bool]) -> SavedForBackward {
        match self.by {
            Statistic::Sum => SavedForBackward::default(),
            Statistic::Max => SavedForBackward::input(),
        }
    }

    fn length(&self, _: &[Length], _: usize) -> Option<Length> {
        Some(Length::ONE)
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        Some(x.first()?.each_channel(y, |_, _, from, to| {
            to[0] = match self.by {
                Statistic::Sum => from.iter().sum(),
                Statistic::Max => from.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            };
        }))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        Some(match self.by {
            Statistic::Sum => {
                let inputs = [n.x(0), n.ints(&[2, 3, 4])];
                n.node("ReduceSum", &inputs, vec![])
            }
            Statistic::Max => n.node("GlobalMaxPool", &n.inputs(), vec![]),
        })
    }
}

impl Examples for GlobalReduce {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        [Statistic::Sum, Statistic::Max].map(|by| (GlobalReduce { by }, vec![Fact::new(2, 3, [3, 5, 1])])).to_vec()
    }
}
