//! How well a prediction meets a reference: overlap, distances of surfaces, volumes, lesions; over cases, and of two sets of predictions.
//!
//! Level 2: may use `text`, `volume`. Lengths are in mm, along the axes D, H, W, and may differ between them; volumes are in ml.
//! `score` states what is done where a region is in one map only or in none: no case is dropped. `surface` states which Hausdorff distance
//! is meant, `wilcoxon` which test, `lesion` what a lesion is.

mod evaluation;
mod extent;
mod figure;
mod lesion;
mod overlap;
mod region;
mod score;
mod spread;
mod summary;
mod surface;
mod surfel;
mod wilcoxon;

pub use evaluation::{Case, Compared, Evaluation, MEAN, Occurrence, Row, SIGNIFICANT, Scored, Verdict, value};
pub use figure::{Better, Figure, conventions};
pub use lesion::{LesionRule, Lesions};
pub use overlap::Counts;
pub use region::Region;
pub use score::{Pair, Presence, Scores, Settings};
pub use spread::{RESAMPLES, Spread, spreads};
pub use summary::{CaseScore, ClassScore, Summary, summarise};
pub use surface::{Convention, Surfaces};
pub use wilcoxon::{SignedRank, holm, signed_rank};
