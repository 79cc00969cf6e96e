//! Predictions and references matched by the names of their cases.
//!
//! May use `text`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::flat::numbered;
use crate::text::{Code, Diagnostic, Diagnostics, a_few, several};

/// Cases without a counterpart that are named.
const NAMED: usize = 20;
/// What label files carry behind the name of their case.
const WORDS: [&str; 11] = ["gt", "seg", "segm", "segmentation", "label", "labels", "mask", "pred", "prediction", "truth", "manual"];

/// A prediction and its reference, by case.
pub type Pairs = BTreeMap<String, (PathBuf, PathBuf)>;

/// Predictions and references that belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counterparts {
    pub pairs: Pairs,
    /// Names of predictions with those of their references, where these differ.
    pub renamed: Vec<(String, String)>,
}

/// Matches by name; where that leaves any over, by what stands before the word of a label file (`case_gt`, `case-seg`) or a channel's number
/// (`case_0000`), if that leaves no doubt. With `partial` references may lack a prediction. `predictions` and `references` are where they come from.
///
/// # Errors
/// E0703 when a prediction or a reference has no counterpart.
pub fn matched(
    predicted: &BTreeMap<String, PathBuf>,
    expected: &BTreeMap<String, PathBuf>,
    predictions: &Path,
    references: &Path,
    partial: bool,
) -> Result<Counterparts, Diagnostics> {
    let mut all = Counterparts::default();
    let mut found = Diagnostics::default();
    let without = |these: &BTreeMap<String, PathBuf>, those: &BTreeMap<String, PathBuf>| -> Vec<String> {
        these.keys().filter(|name| !those.contains_key(*name)).cloned().collect()
    };
    let (mut lone, mut missing) = (without(predicted, expected), without(expected, predicted));
    let only = |core: &str, names: &BTreeMap<String, PathBuf>| names.keys().filter(|name| parts(name).0 == core).count() == 1;
    for name in std::mem::take(&mut lone) {
        let (core, number) = parts(&name);
        // Two numbers are those of two cases.
        let fits = |other: &&String| parts(other).0 == core && (number.is_none() || parts(other).1.is_none());
        match missing.iter().position(|other| fits(&other)).filter(|_| only(core, predicted) && only(core, expected)) {
            Some(at) => all.renamed.push((name.clone(), missing.remove(at))),
            None => lone.push(name),
        }
    }
    if let Some(d) = lonely(&lone, "prediction", "reference", references) {
        found.push(d.help("rename them, or take them out of the folder"));
    }
    if let Some(d) = lonely(&missing, "reference", "prediction", predictions).filter(|_| !partial) {
        found.push(d.help("predict them, or give --partial to score only what was predicted"));
    }
    let other = |name: &String| all.renamed.iter().find(|(own, _)| own == name).map_or_else(|| name.clone(), |(_, other)| other.clone());
    let pair = |(name, file): (&String, &PathBuf)| Some((name.clone(), (file.clone(), expected.get(&other(name))?.clone())));
    all.pairs = predicted.iter().filter_map(pair).collect();
    found.or(all)
}

/// The same cases as `own`, predicted otherwise.
///
/// # Errors
/// E0703 when a case is in one set only.
pub fn against(predictions: &Path, other: Pairs, own: &Pairs) -> Result<Pairs, Diagnostics> {
    let without = |these: &Pairs, those: &Pairs| -> Vec<String> { these.keys().filter(|n| !those.contains_key(*n)).cloned().collect() };
    let mut found = Diagnostics::default();
    let help = "a comparison needs the same cases on both sides";
    if let Some(d) = lonely(&without(own, &other), "prediction of --pred", "counterpart", predictions) {
        found.push(d.help(help));
    }
    if let Some(d) = lonely(&without(&other, own), "prediction of --against", "counterpart", Path::new("--pred")) {
        found.push(d.help(help));
    }
    found.or(other)
}

