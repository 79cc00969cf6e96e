//! Batch normalisation.

use super::{Examples, affine, arity::exactly};
use crate::ir::{Access, Cost, Fact, Fault, Init, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Volume64, Weight, Weights64};
use serde::{Deserialize, Serialize};

/// Each channel is brought to mean 0 and variance 1 over the batch and its voxels, then scaled and shifted (Ioffe and Szegedy 2015).
/// In training by the batch's own statistics, from which the running ones follow: `r + momentum (s - r)`, with the unbiased variance; in
/// prediction by the running statistics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchNorm {
    pub eps: f64,
    /// The share of a batch in the running statistics.
    pub momentum: f64,
    /// Whether each channel is scaled and shifted afterwards by learned numbers.
    pub affine: bool,
}

impl Default for BatchNorm {
    /// PyTorch's.
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1, affine: true }
    }
}

impl Operator for BatchNorm {
    fn kind(&self) -> &'static str {
        "batch_norm"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        affine::check_eps(self.eps, "1e-5")?;
        if !(0.0..=1.0).contains(&self.momentum) {
            let message = format!("`momentum` is {}: it is the share of a batch in the running statistics, from 0 to 1", self.momentum);
            return Err(Fault::field("momentum", message).help("use 0.1"));
        }
        Ok(x)
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        affine::weights(self.affine, x)
    }

    fn buffers(&self, x: &[Fact]) -> Vec<Weight> {
        let c = x.first().map_or(0, |f| f.channels);
        vec![Weight::new("running_mean", [c], Init::Zeros), Weight::new("running_var", [c], Init::Ones)]
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let e = y.elements()?;
        Ok(Cost { other: e.saturating_mul(2), norms: e.saturating_mul(2), ..Cost::default() })
    }

    /// The mean and the deviation of each channel beside the input.
    fn saved(&self, x: &[Fact], _: &[bool]) -> SavedForBackward {
        let channels = x.first().map_or(0, |f| f.channels as u64);
        SavedForBackward { bytes: channels.saturating_mul(8), ..SavedForBackward::input() }
    }

    fn access(&self) -> Access {
        Access::InPlace
    }

    fn ptflops(&self, _: &[Fact], y: &Fact) -> Result<u64, Fault> {
        Ok(y.elements()?.saturating_mul(2))
    }

    /// By the running statistics.
    fn reference(&self, weights: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let (scale, shift) = (weights("weight"), weights("bias"));
        let (mean, variance) = (weights("running_mean"), weights("running_var"));
        Some(x.first()?.each_channel(y, |_, c, from, to| {
            let factor = 1.0 / (variance[c] + self.eps).sqrt();
            let (a, b) = if self.affine { (scale[c], shift[c]) } else { (1.0, 0.0) };
            to.iter_mut().zip(from).for_each(|(y, v)| *y = (v - mean[c]) * factor * a + b);
        }))
    }

    /// By the running statistics.
    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let channels = n.channels(0);
        let (scale, shift) = match self.affine {
            true => (n.weight("weight"), n.weight("bias")),
            false => (n.floats([channels], vec![1.0; channels]), n.floats([channels], vec![0.0; channels])),
        };
        let inputs = [n.x(0), scale, shift, n.weight("running_mean"), n.weight("running_var")];
        Some(n.node("BatchNormalization", &inputs, vec![("epsilon", self.eps.into())]))
    }
}

impl Examples for BatchNorm {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![
            (BatchNorm::default(), vec![Fact::new(2, 3, [3, 4, 2])]),
            (BatchNorm { affine: false, momentum: 0.5, eps: 1e-3 }, vec![Fact::new(1, 2, [2, 3, 5])]),
        ]
    }
}
