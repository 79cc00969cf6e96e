//! The run folder: chosen, made and shown to be writable before training starts.
//!
//! Part of `train`; may use `text`.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::cases::{CASES, CASES_TABLE};
use super::initial::INITIAL;
use super::journal::{METRICS, METRICS_TABLE};
use super::run::LAST;
use super::start::STARTS;
use super::state::RESUME;
use crate::infer::BEST;
use crate::text::{Code, Diagnostic, Result, unwritable, write_text};

/// A folder of one run, which no other process can train in as long as this lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Locked; the system unlocks it when the process ends, however it does.
    _lock: File,
}

const LOCK: &str = "run.lock";

/// What a run leaves in its folder, beside an event file whose name has its time.
pub const LEFT: &[&str] =
    &["graph.ron", "config.ron", "split.json", METRICS_TABLE, METRICS, CASES_TABLE, CASES, STARTS, INITIAL, BEST, LAST, RESUME, LOCK];

impl Folder {
    /// Makes the folder `out`, which must be new or empty, or with `force` the folder of a run; without one, the first free of `runs/NAME`,
    /// `runs/NAME-2`, ... in the working directory.
    ///
    /// # Errors
    /// E0601 when the folder has something in it, E0603 when it cannot be made or written.
    pub fn create(out: Option<&Path>, name: &str, force: bool) -> Result<Self> {
        let path = match out {
            Some(out) => {
                fs::create_dir_all(out).map_err(|e| unwritable(out, &e))?;
                let entries = fs::read_dir(out).map_err(|e| unwritable(out, &e))?;
                // The lock alone is of a run that never began.
                let empty = !entries.flatten().any(|e| e.file_name() != LOCK);
                if force && !empty && !out.join(LOCK).is_file() && !out.join(RESUME).is_file() {
                    return Err(Diagnostic::error(Code::E0601, format!("`{}` is not empty, and no run was made in it", out.display()))
                        .help("give another folder with --out: --force writes over what a former run has left, and over nothing else")
                        .into());
                }
                if !force && !empty {
                    return Err(Diagnostic::error(Code::E0601, format!("the run folder `{}` is not empty", out.display()))
                        .help("give another with --out, or --force to write over what a former run left there")
                        .into());
                }
                out.to_owned()
            }
            None => next_free(Path::new("runs"), name)?,
        };
        Self::lock(path)
    }

    /// Opens the folder of a run that was begun.
    ///
    /// # Errors
    /// E0601 when it is none, or another process trains in it.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.join("config.ron").is_file() {
            return Err(Diagnostic::error(Code::E0601, format!("`{}` is no run folder: it has no config.ron", path.display()))
                .help("name the folder that `lmsc train` said it made, as in runs/hippocampus")
                .into());
        }
        Self::lock(path.to_owned())
    }

    /// Whether another process trains in a folder.
    pub fn is_taken(path: &Path) -> bool {
        let lock = File::options().write(true).open(path.join(LOCK));
        lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    }

    fn lock(path: PathBuf) -> Result<Self> {
        let file = path.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&file).map_err(|e| unwritable(&file, &e))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Diagnostic::error(Code::E0601, format!("another process trains in `{}`", path.display()))
                .help("wait for it or stop it, or give another folder with --out")
                .into()),
            Err(TryLockError::Error(e)) => Err(unwritable(&file, &e).into()),
        }
    }

    /// The folder's path, as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a text file whole.
    ///
    /// # Errors
    /// E0603 when it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(write_text(&self.file(name), text)?)
    }
}

fn next_free(parent: &Path, name: &str) -> Result<PathBuf> {
    fs::create_dir_all(parent).map_err(|e| unwritable(parent, &e))?;
    for i in 1..10_000 {
        let path = parent.join(if i == 1 { name.to_owned() } else { format!("{name}-{i}") });
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(unwritable(&path, &e).into()),
        }
    }
    Err(Diagnostic::error(Code::E0603, format!("`{}` has 9999 runs of `{name}`", parent.display())).help("give a folder with --out").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_folder_must_be_new_or_empty() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("a/b");
        let folder = Folder::create(Some(&out), "x", false).unwrap();
        folder.write("graph.ron", "()").unwrap();
        assert_eq!(fs::read_to_string(out.join("graph.ron")).unwrap(), "()");
        let e = Folder::create(Some(&out), "x", false).unwrap_err();
        assert_eq!(e.0[0].code, Code::E0601);
        let e = Folder::create(Some(&out), "x", true).unwrap_err();
        assert!(e.0[0].message.contains("another process"), "{e:?}");
        assert!(Folder::is_taken(&out) && !Folder::is_taken(dir.path()));
        drop(folder);
        assert!(!Folder::is_taken(&out));
        assert!(Folder::create(Some(&out), "x", true).is_ok());
        assert!(Folder::open(&out).unwrap_err().0[0].message.contains("no run folder"));
        fs::write(out.join("config.ron"), "()").unwrap();
        assert!(Folder::open(&out).is_ok());
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("taken");
        fs::write(&file, "").unwrap();
        for out in [file.clone(), file.join("below")] {
            let e = Folder::create(Some(&out), "x", false).unwrap_err();
            assert!(e.0[0].code == Code::E0603 && e.0[0].message.contains("taken"), "{e:?}");
        }
    }

    #[test]
    fn runs_are_numbered() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<PathBuf> = (0..3).map(|_| next_free(dir.path(), "heart").unwrap()).collect();
        assert_eq!(names, ["heart", "heart-2", "heart-3"].map(|n| dir.path().join(n)));
    }
}
