//! The error of a device that fails.

use std::fmt::Display;

use crate::text::{Code, Diagnostic};

/// The cause that a device's error gives, with a way out.
pub fn failed(error: impl Display) -> Diagnostic {
    let error = error.to_string();
    let why = cause(&error);
    let memory = ["alloc", "out of memory", "too big", "too large"].iter().any(|word| why.to_lowercase().contains(word));
    let d = Diagnostic::error(Code::E0901, format!("the device has failed: {why}"));
    if memory {
        d.help("make the batch or the patch smaller; in training `checkpointing: true` takes less memory, too")
    } else {
        d.help("`lmsc doctor` says what the device has and lacks; `--device cpu` does without it")
    }
}

/// The last line that is no frame: errors come with the causes below what they have led to.
fn cause(error: &str) -> &str {
    let frame = |line: &&str| line.is_empty() || line.ends_with(':') || line.starts_with("No backtrace");
    error.lines().map(str::trim).rev().find(|line| !frame(line)).unwrap_or("it does not say why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_cause_is_said() {
        let error =
            "An error happened\nCaused by:\n  can't allocate buffer of size: 512\nNo backtrace available\nBacktrace:\n\nAsked at:\n";
        assert_eq!(cause(error), "can't allocate buffer of size: 512");
        assert!(failed(error).help.concat().contains("smaller"));
        assert_eq!(cause("lost"), "lost");
        assert_eq!(cause(""), "it does not say why");
    }
}
