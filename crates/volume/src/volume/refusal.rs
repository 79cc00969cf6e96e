//! Why a volume is not read, before its path is known.
//!
//! May use `text` only.

use std::path::Path;

use crate::text::{Code, Diagnostic};

/// A reason and a remedy; [`Refusal::of`] adds the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    reason: String,
    help: &'static str,
}

pub(super) const DAMAGED: &str = "the file is damaged or was cut short: copy or convert it again";
pub(super) const CONVERT: &str = "convert it with your imaging tool to a NIfTI image (.nii or .nii.gz)";
pub(super) const HEADER: &str = "correct this field of the header with your imaging tool";

impl Refusal {
    pub fn new(reason: impl Into<String>, help: &'static str) -> Self {
        Self { reason: reason.into(), help }
    }

    /// The same, said of the second file of a pair.
    pub fn within(self, path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self { reason: format!("in `{name}`: {}", self.reason), ..self }
    }

    /// The diagnostic E0702 for the file at `path`.
    pub fn of(self, path: &Path) -> Diagnostic {
        Diagnostic::error(Code::E0702, format!("cannot read volume `{}`: {}", path.display(), self.reason)).help(self.help)
    }
}
