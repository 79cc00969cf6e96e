//! A bar on a terminal, plain lines everywhere else. All on standard error.
//!
//! Part of `train`; may use `text`.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::text::wrap;

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

    /// A line above the bar; what is wider than the terminal goes on in the next.
    pub fn say(&self, line: &str) {
        let line = columns().map_or(line.to_owned(), |width| hanging(line, width));
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

/// The columns of standard error: what COLUMNS says, or the terminal; none where neither does.
pub fn columns() -> Option<usize> {
    let asked = std::env::var("COLUMNS").ok().and_then(|c| c.trim().parse().ok()).filter(|w| *w > 0);
    let terminal = || terminal_size::terminal_size_of(std::io::stderr()).map(|(width, _)| usize::from(width.0));
    asked.or_else(|| std::io::stderr().is_terminal().then(terminal).flatten())
}

/// Lines broken at spaces, what they go on in indented.
fn hanging(lines: &str, width: usize) -> String {
    const INDENT: usize = 4;
    let one = |line: &str| {
        let whole = crate::text::columns(line) <= width;
        let broken = || wrap(line, width.saturating_sub(INDENT).max(INDENT)).join(&format!("\n{}", " ".repeat(INDENT)));
        if whole { line.to_owned() } else { broken() }
    };
    lines.split('\n').map(one).collect::<Vec<_>>().join("\n")
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::hanging;

    #[test]
    fn long_lines_go_on_below_and_lose_no_word() {
        let line = "epoch 3/40  loss 0.5123  Dice 0.7500 (core 0.750, edema 0.500) best  12 s, 8 min left";
        assert_eq!(hanging(line, 100), line);
        let narrow = hanging(line, 40);
        assert!(narrow.lines().all(|l| l.len() <= 40) && narrow.lines().skip(1).all(|l| l.starts_with("    ")), "{narrow}");
        assert!(narrow.split_whitespace().eq(line.split_whitespace()));
    }
}
