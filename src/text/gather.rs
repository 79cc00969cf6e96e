//! What is wrong in the same way with many files, said once.
//!
//! May use `diagnostic`, `number` beside it.

use std::collections::BTreeMap;

use super::{Code, Diagnostic, Diagnostics, Severity};

/// Up to as many of a kind are said one by one.
const EACH: usize = 3;
/// Names that the one of many says.
const NAMED: usize = 3;

impl Diagnostics {
    /// Those of data sets and volumes (E07..) that say the same of more than three files become one, the first, which counts the others and names
    /// the first of them. Messages say the same if they differ in nothing but numbers and what stands between backquotes.
    pub fn gathered(&self) -> Self {
        let mut kinds: BTreeMap<(Code, bool, String), Vec<usize>> = BTreeMap::new();
        for (at, d) in self.0.iter().enumerate().filter(|(_, d)| d.code.name().starts_with("E07")) {
            kinds.entry((d.code, d.severity == Severity::Error, kind(&d.message))).or_default().push(at);
        }
        let mut all: Vec<Option<Diagnostic>> = self.0.iter().cloned().map(Some).collect();
        for of_a_kind in kinds.values().filter(|all| all.len() > EACH) {
            let message = one(&of_a_kind.iter().map(|at| self.0[*at].message.as_str()).collect::<Vec<_>>());
            for (n, at) in of_a_kind.iter().enumerate() {
                match (n, &mut all[*at]) {
                    (0, Some(first)) => first.message.clone_from(&message),
                    (_, other) => *other = None,
                }
            }
        }
        Self(all.into_iter().flatten().collect())
    }
}

/// A message without numbers and without what stands between backquotes.
fn kind(message: &str) -> String {
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
}
