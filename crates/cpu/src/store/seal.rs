//! The seal of a file of weights: one hash over every one of its bytes, so that a file that was damaged or edited is not used.
//!
//! May use `text`. The entry `lmsc.seal` of the metadata holds 64 hexadecimal digits: the BLAKE3 hash of the whole file in which these
//! digits are zeros. `lmsc.format` says by which rules a file is to be read.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use crate::text::{Code, Diagnostic, printable};

/// The format that is written, and the newest that is read.
pub const FORMAT: u32 = 1;

/// Names of the entries of the metadata.
pub(super) const SEAL: &str = "lmsc.seal";
pub(super) const VERSION: &str = "lmsc.format";

/// What stands for the digits while they are not known.
pub(super) const BLANK: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The digits of the seal in a file whose header ends at byte `end`. A text inside the header cannot imitate them: its quotes are escaped.
fn digits(file: &[u8], end: usize) -> Option<Range<usize>> {
    let entry = format!("\"{SEAL}\":\"");
    let header = file.get(..end)?;
    let mut places = header.windows(entry.len()).enumerate().filter(|(_, w)| *w == entry.as_bytes()).map(|(at, _)| at + entry.len());
    let (Some(start), None) = (places.next(), places.next()) else { return None };
    let range = start..start + BLANK.len();
    (header.get(range.end) == Some(&b'"')).then_some(range)
}

/// The hash of a file with the digits of its seal blank.
fn hash(file: &[u8], digits: &Range<usize>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&file[..digits.start]).update(BLANK.as_bytes()).update(&file[digits.end..]);
    hasher.finalize().to_hex().to_string()
}

/// Writes the seal into a file that has a blank one; its header ends at byte `end`.
pub(super) fn seal(file: &mut [u8], end: usize) {
    if let Some(range) = digits(file, end) {
        let hash = hash(file, &range);
        file[range].copy_from_slice(hash.as_bytes());
    }
}

/// Whether a file is as it was written, and of a format that is known. Files of other programs, which say nothing of `lmsc`, have no seal.
///
/// # Errors
/// E0801 for a newer format, E0803 for a seal that is missing or does not hold.
pub(super) fn check(path: &Path, file: &[u8], end: usize, metadata: &HashMap<String, String>) -> Result<(), Diagnostic> {
    if !metadata.keys().any(|k| k.starts_with("lmsc.")) {
        return Ok(());
    }
    let shown = path.display();
    let broken = |why: &str| {
        Diagnostic::error(Code::E0803, format!("`{shown}` is not as it was written: {why}"))
            .help("it was damaged on a disk or on the way, or edited; take it from its source again, or train anew")
    };
    if let Some(version) = metadata.get(VERSION).filter(|v| v.parse::<u32>().is_ok_and(|v| v > FORMAT)) {
        let message = format!("`{shown}` is of format {}, and this lmsc reads formats up to {FORMAT}", printable(version));
        return Err(Diagnostic::error(Code::E0801, message).help("use a newer lmsc"));
    }
    if metadata.get(VERSION) != Some(&FORMAT.to_string()) {
        return Err(broken("it does not say its format"));
    }
    let Some(range) = digits(file, end) else { return Err(broken("it has no seal")) };
    if metadata.get(SEAL).map(String::as_bytes) != Some(&file[range.clone()]) || hash(file, &range).as_bytes() != &file[range] {
        return Err(broken("its seal does not fit its content"));
    }
    Ok(())
}
