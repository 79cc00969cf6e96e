//! The training objective: Dice, cross-entropy and boundary loss, weighted by inverse voxel frequency (equation 22).
//!
//! Part of `train`; uses `train::boundary` and Burn.
//!
//! # The formula
//! A batch has logits `z[v, c]` and labels `y[v]`, `v` over the voxels of all its patches; `p = softmax(z)`, `g[v, c] = 1`
//! where `y[v] = c`, else 0. With `n_c` voxels of class `c`, the class weights are
//!
//! ```text
//! w_c = n_c^-a / sum of n_k^-a over the classes k in the batch;  w_c = 0 for a class that is not in the batch
//! ```
//!
//! with `a = inverse_frequency` (1: plain inverse frequency; 0: every class alike). Then
//!
//! ```text
//! L     = dice * L_d + cross_entropy * L_c + boundary * L_b
//! L_d   = 1 - sum_c w_c (2 sum_v p g + e) / (sum_v p + sum_v g + e)                     e = 1e-5
//! L_c   = sum_v w_y[v] (-log p[v, y[v]]) / sum_v w_y[v]
//! L_b   = 1/|B| sum_{v in B} sum_c w_c (-g log p - (1 - g) log(1 - p))
//! ```
//!
//! `B` are the voxels within `radius` (Chebyshev distance) of a border between classes in the labels. Without any, `L_b` is 0.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::boundary;

/// Keeps the Dice of a class finite.
const SMOOTH: f64 = 1e-5;
/// The least `1 - p` whose logarithm is taken: about the resolution of an f32 near 1.
const LEAST: f32 = 1e-6;

/// The weights of the three terms, and what they are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objective {
    /// Weight of the Dice loss.
    pub dice: f64,
    /// Weight of the cross-entropy.
    pub cross_entropy: f64,
    /// Weight of the boundary loss.
    pub boundary: f64,
    /// How far the boundary region reaches on either side of a border, in voxels.
    pub radius: usize,
    /// Exponent of the inverse frequency: 1 as in the paper, 0 weighs every class alike.
    pub inverse_frequency: f64,
}

impl Default for Objective {
    fn default() -> Self {
        Self { dice: 1.0, cross_entropy: 1.0, boundary: 0.5, radius: 1, inverse_frequency: 1.0 }
    }
}

/// What the loss needs to know of a batch's labels, made on the host (in the loader's thread).
#[derive(Clone, Debug)]
pub struct Target {
    /// `[N, C, D, H, W]`
    one_hot: TensorData,
    /// `[N, 1, D, H, W]`, 1 inside the boundary region; `None` where there is none or its weight is 0.
    region: Option<TensorData>,
    /// Voxels in the region.
    region_count: usize,
    /// `w_c`, summing to 1 (all 0 for an empty batch).
    weights: Vec<f32>,
    /// Sum over the voxels of their class's weight.
    weight_of_all: f64,
}

impl Target {
    /// From labels of the shape `[N, D, H, W]` in row-major order. A label that is no class has no part in the loss.
    pub fn new(labels: &[u8], [n, d, h, w]: [usize; 4], classes: usize, objective: &Objective) -> Self {
        let volume = d * h * w;
        let mut counts = vec![0u64; classes];
        let mut one_hot = vec![0f32; n * classes * volume];
        for (patch, labels) in labels.chunks_exact(volume.max(1)).enumerate().take(n) {
            for (at, &label) in labels.iter().enumerate() {
                let class = usize::from(label);
                if let Some(count) = counts.get_mut(class) {
                    *count += 1;
                    one_hot[(patch * classes + class) * volume + at] = 1.0;
                }
            }
        }
        let raw: Vec<f64> = counts.iter().map(|&c| if c == 0 { 0.0 } else { (c as f64).powf(-objective.inverse_frequency) }).collect();
        let sum: f64 = raw.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let weights: Vec<f64> = raw.iter().map(|w| w / sum).collect();
        let weight_of_all = weights.iter().zip(&counts).map(|(w, &c)| w * c as f64).sum();

        let mut region_count = 0;
        let mut region = None;
        if objective.boundary != 0.0 {
            let marked: Vec<f32> = labels
                .chunks_exact(volume.max(1))
                .take(n)
                .flat_map(|l| boundary::region(l, [d, h, w], objective.radius))
                .map(|m| f32::from(u8::from(m)))
                .collect();
            region_count = marked.iter().filter(|&&m| m > 0.0).count();
            if region_count > 0 {
                region = Some(TensorData::new(marked, [n, 1, d, h, w]));
            }
        }
        let weights = weights.into_iter().map(|w| w as f32).collect();
        Self { one_hot: TensorData::new(one_hot, [n, classes, d, h, w]), region, region_count, weights, weight_of_all }
    }

    /// The class weights `w_c`.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }
}

/// The loss and its three terms, unweighted; each a scalar tensor.
#[derive(Clone, Debug)]
pub struct Terms {
    pub total: Tensor<1>,
    pub dice: Tensor<1>,
    pub cross_entropy: Tensor<1>,
    pub boundary: Tensor<1>,
}

impl Objective {
    /// The loss of logits `[N, C, D, H, W]`, on their device.
    pub fn terms(&self, logits: Tensor<5>, target: &Target, device: &Device) -> Terms {
        let classes = target.weights.len();
        let weights = Tensor::<5>::from_data(TensorData::new(target.weights.clone(), [1, classes, 1, 1, 1]), device);
        let truth = Tensor::<5>::from_data(target.one_hot.clone(), device);
        let log_p = log_softmax(logits, 1);
        let p = log_p.clone().exp();
        let hit = truth.clone() * log_p;

        // Per class: sums over the patches and the voxels.
        let per_class = |x: Tensor<5>| x.sum_dims(&[0, 2, 3, 4]).reshape([classes]);
        let class_weights = weights.clone().reshape([classes]);
        let overlap = per_class(p.clone() * truth.clone());
        let size = per_class(p.clone()) + per_class(truth.clone());
        let dice = (overlap * 2.0 + SMOOTH) / (size + SMOOTH);
        let known: f64 = target.weights.iter().map(|&w| f64::from(w)).sum();
        let dice = -(dice * class_weights.clone()).sum() + known;

        let cross_entropy = -(per_class(hit.clone()) * class_weights).sum() / target.weight_of_all.max(f64::MIN_POSITIVE);

        let boundary = match &target.region {
            None => Tensor::<1>::zeros([1], device),
            Some(region) => {
                let region = Tensor::<5>::from_data(region.clone(), device);
                let miss = (-truth + 1.0) * (-p + 1.0).clamp_min(LEAST).log();
                -((hit + miss) * weights * region).sum() / target.region_count as f64
            }
        };
        let total = dice.clone() * self.dice + cross_entropy.clone() * self.cross_entropy + boundary.clone() * self.boundary;
        Terms { total, dice, cross_entropy, boundary }
    }
}

#[cfg(test)]
#[path = "loss_tests.rs"]
mod tests;
