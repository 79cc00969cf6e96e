//! Layer normalisation: over the channels of each voxel.

use super::{Activation, ChannelAffine, Examples, Function, Mul, ReduceChannels, Reduction, ScaleShift, Sub, affine, arity::exactly};
use crate::ir::{
    Access, Cost, Expanded, Expansion, Fact, Fault, OnnxAttribute, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Volume64, Weight,
    WeightView, Weights64,
};
use serde::{Deserialize, Serialize};

/// The channels of each voxel are brought to mean 0 and variance 1, then scaled and shifted per channel (Ba et al. 2016; `LayerNorm` over
/// the features of a token). Not a group norm of one group, which pools over voxels too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerNorm {
    pub eps: f64,
    /// Whether each channel is scaled and shifted afterwards by learned numbers.
    pub affine: bool,
}

impl Default for LayerNorm {
    /// PyTorch's.
    fn default() -> Self {
        Self { eps: 1e-5, affine: true }
    }
}

impl Operator for LayerNorm {
    fn kind(&self) -> &'static str {
        "layer_norm"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        affine::check_eps(self.eps, "1e-5")?;
        Ok(x)
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        affine::weights(self.affine, x)
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let e = y.elements()?;
        let (other, norms) = if self.affine { (7, 5) } else { (5, 4) };
        Ok(Cost { other: e.saturating_mul(other), norms: e.saturating_mul(norms), ..Cost::default() })
    }

    /// The mean and the deviation of each voxel beside the input.
    fn saved(&self, x: &[Fact], _: &[bool]) -> SavedForBackward {
        let voxels = x.first().and_then(|f| Some(f.voxels().ok()?.saturating_mul(f.batch as u64))).unwrap_or(u64::MAX);
        SavedForBackward { bytes: voxels.saturating_mul(8), ..SavedForBackward::input() }
    }

    fn access(&self) -> Access {
        Access::InPlace
    }

    fn ptflops(&self, _: &[Fact], y: &Fact) -> Result<u64, Fault> {
        Ok(y.elements()?.saturating_mul(2))
    }

    fn reference(&self, weights: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let (scale, shift, channels) = (weights("weight"), weights("bias"), y.channels);
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            for at in 0..x.voxels() {
                let mean = (0..channels).map(|c| x.channel(n, c)[at]).sum::<f64>() / channels as f64;
                let variance = (0..channels).map(|c| (x.channel(n, c)[at] - mean).powi(2)).sum::<f64>() / channels as f64;
                let factor = 1.0 / (variance + self.eps).sqrt();
                for c in 0..channels {
                    let (a, b) = if self.affine { (scale[c], shift[c]) } else { (1.0, 0.0) };
                    out.channel_mut(n, c)[at] = (x.channel(n, c)[at] - mean) * factor * a + b;
                }
            }
        }
        Some(out)
    }

    /// `d / sqrt(mean(d^2) + eps)` with `d = x - mean(x)`, then the scale and shift.
    fn expand(&self, x: &[Fact]) -> Option<Expansion> {
        let c = x.first()?.channels;
        let mut e = Expansion::default();
        let mean = ReduceChannels { by: Reduction::Mean };
        let m = e.add("mean", mean.clone(), &[Expanded::Input(0)]);
        let d = e.add("centred", Sub, &[Expanded::Input(0), m]);
        let square = e.add("square", Mul, &[d, d]);
        let variance = e.add("variance", mean, &[square]);
        let shifted = e.add("shifted", ScaleShift { scale: 1.0, shift: self.eps }, &[variance]);
        let factor = e.add("factor", Activation::from(Function::Rsqrt), &[shifted]);
        let normed = e.add("normed", Mul, &[d, factor]);
        if self.affine {
            let view = |of| (of, WeightView { of, start: 0, rows: c, dims: vec![c] });
            e.with("affine", ChannelAffine::FULL, &[normed], vec![view("weight"), view("bias")]);
        }
        Some(e)
    }

    /// The node normalises the last axes, so the channels are brought there and back.
    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        if n.opset() < 17 {
            return None;
        }
        let channels = n.channels(0);
        let (scale, shift) = match self.affine {
            true => (n.weight("weight"), n.weight("bias")),
            false => (n.floats([channels], vec![1.0; channels]), n.floats([channels], vec![0.0; channels])),
        };
        let x = n.x(0);
        let last = n.node("Transpose", &[x], vec![("perm", OnnxAttribute::Ints(vec![0, 2, 3, 4, 1]))]);
        let attributes = vec![("axis", OnnxAttribute::Int(-1)), ("epsilon", self.eps.into())];
        let normed = n.node("LayerNormalization", &[last, scale, shift], attributes);
        Some(n.node("Transpose", &[normed], vec![("perm", OnnxAttribute::Ints(vec![0, 4, 1, 2, 3]))]))
    }
}

impl Examples for LayerNorm {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![
            (LayerNorm::default(), vec![Fact::new(2, 5, [3, 2, 4])]),
            (LayerNorm { eps: 1e-6, affine: false }, vec![Fact::new(1, 3, [2, 2, 2])]),
        ]
    }
}
