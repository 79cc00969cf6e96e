//! The run config: one RON file that says everything about a training run.
//!
//! Part of `train`; may use `data`, `volume`, `read` and `text`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::budget::seconds;
use super::fault::fault;
use super::loss::Objective;
use super::postprocess_search::PostprocessSearch;
use super::schedule::LrSchedule;
use crate::compile::memory::Precision;
use crate::data::{Augment, DatasetSpec, Foreground, Preprocess, SlicePlane, Spacing};
use crate::infer::NamedRegions;
use crate::read::{self, Set, Value};
use crate::text::{self, Diagnostics, Result, Source, printable};
use crate::volume::Normalise;

mod place;
mod recipe;
mod validate;

pub(super) use place::absolute;
pub use place::{Told, given};
use recipe::RECIPES;
pub use recipe::Recipe;
pub use validate::Validate;

/// A training run. Lengths are in voxels, `[D, H, W]`: to the head, the front and the right, unless `slices` says otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Values that go together, for all fields that are not written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Recipe>,
    /// The graph file. Relative paths start at the config's folder, those that `--set` gives at the working directory.
    pub graph: PathBuf,
    /// Parameters of the graph.
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
    /// A file of weights that the run begins with: a model of lmsc, or what `lmsc import weights` reads. Weights that it has not, or in another shape,
    /// are drawn as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<PathBuf>,
    /// Rules from the names in `initial` to those of the graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<PathBuf>,
    /// Weights of `initial` that stay as they are: patterns of their names, as `enc*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// Factors of the learning rate for weights by patterns of their names: `{"enc*": 0.1}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rates: BTreeMap<String, f64>,
    /// Whether batch norms compute by their running statistics, which stay as they are, in training too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen_statistics: bool,
    /// Where the cases come from.
    pub data: DatasetSpec,
    /// Regions of label values that the network tells apart instead of the classes; each is one of its outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions: Option<NamedRegions>,
    /// The label value that each region paints, in this order; without it, it follows from the regions where it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paint: Option<Vec<u32>>,
    #[serde(default)]
    pub split: SplitSpec,
    /// Size of the patches that the network is trained on, and of the windows at prediction; of slices `(H, W)`.
    #[serde(deserialize_with = "patch")]
    pub patch: [usize; 3],
    /// The planes along H and W of the network, whatever the axis order of the files: `axial`, `coronal` or `sagittal`. A network in two
    /// dimensions sees a volume as a row of such slices. The model carries it.
    #[serde(default, skip_serializing_if = "SlicePlane::is_axial")]
    pub slices: SlicePlane,
    /// Patches in a batch.
    #[serde(default = "two")]
    pub batch: usize,
    /// How intensities are brought to the scale of the network.
    #[serde(default)]
    pub normalise: Normalise,
    /// The spacing in mm, along D, H, W (head, front, right, unless `slices` says otherwise), to which all cases are brought, `keep` for an axis that stays; without it
    /// each keeps its own.
    #[serde(default)]
    pub spacing: Option<Spacing>,
    /// Whether the planes around an image that are 0 in all channels are cut away.
    #[serde(default)]
    pub crop: bool,
    /// What NaN and infinity in images become, as 0; without it, images that hold such are refused. The model carries it, and prediction does the
    /// same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nan: Option<f64>,
    /// A folder for prepared cases: what is read and resampled once is kept there for this run and all later ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
    #[serde(default)]
    pub augment: Augment,
    /// Which patches are placed at a voxel of a foreground class: a part of them, 0 to 1, or so many of each batch.
    #[serde(default)]
    pub foreground: Foreground,
    #[serde(default)]
    pub loss: Objective,
    #[serde(default)]
    pub optimiser: OptimiserConfig,
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// Epochs of the run; with `budget` at most so many. One of the two is needed.
    #[serde(default)]
    pub epochs: usize,
    /// The time that the run may take, as `12h` or `1h30m`: so many epochs are made, at most `epochs` where that is given, as a measured step
    /// leaves time for, and `optimiser.average`, where it is not given, reaches over a twentieth of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
    /// Optimiser steps of an epoch; without it, as many as show every training case about once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// How often, and on how many cases.
    #[serde(default)]
    pub validate: Validate,
    /// Early stopping after so many epochs without a better one; without it, all epochs are trained.
    #[serde(default)]
    pub patience: Option<usize>,
    /// Overlap of the windows at validation and prediction, 0 to below 1.
    #[serde(default = "half")]
    pub overlap: f64,
    /// Whether to search at the end for postprocessing that improves Dice.
    #[serde(default)]
    pub postprocess: PostprocessSearch,
    /// Replicas of the network that share a batch: threads on the CPU, as many GPUs from `device` on.
    #[serde(default = "one")]
    pub workers: usize,
    /// The precision of the activations: `f32`, or on a GPU `bf16` or `f16` (with the loss scaled). The weights, their gradients, the
    /// optimiser and the loss stay `f32`.
    #[serde(default)]
    pub precision: Precision,
    /// Activation checkpointing: most activations are computed again in the backward pass instead of held, so that a step takes less memory and
    /// more time.
    #[serde(default)]
    pub checkpointing: bool,
    /// The seed of the weights, the order of the cases, the crops and the augmentation.
    #[serde(default)]
    pub seed: u64,
    /// `auto`, `cpu`, `cuda`, `cuda:1` or `wgpu`.
    #[serde(default = "auto")]
    pub device: String,
    /// The run folder; without it, the next free `runs/NAME` in the working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<PathBuf>,
    #[serde(skip)]
    pub(crate) told: Told,
}