/// The name of a case without the word of a label file and the number of a channel; and that number.
fn parts(name: &str) -> (&str, Option<usize>) {
    let wordless = |name: &'_ str| -> usize {
        let cut =
            name.rsplit_once(['_', '-']).filter(|(case, word)| !case.is_empty() && WORDS.iter().any(|w| w.eq_ignore_ascii_case(word)));
        cut.map_or(name.len(), |(case, _)| case.len())
    };
    let mut core = &name[..wordless(name)];
    let number = numbered(core);
    if let Some((case, _)) = number {
        core = &case[..wordless(case)];
    }
    (core, number.map(|(_, n)| n))
}

/// The complaint about cases without a counterpart; none if there are none.
fn lonely(names: &[String], what: &str, counterpart: &str, place: &Path) -> Option<Diagnostic> {
    let has = match names.len() {
        0 => return None,
        1 => "has",
        _ => "have",
    };
    let (what, shown) = (several(names.len(), what), a_few(names, NAMED));
    Some(Diagnostic::error(Code::E0703, format!("{what} {has} no {counterpart} of the same name in `{}`: {shown}", place.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(names: &[&str]) -> BTreeMap<String, PathBuf> {
        names.iter().map(|n| ((*n).to_owned(), PathBuf::from(format!("{n}.nii")))).collect()
    }

    fn of(p: &[&str], r: &[&str], partial: bool) -> Result<Counterparts, Diagnostics> {
        matched(&all(p), &all(r), Path::new("p"), Path::new("r"), partial)
    }

    #[test]
    fn cases_are_matched_by_name() {
        let found = of(&["a", "b"], &["a", "b", "c"], true).unwrap();
        assert_eq!(found.pairs.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert!(found.renamed.is_empty());
        let e = of(&["a", "extra"], &["a", "c", "d"], false).unwrap_err();
        assert_eq!(e.0.len(), 2);
        assert!(e.0[0].message == "1 prediction has no reference of the same name in `r`: `extra`", "{e:?}");
        assert!(e.0[1].message == "2 references have no prediction of the same name in `p`: `c`, `d`", "{e:?}");
        assert_eq!(of(&["a", "extra"], &["a", "c", "d"], true).unwrap_err().0.len(), 1);
        let many: Vec<String> = (0..25).map(|i| format!("c{i:02}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(of(&many, &["c99x"], true).unwrap_err().0[0].message.ends_with("`c19` and 5 more"));
    }

    #[test]
    fn words_of_label_files_and_numbers_of_channels_may_differ() {
        for (p, r) in [
            ("case_0000", "case"),
            ("case", "case_gt"),
            ("case", "case-seg"),
            ("case_0000", "case_gt"),
            ("case_pred", "case_seg"),
            ("c", "c_0000_seg"),
        ] {
            let found = of(&["other", p], &["other", r], false).unwrap();
            assert_eq!(found.pairs[p], (format!("{p}.nii").into(), format!("{r}.nii").into()));
            assert_eq!(found.renamed, [(p.to_owned(), r.to_owned())]);
        }
        assert!(of(&["p_0003"], &["p_0004"], false).is_err(), "two numbers are two cases");
        assert!(of(&["p_0000", "p_0001"], &["p"], true).is_err(), "which of them?");
        assert!(of(&["p"], &["p_gt", "p_seg"], true).is_err(), "which of them?");
        assert_eq!(
            of(&["a", "b_0001"], &["a", "a_gt", "b_0001"], true).unwrap().pairs["a"].1,
            PathBuf::from("a.nii"),
            "the same name comes first"
        );
    }

    #[test]
    fn a_comparison_needs_the_same_cases() {
        let own = of(&["a", "b"], &["a", "b", "c"], true).unwrap().pairs;
        let other = of(&["b", "c"], &["a", "b", "c"], true).unwrap().pairs;
        let e = against(Path::new("q"), other, &own).unwrap_err();
        assert!(e.0[0].message.contains("`a`") && e.0[1].message.contains("`c`"), "{e:?}");
        assert_eq!(against(Path::new("p"), own.clone(), &own).unwrap(), own);
    }
}
