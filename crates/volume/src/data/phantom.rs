//! Made-up volumes to try things on: a brain-like body in four contrasts with a nested, tumour-like lesion.
//!
//! May use `text`, `volume`, and `rng` beside it. Not a simulation of physics: it has what a network must cope with (bias field, noise,
//! soft edges, intensities of arbitrary scale, bodies that look like the lesion in one contrast but not in all) and its truth is known.

mod field;
mod make;
mod write;

pub use make::{Phantom, generate};
pub use write::write;

use super::dataset::{Case, Description};
use crate::text::{Code, Diagnostic};

/// Contrasts, in the order of the channels.
pub const MODALITIES: [&str; 4] = ["t1", "t1ce", "t2", "flair"];
/// Classes; each lies within the one before.
pub const LABELS: [&str; 4] = ["background", "edema", "core", "enhancing"];

pub(super) fn default_cases() -> usize {
    24
}

pub(super) fn default_size() -> [usize; 3] {
    [48; 3]
}

/// The description of a generated set.
///
/// # Errors
/// E0601 for no cases or a size that cannot be.
pub(super) fn describe(cases: usize, size: [usize; 3]) -> Result<Description, Diagnostic> {
    if !(1..=9999).contains(&cases) {
        return Err(Diagnostic::error(Code::E0601, format!("a phantom of {cases} cases")).help("`cases` lies between 1 and 9999"));
    }
    if let Some(n) = size.iter().find(|n| !(16..=256).contains(*n)) {
        return Err(Diagnostic::error(Code::E0601, format!("a phantom of size {n}")).help("each extent lies between 16 and 256 voxels"));
    }
    let cases = (0..cases).map(|i| Case::new(format!("phantom_{i:04}"), vec![], None)).collect();
    Ok(Description {
        name: "phantom".into(),
        modalities: MODALITIES.map(String::from).to_vec(),
        labels: (0..).zip(LABELS.map(String::from)).collect(),
        cases,
        ..Description::default()
    })
}
