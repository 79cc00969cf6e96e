//! Folders of predictions scored against references: files to scores, scores to tables and files.
//!
//! Level 7: may use `text`, `volume`, `data`, `metric`, `show`. `cases` reads and scores pairs of files, `report` makes tables, `notes` says
//! under them what they rest on, `export` makes JSON and CSV.
//!
//! ```no_run
//! use lmsc::evaluate::{Pairs, Report, Scope, Style, score};
//! use lmsc::metric::{Convention, Empty, Figure, Settings};
//!
//! let pairs = Pairs::from([("case_1".to_owned(), ("pred/case_1.nii.gz".into(), "ref/case_1.nii.gz".into()))]);
//! let settings = Settings { convention: Convention::default(), tolerance: 1.0, lesions: None, empty: Empty::Absent };
//! let (own, _) = score(pairs, None, &Scope::EachLabel, &settings)?;
//! let report = Report { own: &own, other: None, settings, seed: 1, shown: vec![Figure::Dice, Figure::Hd95] };
//! println!("{}", report.text(Style::Plain(80), true));
//! # Ok::<(), lmsc::text::Diagnostics>(())
//! ```

mod cases;
mod export;
mod gate;
mod notes;
mod report;

pub use crate::data::Pairs;
pub use cases::{PredictionSet, SAME_GRID, ScoredFiles, ScoredRegions, UnexpectedLabel, score};
pub use report::{EvaluationReport, TableStyle};
