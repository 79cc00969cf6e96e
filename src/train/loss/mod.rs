//! The training objective: by default Dice and cross-entropy; others by the run config, that of LightMedSeg (equation 22: boundary loss and
//! inverse voxel frequencies beside them) among them.
//!
//! Part of `train`; uses Burn, and `volume` for distances.
//!
//! # The formula
//! A batch has logits `z[v, c]` and labels `y[v]`, `v` over the voxels of all its patches; `p = softmax(z)`, `g[v, c] = 1`
//! where `y[v] = c`, else 0. With `n_c` voxels of class `c`, the class weights are
//!
//! ```text
//! w_c = n_c^-a / sum of n_k^-a over the classes k
//! ```
//!
//! with `a = inverse_frequency` (1: plain inverse frequency; 0: every class alike). The voxels are those of the batch, where a class
//! that is not in it weighs 0, or those of all training cases (`frequency_of`); or weights are given (`class_weights`). Those of `L_c` alone
//! have the exponent `cross_entropy_frequency` where that is given, and with `anneal: (until: u)` the exponent times `max(0, 1 - t / u)` after the
//! part `t` of all batches of the run. Then
//!
//! ```text
//! L     = dice * L_d + cross_entropy * L_c + boundary * L_b + tversky * L_t + focal * L_f
//! L_d   = sum_c w_c (1 - (2 sum_v p g + e) / (sum_v p + sum_v g + e))                     e = 1e-5
//! L_c   = sum_v w_y[v] (-log p[v, y[v]]) / sum_v w_y[v]
//! L_b   = 1/|B| sum_{v in B} sum_c w_c (-g log p - (1 - g) log(1 - p))
//! L_t   = sum_c w_c (1 - (tp + e) / (tp + alpha fp + beta fn + e))^power        tp = sum_v p g, fp = sum_v p - tp, fn = sum_v g - tp
//! L_f   = sum_v w_y[v] (1 - p[v, y[v]])^gamma (-log p[v, y[v]]) / sum_v w_y[v]
//! ```
//!
//! `B` are the voxels within `radius` (in the distance `norm`) of a border between classes in the labels. Without any, `L_b` is 0.
//! `batch_dice: false` takes the sums of `L_d` and `L_t` over each patch, and the mean over the patches; `background: false` leaves class 0
//! out of both; `squared` puts `sum_v p^2` for `sum_v p` in `L_d`.
//!
//! # Regions
//! Where channels are regions, `p = sigmoid(z)`, `g[v, c] = 1` where the voxel is in region `c`, and with `V` voxels
//!
//! ```text
//! L_c   = 1/V sum_v sum_c w_c (-g log p - (1 - g) log(1 - p))
//! L_f   = 1/V sum_v sum_c w_c (-g (1 - p)^gamma log p - (1 - g) p^gamma log(1 - p))
//! ```
//!
//! The others are as above; a region that is not in the batch weighs as the rarest one that is.
//!
//! # Several outputs
//! Each output has the loss of its own against the labels at its size (each voxel takes the label of the voxel in which its middle lies),
//! and the sum is weighted by 1, 1/2, 1/4, ... or `deep_supervision`, made to sum to 1.
//!
//! Sources: Dice, Milletari et al. 2016 (its squares) and Drozdzal et al. 2016; Tversky, Salehi et al. 2017; its power, Abraham and Khan
//! 2019; focal, Lin et al. 2017; deep supervision, Isensee et al. 2021.

mod border;
mod label_scheme;
mod objective;
mod overlap;
mod predictions;
mod target;
mod voxel;
mod weights;

use burn::tensor::Tensor;

use predictions::Predictions;
use voxel::LogLikelihood;

pub use label_scheme::LabelScheme;
pub use objective::{Anneal, DistanceNorm, FrequencyOf, Objective};
pub use target::{DeviceTargets, HostTargets, Targets};

/// An output of the network that is trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Head {
    /// Its place among the graph's outputs.
    pub output: usize,
    /// `[D, H, W]` for a training patch.
    pub size: [usize; 3],
    /// The weight of its loss.
    pub weight: f64,
}

/// The loss of a network: objective, label scheme, deep supervision, class weights.
#[derive(Clone, Debug)]
pub struct Loss {
    pub objective: Objective,
    pub label_scheme: LabelScheme,
    /// Outputs that are trained on, the first one first; empty for a network of one output.
    pub heads: Vec<Head>,
    /// Fixed class weights, from all training cases or from the config; none where each batch has its own.
    pub fixed: Option<Vec<f64>>,
    /// Voxels of each channel in all training cases, where these are counted.
    pub counts: Option<Vec<u64>>,
}

/// The loss and its terms, unweighted; each a scalar tensor, 0 for Tversky and focal loss with weight 0.
#[derive(Clone, Debug)]
pub struct Terms {
    pub total: Tensor<1>,
    pub dice: Tensor<1>,
    pub cross_entropy: Tensor<1>,
    pub boundary: Tensor<1>,
    pub tversky: Tensor<1>,
    pub focal: Tensor<1>,
}

