//! Layouts of data sets on disk: what the readers of folders have in common, and which layout a folder has.
//!
//! May use `text`, `volume`, and `dataset` beside it. Each layout is one file with one function, `describe`, that finds the cases and looks
//! that their files are there; no volume is read.

mod acdc;
mod brats;
mod files;
mod json;
mod list;
mod msd;
mod nnunet;
mod walk;

use std::path::{Path, PathBuf};

pub use brats::all as brats_modalities;
pub use files::Pattern;
pub use list::Entry;

use super::dataset::{Description, Spec};
use super::phantom;
use crate::text::{Code, Diagnostic, Diagnostics};

/// Finds the cases of a data set.
///
/// # Errors
/// E0101 for a description that cannot be read, E0701 for each thing that is wrong with the data set, E0601 for a phantom that cannot be.
pub(super) fn describe(spec: &Spec) -> Result<Description, Diagnostics> {
    match spec {
        Spec::Msd { root } => msd::describe(root),
        Spec::Nnunet { root } => nnunet::describe(root),
        Spec::Brats { root, modalities, labels } => brats::describe(root, modalities, labels),
        Spec::Acdc { root } => acdc::describe(root),
        Spec::Files { root, modalities, label, labels, subject } => files::describe(root, modalities, label, labels, subject.as_ref()),
        Spec::List { root, modalities, labels, cases } => list::describe(root, modalities, labels, cases),
        Spec::Phantom { cases, size, .. } => Ok(phantom::describe(*cases, *size)?),
    }
}

/// The layout of a folder, by what is in it.
///
/// # Errors
/// E0101 when it cannot be read; E0701 when it has none of the layouts that are known.
pub fn guess(root: &Path) -> Result<Spec, Diagnostic> {
    let root_path = || root.to_owned();
    if let Some(text) = std::fs::read_to_string(root.join("dataset.json")).ok().filter(|_| root.is_dir()) {
        // The one names its channels by `modality`, the other by `channel_names`.
        let nnunet = serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|v| v.get("channel_names").is_some());
        return Ok(if nnunet { Spec::Nnunet { root: root_path() } } else { Spec::Msd { root: root_path() } });
    }
    if !acdc::folders(root)?.is_empty() {
        return Ok(Spec::Acdc { root: root_path() });
    }
    if brats::looks_like(root)? {
        return Ok(Spec::Brats { root: root_path(), modalities: brats_modalities(), labels: vec![] });
    }
    Err(Diagnostic::error(Code::E0701, format!("`{}` has no layout that is known", root.display()))
        .help(
            "a folder with dataset.json (Medical Segmentation Decathlon, nnU-Net raw), with patientNNN folders (ACDC), or with a folder per case \
             and files that end in _t1, _t1ce, _t2, _flair, _seg (BraTS)",
        )
        .help("for any other, write a run config with `data: Files(...)` or `data: List(...)` and name that"))
}

/// A case's id: its file's name without `.nii` or `.nii.gz`.
fn id_of(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    walk::stem(&name).to_owned()
}

/// Labels as a config gives them, ascending by value; the background is there.
fn checked(labels: &[(u8, String)]) -> Result<Vec<(u8, String)>, Diagnostic> {
    let mut all = labels.to_vec();
    all.sort_by_key(|(value, _)| *value);
    let fault = |what: String| {
        Diagnostic::error(Code::E0701, what).help("give every value in the label files once: [(0, \"background\"), (1, ...)]")
    };
    if all.first().is_none_or(|(value, _)| *value != 0) {
        return Err(fault("`data.labels` has no 0, the background".into()));
    }
    if all.len() < 2 {
        return Err(fault("`data.labels` has nothing but the background".into()));
    }
    match all.windows(2).find(|w| w[0].0 == w[1].0) {
        Some(twice) => Err(fault(format!("`data.labels` has {} twice", twice[0].0))),
        None => Ok(all),
    }
}

/// What a case's entry names, within the root.
fn under(root: &Path, named: &Path) -> PathBuf {
    if root.as_os_str().is_empty() { named.to_owned() } else { root.join(named) }
}

#[cfg(test)]
mod tests;
