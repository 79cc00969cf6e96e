//! What is shown while cases are segmented: a bar on a terminal, plain lines everywhere. All on standard error.
//!
//! Part of `cli::predict`.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of a run over several cases.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    cases: usize,
}

impl Progress {
    pub fn new(cases: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} windows, {eta} left {wide_msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        Self { bar, cases }
    }

    /// That case number `at`, from 1, begins.
    pub fn begin(&self, at: usize, name: &str, windows: usize) {
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_length(windows as u64);
            bar.set_prefix(format!("{at}/{}", self.cases));
            bar.set_message(name.to_owned());
        }
    }

    /// After each window.
    pub fn tick(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// A line above the bar.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
