//! A run that waits while somebody else needs the machine: as long as a file stands that asks for it.
//!
//! Part of `train`; depends on nothing of this crate.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The file in the run folder.
const FILE: &str = "pause";
/// A variable that names another file, for all runs of a machine.
const VARIABLE: &str = "LMSC_PAUSE";
/// Between two looks at the files.
const EVERY: Duration = Duration::from_millis(200);

/// The files that a run heeds.
#[derive(Clone, Debug)]
pub struct Pause(Vec<PathBuf>);

impl Pause {
    /// Of the run in a folder: its file `pause`, and the one that `LMSC_PAUSE` names.
    pub fn of(folder: &Path) -> Self {
        let named = std::env::var_os(VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from);
        Self([folder.join(FILE)].into_iter().chain(named).collect())
    }

    /// The file that asks for a pause, if one does.
    pub fn asked(&self) -> Option<&Path> {
        self.0.iter().map(PathBuf::as_path).find(|p| p.exists())
    }

    /// Returns when none does any more, or the run is to stop; says how long that took.
    pub fn wait(&self, stop: &AtomicBool) -> Duration {
        let begun = Instant::now();
        if self.asked().is_none() {
            return Duration::ZERO;
        }
        while self.asked().is_some() && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(EVERY);
        }
        begun.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_waits_until_the_file_is_gone_or_it_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let pause = Pause::of(dir.path());
        assert_eq!((pause.asked(), pause.wait(&AtomicBool::new(false))), (None, Duration::ZERO));
        let file = dir.path().join(FILE);
        std::fs::write(&file, "").unwrap();
        assert_eq!(pause.asked(), Some(file.as_path()));
        pause.wait(&AtomicBool::new(true));
        assert!(file.exists(), "a run that is to stop does not wait");
        std::thread::scope(|s| {
            let waiting = s.spawn(|| pause.wait(&AtomicBool::new(false)));
            std::fs::remove_file(&file).unwrap();
            waiting.join().unwrap();
        });
        assert_eq!(pause.asked(), None);
    }
}
