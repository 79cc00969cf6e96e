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

/// As many contrasts and classes as there are.
pub(super) fn all() -> usize {
    4
}

/// The contrasts that a phantom of fewer channels keeps, in the order in which they are given up last.
const KEPT: [usize; 4] = [3, 1, 2, 0];

/// The places of the contrasts of a phantom of so many channels, in the order of [`MODALITIES`].
fn contrasts(channels: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = KEPT.into_iter().take(channels).collect();
    kept.sort_unstable();
    kept
}

/// The description of a generated set.
///
/// # Errors
/// E0601 for no cases, and for a size, channels or classes that cannot be.
pub(super) fn describe(cases: usize, size: [usize; 3], channels: usize, classes: usize) -> Result<Description, Diagnostic> {
    if !(1..=9999).contains(&cases) {
        return Err(Diagnostic::error(Code::E0601, format!("a phantom of {cases} cases")).help("`cases` lies between 1 and 9999"));
    }
    if let Some(n) = size.iter().find(|n| !(16..=256).contains(*n)) {
        return Err(Diagnostic::error(Code::E0601, format!("a phantom of size {n}")).help("each extent lies between 16 and 256 voxels"));
    }
    if !(1..=MODALITIES.len()).contains(&channels) {
        let message = format!("a phantom of {channels} channels");
        return Err(Diagnostic::error(Code::E0601, message).help("`channels` lies between 1 and 4: flair, then t1ce, t2, t1"));
    }
    if !(2..=LABELS.len()).contains(&classes) {
        let message = format!("a phantom of {classes} classes");
        return Err(Diagnostic::error(Code::E0601, message).help("`classes` lies between 2 and 4, the background among them"));
    }
    let cases = (0..cases).map(|i| Case::new(format!("phantom_{i:04}"), vec![], None)).collect();
    Ok(Description {
        name: "phantom".into(),
        modalities: contrasts(channels).into_iter().map(|m| MODALITIES[m].to_owned()).collect(),
        labels: (0..).zip(LABELS.iter().take(classes).map(|l| (*l).to_owned())).collect(),
        cases,
        ..Description::default()
    })
}
