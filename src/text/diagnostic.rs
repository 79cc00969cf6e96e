//! One type for everything that is said to a user about their files.

use super::{Code, Place, list};

/// Cases or files that are named where a warning is of many.
const NAMED: usize = 3;

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
    /// What kind of finding it is and whose, where the same may be found of other cases or files; see [`Diagnostics::gathered`].
    pub kind: Option<Kind>,
}

/// A kind of finding, and the case or file that it is of.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    pub name: String,
    pub subject: String,
}

impl Diagnostic {
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), labels: vec![], help: vec![], kind: None }
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

    /// Says of which case or file it is, and of what kind: those of one kind are told once ([`Diagnostics::gathered`]).
    pub fn of(mut self, subject: impl Into<String>, kind: impl Into<String>) -> Self {
        self.kind = Some(Kind { name: kind.into(), subject: subject.into() });
        self
    }

    /// Adds what the user can do.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }
}

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

    /// Of warnings of one kind the first, with the cases or files that the others are of; all else as it is.
    pub fn gathered(&self) -> Self {
        let same = |a: &Diagnostic, b: &Diagnostic| {
            let name = |d: &Diagnostic| d.kind.as_ref().map(|k| k.name.clone());
            a.severity == Severity::Warning && (a.code, a.severity, name(a)) == (b.code, b.severity, name(b))
        };
        let mut groups: Vec<Vec<&Diagnostic>> = vec![];
        for d in &self.0 {
            match groups.iter_mut().find(|g| d.kind.is_some() && same(d, g[0])) {
                Some(group) => group.push(d),
                None => groups.push(vec![d]),
            }
        }
        let one = |group: Vec<&Diagnostic>| {
            let mut first = group[0].clone();
            let mut others: Vec<&str> = group.iter().filter_map(|d| Some(d.kind.as_ref()?.subject.as_str())).collect();
            others.dedup();
            if others.len() > 1 {
                let named = others.iter().skip(1).map(|s| format!("`{s}`"));
                first.message = format!("{}; likewise in {} more: {}", first.message, others.len() - 1, list(named, NAMED));
            }
            first
        };
        Self(groups.into_iter().map(one).collect())
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

impl From<Diagnostic> for Diagnostics {
    fn from(d: Diagnostic) -> Self {
        Self(vec![d])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_cases_have_is_told_once_with_a_count() {
        let of = |n: usize| Diagnostic::warning(Code::E0703, format!("`c_{n}`: it is {n} mm off")).of(format!("c_{n}"), "off");
        let other = Diagnostic::warning(Code::E0703, "`c_1`: it is turned").of("c_1", "turned");
        let plain = Diagnostic::warning(Code::E0704, "no case has the label 2");
        let mut all = Diagnostics((0..7).map(of).collect());
        all.0.extend([
            other.clone(),
            plain.clone(),
            plain.clone(),
            Diagnostic::error(Code::E0703, "a"),
            Diagnostic::error(Code::E0703, "a"),
        ]);
        let told = all.gathered();
        assert_eq!(told.0.len(), 6);
        assert_eq!(told.0[0].message, "`c_0`: it is 0 mm off; likewise in 6 more: `c_1`, `c_2`, `c_3` and 3 more");
        assert_eq!(told.0[1..4], [other, plain.clone(), plain]);
    }
}
