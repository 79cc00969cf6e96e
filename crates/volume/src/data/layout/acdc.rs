//! ACDC: a folder for each patient, with end-diastole and end-systole as two frames of a cine.
//!
//! May use `text`, `data::dataset`, and `walk` beside it.
//!
//! ```text
//! patient001/Info.cfg                          "ED: 1", "ES: 12", ...; may be missing
//! patient001/patient001_frame01.nii.gz         the image, and patient001_frame01_gt.nii.gz, its labels
//! patient001/patient001_4d.nii.gz              the whole cine; not read
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::walk::{Named, list};
use super::{Want, finish};
use crate::data::dataset::{Case, Description};
use crate::text::{Code, Diagnostic, Diagnostics, reason};

/// Classes of the label files.
const LABELS: [&str; 4] = ["background", "right ventricle", "myocardium", "left ventricle"];
const INFO: &str = "Info.cfg";
const GROUND_TRUTH: &str = "_gt";
const FRAME: &str = "_frame";

/// The patients' folders: in `root`, else in `root/training`.
pub(super) fn folders(root: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    let patients = |root: &Path| -> Result<Vec<PathBuf>, Diagnostic> {
        let is_patient =
            |name: &String| name.strip_prefix("patient").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        // What is no folder and has a patient's name cannot be entered: to try says why.
        let listing = list(root)?;
        let mut all: Vec<PathBuf> = listing.folders.iter().chain(&listing.files).filter(|f| is_patient(f)).map(|f| root.join(f)).collect();
        all.sort();
        Ok(all)
    };
    let own = patients(root)?;
    let training = root.join("training");
    if own.is_empty() && training.is_dir() { patients(&training) } else { Ok(own) }
}

/// Finds the frames that have labels. Both frames of a patient are of one subject.
pub(super) fn describe(root: &Path, want: Want) -> Result<Description, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut cases = vec![];
    let patients = folders(root)?;
    for folder in &patients {
        cases.extend(found.keep(frames(folder, want)).unwrap_or_default());
    }
    if patients.is_empty() {
        found.push(
            Diagnostic::error(Code::E0701, format!("`{}` holds no patient of ACDC", root.display()))
                .help("`root` is the folder that holds patient001, patient002, ... or that holds `training`"),
        );
    }
    let labels = (0..).zip(LABELS.map(String::from)).collect();
    finish(found, Description { name: "ACDC".into(), modalities: vec!["cine MRI".into()], labels, cases, ..Description::default() })
}

/// The frames of a patient: those that Info.cfg names, or all that there are.
fn frames(folder: &Path, want: Want) -> Result<Vec<Case>, Diagnostics> {
    let listing = list(folder)?;
    let volumes = listing.volumes();
    let patient = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let with_stem = |wanted: &str| volumes.iter().filter(|v| v.stem == wanted).map(|v| folder.join(v.file)).collect::<Vec<_>>();
    let ids: BTreeSet<String> = if listing.files.iter().any(|f| f == INFO) {
        named(&folder.join(INFO))?.into_iter().map(|frame| format!("{patient}_frame{frame:02}")).collect()
    } else {
        let frame = |v: &Named| v.stem.strip_suffix(GROUND_TRUTH).or(v.stem.contains(FRAME).then_some(v.stem)).map(String::from);
        volumes.iter().filter_map(frame).collect()
    };
    let mut found = Diagnostics::default();
    let mut cases = vec![];
    for id in ids {
        let mut part = |name: &str, needed: bool| {
            let mut files = with_stem(name);
            if files.is_empty() && needed {
                let message = format!("`{}` has no {name}.nii.gz", folder.display());
                found.push(Diagnostic::error(Code::E0701, message).help(format!("add it, or correct {INFO}, or take the folder out")));
            } else if let [first, second, ..] = &files[..] {
                let message = format!("`{}` and `{}` are both called {name}", first.display(), second.display());
                found.push(Diagnostic::error(Code::E0701, message).help("keep one of them"));
            }
            if files.is_empty() { None } else { Some(files.swap_remove(0)) }
        };
        let (image, label) = (part(&id, want.images()), part(&format!("{id}{GROUND_TRUTH}"), want.labels()));
        if (image.is_some() || !want.images()) && (label.is_some() || !want.labels()) {
            cases.push(Case { subject: patient.clone(), ..Case::new(id, image.into_iter().collect(), label) });
        }
    }
    if cases.is_empty() && !found.has_errors() {
        let message = format!("`{}` has no frame with labels", folder.display());
        found.push(Diagnostic::error(Code::E0701, message).help(format!("looked for files that end as {patient}_frame01_gt.nii.gz")));
    }
    found.or(cases)
}

/// The numbers of the frames at end-diastole and end-systole, ascending.
fn named(file: &Path) -> Result<Vec<u32>, Diagnostic> {
    let refuse = |why: String| {
        Diagnostic::error(Code::E0701, format!("`{}`: {why}", file.display())).help("it needs lines such as `ED: 1` and `ES: 12`")
    };
    let text = std::fs::read_to_string(file).map_err(|e| refuse(reason(&e)))?;
    let mut frames = vec![];
    for phase in ["ED", "ES"] {
        let value = text.lines().find_map(|l| l.split_once(':').filter(|(key, _)| key.trim() == phase)).map(|(_, v)| v.trim());
        let Some(value) = value else { return Err(refuse(format!("it does not say which frame is {phase}"))) };
        frames
            .push(value.parse().map_err(|_| refuse(format!("{phase} is `{}`, which is no frame number", crate::text::printable(value))))?);
    }
    frames.sort_unstable();
    frames.dedup();
    Ok(frames)
}