/// Names of the fields, for `--set`: what is none of these is a parameter of the graph.
pub const FIELDS: &[&str] = &[
    "recipe",
    "graph",
    "set",
    "initial",
    "map",
    "freeze",
    "rates",
    "frozen_statistics",
    "data",
    "regions",
    "paint",
    "split",
    "patch",
    "slices",
    "batch",
    "normalise",
    "spacing",
    "crop",
    "nan",
    "cache",
    "augment",
    "foreground",
    "loss",
    "optimiser",
    "schedule",
    "epochs",
    "budget",
    "steps",
    "validate",
    "patience",
    "overlap",
    "postprocess",
    "workers",
    "precision",
    "checkpointing",
    "seed",
    "device",
    "out",
];

/// Which cases are kept for validation: a part of them, one of several folds, or those that a list names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitSpec {
    /// A JSON file that lists the cases: `{"train": [...], "val": [...]}`, or nnU-Net's list of such, of which `fold` is taken. Cases that are
    /// not named are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The part of the cases, above 0 and below 1; ignored with `folds`.
    pub validation: f64,
    /// Cross-validation in so many folds of the sorted cases, as scikit-learn's `KFold(folds, shuffle=True, random_state=seed)`
    /// makes them. Seed 12345, which is taken if none is given, is that of nnU-Net.
    pub folds: Option<usize>,
    /// The fold that is kept for validation, from 0.
    pub fold: usize,
    /// Separate from the run's seed, so that runs with other seeds are compared on the same cases; without it 0, and 12345 with `folds`.
    pub seed: Option<u64>,
}

impl Default for SplitSpec {
    fn default() -> Self {
        Self { file: None, validation: 0.2, folds: None, fold: 0, seed: None }
    }
}

/// Optimisers by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(non_camel_case_types)]
pub enum OptimiserKind {
    /// Adam with decoupled weight decay.
    #[default]
    adamw,
    /// Gradient descent with momentum, as in PyTorch; weight decay is added to the gradients.
    sgd,
}

/// The optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimiserConfig {
    pub kind: OptimiserKind,
    /// The learning rate at the end of the warmup.
    pub lr: f64,
    /// Weight decay: decoupled with AdamW, added to the gradients with SGD.
    pub weight_decay: f64,
    /// Of AdamW.
    pub betas: [f64; 2],
    /// Of SGD.
    pub momentum: f64,
    /// Whether SGD's momentum is Nesterov's.
    pub nesterov: bool,
    /// Gradient clipping: the largest global norm of the gradients.
    pub clip: Option<f64>,
    /// Gradient accumulation: batches whose gradients make one step.
    pub accumulate: usize,
    /// What a step keeps of the moving average of the weights, as 0.999; the average is what is validated and saved.
    pub average: Option<f64>,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self {
            kind: OptimiserKind::adamw,
            lr: 1e-3,
            weight_decay: 1e-2,
            betas: [0.9, 0.999],
            momentum: 0.99,
            nesterov: true,
            clip: None,
            accumulate: 1,
            average: None,
        }
    }
}

/// The learning rate schedule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    pub kind: LrSchedule,
    /// Epochs (fractions count) of linear warmup.
    pub warmup: f64,
    /// The learning rate at the end.
    pub min_lr: f64,
    /// Of the polynomial.
    pub power: f64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { kind: LrSchedule::cosine, warmup: 1.0, min_lr: 1e-6, power: 0.9 }
    }
}

/// `(D, H, W)`, or `(H, W)` of slices.
fn patch<'de, D: Deserializer<'de>>(d: D) -> std::result::Result<[usize; 3], D::Error> {
    d.deserialize_any(PatchSize)
}

