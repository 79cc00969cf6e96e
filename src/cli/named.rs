//! Which cases of a data set a verb takes, as an option says it.
//!
//! May use `train`, `data` and `text`.

#[cfg(not(feature = "train"))]
use std::path::Path;

#[cfg(not(feature = "train"))]
use crate::data::{Description, Want, describe, guess};
#[cfg(not(feature = "train"))]
use crate::text::{Code, Diagnostic, Result};
#[cfg(feature = "train")]
pub use crate::train::{CaseSelection, is_config};

/// The cases of a folder in a layout that is read, or of a run config; what is odd about where the config has them is told.
///
/// # Errors
/// As [`crate::train::named`].
#[cfg(feature = "train")]
pub fn named(target: &std::path::Path, part: CaseSelection, want: crate::data::Want) -> crate::text::Result<crate::data::Description> {
    let about = crate::train::named(target, part, want)?;
    let of_config = about.warnings.iter().filter(|d| d.code == crate::text::Code::E0601).cloned();
    super::complain(&crate::text::Diagnostics(of_config.collect()));
    Ok(about)
}

/// Parts of a run config's cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Cases {
    #[default]
    All,
    Training,
    Validation,
}

impl From<Cases> for CaseSelection {
    fn from(cases: Cases) -> Self {
        match cases {
            Cases::All => Self::All,
            Cases::Training => Self::Training,
            Cases::Validation => Self::Validation,
        }
    }
}

/// As with training, where run configs are read.
#[cfg(not(feature = "train"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaseSelection {
    #[default]
    All,
    Training,
    Validation,
}

#[cfg(not(feature = "train"))]
pub fn is_config(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("ron")) && !path.is_dir()
}

/// The cases of a folder in a layout that is read.
///
/// # Errors
/// What is wrong with the data set; E0601 for a run config, which this program does not read.
#[cfg(not(feature = "train"))]
pub fn named(target: &Path, part: CaseSelection, want: Want) -> Result<Description> {
    if is_config(target) || part != CaseSelection::All {
        let message = format!("`{}`: parts of a data set and run configs are read by the lmsc that trains", target.display());
        return Err(Diagnostic::error(Code::E0601, message).help("name the folder of the data set, or use the whole lmsc").into());
    }
    describe(&guess(target)?, want)
}
