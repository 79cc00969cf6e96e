//! How well a prediction meets a reference: overlap, distances of surfaces, volumes, lesions; over cases, and of two sets of predictions.
//!
//! Level 2: may use `text`, `volume`. Lengths are in mm, along the axes D, H, W, and may differ between them; volumes are in ml.
//! `score` states what is done where a region is in one map only or in none, `means` what counts in a mean. `surface` states which Hausdorff
//! distance is meant, `wilcoxon` which test, `lesion` what a lesion is, `numbering` which label of a brain tumour is which.

mod comparison;
mod evaluation;
mod extent;
mod figure;
mod lesion;
mod means;
#[cfg(test)]
mod monotone;
mod numbering;
mod overlap;
mod region;
mod score;
mod spread;
mod summary;
mod surface;
mod surfel;
mod wilcoxon;

pub use comparison::{Compared, SIGNIFICANT, Verdict};
pub use evaluation::{CaseValue, Evaluation, MEAN, Occurrence, RegionMetric, Scored};
pub use figure::{Better, Metric, conventions};
pub use lesion::{LesionRule, Lesions};
pub use means::{MetricSample, Values, is_better, mean};
pub use numbering::{Numbered, Numbering, PerValue, faces};
pub use overlap::Counts;
pub use region::{LabelValue, Region};
pub use score::{Empty, LabelPair, Presence, Scores, Settings};
pub use spread::{RESAMPLES, Spread, spreads};
pub use summary::{CaseScore, ClassScore, ScoreSummary, summarise};
pub use surface::{SurfaceConvention, Surfaces};
pub use wilcoxon::{SignedRank, holm, least_p, pairs_needed, signed_rank};