impl Loss {
    /// Of a network with one output. Class weights are those of the config or of each batch.
    pub fn new(objective: Objective, label_scheme: LabelScheme) -> Self {
        let fixed = objective.class_weights.as_deref().map(weights::normalised);
        Self { objective, label_scheme, heads: vec![], fixed, counts: None }
    }

    /// With class weights by the voxels of each class, index by index, in all training cases.
    pub fn with_counts(mut self, classes: &[u64]) -> Self {
        let counts = self.label_scheme.counts(classes);
        self.fixed = Some(weights::inverse(&counts, self.objective.inverse_frequency, &self.label_scheme));
        self.counts = Some(counts);
        self
    }

    fn weights(&self, counts: &[u64]) -> Vec<f64> {
        self.fixed.clone().unwrap_or_else(|| weights::inverse(counts, self.objective.inverse_frequency, &self.label_scheme))
    }

    /// Those of the cross-entropy, after such a part of the run.
    fn cross_entropy_weights(&self, counts: &[u64], along: f64) -> Vec<f64> {
        match self.objective.cross_entropy_exponent(along) {
            Some(exponent) => weights::inverse(self.counts.as_deref().unwrap_or(counts), exponent, &self.label_scheme),
            None => self.weights(counts),
        }
    }

    /// [`targets_at`](Self::targets_at) the beginning of a run.
    pub fn targets(&self, labels: &[u8], shape: [usize; 4]) -> Vec<HostTargets> {
        self.targets_at(labels, shape, 0.0)
    }

    /// The targets for each output that is trained on, from labels (class indices) `[N, D, H, W]` in row-major order, after the part `along` (0 to
    /// 1) of the run. A label that is no class has no part in the loss; one that is in no region is outside of all.
    pub fn targets_at(&self, labels: &[u8], [n, d, h, w]: [usize; 4], along: f64) -> Vec<HostTargets> {
        if self.heads.is_empty() {
            return vec![HostTargets::new(labels, [n, d, h, w], self, along)];
        }
        let one = |head: &Head| {
            let [hd, hh, hw] = head.size;
            HostTargets::new(&target::resized(labels, n, [d, h, w], head.size), [n, hd, hh, hw], self, along)
        };
        self.heads.iter().map(one).collect()
    }

    /// The loss of the logits `[N, K, D, H, W]` of each output that is trained on, on the device of all.
    pub fn terms(&self, logits: Vec<Tensor<5>>, targets: &[Targets]) -> Terms {
        let mut sum: Option<Terms> = None;
        for (at, (logits, truth)) in logits.into_iter().zip(targets).enumerate() {
            let own = self.of_one(logits, truth);
            let weight = self.heads.get(at).map_or(1.0, |h| h.weight);
            let own = if weight == 1.0 { own } else { own.map(|t| t * weight) };
            sum = Some(match sum {
                None => own,
                Some(sum) => sum.plus(own),
            });
        }
        sum.unwrap_or_else(|| unreachable!("a network has an output"))
    }

    fn of_one(&self, logits: Tensor<5>, t: &Targets) -> Terms {
        let o = &self.objective;
        let device = &logits.device();
        let a = Predictions::new(logits, &self.label_scheme);
        let zero = || Tensor::<1>::zeros([1], device);
        let dice = overlap::dice(&a, t, o);
        let logs = LogLikelihood::new(&a, t);
        let cross_entropy = voxel::cross_entropy(&a, t, &logs);
        let boundary = voxel::boundary(t, &logs, device);
        let mut total = dice.clone() * o.dice + cross_entropy.clone() * o.cross_entropy + boundary.clone() * o.boundary;
        let (mut tversky, mut focal) = (zero(), zero());
        if o.tversky != 0.0 {
            tversky = overlap::tversky(&a, t, o);
            total = total + tversky.clone() * o.tversky;
        }
        if o.focal != 0.0 {
            focal = voxel::focal(&a, t, &logs, o.gamma);
            total = total + focal.clone() * o.focal;
        }
        Terms { total, dice, cross_entropy, boundary, tversky, focal }
    }
}

impl Terms {
    fn map(self, f: impl Fn(Tensor<1>) -> Tensor<1>) -> Self {
        Self {
            total: f(self.total),
            dice: f(self.dice),
            cross_entropy: f(self.cross_entropy),
            boundary: f(self.boundary),
            tversky: f(self.tversky),
            focal: f(self.focal),
        }
    }

    fn plus(self, o: Self) -> Self {
        Self {
            total: self.total + o.total,
            dice: self.dice + o.dice,
            cross_entropy: self.cross_entropy + o.cross_entropy,
            boundary: self.boundary + o.boundary,
            tversky: self.tversky + o.tversky,
            focal: self.focal + o.focal,
        }
    }
}

#[cfg(test)]
mod tests;