struct PatchSize;

impl<'de> de::Visitor<'de> for PatchSize {
    type Value = [usize; 3];

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a size (D, H, W), or (H, W) of slices,")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<[usize; 3], A::Error> {
        let mut all = vec![];
        while let Some(n) = seq.next_element::<usize>()? {
            all.push(n);
        }
        match all[..] {
            [h, w] => Ok([1, h, w]),
            [d, h, w] => Ok([d, h, w]),
            _ => Err(de::Error::invalid_length(all.len(), &self)),
        }
    }

    /// What stands in for a size that was refused before; the check tells of none.
    fn visit_u64<E: de::Error>(self, _: u64) -> std::result::Result<[usize; 3], E> {
        Ok([0; 3])
    }
}

fn one() -> usize {
    1
}

fn two() -> usize {
    2
}

fn half() -> f64 {
    0.5
}

fn auto() -> String {
    "auto".into()
}

/// The changes, before which a text without any `loss`, of its own or of its recipe, gets the usual one: `--set loss.focal=1` adds to that.
fn with_usual_loss(source: &Arc<Source>, sets: &[Set]) -> Result<Vec<Set>> {
    let mut all = vec![];
    let recipe: Vec<Set> = sets.iter().filter(|s| s.path == "recipe").cloned().collect();
    if sets.iter().any(|s| s.path.starts_with("loss.")) && !RunConfig::named(source, &recipe)?.contains("loss") {
        let usual = Objective::default();
        all.push(Set::parse(&format!("loss.dice={:?}", usual.dice))?);
        all.push(Set::parse(&format!("loss.cross_entropy={:?}", usual.cross_entropy))?);
    }
    all.extend_from_slice(sets);
    Ok(all)
}

impl RunConfig {
    /// Reads a config's text with the changes that concern it, and checks every value that can be judged alone.
    ///
    /// # Errors
    /// What is wrong with the text, at its place; E0601 for values that cannot be.
    pub fn read(source: &Arc<Source>, sets: &[Set]) -> Result<Self> {
        let mut config: Self = read::config(source, &with_usual_loss(source, sets)?, &RECIPES)?;
        config.told.sets = sets.to_vec();
        config.check(source)?;
        config.locate(source);
        Ok(config)
    }

    /// The fields that a config's text, its changes and its recipe name, as `loss.dice`; all others have their default.
    ///
    /// # Errors
    /// As [`RunConfig::read`].
    pub fn named(source: &Arc<Source>, sets: &[Set]) -> Result<BTreeSet<String>> {
        read::config_fields(source, sets, &RECIPES)
    }

    /// The graph file, seen from the config file at `path`.
    pub fn graph_path(&self, path: &Path) -> PathBuf {
        path.parent().unwrap_or(Path::new("")).join(&self.graph)
    }

    /// How images are prepared.
    pub fn preprocess(&self) -> Preprocess {
        let orientation = self.slices.orientation();
        Preprocess { normalise: self.normalise, orientation, spacing: self.spacing, crop: self.crop, nan: self.nan }
    }

