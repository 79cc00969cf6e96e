//! What is shown while cases are segmented.
//!
//! Part of `cli::predict`; uses `bar`.

use indicatif::ProgressStyle;

use crate::bar::Bar;

/// The progress of a run over several cases.
#[derive(Debug)]
pub struct PredictProgress {
    bar: Bar,
    cases: usize,
}

impl PredictProgress {
    pub fn new(cases: usize) -> Self {
        let bar = Bar::new(0, "{prefix} {msg}");
        // Until a case begins there is nothing of which the bar could be a part.
        bar.change(|bar| bar.set_message("looking at the images"));
        Self { bar, cases }
    }

    /// That case number `at`, from 1, begins.
    pub fn begin(&self, at: usize, name: &str, windows: usize) {
        self.bar.change(|bar| {
            bar.reset();
            if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} windows, {eta} left {wide_msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
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
