//! Results to standard output, complaints to standard error.

use std::io::{IsTerminal, Write};

use crate::text::{Diagnostics, Severity, render};

/// Writes a result; a reader that went away (`lmsc stats | head`) is no error.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes diagnostics, in colour on a terminal unless NO_COLOR says otherwise, and how many errors there are.
pub fn complain(found: &Diagnostics) {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let width = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).filter(|w| *w >= 20).unwrap_or(140);
    if found.0.is_empty() {
        return;
    }
    let mut text = String::new();
    for d in &found.0 {
        text.push_str(&render::full(d, colour, width));
        text.push_str("\n\n");
    }
    let errors = found.0.iter().filter(|d| d.severity == Severity::Error).count();
    if errors > 1 {
        text.push_str(&format!("{errors} errors\n"));
    }
    let _ = std::io::stderr().lock().write_all(text.trim_end().as_bytes()).and_then(|()| std::io::stderr().lock().write_all(b"\n"));
}
