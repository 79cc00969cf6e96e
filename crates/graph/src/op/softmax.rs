//! Softmax over the channels of each voxel.

use super::{
    Examples,
    arity::{elementwise, exactly},
};
use crate::ir::{Access, Cost, Fact, Fault, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Volume64, Weights64};
use serde::{Deserialize, Serialize};

/// `exp(x_c) / sum over c`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Softmax;

impl Operator for Softmax {
    fn kind(&self) -> &'static str {
        "softmax"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        exactly::<1>(self.kind(), x).map(|[f]| f)
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        elementwise(y, 5)
    }

    fn saved(&self, _: &[Fact], _: &[bool]) -> SavedForBackward {
        SavedForBackward::output()
    }

    fn access(&self) -> Access {
        Access::InPlace
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            for at in 0..out.voxels() {
                let most = (0..y.channels).map(|c| x.channel(n, c)[at]).fold(f64::NEG_INFINITY, f64::max);
                let all: Vec<f64> = (0..y.channels).map(|c| (x.channel(n, c)[at] - most).exp()).collect();
                let sum: f64 = all.iter().sum();
                (0..y.channels).for_each(|c| out.channel_mut(n, c)[at] = all[c] / sum);
            }
        }
        Some(out)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        Some(n.node("Softmax", &n.inputs(), vec![("axis", 1usize.into())]))
    }
}

impl Examples for Softmax {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(Softmax, vec![Fact::new(2, 3, [3, 5, 1])])]
    }
}
