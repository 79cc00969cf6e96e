//! Predictions and references matched by name.
//!
//! May use `predict` (files of a folder) and `text`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::predict::{case_name, images_in};
use crate::text::{Code, Diagnostic, Diagnostics, Result, several};

/// Files without a counterpart that are named.
const NAMED: usize = 20;

/// A prediction and its reference, by case.
pub(super) type Pairs = BTreeMap<String, (PathBuf, PathBuf)>;

/// Matches the files of two folders, or takes two files as they are. With `partial` references may lack a prediction.
///
/// # Errors
/// E0703 when a file has no counterpart, or two of one folder have one name; E0702 when there are none.
pub(super) fn pairs(predictions: &Path, references: &Path, partial: bool) -> Result<Pairs> {
    if predictions.is_file() && references.is_file() {
        let name = case_name(predictions).unwrap_or_else(|| predictions.display().to_string());
        return Ok(Pairs::from([(name, (predictions.to_owned(), references.to_owned()))]));
    }
    let mut found = Diagnostics::default();
    let predicted = found.keep(files(predictions)).unwrap_or_default();
    let expected = found.keep(files(references)).unwrap_or_default();
    found.or(())?;
    let mut found = Diagnostics::default();
    let without = |these: &BTreeMap<String, PathBuf>, those: &BTreeMap<String, PathBuf>| -> Vec<String> {
        these.keys().filter(|name| !those.contains_key(*name)).cloned().collect()
    };
    if let Some(d) = lonely(&without(&predicted, &expected), "prediction", "reference", references) {
        found.push(d.help("rename them, or take them out of the folder"));
    }
    let missing = lonely(&without(&expected, &predicted), "reference", "prediction", predictions).filter(|_| !partial);
    if let Some(d) = missing {
        found.push(d.help("predict them, or give --partial to score only what was predicted"));
    }
    let pairs = predicted.into_iter().filter_map(|(name, file)| Some((name.clone(), (file, expected.get(&name)?.clone()))));
    found.or(pairs.collect())
}

/// The same cases as `own`, predicted otherwise.
///
/// # Errors
/// As [`pairs`], and when a case is in one set only.
pub(super) fn against(predictions: &Path, references: &Path, own: &Pairs) -> Result<Pairs> {
    if predictions.is_file() && own.len() == 1 {
        return Ok(own.iter().map(|(name, (_, reference))| (name.clone(), (predictions.to_owned(), reference.clone()))).collect());
    }
    let other = pairs(predictions, references, true)?;
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

/// The NIfTI files of a folder by case, or the one file.
fn files(path: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let files = if path.is_file() { vec![path.to_owned()] } else { images_in(path)? };
    let mut found = Diagnostics::default();
    let mut all = BTreeMap::new();
    for file in files {
        let Some(name) = case_name(&file) else { continue };
        if let Some(first) = all.insert(name.clone(), file.clone()) {
            let message = format!("`{}` and `{}` are both called `{name}`", first.display(), file.display());
            found.push(Diagnostic::error(Code::E0703, message).help("keep one of them"));
        }
    }
    found.or(all)
}

/// The complaint about cases without a counterpart; none if there are none.
fn lonely(names: &[String], what: &str, counterpart: &str, folder: &Path) -> Option<Diagnostic> {
    let shown = names.iter().take(NAMED).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
    let has = match names.len() {
        0 => return None,
        1 => "has",
        _ => "have",
    };
    let what = several(names.len(), what);
    Some(Diagnostic::error(Code::E0703, format!("{what} {has} no {counterpart} of the same name in `{}`: {shown}{more}", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        files.iter().for_each(|f| std::fs::write(dir.path().join(f), "").unwrap());
        dir
    }

    #[test]
    fn files_are_matched_by_name() {
        let (p, r) = (folder(&["a.nii.gz", "b.nii"]), folder(&["a.nii", "b.nii", "c.nii"]));
        let found = pairs(p.path(), r.path(), true).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(found["a"], (p.path().join("a.nii.gz"), r.path().join("a.nii")));
        let two = pairs(&p.path().join("b.nii"), &r.path().join("c.nii"), false).unwrap();
        assert_eq!(two["b"].1, r.path().join("c.nii"));
        assert_eq!(pairs(&p.path().join("b.nii"), r.path(), true).unwrap().len(), 1);
    }

    #[test]
    fn missing_and_extra_files_are_listed() {
        let (p, r) = (folder(&["a.nii", "extra.nii"]), folder(&["a.nii", "c.nii", "d.nii"]));
        let e = pairs(p.path(), r.path(), false).unwrap_err();
        assert_eq!(e.0.len(), 2);
        assert!(e.0[0].message.starts_with("1 prediction has no reference") && e.0[0].message.ends_with("`extra`"), "{e:?}");
        assert!(e.0[1].message.starts_with("2 references have no prediction") && e.0[1].message.ends_with("`c`, `d`"), "{e:?}");
        assert_eq!(pairs(p.path(), r.path(), true).unwrap_err().0.len(), 1);
        assert!(pairs(&p.path().join("none"), r.path(), true).is_err());
        let many: Vec<String> = (0..25).map(|i| format!("c{i:02}.nii")).collect();
        let many = folder(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(pairs(many.path(), r.path(), true).unwrap_err().0[0].message.ends_with("`c19` and 5 more"));
    }

    #[test]
    fn one_name_twice_is_refused() {
        let (p, r) = (folder(&["a.nii", "a.nii.gz"]), folder(&["a.nii"]));
        assert!(pairs(p.path(), r.path(), false).unwrap_err().0[0].message.ends_with("are both called `a`"));
    }

    #[test]
    fn a_comparison_needs_the_same_cases() {
        let (p, q, r) = (folder(&["a.nii", "b.nii"]), folder(&["b.nii", "c.nii"]), folder(&["a.nii", "b.nii", "c.nii"]));
        let own = pairs(p.path(), r.path(), true).unwrap();
        let e = against(q.path(), r.path(), &own).unwrap_err();
        assert!(e.0[0].message.contains("`a`") && e.0[1].message.contains("`c`"), "{e:?}");
        assert_eq!(against(p.path(), r.path(), &own).unwrap(), own);
    }
}
