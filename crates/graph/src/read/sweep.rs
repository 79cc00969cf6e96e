//! Several values for one name: `anchors=8,16,32`, `split.fold=0..4`, and every combination of such.
//!
//! A value is a list where commas stand outside of brackets and quotes and no item is a path. So `patch=(48,48,48)`, `[1,2]`, `"a,b"`
//! and `/data/a,b` are one value each, and what is in quotes always is.

use super::set::Set;
use crate::text::{Code, Diagnostic, Diagnostics, Place, Result, Source, Span};

/// More combinations than this are a slip of the hand.
const MOST: usize = 10_000;

/// A combination of values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variant {
    /// One for each name that was given, in that order.
    pub sets: Vec<Set>,
    /// Name and value, as written, of those that differ between variants.
    pub varied: Vec<(String, String)>,
}

/// Every combination, the last name's values changing first.
///
/// # Errors
/// E0207 for what is not `name=value`, and for more than 10,000 combinations.
pub fn variants(given: &[String]) -> Result<Vec<Variant>> {
    let mut all = vec![Variant::default()];
    let mut found = Diagnostics::default();
    for text in given {
        let (name, values) = match text.split_once('=') {
            Some((name, value)) => (name.trim(), values(name.trim(), value)),
            None => ("", vec![]),
        };
        if values.len().saturating_mul(all.len()) > MOST {
            let source = Source::new("--set", text);
            let d = Diagnostic::error(Code::E0207, format!("these are more than {MOST} combinations"));
            found.push(d.at(Place::new(&source, Span::new(0, text.len())), "with these").help("give fewer values"));
            continue;
        }
        if values.len() < 2 {
            let set = found.keep(Set::parse(&values.first().map_or(text.clone(), |v| format!("{name}={v}"))));
            all.iter_mut().for_each(|v| v.sets.extend(set.clone()));
            continue;
        }
        let sets = values.iter().map(|value| Set::parse(&format!("{name}={value}"))).collect::<Result<Vec<_>>>();
        let Some(sets) = found.keep(sets) else { continue };
        let with = |variant: &Variant, set: &Set, value: &String| {
            let mut variant = variant.clone();
            variant.sets.push(set.clone());
            variant.varied.push((name.to_owned(), value.clone()));
            variant
        };
        all = all.iter().flat_map(|variant| sets.iter().zip(&values).map(move |(set, value)| with(variant, set, value))).collect();
    }
    found.or(all)
}

/// The values of a list, or the one value that it is.
fn values(name: &str, text: &str) -> Vec<String> {
    let items: Vec<&str> = items(text).into_iter().map(str::trim).collect();
    // Fields that hold a path take any word.
    let path = name == "out" || name == "graph" || name.split('.').next() == Some("data");
    let graphs = items.iter().all(|i| i.ends_with(".ron"));
    let listed = |item: &&str| {
        let word = item.starts_with(|c: char| c.is_alphabetic()) && !matches!(*item, "true" | "false");
        let one = is_path(item) || path && word;
        !item.is_empty() && (graphs || !one)
    };
    if items.len() > 1 && !items.iter().all(listed) {
        return vec![text.trim().to_owned()];
    }
    items.into_iter().flat_map(|item| range(item).unwrap_or_else(|| vec![item.to_owned()])).collect()
}

/// Whether something reads as a file or a folder: a slash that divides no numbers, or a backslash.
fn is_path(item: &str) -> bool {
    !item.starts_with(['(', '[', '{', '"'])
        && (item.contains('\\') || item.starts_with(['/', '~', '.']) || item.contains('/') && item.contains(|c: char| c.is_alphabetic()))
}

/// `0..4` as the five numbers that it stands for.
fn range(item: &str) -> Option<Vec<String>> {
    let (first, last) = item.split_once("..")?;
    let (first, last): (i64, i64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    // One more than is allowed is enough to be refused.
    (first <= last).then(|| (first..=last).take(MOST + 1).map(|n| n.to_string()).collect())
}

/// Divides a text at commas that stand outside of brackets and quotes.
pub(super) fn items(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut escaped, mut from) = (0usize, false, false, 0);
    let mut all = vec![];
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                all.push(&text[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    all.push(&text[from..]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_lists() {
        for (text, wanted) in [
            ("anchors=8,16,32", &["8", "16", "32"][..]),
            ("split.fold=0..4", &["0", "1", "2", "3", "4"]),
            ("a=-1..1,7", &["-1", "0", "1", "7"]),
            ("optimiser.lr=1e-3, 5e-4", &["1e-3", "5e-4"]),
            ("optimiser.kind=adamw,sgd", &["adamw", "sgd"]),
            ("deep=true,false", &["true", "false"]),
            ("width=base*2,base*4,8/2", &["base*2", "base*4", "8/2"]),
            ("patch=(48,48,48),(64, 64, 64)", &["(48,48,48)", "(64, 64, 64)"]),
            ("graph=../graphs/a.ron,b.ron", &["../graphs/a.ron", "b.ron"]),
            ("data.seed=0..1", &["0", "1"]),
            ("name=\"a,b\",\"c\"", &["\"a,b\"", "\"c\""]),
        ] {
            let (name, value) = text.split_once('=').unwrap();
            assert_eq!(values(name, value), wanted, "{text}");
        }
    }

    #[test]
    fn one_value_stays_one() {
        for text in [
            "anchors=8",
            "patch=(48,48,48)",
            "betas=[0.9, 0.999]",
            "set={\"a\": 1, \"b\": 2}",
            "name=\"a,b\"",
            "name=\"a\\\",b\"",
            "data.root=/data/a,b",
            "data.root=a,b",
            "data.root=../a,../b",
            "data.root=C:\\a,b",
            "out=runs,1",
            "graph=a,b.ron",
            "data.root=..",
            "data.root=0..x",
            "a=4..0",
            "a=1,",
            "a=",
        ] {
            let (name, value) = text.split_once('=').unwrap();
            assert_eq!(values(name, value), [value], "{text}");
        }
    }

    #[test]
    fn variants_are_the_product() {
        let given = ["a=1,2", "patch=(8,8,8)", "b=x,y"].map(String::from);
        let all = variants(&given).unwrap();
        let names: Vec<String> = all.iter().map(|v| v.varied.iter().map(|(n, v)| format!("{n}{v}")).collect()).collect();
        assert_eq!(names, ["a1bx", "a1by", "a2bx", "a2by"]);
        assert!(all.iter().all(|v| v.sets.iter().map(|s| s.path.as_str()).eq(["a", "patch", "b"])));
        assert_eq!(variants(&[]).unwrap(), [Variant::default()]);
        for wrong in [&["a"][..], &["=1,2"], &["a=1..101", "b=1..100"], &["a=0..9999999999"]] {
            let given: Vec<String> = wrong.iter().map(|s| (*s).to_owned()).collect();
            assert_eq!(variants(&given).unwrap_err().0[0].code, Code::E0207, "{wrong:?}");
        }
    }
}
