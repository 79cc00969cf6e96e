//! Where the relative paths of a run config start: those that are written in it at its folder, those of the command line at the working directory.
//!
//! Part of `train::config`; may use `text`.

use std::path::{Path, PathBuf};

use super::RunConfig;
use crate::data::DatasetSpec;
use crate::read::Set;
use crate::text::{Code, Diagnostic, Source, printable};

/// What a config was read with.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The changes from the command line that concern it.
    pub sets: Vec<Set>,
    /// What is odd about it, but not wrong.
    pub warnings: Vec<Diagnostic>,
}

/// The change from the command line that gives a field its value, the last one that does.
pub fn given<'s>(sets: &'s [Set], field: &str) -> Option<&'s Set> {
    sets.iter().rev().find(|s| field.strip_prefix(&s.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// A path from the folder of the root, where that can be said.
pub fn absolute(path: &Path) -> PathBuf {
    let here = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    std::path::absolute(here).unwrap_or_else(|_| path.to_owned())
}

/// The two places that a relative path may mean, and which of them it does.
struct Placing<'a> {
    source: &'a Source,
    folder: &'a Path,
    told: &'a mut Told,
}

impl Placing<'_> {
    /// Whether `path`, the value of `field`, starts at the working directory: where it was given on the command line. The other place is taken,
    /// with a warning, where nothing is at the one and something at the other: earlier versions looked there.
    fn is_here(&mut self, field: &str, path: &Path) -> bool {
        let by_set = given(&self.told.sets, field).is_some();
        let (own, other) = (self.folder.join(path), path.to_owned());
        let there = |p: &Path| p.symlink_metadata().is_ok();
        let (first, second) = if by_set { (&other, &own) } else { (&own, &other) };
        if path.is_absolute() || own == other || there(first) || !there(second) {
            return by_set;
        }
        let shown = |p: &Path| printable(&p.display().to_string());
        let (at, starts, instead) = match by_set {
            true => ("--set", "the working directory", "the config's folder"),
            false => (self.source.name.as_str(), "the config's folder", "the working directory"),
        };
        let message = format!(
            "`{field}` in `{at}` is `{}`, which starts at {starts}; nothing is there, and `{}` at {instead} is taken",
            shown(path),
            shown(second)
        );
        let help = format!("write where it is, or give --set {field}={}", shown(&absolute(second)));
        self.told.warnings.push(Diagnostic::warning(Code::E0601, message).help(help));
        !by_set
    }

    /// The path as it is seen from the working directory.
    fn place(&mut self, field: &str, path: &mut PathBuf) {
        if !self.is_here(field, path) {
            *path = self.folder.join(&*path);
        }
    }

    /// As [`Placing::place`], of a field that is looked up from the config's folder: it stays as it is written there.
    fn keep(&mut self, field: &str, path: &mut PathBuf) {
        if given(&self.told.sets, field).is_some() && self.is_here(field, path) {
            *path = absolute(path);
        }
    }
}

impl RunConfig {
    /// Makes every path but the graph's and that of a list of cases one that is seen from the working directory; those two stay as they are
    /// written, seen from the config's folder.
    pub(super) fn locate(&mut self, source: &Source) {
        let folder = Path::new(&source.name).parent().unwrap_or(Path::new("")).to_owned();
        let mut told = std::mem::take(&mut self.told);
        let mut placing = Placing { source, folder: &folder, told: &mut told };
        placing.keep("graph", &mut self.graph);
        self.split.file.iter_mut().for_each(|file| placing.keep("split.file", file));
        self.initial.iter_mut().for_each(|file| placing.place("initial", file));
        self.map.iter_mut().for_each(|file| placing.place("map", file));
        self.cache.iter_mut().for_each(|folder| placing.place("cache", folder));
        self.out.iter_mut().for_each(|folder| placing.place("out", folder));
        let first = match &self.data {
            DatasetSpec::List { root, cases, .. } if root.as_os_str().is_empty() => cases.first().and_then(|c| c.image.first()).cloned(),
            _ => None,
        };
        match (first, self.data.root_mut()) {
            // A list without a root: its files say where they are.
            (Some(file), Some(root)) if !placing.is_here("data.cases", &file) => *root = folder.clone(),
            (None, Some(root)) => placing.place("data.root", root),
            _ => {}
        }
        self.told = told;
    }

    /// That the folder of the data set is there.
    ///
    /// # Errors
    /// E0101 where nothing is.
    pub fn finds_data(&self, source: &Source) -> Result<(), Diagnostic> {
        let Some(root) = self.data.root().filter(|root| !root.as_os_str().is_empty() && root.symlink_metadata().is_err()) else {
            return Ok(());
        };
        let starts = match given(&self.told.sets, "data.root") {
            Some(_) => "a relative path of --set starts at the working directory".to_owned(),
            None => format!("a relative path in `{}` starts at its folder", source.name),
        };
        let message = format!("cannot read the folder `{}`: no such file or directory", root.display());
        Err(Diagnostic::error(Code::E0101, message)
            .help(format!("it is the data set's, looked for as `{}`; {starts}", absolute(root).display()))
            .help("write where the data set is as `root`, or give --set data.root=FOLDER"))
    }
}
