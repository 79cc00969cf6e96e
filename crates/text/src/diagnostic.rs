//! One type for everything that is said to a user about their files.

use std::fmt;

use super::{Code, Place, render};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

impl Severity {
    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// A place and what is to be said there.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    pub place: Place,
    pub text: String,
    pub primary: bool,
}

/// An error or warning: code, message, places, help.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    pub message: String,
    pub labels: Vec<Label>,
    pub help: Vec<String>,
}

impl Diagnostic {
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), labels: vec![], help: vec![] }
    }

    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds the place where it is wrong.
    pub fn at(mut self, place: Place, text: impl Into<String>) -> Self {
        self.labels.push(Label { place, text: text.into(), primary: true });
        self
    }

    /// Adds the other party.
    pub fn also(mut self, place: Place, text: impl Into<String>) -> Self {
        self.labels.push(Label { place, text: text.into(), primary: false });
        self
    }

    /// Adds what the user can do.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }
}

/// In a line: `graph.ron:7:27: error[E0301]: ...`, and what can be done.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&render::concise(self))?;
        self.help.iter().try_for_each(|help| write!(f, " ({})", help.replace('\n', " ")))
    }
}

impl std::error::Error for Diagnostic {}

/// Several diagnostics: all that a run found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    pub fn push(&mut self, d: Diagnostic) {
        self.0.push(d);
    }

    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// Keeps a result's value, and its diagnostics here.
    pub fn keep<T>(&mut self, r: Result<T, impl Into<Diagnostics>>) -> Option<T> {
        match r {
            Ok(v) => Some(v),
            Err(e) => {
                self.0.extend(e.into().0);
                None
            }
        }
    }

    /// Keeps one of those that say the same at the same place: a composite's fault shows once, however often it is used.
    pub fn dedup(&mut self) {
        let mut seen = std::collections::HashSet::new();
        self.0.retain(|d| {
            let place = d.labels.iter().find(|l| l.primary).map(|l| (l.place.source.name.clone(), l.place.span.start, l.place.span.end));
            seen.insert((d.code, place.clone(), if place.is_some() { String::new() } else { d.message.clone() }))
        });
    }

    /// Those of one file in the order of their places, files in the order in which they come up; what has no place first.
    pub fn in_order(&self) -> Self {
        let place = |d: &Diagnostic| d.labels.iter().find(|l| l.primary).or(d.labels.first()).map(|l| l.place.clone());
        let mut files: Vec<String> = vec![];
        let mut all: Vec<(Option<(usize, usize)>, Diagnostic)> = vec![];
        for d in &self.0 {
            let at = place(d).map(|p| {
                let known = files.iter().position(|f| *f == p.source.name);
                let file = known.unwrap_or_else(|| {
                    files.push(p.source.name.clone());
                    files.len() - 1
                });
                (file, p.span.start)
            });
            all.push((at, d.clone()));
        }
        all.sort_by_key(|(at, _)| *at);
        Self(all.into_iter().map(|(_, d)| d).collect())
    }

    /// `value` if nothing is wrong, else everything that is.
    pub fn or<T>(self, value: T) -> Result<T, Diagnostics> {
        if self.has_errors() { Err(self) } else { Ok(value) }
    }
}

/// One a line; nothing wrong is an empty text.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (i, d) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            d.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl From<Diagnostic> for Diagnostics {
    fn from(d: Diagnostic) -> Self {
        Self(vec![d])
    }
}
