//! Hyper-parameter sweeps, runs of one config that differ in a few values: names of their folders, and their status.
//!
//! Part of `train`; may use `text`.

use std::path::Path;

use super::folder::Folder;
use super::job::Job;
use super::origin::RunOrigin;
use super::state::{RESUME, RunState};
use crate::text::Result;

/// Names of folders are cut before they are longer.
const LONGEST: usize = 120;

/// The name of a run's folder: `anchors=8,split.fold=0`. Of a graph's file its name is taken, and for what folders are better not called
/// `_`; where that loses something, eight digits of a hash keep names apart. Empty where nothing varies.
pub fn run_name(varied: &[(String, String)]) -> String {
    let shown = |value: &str| match value.strip_suffix(".ron") {
        Some(stem) => stem.rsplit(['/', '\\']).next().unwrap_or_default().to_owned(),
        None => value.chars().filter(|c| !c.is_whitespace() && *c != '"').collect(),
    };
    let text: String = varied.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect::<Vec<_>>().join(",");
    let plain = |c: char| c.is_ascii_alphanumeric() || "._=,+-()".contains(c);
    let mut name: String = text.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    if name != text || name.len() > LONGEST || varied.iter().any(|(_, v)| v.contains(['/', '\\', '"'])) {
        name.truncate(LONGEST);
        let all: String = varied.iter().map(|(n, v)| format!("{n}={v}\n")).collect();
        name.push_str(&format!("-{}", &blake3::hash(all.as_bytes()).to_hex()[..8]));
    }
    name
}

fn differences(job: &Job, path: &Path, state: RunState) -> Result<Vec<String>> {
    let origin = state.about.origin.map_or_else(|| RunOrigin::in_folder(path), Ok)?;
    Ok(origin.differences(job))
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// Not begun.
    Open,
    /// Another process trains in its folder.
    Running,
    /// Begun, with so many epochs done, and to be gone on with.
    Interrupted(usize),
    /// Nothing is left to do; so many epochs.
    Finished(usize),
    /// The folder holds a run of another config, graph or data set.
    Other,
}

impl RunStatus {
    /// How far `job` has come in the folder `path`.
    ///
    /// # Errors
    /// E0801 when the state of the run was damaged.
    pub fn of(job: &Job, path: &Path) -> Result<Self> {
        Self::read(path, Some(job))
    }

    /// How far the run in the folder `path` has come, whatever it is.
    ///
    /// # Errors
    /// As [`RunStatus::of`].
    pub fn at(path: &Path) -> Result<Self> {
        Self::read(path, None)
    }

    fn read(path: &Path, job: Option<&Job>) -> Result<Self> {
        if Folder::is_taken(path) {
            return Ok(Self::Running);
        }
        if !path.join("config.ron").is_file() {
            return Ok(Self::Open);
        }
        let Some(state) = RunState::load(&path.join(RESUME))? else { return Ok(Self::Interrupted(0)) };
        let epochs = state.about.records.len();
        let finished = state.about.finished;
        Ok(match job {
            Some(job) if !differences(job, path, state)?.is_empty() => Self::Other,
            _ if finished => Self::Finished(epochs),
            _ => Self::Interrupted(epochs),
        })
    }

    /// What is not the same in a job as in the run in the folder `path`, each in a few words.
    ///
    /// # Errors
    /// As [`RunStatus::of`].
    pub fn differences(job: &Job, path: &Path) -> Result<Vec<String>> {
        RunState::load(&path.join(RESUME))?.map_or(Ok(vec![]), |state| differences(job, path, state))
    }

    /// As it is listed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Running => "running",
            Self::Interrupted(_) => "interrupted",
            Self::Finished(_) => "finished",
            Self::Other => "of another config",
        }
    }

    /// Epochs that are done, where that is known.
    pub fn epochs(self) -> Option<usize> {
        match self {
            Self::Open => Some(0),
            Self::Interrupted(epochs) | Self::Finished(epochs) => Some(epochs),
            Self::Running | Self::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_differs_and_never_meet() {
        let name = |all: &[(&str, &str)]| run_name(&all.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>());
        assert_eq!(name(&[("anchors", "8"), ("split.fold", "0")]), "anchors=8,split.fold=0");
        assert_eq!(name(&[("patch", "(48, 48,48)")]), "patch=(48,48,48)");
        assert_eq!(name(&[("graph", "a.ron")]), "graph=a");
        assert_eq!(name(&[]), "");
        let others = [name(&[("graph", "x/a.ron")]), name(&[("graph", "y/a.ron")]), name(&[("n", "a*2")]), name(&[("n", "a:2")])];
        assert!(others[0].starts_with("graph=a-") && others[2].starts_with("n=a_2-"), "{others:?}");
        assert!(others.iter().enumerate().all(|(i, a)| others[..i].iter().all(|b| a != b)), "{others:?}");
        let long = name(&[("n", &"é/".repeat(400))]);
        assert!(long.len() <= LONGEST + 9 && long.is_ascii(), "{long}");
    }
}
