//! Folders of predictions scored against references: files to scores, scores to tables and files.
//!
//! Level 7: may use `text`, `volume`, `data`, `metric`, `show`. `cases` reads and scores pairs of files, `report` makes tables, `notes` says
//! under them what they rest on, `export` makes JSON and CSV.
//!
//! ```no_run
//! use lmsc::evaluate::{EvaluationReport, Pairs, ScoredRegions, TableStyle, score};
//! use lmsc::metric::{Empty, Metric, Settings, SurfaceConvention};
//!
//! let pairs = Pairs::from([("case_1".to_owned(), ("pred/case_1.nii.gz".into(), "ref/case_1.nii.gz".into()))]);
//! let settings = Settings { convention: SurfaceConvention::default(), tolerance: 1.0, lesions: None, empty: Empty::Absent };
//! let (own, _) = score(pairs, None, &ScoredRegions::EachLabel, &settings)?;
//! let report = EvaluationReport { own: &own, other: None, settings, seed: 1, shown: vec![Metric::Dice, Metric::Hd95] };
//! println!("{}", report.text(TableStyle::Plain(80), true));
//! # Ok::<(), lmsc::text::Diagnostics>(())
//! ```

mod cases;
mod export;
mod gate;
mod notes;
mod report;

pub use crate::data::Pairs;
pub use cases::{PredictionSet, SAME_GRID, ScoredFiles, ScoredRegions, UnexpectedLabel, score};
pub use notes::nothing_scored;
pub use report::{EvaluationReport, TableStyle};
