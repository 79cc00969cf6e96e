//! The one type of errors and warnings about a user's files.

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
    /// Whether it is the node from outside of the composite in which the rest lies.
    pub outer: bool,
}

/// An error or warning: code, message, places, help.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    pub message: String,
    pub labels: Vec<Label>,
    pub help: Vec<String>,
    /// Whether it may only follow from another error: it is told where there is no other.
    pub echo: bool,
    /// What kind of finding it is and whose, where the same may be found of other cases or files; see [`Diagnostics::gathered`].
    pub kind: Option<Box<FindingKind>>,
}

/// A kind of finding, and the case or file that it is of.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingKind {
    pub name: String,
    pub subject: String,
}

impl Diagnostic {
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), labels: vec![], help: vec![], echo: false, kind: None }
    }

    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds the place where it is wrong.
    pub fn at(mut self, place: Place, text: impl Into<String>) -> Self {
        self.labels.push(Label { place, text: text.into(), primary: true, outer: false });
        self
    }

    /// Adds the other party.
    pub fn also(mut self, place: Place, text: impl Into<String>) -> Self {
        self.labels.push(Label { place, text: text.into(), primary: false, outer: false });
        self
    }

    /// Adds the node whose composite it is in.
    pub fn within(mut self, place: Place) -> Self {
        self.labels.push(Label { place, text: "in this node".into(), primary: false, outer: true });
        self
    }

    /// Says whether it may only follow from another error.
    pub fn echo(mut self, echo: bool) -> Self {
        self.echo = echo;
        self
    }

    /// Says of which case or file it is, and of what kind: those of one kind are told once ([`Diagnostics::gathered`]).
    pub fn of(mut self, subject: impl Into<String>, kind: impl Into<String>) -> Self {
        self.kind = Some(Box::new(FindingKind { name: kind.into(), subject: subject.into() }));
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

    /// How many of them are errors.
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|d| d.severity == Severity::Error).count()
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

    /// Keeps one of those that say the same of the same places: a composite's fault shows once, however often the composite is used, and
    /// so does that of each turn of a loop. Numbers and paths of nodes differ between uses and do not count.
    pub fn dedup(&mut self) {
        let mut seen = std::collections::HashSet::new();
        self.0.retain(|d| {
            if d.labels.is_empty() {
                return seen.insert((d.code, vec![], d.message.clone()));
            }
            let own = d.labels.iter().filter(|l| !l.outer);
            let places = own.map(|l| (l.place.source.name.clone(), l.place.span.start, l.place.span.end)).collect();
            seen.insert((d.code, places, pattern(&d.message)))
        });
    }

    /// Leaves out what may only follow from another error, where there is another.
    pub fn without_echoes(mut self) -> Self {
        if self.0.iter().any(|d| d.severity == Severity::Error && !d.echo) {
            self.0.retain(|d| !d.echo);
        }
        self
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

/// Names of a message that tell it from others: what and where; those after them say why.
const TELLING: usize = 3;

/// A message without its numbers, without the paths of nodes (`` `enc1.ghost1` ``), and without the names after the first few.
fn pattern(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for (i, part) in message.split('`').enumerate() {
        out.push('`');
        if i % 2 == 0 || !part.contains('.') && i < 2 * TELLING {
            out.extend(part.chars().filter(|c| !c.is_ascii_digit()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, Span};

    #[test]
    fn what_is_said_twice_of_a_place_is_kept_once_and_different_things_all() {
        let source = Source::new("a.ron", "a node");
        let at = |message: &str| Diagnostic::error(Code::E0204, message).at(Place::new(&source, Span::new(0, 1)), "here");
        let mut all = Diagnostics(vec![
            at("nothing is connected to `x` of `a`"),
            at("nothing is connected to `skip` of `a`"),
            at("`enc1.a` has 8 channels"),
            at("`enc2.a` has 16 channels"),
            at("`seg1` is not there"),
            at("`seg2` is not there"),
            at("nothing is connected to `x` of `a`").within(Place::new(&source, Span::new(2, 3))),
        ]);
        all.dedup();
        let messages: Vec<&str> = all.0.iter().map(|d| d.message.as_str()).collect();
        let expected = [
            "nothing is connected to `x` of `a`",
            "nothing is connected to `skip` of `a`",
            "`enc1.a` has 8 channels",
            "`seg1` is not there",
        ];
        assert_eq!(messages, expected);
    }

    #[test]
    fn an_echo_is_told_only_where_nothing_else_is() {
        let echo = || Diagnostic::error(Code::E0202, "b").echo(true);
        let both = Diagnostics(vec![echo(), Diagnostic::error(Code::E0201, "a")]).without_echoes();
        assert_eq!(both.0.iter().map(|d| d.message.as_str()).collect::<Vec<_>>(), ["a"]);
        let warned = Diagnostics(vec![echo(), Diagnostic::warning(Code::W0101, "w")]).without_echoes();
        assert!(warned.has_errors(), "what is refused has an error");
    }
}