    fn check(&self, source: &Arc<Source>) -> Result<()> {
        let mut found = Diagnostics::default();
        let mut must = |holds: bool, field: &str, found_value: String, wanted: &str| {
            if !holds {
                found.push(fault(source, &self.told.sets, field, format!("`{field}` is {found_value}, and must be {wanted}")));
            }
        };
        let rate = |v: f64| v.is_finite() && v > 0.0;
        let weight = |v: f64| v.is_finite() && v >= 0.0;
        let (o, s) = (&self.optimiser, &self.schedule);
        must(rate(o.lr), "optimiser.lr", o.lr.to_string(), "a number above 0");
        must(weight(o.weight_decay), "optimiser.weight_decay", o.weight_decay.to_string(), "0 or more");
        must(o.betas.iter().all(|b| (0.0..1.0).contains(b)), "optimiser.betas", format!("{:?}", o.betas), "two numbers from 0 to below 1");
        must((0.0..1.0).contains(&o.momentum), "optimiser.momentum", o.momentum.to_string(), "from 0 to below 1");
        must(
            !(o.kind == OptimiserKind::sgd && o.nesterov && o.momentum == 0.0),
            "optimiser.nesterov",
            "true without momentum".into(),
            "false, or `optimiser.momentum` above 0",
        );
        must(self.initial.is_some() || self.map.is_none(), "map", "given without `initial`".into(), "left out");
        must(
            self.initial.is_some() || self.freeze.is_empty(),
            "freeze",
            "given without `initial`".into(),
            "left out: weights that were drawn learn",
        );
        let odd = self.rates.values().find(|factor| !rate(**factor));
        must(
            odd.is_none(),
            "rates",
            odd.copied().unwrap_or_default().to_string(),
            "factors above 0; what is to stay as it is stands in `freeze`",
        );
        must(o.clip.is_none_or(rate), "optimiser.clip", format!("{:?}", o.clip.unwrap_or_default()), "a number above 0");
        must(o.accumulate >= 1, "optimiser.accumulate", o.accumulate.to_string(), "1 batch or more");
        let kept = o.average.unwrap_or_default();
        must((0.0..1.0).contains(&kept), "optimiser.average", kept.to_string(), "from 0 to below 1");
        must(rate(s.power), "schedule.power", s.power.to_string(), "a number above 0");
        must(self.patience != Some(0), "patience", "0".into(), "1 epoch or more");
        must(weight(s.warmup), "schedule.warmup", s.warmup.to_string(), "0 epochs or more");
        must(weight(s.min_lr) && s.min_lr <= o.lr, "schedule.min_lr", s.min_lr.to_string(), "from 0 to `optimiser.lr`");
        for (field, value, wanted) in self.loss.faults() {
            let field = if field.is_empty() { "loss".into() } else { format!("loss.{field}") };
            must(false, &field, value, wanted);
        }
        must(
            self.regions.is_none() || self.loss.background,
            "loss.background",
            "false beside `regions`".into(),
            "left out: a network that tells regions apart has no background",
        );
        must(self.regions.is_some() || self.paint.is_none(), "paint", "given without `regions`".into(), "left out");
        must((1..=64).contains(&self.workers), "workers", self.workers.to_string(), "from 1 to 64");
        must(self.workers <= self.batch.max(1), "workers", self.workers.to_string(), "at most `batch`: each takes a patch at least");
        let spanned = self.budget.as_deref().is_none_or(|text| seconds(text).is_some());
        must(
            spanned,
            "budget",
            format!("\"{}\"", printable(self.budget.as_deref().unwrap_or_default())),
            "a time, as \"12h\" or \"1h30m\"",
        );
        must(self.epochs >= 1 || self.budget.is_some(), "epochs", self.epochs.to_string(), "1 or more, or left out beside `budget`");
        let v = &self.validate;
        must(v.every >= 1, "validate.every", v.every.to_string(), "1 epoch or more");
        must(v.cases != Some(0), "validate.cases", "0".into(), "1 or more");
        must((0.0..1.0).contains(&v.smooth), "validate.smooth", v.smooth.to_string(), "from 0 to below 1");
        must(self.steps != Some(0), "steps", "0".into(), "1 or more");
        must(self.batch >= 1, "batch", self.batch.to_string(), "1 or more");
        must(self.patch.iter().all(|&p| (1..=4096).contains(&p)), "patch", text::by(self.patch), "three sizes from 1 to 4096 voxels");
        if let Some((field, value, wanted)) = self.foreground.fault(self.batch) {
            must(false, field, value, &wanted);
        }
        must((0.0..1.0).contains(&self.overlap), "overlap", self.overlap.to_string(), "from 0 to below 1");
        let v = self.split.validation;
        let k = self.split.folds;
        must(
            k.is_none() || self.split.file.is_none(),
            "split.folds",
            "given beside `split.file`".into(),
            "left out: the file lists the cases",
        );
        must(k.is_none_or(|k| k >= 2), "split.folds", k.unwrap_or_default().to_string(), "2 or more");
        must(
            k.is_none_or(|k| self.split.fold < k.max(1)),
            "split.fold",
            self.split.fold.to_string(),
            &format!("below `split.folds`, from 0 to {}", k.unwrap_or(1).saturating_sub(1)),
        );
        must(v > 0.0 && v < 1.0, "split.validation", v.to_string(), "above 0 and below 1");
        if let Some((field, why)) = self.preprocess().fault() {
            found.push(fault(source, &self.told.sets, field, format!("`{field}`: {why}")));
        }
        if let Some(why) = self.regions.as_ref().and_then(|r| r.regions(self.paint.as_deref()).err()) {
            let d = fault(source, &self.told.sets, if self.paint.is_some() { "paint" } else { "regions" }, format!("`regions`: {why}"));
            found.push(d.help("give the label that each region paints, in their order: paint: [2, 1, 4]"));
        }
        if let Some((field, why)) = self.augment.fault() {
            found.push(fault(source, &self.told.sets, &format!("augment.{field}"), format!("`augment.{field}`: {why}")));
        }
        found.or(())
    }
}

#[cfg(test)]
mod tests;
