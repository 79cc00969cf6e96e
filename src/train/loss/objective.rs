//! The loss section of a run config; the module above has the formulas.
//!
//! Part of `train::loss`; depends on nothing of this crate.

use serde::{Deserialize, Serialize};

/// The weights of the loss terms, and their parameters.
///
/// A term that a config's `loss` does not name weighs nothing, and classes are weighed alike unless it says otherwise. Without any `loss` it
/// is Dice and cross-entropy, each with weight 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default = "Objective::of_nothing")]
pub struct Objective {
    /// Weight of the Dice loss.
    pub dice: f64,
    /// Weight of the cross-entropy.
    pub cross_entropy: f64,
    /// Weight of the boundary loss.
    pub boundary: f64,
    /// Weight of the Tversky loss.
    pub tversky: f64,
    /// Weight of the focal loss.
    pub focal: f64,
    /// The radius of the boundary region on either side of a border, in voxels.
    pub radius: usize,
    /// The norm in which that radius is measured.
    pub norm: DistanceNorm,
    /// Exponent of the inverse frequency: 1 as in the paper of LightMedSeg, 0 weighs every class alike.
    pub inverse_frequency: f64,
    /// The same exponent for the cross-entropy alone; without it, that of all terms.
    pub cross_entropy_frequency: Option<f64>,
    /// Annealing of the cross-entropy's exponent over the run; without it, it is constant.
    pub anneal: Option<Anneal>,
    /// Where the frequency is counted.
    pub frequency_of: FrequencyOf,
    /// Weights of the classes (of the regions, where the run has such), in their order, instead of the inverse frequency; only
    /// how they relate matters.
    pub class_weights: Option<Vec<f64>>,
    /// Whether Dice and Tversky sum over the batch; else over each patch, of which the mean is taken.
    pub batch_dice: bool,
    /// Whether Dice and Tversky include the background.
    pub background: bool,
    /// Whether the denominator of the Dice sums squares.
    pub squared: bool,
    /// The weight of a false positive in the Tversky index.
    pub alpha: f64,
    /// The weight of a false negative in it. With 0.5 for both it is the Dice.
    pub beta: f64,
    /// Exponent of 1 - the Tversky index; below 1 it is the focal Tversky loss, whose authors take 0.75.
    pub tversky_power: f64,
    /// Exponent of the focal loss; with 0 it is the cross-entropy.
    pub gamma: f64,
    /// Weights of the graph's outputs, in their order, where it has several; without it 1, 1/2, 1/4, ... Only how they relate
    /// matters. An output of weight 0 has no part in training.
    pub deep_supervision: Option<Vec<f64>>,
}

impl Default for Objective {
    /// Without any `loss` in a config.
    fn default() -> Self {
        Self { dice: 1.0, cross_entropy: 1.0, ..Self::of_nothing() }
    }
}

impl Objective {
    /// What is not named in a `loss`.
    fn of_nothing() -> Self {
        Self {
            dice: 0.0,
            cross_entropy: 0.0,
            boundary: 0.0,
            tversky: 0.0,
            focal: 0.0,
            radius: 1,
            norm: DistanceNorm::chebyshev,
            inverse_frequency: 0.0,
            cross_entropy_frequency: None,
            anneal: None,
            frequency_of: FrequencyOf::batch,
            class_weights: None,
            batch_dice: true,
            background: true,
            squared: false,
            alpha: 0.3,
            beta: 0.7,
            tversky_power: 1.0,
            gamma: 2.0,
            deep_supervision: None,
        }
    }
}

/// Linear annealing from the full value to 0 over the batches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anneal {
    /// The part of the run after which it is 0, above 0 and at most 1.
    pub until: f64,
}

/// Norms of distances between voxels, in voxels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(non_camel_case_types)]
pub enum DistanceNorm {
    /// Chebyshev: a cube.
    #[default]
    chebyshev,
    /// Euclidean: a ball.
    euclidean,
    /// Manhattan: an octahedron.
    city,
}

/// Over what the voxels of a class are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(non_camel_case_types)]
pub enum FrequencyOf {
    #[default]
    batch,
    /// All training cases, once, before the first step.
    dataset,
}

impl Objective {
    /// The exponent of the cross-entropy after such a part of the run (0 to 1), where it may be another one than that of all terms.
    pub fn cross_entropy_exponent(&self, along: f64) -> Option<f64> {
        if self.cross_entropy_frequency.is_none() && self.anneal.is_none() {
            return None;
        }
        let first = self.cross_entropy_frequency.unwrap_or(self.inverse_frequency);
        Some(first * self.anneal.map_or(1.0, |a| (1.0 - along / a.until).max(0.0)))
    }

    /// Invalid values: the field, its value in words, and what it must be.
    pub fn faults(&self) -> Vec<(&'static str, String, &'static str)> {
        let weight = |v: f64| v.is_finite() && v >= 0.0;
        let mut found = vec![];
        for (field, v) in [
            ("dice", self.dice),
            ("cross_entropy", self.cross_entropy),
            ("boundary", self.boundary),
            ("tversky", self.tversky),
            ("focal", self.focal),
            ("inverse_frequency", self.inverse_frequency),
            ("cross_entropy_frequency", self.cross_entropy_frequency.unwrap_or_default()),
            ("alpha", self.alpha),
            ("beta", self.beta),
            ("gamma", self.gamma),
        ] {
            if !weight(v) {
                found.push((field, v.to_string(), "0 or more"));
            }
        }
        if [self.dice, self.cross_entropy, self.boundary, self.tversky, self.focal].iter().all(|weight| *weight == 0.0) {
            found.push((
                "",
                "0 in every term".into(),
                "above 0 in one of them, as in loss: (dice: 1, cross_entropy: 1); what it does not name is 0",
            ));
        }
        if self.tversky != 0.0 && self.alpha + self.beta == 0.0 {
            found.push(("alpha", "0, as `loss.beta` is".into(), "above 0, or `loss.beta`"));
        }
        if !(self.tversky_power.is_finite() && self.tversky_power > 0.0) {
            found.push(("tversky_power", self.tversky_power.to_string(), "a number above 0"));
        }
        if self.radius > 64 {
            found.push(("radius", self.radius.to_string(), "from 0 to 64 voxels"));
        }
        for (field, list) in [("class_weights", &self.class_weights), ("deep_supervision", &self.deep_supervision)] {
            let Some(list) = list else { continue };
            if !list.iter().all(|v| weight(*v)) || !list.iter().any(|v| *v > 0.0) {
                found.push((field, format!("{list:?}"), "numbers of 0 or more, one of them above 0"));
            }
        }
        if let Some(Anneal { until }) = self.anneal.filter(|a| !(a.until > 0.0 && a.until <= 1.0)) {
            found.push(("anneal.until", until.to_string(), "above 0 and at most 1: a part of the run"));
        }
        if self.class_weights.is_some() && self.cross_entropy_exponent(0.0).is_some() {
            let field = if self.anneal.is_some() { "anneal" } else { "cross_entropy_frequency" };
            found.push((field, "given beside `loss.class_weights`".into(), "left out: the weights are given"));
        }
        if self.class_weights.is_some() && self.frequency_of == FrequencyOf::dataset {
            found.push(("frequency_of", "dataset beside `loss.class_weights`".into(), "left out: the weights are given"));
        }
        if self.deep_supervision.as_ref().is_some_and(|w| w.first() == Some(&0.0)) {
            found.push(("deep_supervision", "0 for the first output".into(), "above 0 there: prediction uses that output"));
        }
        found
    }
}
