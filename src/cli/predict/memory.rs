//! What memory this process has held, and what it may take.
//!
//! Part of `cli::predict`; may use `infer`, `net` and `text`. Linux says all of it; elsewhere nothing is known and nothing is compared.

use crate::host::kilobytes;
use crate::infer::{Need, need};
use crate::text::{Code, Diagnostic};

/// Bytes that this process holds now.
pub fn held() -> u64 {
    kilobytes("/proc/self/status", "VmRSS:").unwrap_or_default()
}

/// Forgets the most that this process has held, so that the next peak is of what comes; whether the system does that.
pub fn restart_peak() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The refusal of a case that needs more than it may take.
pub fn above(name: &str, need: &Need, limit: u64) -> Diagnostic {
    let message = format!("`{name}` needs {need}, and --max-memory allows {}", need::size(limit));
    let advice = if need.probabilities > 0 {
        "leave out --probabilities, allow more, or crop the image"
    } else if need.image > need.bytes() / 2 {
        "allow more, or crop the image: its voxels alone take most of it"
    } else {
        "allow more, or crop the image at its left, right, front and back"
    };
    Diagnostic::error(Code::E0902, message).help(advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_says_what_is_there() {
        let before = held();
        let block = vec![1u8; 64 << 20];
        assert!(held() >= before + (60 << 20), "{} bytes more", block.len());
    }
}
