//! Records of the files of a run's cases: a resumed run must read the same data.
//!
//! Part of `train`; may use `data` and `text`. The record is `data.json` in the run folder. Files are told by their case and their place in
//! it, so that a data set may be moved; size and time are compared first, and the content where they are not as they were.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::job::Job;
use crate::bar::Bar;
use crate::data::{Case, FileRecord, nanoseconds_now};
use crate::text::{Code, Diagnostic, Diagnostics, Result, printable, reason, several, write_text};

/// The file in the run folder.
pub const DATA: &str = "data.json";
/// Files that an error names one by one.
const NAMED: usize = 5;

/// The files of every case of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseFiles {
    /// When they were read, in nanoseconds since 1970.
    read: u64,
    /// What the data set said of itself: the channels of an image, value and name of each class.
    modalities: Vec<String>,
    labels: Vec<(u32, String)>,
    cases: BTreeMap<String, Vec<FileRecord>>,
    /// Those that had changed after the run began and with which it went on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changed_since: Vec<PathBuf>,
}

impl CaseFiles {
    /// As they are now. Reads them whole, on all cores.
    ///
    /// # Errors
    /// E0702 for each that cannot be read.
    pub fn of(job: &Job) -> Result<Self> {
        let read = nanoseconds_now();
        let all = used(job);
        let files: usize = all.iter().map(|case| case.files().len()).sum();
        let bar = (files > 0).then(|| Bar::new(files, "recording files {bar:30} {pos}/{len} {eta} left"));
        let one = |case: &&Case| -> Result<(String, Vec<FileRecord>)> {
            let mut found = Diagnostics::default();
            let mut records = vec![];
            for path in case.files() {
                records.extend(found.keep(FileRecord::of(&path)));
                bar.iter().for_each(|bar| bar.change(|bar| bar.inc(1)));
            }
            found.or((case.id.clone(), records))
        };
        let mut found = Diagnostics::default();
        let each: Vec<_> = all.par_iter().map(one).collect();
        let cases = each.into_iter().filter_map(|case| found.keep(case)).collect();
        bar.iter().for_each(Bar::finish);
        let about = job.store.description();
        let (modalities, labels) = (about.modalities.clone(), about.labels.clone());
        found.or(Self { read, modalities, labels, cases, changed_since: vec![] })
    }

    /// What the run in `folder` has recorded; `None` where it has not: earlier versions did not.
    ///
    /// # Errors
    /// E0801 when the record cannot be read.
    pub fn load(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(DATA);
        let refuse = |why: &str| {
            Diagnostic::error(Code::E0801, format!("`{}` cannot be read: {why}", path.display()))
                .help("it says what the files of the data set were when the run began; remove it to go on without comparing them")
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(serde_json::from_str(&text).map_err(|e| refuse(&e.to_string()))?)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(refuse(&reason(&e)).into()),
        }
    }

    /// Writes the record into a run folder.
    ///
    /// # Errors
    /// E0603 when it cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        Ok(write_text(&folder.join(DATA), &(text + "\n"))?)
    }

    /// The files of a job's cases that are no longer what they were; those of a case that is not in the record are not compared.
    pub fn changed(&self, job: &Job) -> Vec<PathBuf> {
        let one = |case: &&Case| {
            let (files, records) = (case.files(), self.cases.get(&case.id));
            let Some(records) = records else { return vec![] };
            if files.len() != records.len() {
                return files;
            }
            files.into_iter().zip(records).filter(|(path, record)| !record.holds(path, self.read)).map(|(path, _)| path).collect()
        };
        used(job).par_iter().flat_map_iter(one).collect()
    }

    /// As the record that follows `old`, of which files have changed.
    pub fn after(mut self, old: Option<Self>, changed: &[PathBuf]) -> Self {
        self.changed_since = old.map_or_else(Vec::new, |old| old.changed_since);
        let new: Vec<PathBuf> = changed.iter().filter(|path| !self.changed_since.contains(path)).cloned().collect();
        self.changed_since.extend(new);
        self
    }

    /// Refuses to go on with the run in `folder` where files, or what the data set says of itself, have changed since it began.
    ///
    /// # Errors
    /// E0801 naming them.
    pub fn check(&self, job: &Job, folder: &Path) -> Result<()> {
        let changed = self.changed(job);
        let about = job.store.description();
        let described = (&self.modalities, &self.labels) == (&about.modalities, &about.labels);
        if changed.is_empty() && described {
            return Ok(());
        }
        let shown = folder.display();
        let what =
            if changed.is_empty() { "what the data set says of itself has".into() } else { several(changed.len(), "file of the data set") };
        let mut d = Diagnostic::error(Code::E0801, format!("{what} changed since the run in `{shown}` began"));
        if !described {
            let list = |modalities: &[String], labels: &[(u32, String)]| {
                let labels: Vec<String> = labels.iter().map(|(value, name)| format!("{value} {}", printable(name))).collect();
                let modalities: Vec<String> = modalities.iter().map(|name| printable(name)).collect();
                format!("{} ({})", modalities.join(", "), labels.join(", "))
            };
            let (then, now) = (list(&self.modalities, &self.labels), list(&about.modalities, &about.labels));
            d = d.help(format!("its modalities and labels were {then}, and are {now}"));
        }
        for path in changed.iter().take(NAMED) {
            d = d.help(format!("`{}` is not what it was", path.display()));
        }
        if changed.len() > NAMED {
            d = d.help(format!("and {} more", changed.len() - NAMED));
        }
        Err(d
            .help(format!("put back what was there, or go on with the data as they are now: lmsc train --resume {shown} --changed-data"))
            .help("or start a new run in another folder")
            .into())
    }
}

/// The cases that a run learns from or is validated on.
fn used(job: &Job) -> Vec<&Case> {
    let all = &job.store.description().cases;
    job.training.iter().chain(&job.validation).filter_map(|at| all.get(*at)).collect()
}
