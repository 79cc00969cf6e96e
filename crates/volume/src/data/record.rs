//! Records of files (size, time, hash), by which it is known later whether a file is unchanged.
//!
//! May use `text`. Size and time are compared first: while they are as they were the content is not read. Where they are not, it decides.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::text::{Code, Diagnostic, reason};

/// A file that was written so shortly before it was read may have been written again within the same tick of the clock.
const TICK: Duration = Duration::from_secs(2);

/// A file's size, time and content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileRecord {
    pub path: PathBuf,
    pub bytes: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub changed: u64,
    /// BLAKE3 of its content, in hexadecimal digits.
    pub hash: String,
}

impl FileRecord {
    /// Of a file as it is now. Reads it whole.
    ///
    /// # Errors
    /// E0702 when it cannot be read.
    pub fn of(path: &Path) -> Result<Self, Diagnostic> {
        let refuse = |e: std::io::Error| {
            Diagnostic::error(Code::E0702, format!("`{}` cannot be read: {}", path.display(), reason(&e)))
                .help("check the path and its permissions")
        };
        let about = std::fs::metadata(path).map_err(refuse)?;
        let hash = content(path).map_err(refuse)?;
        Ok(Self { path: path.to_owned(), bytes: about.len(), changed: changed(&about), hash })
    }

    /// Whether the file at `path`, which may have been moved there, is what this one was at the time `read`, in nanoseconds since 1970.
    pub fn holds(&self, path: &Path, read: u64) -> bool {
        let Ok(about) = std::fs::metadata(path) else { return false };
        if about.len() != self.bytes {
            return false;
        }
        let settled = self.changed.saturating_add(TICK.as_nanos() as u64) < read;
        changed(&about) == self.changed && settled || content(path).is_ok_and(|hash| hash == self.hash)
    }
}

fn content(path: &Path) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn changed(about: &Metadata) -> u64 {
    about.modified().map_or(0, since)
}

/// Now, in nanoseconds since 1970.
pub fn nanoseconds_now() -> u64 {
    since(SystemTime::now())
}

fn since(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}
