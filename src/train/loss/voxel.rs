//! Voxel-wise losses: cross-entropy, focal and boundary loss.
//!
//! Part of `train::loss`.

use burn::tensor::{Device, Tensor};

use super::predictions::Predictions;
use super::target::Targets;
use crate::kernel::{sum, sum_volume};

/// Log-probabilities of the targets, `[N, K, D, H, W]`; none of them above 0.
pub struct LogLikelihood {
    /// `g log p`
    hit: Tensor<5>,
    /// `(1 - g) log(1 - p)`, where it is asked for.
    miss: Option<Tensor<5>>,
}

impl LogLikelihood {
    pub fn new(a: &Predictions, t: &Targets) -> Self {
        let asked = a.regions() || t.border.is_some();
        let miss = asked.then(|| (-t.one_hot.clone() + 1.0) * a.log_q());
        Self { hit: t.one_hot.clone() * a.log_p.clone(), miss }
    }

    fn both(&self, hit: Tensor<5>) -> Tensor<5> {
        match &self.miss {
            Some(miss) => hit + miss.clone(),
            None => hit,
        }
    }
}

/// Softmax: `sum_v w_y -log p_y / sum_v w_y`. Regions: the mean over the voxels of `sum_c w_c (-g log p - (1 - g) log(1 - p))`. A scalar.
pub fn cross_entropy(a: &Predictions, t: &Targets, l: &LogLikelihood) -> Tensor<1> {
    let hit = l.hit.clone();
    mean(if a.regions() { l.both(hit) } else { hit }, t.cross_entropy(), t.cross_entropy_share())
}

/// The cross-entropy with each part multiplied by `(1 - p)^gamma`, where `p` is the probability of the target; a scalar.
pub fn focal(a: &Predictions, t: &Targets, l: &LogLikelihood, gamma: f64) -> Tensor<1> {
    let hit = l.hit.clone() * a.q().powf_scalar(gamma);
    let all = match &l.miss {
        Some(miss) if a.regions() => hit + miss.clone() * a.p_above_zero().powf_scalar(gamma),
        _ => hit,
    };
    mean(all, t.weights(), t.focal_share())
}

/// The mean over the boundary region of `sum_c w_c (-g log p - (1 - g) log(1 - p))`, 0 where there is none; a scalar.
pub fn boundary(t: &Targets, l: &LogLikelihood, device: &Device) -> Tensor<1> {
    let Some(border) = &t.border else { return Tensor::zeros([1], device) };
    let channels = t.one_hot.dims()[1];
    let weights = t.weights().reshape([1, channels, 1, 1, 1]);
    -sum(l.both(l.hit.clone()) * weights * border.clone()) * t.border_share()
}

/// The weighted sum, negative, times the share of each.
fn mean(x: Tensor<5>, weights: Tensor<1>, share: Tensor<1>) -> Tensor<1> {
    let [n, channels, ..] = x.dims();
    let sums = sum_volume(x).reshape([n, channels]);
    -sum(sums * weights.reshape([1, channels])) * share
}
