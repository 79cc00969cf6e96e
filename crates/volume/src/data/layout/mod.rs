//! Layouts of data sets on disk: what the readers of folders have in common, and which layout a folder has.
//!
//! May use `text`, `volume`, and `dataset` beside it. Each layout is one file with one function, `describe`, that finds the cases and looks
//! that their files are there; no volume is read.

mod acdc;
mod brats;
mod files;
mod flat;
mod json;
mod list;
mod msd;
mod nnunet;
mod pairs;
mod walk;

use std::path::{Path, PathBuf};

pub use brats::all as brats_modalities;
pub use files::Pattern;
pub use flat::{Images, called_together, file_name, images_from, images_in, images_of, labels_in, labels_of, split_files};
pub use list::CaseEntry;
pub use pairs::{Counterparts, Pairs, against, matched};

use super::dataset::{DatasetSpec, Description};
use super::phantom;
use crate::text::{Code, Diagnostic, Diagnostics, Source, printable};
use crate::volume::{MOST_VALUES, split_name};

/// Which files of its cases a data set must have; those of the other kind are named where they are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Image and label of each case: to train, to check.
    Pairs,
    /// Images: to predict.
    Images,
    /// Labels: to hold predictions against.
    Labels,
}

impl Want {
    fn images(self) -> bool {
        self != Self::Labels
    }

    fn labels(self) -> bool {
        self != Self::Images
    }
}

/// Finds the cases of a data set; no volume is read.
///
/// # Errors
/// E0101 for a description that cannot be read, E0701 for each thing that is wrong with the data set, E0601 for a phantom that cannot be.
pub fn describe(spec: &DatasetSpec, want: Want) -> Result<Description, Diagnostics> {
    let found = found(spec, want)?;
    let twice = |(at, (_, name)): (usize, &(u32, String))| found.labels[..at].iter().position(|(_, other)| other.trim() == name.trim());
    if let Some((first, second)) = found.labels.iter().enumerate().find_map(|l| Some((twice(l)?, l.0))) {
        let (a, b) = (&found.labels[first], &found.labels[second]);
        let message = format!("two classes are called `{}`, those of the label values {} and {}", printable(b.1.trim()), a.0, b.0);
        return Err(Diagnostic::error(Code::E0701, message).help("give each class a name of its own in `labels`").into());
    }
    if found.labels.len() > MOST_VALUES {
        let message =
            format!("the data have {} labels, and at most {} are told apart, the background among them", found.labels.len(), MOST_VALUES);
        return Err(Diagnostic::error(Code::E0701, message).help("join those that need not be told apart").into());
    }
    Ok(found)
}

fn found(spec: &DatasetSpec, want: Want) -> Result<Description, Diagnostics> {
    match spec {
        DatasetSpec::Msd { root } => msd::describe(root, want),
        DatasetSpec::Nnunet { root } => nnunet::describe(root, want),
        DatasetSpec::Brats { root, modalities, labels } => brats::describe(root, modalities, labels, want),
        DatasetSpec::Acdc { root } => acdc::describe(root, want),
        DatasetSpec::Files { root, modalities, label, labels, subject } => {
            files::describe(root, modalities, label, labels, subject.as_ref(), want)
        }
        DatasetSpec::List { root, modalities, labels, cases } => list::describe(root, modalities, labels, cases, want),
        DatasetSpec::Phantom { cases, size, channels, classes, .. } => Ok(phantom::describe(*cases, *size, *channels, *classes)?),
    }
}

/// The layout of a folder, by what is in it.
///
/// # Errors
/// E0101 when it cannot be read; E0701 when it has none of the layouts that are known.
pub fn guess(root: &Path) -> Result<DatasetSpec, Diagnostic> {
    let root_path = || root.to_owned();
    if root.is_dir() && root.join(json::DATASET).symlink_metadata().is_ok() {
        let source = Source::read(&root.join(json::DATASET))?;
        return Ok(if json::is_nnunet(&source.text) {
            DatasetSpec::Nnunet { root: root_path() }
        } else {
            DatasetSpec::Msd { root: root_path() }
        });
    }
    if !acdc::folders(root)?.is_empty() {
        return Ok(DatasetSpec::Acdc { root: root_path() });
    }
    if brats::looks_like(root)? {
        return Ok(DatasetSpec::Brats { root: root_path(), modalities: brats_modalities(), labels: vec![] });
    }
    Err(Diagnostic::error(Code::E0701, format!("`{}` has no layout that is known", root.display()))
        .help(
            "a folder with dataset.json (Medical Segmentation Decathlon, nnU-Net raw), with patientNNN folders (ACDC), or with a folder per case \
             and files that end in _t1, _t1ce, _t2, _flair, _seg (BraTS)",
        )
        .help("for any other, write a run config with `data: Files(...)` or `data: List(...)` and name that"))
}

/// A case's id: its file's name without the ending of a volume.
fn id_of(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    split_name(&name).map_or(name.as_str(), |(stem, _)| stem).to_owned()
}

/// The data set, if nothing is wrong and all files of its cases are there.
fn finish(mut found: Diagnostics, about: Description) -> Result<Description, Diagnostics> {
    for file in about.cases.iter().flat_map(|c| c.image.iter().chain(&c.label)) {
        found.keep(walk::there(file));
    }
    found.or(about)
}

/// Labels as a config gives them, ascending by value; the background is there.
fn checked(labels: &[(u32, String)]) -> Result<Vec<(u32, String)>, Diagnostic> {
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
