//! Overlap losses: Dice and Tversky.
//!
//! Part of `train::loss`.

use burn::tensor::Tensor;

use super::objective::Objective;
use super::predictions::{LEAST, Predictions};
use super::target::Targets;
use crate::kernel::{sum, sum_volume};

/// Keeps the index of a class finite.
pub const SMOOTH: f64 = 1e-5;

/// `1 - sum_c w_c (2 sum p g + e) / (sum p + sum g + e)`, or of squares; a scalar.
pub fn dice(a: &Predictions, t: &Targets, o: &Objective) -> Tensor<1> {
    let sums = |x| sums(x, o.batch_dice);
    let overlap = sums(a.p.clone() * t.one_hot.clone());
    // The targets are 0 or 1: their square is themselves.
    let predictions = if o.squared { a.p.clone().square() } else { a.p.clone() };
    let size = sums(predictions) + sums(t.one_hot.clone());
    lacking((overlap * 2.0 + SMOOTH) / (size + SMOOTH), t)
}

/// `sum_c w_c (1 - T_c)^power`, `T = (tp + e) / (tp + alpha fp + beta fn + e)`; a scalar.
pub fn tversky(a: &Predictions, t: &Targets, o: &Objective) -> Tensor<1> {
    let sums = |x| sums(x, o.batch_dice);
    let hit = sums(a.p.clone() * t.one_hot.clone());
    let false_positive = sums(a.p.clone()) - hit.clone();
    let false_negative = sums(t.one_hot.clone()) - hit.clone();
    let all = hit.clone() + false_positive * o.alpha + false_negative * o.beta;
    let index = (hit + SMOOTH) / (all + SMOOTH);
    if o.tversky_power == 1.0 {
        return lacking(index, t);
    }
    // A power below 1 has no gradient at 0.
    let lack = (-index + 1.0).clamp_min(LEAST).powf_scalar(o.tversky_power);
    weighted(lack, t)
}

/// What the indices `[G, K]` lack to the weight of all classes.
fn lacking(index: Tensor<2>, t: &Targets) -> Tensor<1> {
    -weighted(index, t) + t.overlap_sum()
}

/// The mean over the first axis of the weighted sums over the second.
fn weighted(x: Tensor<2>, t: &Targets) -> Tensor<1> {
    let [groups, channels] = x.dims();
    let sum = sum(x * t.overlap().reshape([1, channels]));
    if groups > 1 { sum / groups as f64 } else { sum }
}

/// Sums over the voxels, `[G, K]`: of the batch, or of each patch.
fn sums(x: Tensor<5>, batch: bool) -> Tensor<2> {
    let [n, channels, ..] = x.dims();
    let each = sum_volume(x).reshape([n, channels]);
    if !batch || n == 1 {
        return each;
    }
    sum_volume(each.transpose().reshape([1, channels, n, 1, 1])).reshape([1, channels])
}
