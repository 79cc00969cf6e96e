//! Pausing a run for as long as a pause file exists, so that others can use the machine.
//!
//! Part of `train`; depends on nothing of this crate.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The file in the run folder.
const FILE: &str = "pause";
/// A variable that names another file, for all runs of a machine.
const VARIABLE: &str = "LMSC_PAUSE";
/// The polling interval.
const EVERY: Duration = Duration::from_millis(200);

/// The pause files of a run.
#[derive(Clone, Debug)]
pub struct PauseFiles(Vec<PathBuf>);

impl PauseFiles {
    /// Of the run in a folder: its file `pause`, and the one that `LMSC_PAUSE` names.
    pub fn of(folder: &Path) -> Self {
        let named = std::env::var_os(VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from);
        Self([folder.join(FILE)].into_iter().chain(named).collect())
    }

    /// The file that asks for a pause, if one does.
    pub fn asked(&self) -> Option<&Path> {
        self.0.iter().map(PathBuf::as_path).find(|p| p.exists())
    }

    /// Blocks until none exists any more, or the run is to stop; returns how long that took.
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
        let pause = PauseFiles::of(dir.path());
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
