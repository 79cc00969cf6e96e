//! Diagnostics that many files have in common, grouped into one.
//!
//! May use `diagnostic`, `number` beside it.

use std::collections::BTreeMap;

use super::{Code, Diagnostic, Diagnostics, Severity, list};

/// Up to as many of a kind are said one by one.
const EACH: usize = 3;
/// Names that the one of many says.
const NAMED: usize = 3;

impl Diagnostics {
    /// What is said alike of several cases or files, said once, by the first of them. Warnings that name their kind ([`Diagnostic::of`]) are
    /// gathered by that; of those without, and of errors of data sets and volumes (E07..), more than three whose messages differ in nothing but
    /// numbers and what stands between backquotes.
    pub fn gathered(&self) -> Self {
        let mut groups: BTreeMap<(Code, bool, bool, String), Vec<usize>> = BTreeMap::new();
        for (at, d) in self.0.iter().enumerate() {
            let error = d.severity == Severity::Error;
            let (named, name) = match &d.kind {
                Some(kind) if !error => (true, kind.name.clone()),
                _ if d.code.name().starts_with("E07") => (false, pattern(&d.message)),
                _ => continue,
            };
            groups.entry((d.code, error, named, name)).or_default().push(at);
        }
        let mut all: Vec<Option<Diagnostic>> = self.0.iter().cloned().map(Some).collect();
        for ((_, _, named, _), group) in groups.iter().filter(|((_, _, named, _), all)| all.len() > if *named { 1 } else { EACH }) {
            let of_a_kind: Vec<&Diagnostic> = group.iter().map(|at| &self.0[*at]).collect();
            let message =
                if *named { likewise(&of_a_kind) } else { one(&of_a_kind.iter().map(|d| d.message.as_str()).collect::<Vec<_>>()) };
            for (n, at) in group.iter().enumerate() {
                match (n, &mut all[*at]) {
                    (0, Some(first)) => first.message.clone_from(&message),
                    (_, other) => *other = None,
                }
            }
        }
        Self(all.into_iter().flatten().collect())
    }
}

/// The first message, with the cases or files that the others are of.
fn likewise(all: &[&Diagnostic]) -> String {
    let first = all.first().map_or("", |d| d.message.as_str());
    let mut subjects: Vec<&str> = all.iter().filter_map(|d| Some(d.kind.as_ref()?.subject.as_str())).collect();
    subjects.dedup();
    match subjects.len() {
        0 | 1 => first.to_owned(),
        n => format!("{first}; likewise in {} more: {}", n - 1, list(subjects.iter().skip(1).map(|s| format!("`{s}`")), NAMED)),
    }
}

/// A message without numbers and without what stands between backquotes.
fn pattern(message: &str) -> String {
    let plain = message.split('`').step_by(2);
    plain.map(|part| part.chars().filter(|c| !c.is_ascii_digit()).collect::<String>()).collect::<Vec<_>>().join("`")
}

/// The first message, with how many there are of its kind, and what the next ones name where it names something.
fn one(messages: &[&str]) -> String {
    let quoted = |m: &'_ str| m.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let all: Vec<Vec<String>> = messages.iter().map(|m| quoted(m)).collect();
    let first = messages.first().copied().unwrap_or_default();
    let differ = (0..all[0].len()).find(|n| all.iter().any(|names| names.get(*n) != all[0].get(*n)));
    let names: Vec<String> = differ.map_or(vec![], |n| all.iter().skip(1).filter_map(|names| names.get(n).cloned()).collect());
    let shown: Vec<String> = names.iter().take(NAMED - 1).map(|n| format!("`{n}`")).collect();
    let others = messages.len() - 1;
    match shown.as_slice() {
        [] => format!("{first} ({} in all)", messages.len()),
        shown => {
            let more = if names.len() > shown.len() { ", ..." } else { "" };
            format!("{first} (the same of {others} more: {}{more})", shown.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_of_a_kind_are_one_with_a_count_and_names() {
        let missing = |n: usize| Diagnostic::error(Code::E0701, format!("`set.json`: training[{n}] names `c_{n}.nii`, which is not there"));
        let mut found = Diagnostics((0..800).map(missing).collect());
        found.push(Diagnostic::warning(Code::E0702, "another"));
        let few = found.gathered();
        assert_eq!(few.0.len(), 2);
        let want = "`set.json`: training[0] names `c_0.nii`, which is not there (the same of 799 more: `c_1.nii`, `c_2.nii`, ...)";
        assert_eq!(few.0[0].message, want);
        assert_eq!(Diagnostics((0..3).map(missing).collect()).gathered().0.len(), 3, "a few are said one by one");
        let of_graph = Diagnostics((0..9).map(|n| Diagnostic::error(Code::E0301, format!("`n{n}`"))).collect());
        assert_eq!(of_graph.gathered(), of_graph, "what has places in a graph stays");
        let plain = Diagnostics((0..5).map(|n| Diagnostic::error(Code::E0703, format!("{n} mm apart"))).collect());
        assert_eq!(plain.gathered().0[0].message, "0 mm apart (5 in all)");
    }

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
