//! Where a prediction is written, and what may be replaced there: what the reports beside it know to be of earlier runs.
//!
//! Part of `cli::predict`; may use `infer` and `text`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use super::report::{CaseReport, Hashed};
use super::{Args, checkpoint};
use crate::infer::Prediction;
use crate::text::{Code, Diagnostics, Form, Outputs, Result, Staged};

/// A file of a case by its kind, which is its name in the report.
pub type CaseFile = (&'static str, PathBuf);

/// All that can be written for a case beside its report, the labels first.
fn places(out: &Path, name: &str) -> [CaseFile; 3] {
    [
        ("labels", out.join(format!("{name}.nii.gz"))),
        ("probabilities", out.join("probabilities").join(format!("{name}.nii.gz"))),
        ("overlay", out.join(format!("{name}.png"))),
    ]
}

/// What is to be written for a case beside its report, the labels first.
pub fn wanted(args: &Args, name: &str) -> Vec<CaseFile> {
    let asked = |kind: &str| match kind {
        "probabilities" => args.probabilities,
        "overlay" => args.overlay,
        _ => true,
    };
    places(&args.out, name).into_iter().filter(|(kind, _)| asked(kind)).collect()
}

/// Looks at all places that are written to, before anything is computed. Who has written what is there is looked at case by case.
///
/// # Errors
/// E0603 for each that cannot be written, is an input or another output.
pub fn claimed(args: &Args, cases: &BTreeMap<String, Vec<PathBuf>>) -> Result<Outputs> {
    let mut outputs = args.overwrite.outputs("predict");
    outputs.inputs(std::iter::once(&args.model).chain(&args.with).map(|m| checkpoint(m)));
    outputs.inputs(cases.values().flatten());
    outputs.folder(&args.out)?;
    let mut found = Diagnostics::default();
    for name in cases.keys() {
        for path in wanted(args, name).into_iter().map(|(_, path)| path).chain([CaseReport::path(&args.out, name)]) {
            found.keep(outputs.reserve(&path));
        }
    }
    if let Some(file) = &args.json {
        found.keep(outputs.claim(file, Form::Json));
    }
    found.or(outputs)
}

/// That nothing is at the places but what is `known` to be of earlier runs, by its hash.
///
/// # Errors
/// E0603 for the first where something else is.
pub fn replaceable(outputs: &Outputs, known: &BTreeSet<String>, wanted: &[CaseFile]) -> Result<()> {
    for (kind, path) in wanted {
        let own = !known.is_empty() && path.is_file() && known.contains(&Hashed::of(path, Code::E0603)?.blake3);
        outputs.replace(path, if *kind == "overlay" { Form::Png } else { Form::Plain }, own)?;
    }
    Ok(())
}

/// Writes each of `wanted` beside its place, and hashes what was written.
///
/// # Errors
/// E0603 when something cannot be written.
pub fn write(
    prediction: &Prediction,
    name: &str,
    wanted: &[CaseFile],
    outputs: &Outputs,
) -> Result<(Vec<Staged>, BTreeMap<String, Hashed>)> {
    let (mut staged, mut hashes) = (vec![], BTreeMap::new());
    for (kind, path) in wanted {
        outputs.make(path.parent().unwrap_or(Path::new(".")))?;
        let beside = Staged::new(path)?;
        match *kind {
            "probabilities" => prediction.write_probabilities(beside.path())?,
            "overlay" => prediction.picture(beside.path(), name, None)?,
            _ => prediction.write(beside.path())?,
        }
        let written = Hashed::of(beside.path(), Code::E0603)?;
        hashes.insert((*kind).to_owned(), Hashed { file: path.clone(), ..written });
        staged.push(beside);
    }
    Ok((staged, hashes))
}

/// Moves what was written to its place. The report goes first, with the hashes of the new files and of those that they replace: wherever
/// this is cut off, each file that is there is known to be lmsc's. Of two processes in one folder one waits for the other.
///
/// # Errors
/// E0603 when something cannot be written, or was put there meanwhile.
pub fn publish(outputs: &Outputs, out: &Path, mut report: CaseReport, wanted: &[CaseFile], staged: Vec<Staged>) -> Result<CaseReport> {
    // Where a folder cannot be locked there is no telling of two.
    let lock = File::open(out).ok().filter(|folder| folder.lock().is_ok());
    let known = CaseReport::known(CaseReport::read(out, &report.case, outputs)?.as_ref());
    replaceable(outputs, &known, wanted)?;
    let there = places(out, &report.case).into_iter().filter_map(|(_, path)| Some(Hashed::of(&path, Code::E0603).ok()?.blake3));
    report.earlier = there.filter(|hash| known.contains(hash) && report.outputs.values().all(|new| new.blake3 != *hash)).collect();
    report.write(out, outputs)?;
    staged.into_iter().try_for_each(Staged::publish)?;
    drop(lock);
    Ok(report)
}
