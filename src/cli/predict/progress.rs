//! What is shown while cases are segmented.
//!
//! Part of `cli::predict`; uses `bar`.

use crate::bar::Bar;

/// The progress of a run over several cases.
#[derive(Debug)]
pub struct PredictProgress {
    bar: Bar,
    cases: usize,
}

impl PredictProgress {
    pub fn new(cases: usize) -> Self {
        Self { bar: Bar::new(0, "{prefix} {bar:30} {pos}/{len} windows, {eta} left {wide_msg}"), cases }
    }

    /// That case number `at`, from 1, begins.
    pub fn begin(&self, at: usize, name: &str, windows: usize) {
        self.bar.change(|bar| {
            bar.reset();
            bar.set_length(windows as u64);
            bar.set_prefix(format!("{at}/{}", self.cases));
            bar.set_message(name.to_owned());
        });
    }

    /// After each window.
    pub fn tick(&self) {
        self.bar.change(|bar| bar.inc(1));
    }

    /// A line above the bar, broken between words where it is too long.
    pub fn say(&self, line: &str) {
        self.bar.say(line);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish();
    }
}
