//! What is said when a device fails at its work.

use std::fmt::Display;

use crate::text::{Code, Diagnostic};

/// What a device's error says, without the frames around it; with a way out.
pub fn failed(error: impl Display) -> Diagnostic {
    let why = causes(&error.to_string());
    let memory = ["alloc", "out of memory", "buffer too big", "too large"].iter().any(|word| why.to_lowercase().contains(word));
    let d = Diagnostic::error(Code::E0901, format!("the device has failed: {why}"));
    if memory {
        d.help("make the batch or the patch smaller; in training `checkpointing: true` takes less memory, too")
    } else {
        d.help("`lmsc doctor` says what the device has and lacks; `--device cpu` does without it")
    }
}

/// Each cause once, the outermost first, in a line.
fn causes(error: &str) -> String {
    let mut causes: Vec<&str> = vec![];
    for line in error.lines().map(str::trim) {
        let frame = line.is_empty() || ["Caused by:", "Backtrace:", "No backtrace available"].contains(&line);
        if !frame && !causes.contains(&line) {
            causes.push(line);
        }
    }
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_said_once() {
        let error = "An error happened\nCaused by:\n  An error happened\nCaused by:\n  can't allocate buffer of size: 512\nNo backtrace available\nBacktrace:\n";
        assert_eq!(causes(error), "An error happened: can't allocate buffer of size: 512");
        assert!(failed(error).help.concat().contains("smaller"));
    }
}
