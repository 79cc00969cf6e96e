//! A bar on a terminal, plain lines everywhere else. All on standard error.
//!
//! Part of `train`; depends on nothing of this crate.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that is there on a terminal only. It goes when it is dropped: an error leaves no half-drawn one.
#[derive(Debug)]
pub struct Bar(Option<ProgressBar>);

impl Bar {
    /// Of a length, drawn after an indicatif template.
    pub fn new(length: usize, template: &str) -> Self {
        Self(std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(length as u64);
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        }))
    }

    /// Changes the bar, if there is one.
    pub fn change(&self, how: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = &self.0 {
            how(bar);
        }
    }

    /// A line above the bar.
    pub fn say(&self, line: &str) {
        match &self.0 {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.change(|bar| bar.finish_and_clear());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
    }
}
