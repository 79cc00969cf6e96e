//! The mean of each channel.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Length, OnnxBuilder, OnnxValue, Operator, Volume64, Weights64};
use serde::{Deserialize, Serialize};

/// `[N, C, D, H, W]` to `[N, C, 1, 1, 1]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GlobalAvgPool;

impl Operator for GlobalAvgPool {
    fn kind(&self) -> &'static str {
        "global_avg_pool"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        Ok(Fact::vector(x.batch, x.channels))
    }

    fn work(&self, x: &[Fact], _: &Fact) -> Result<Cost, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        Ok(Cost { other: x.elements()?, ..Cost::default() })
    }

    fn length(&self, _: &[Length], _: usize) -> Option<Length> {
        Some(Length::ONE)
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            for c in 0..y.channels {
                out.channel_mut(n, c)[0] = x.channel(n, c).iter().sum::<f64>() / x.voxels() as f64;
            }
        }
        Some(out)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        Some(n.node("GlobalAveragePool", &n.inputs(), vec![]))
    }
}

impl Examples for GlobalAvgPool {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(GlobalAvgPool, vec![Fact::new(2, 3, [3, 5, 1])])]
    }
}
