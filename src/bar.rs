//! A bar on a terminal, plain lines everywhere else. All on standard error.
//!
//! Part of `train`; depends on nothing of this crate.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// A bar that is there on a terminal only. It goes when it is dropped: an error leaves no half-drawn one.
#[derive(Debug)]
pub struct Bar {
    bar: Option<ProgressBar>,
    /// What `{curves}` in the template stands for.
    curves: Arc<Mutex<String>>,
}

impl Bar {
    /// Of a length, drawn after an indicatif template, in which `{curves}` is what [`Bar::set_curves`] was given last.
    pub fn new(length: usize, template: &str) -> Self {
        let curves = Arc::new(Mutex::new(String::new()));
        let shown = curves.clone();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(length as u64);
            if let Ok(style) = ProgressStyle::with_template(template) {
                let write = move |_: &ProgressState, out: &mut dyn Write| {
                    let _ = out.write_str(&shown.lock().unwrap_or_else(PoisonError::into_inner));
                };
                bar.set_style(style.progress_chars("=> ").with_key("curves", write));
            }
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        Self { bar, curves }
    }

    /// Changes the bar, if there is one.
    pub fn change(&self, how: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = &self.bar {
            how(bar);
        }
    }

    /// What `{curves}` stands for from now on.
    pub fn set_curves(&self, text: String) {
        *self.curves.lock().unwrap_or_else(PoisonError::into_inner) = text;
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
        self.change(|bar| bar.finish_and_clear());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
    }
}
