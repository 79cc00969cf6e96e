//! The split into training and validation cases: by a fraction, by folds, or by a list in a file.
//!
//! Part of `train`; may use `data` and `text`.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use serde_json::Value;

use super::config::SplitSpec;
use crate::data::{self, Description};
use crate::text::{Code, Diagnostic, printable, reason, several};

/// A list of cases is not longer, in bytes.
const LONGEST: u64 = 64 << 20;

/// Cases for training and for validation, by their index. `config` is the file of the run config: a list's relative path starts at its folder.
///
/// # Errors
/// E0601 for a list that cannot be read, has no such fold, names a case that the data do not have, or names one for both.
pub fn split_cases(about: &Description, split: &SplitSpec, config: &Path) -> Result<(Vec<usize>, Vec<usize>), Diagnostic> {
    match &split.file {
        Some(file) => listed(about, &config.parent().unwrap_or(Path::new("")).join(file), split.fold),
        None => {
            let subjects: Vec<String> = about.cases.iter().map(|c| c.subject.clone()).collect();
            Ok(divide(&subjects, split))
        }
    }
}

/// The seed of a split; with folds that of nnU-Net unless another is given.
pub fn seed(split: &SplitSpec) -> u64 {
    split.seed.unwrap_or(if split.folds.is_some() { 12345 } else { 0 })
}

/// Cases by a part or by folds, from whose cases they are. All cases of a subject are on one side.
fn divide(subjects: &[String], split: &SplitSpec) -> (Vec<usize>, Vec<usize>) {
    let all: Vec<String> = subjects.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let held: Vec<String> = match split.folds {
        Some(folds) => {
            let own = data::fold(all.len(), folds, split.fold, seed(split) as u32);
            own.into_iter().filter_map(|i| all.get(i).cloned()).collect()
        }
        None => data::split(&all, seed(split), split.validation).1,
    };
    (0..subjects.len()).partition(|i| !held.contains(&subjects[*i]))
}

/// Cases by a list: `{"train": [...], "val": [...]}`, a run's own `split.json`, or nnU-Net's list of such, one for each fold. A name is that of
/// a case or of a subject, which stands for all its cases; cases that are not named are left out.
fn listed(about: &Description, path: &Path, fold: usize) -> Result<(Vec<usize>, Vec<usize>), Diagnostic> {
    let shown = path.display();
    let refuse = |why: String| Diagnostic::error(Code::E0601, format!("`split.file`: `{shown}` {why}"));
    let form = r#"write {"train": ["case1", ...], "val": ["case2", ...]}, or a list of such, one for each fold"#;
    let length = std::fs::metadata(path).map_err(|e| refuse(format!("cannot be read: {}", reason(&e))).help("check the path"))?.len();
    if length > LONGEST {
        return Err(refuse(format!("has {} MiB, and a list of cases at most {}", length >> 20, LONGEST >> 20)).help(form));
    }
    let text = std::fs::read_to_string(path).map_err(|e| refuse(format!("cannot be read: {}", reason(&e))).help("check the path"))?;
    let value: Value = serde_json::from_str(&text).map_err(|e| refuse(format!("is no JSON: {e}")).help(form))?;
    let split = match &value {
        Value::Array(folds) => folds.get(fold).ok_or_else(|| {
            let message = format!("has {}, and `split.fold` is {fold}", several(folds.len(), "fold"));
            refuse(message).help("folds are counted from 0")
        })?,
        _ if fold > 0 => {
            return Err(refuse(format!("is one split, and `split.fold` is {fold}")).help("leave `split.fold` out, or name a list of folds"));
        }
        one => one,
    };
    let mut known: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, case) in about.cases.iter().enumerate() {
        known.entry(&case.subject).or_default().push(at);
    }
    // A case's own name goes before that of a subject.
    known.extend(about.cases.iter().enumerate().map(|(at, case)| (case.id.as_str(), vec![at])));
    let side = |names: [&str; 2]| -> Result<BTreeSet<usize>, Diagnostic> {
        let list = names.iter().find_map(|name| split.get(name));
        let Some(list) = list.and_then(Value::as_array) else {
            return Err(refuse(format!("has no list `{}`", names[0])).help(form));
        };
        let mut cases = BTreeSet::new();
        for name in list {
            let Some(name) = name.as_str() else {
                return Err(refuse(format!("names {name} in `{}`, which is no text", names[0])).help(form));
            };
            let Some(own) = known.get(name) else {
                let message = format!("names `{}` in `{}`, and the data have no such case", printable(name), names[0]);
                let help = crate::text::suggestion(name, about.cases.iter().map(|c| c.id.as_str()), "cases");
                return Err(refuse(message).help(help));
            };
            cases.extend(own);
        }
        Ok(cases)
    };
    let (training, validation) = (side(["train", "training"])?, side(["val", "validation"])?);
    if let Some(both) = training.intersection(&validation).next() {
        let id = about.cases.get(*both).map_or("", |c| c.id.as_str());
        return Err(refuse(format!("names `{}` for training and for validation", printable(id))).help("leave it out of one of them"));
    }
    Ok((training.into_iter().collect(), validation.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::data::Case;

    #[test]
    fn a_subject_is_on_one_side() {
        let subjects: Vec<String> = (0..20).map(|i| format!("patient{:03}", i / 2)).collect();
        let plain = SplitSpec { validation: 0.3, ..SplitSpec::default() };
        let folds = (0..5).map(|fold| SplitSpec { folds: Some(5), fold, ..SplitSpec::default() });
        let mut held = vec![];
        for split in folds.chain([plain]) {
            let (training, validation) = divide(&subjects, &split);
            assert_eq!(training.len() + validation.len(), 20);
            assert!(validation.iter().all(|v| training.iter().all(|t| subjects[*t] != subjects[*v])), "{validation:?}");
            held.push(validation.len());
        }
        assert_eq!(held, [4, 4, 4, 4, 4, 6]);
    }

    /// Six cases of three patients.
    fn about() -> Description {
        let case = |i: usize| {
            let mut case = Case::new(format!("p{}_{}", i / 2, i % 2), vec![], None);
            case.subject = format!("p{}", i / 2);
            case
        };
        Description { cases: (0..6).map(case).collect(), ..Description::default() }
    }

    fn of(text: &str, fold: usize) -> Result<(Vec<usize>, Vec<usize>), Diagnostic> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("s.json"), text).unwrap();
        let split = SplitSpec { file: Some(PathBuf::from("s.json")), fold, ..SplitSpec::default() };
        split_cases(&about(), &split, &dir.path().join("run.ron"))
    }

    #[test]
    fn lists_name_cases_and_subjects_of_each_fold() {
        assert_eq!(of(r#"{"train": ["p1_0", "p0_1", "p0_1"], "val": ["p2_0"]}"#, 0).unwrap(), (vec![1, 2], vec![4]));
        assert_eq!(of(r#"{"seed": 3, "training": ["p1"], "validation": ["p2_1", "p0"]}"#, 0).unwrap(), (vec![2, 3], vec![0, 1, 5]));
        let folds = r#"[{"train": ["p0"], "val": ["p1"]}, {"train": ["p1"], "val": ["p0_0"]}]"#;
        assert_eq!(of(folds, 0).unwrap(), (vec![0, 1], vec![2, 3]));
        assert_eq!(of(folds, 1).unwrap(), (vec![2, 3], vec![0]));
    }

    #[test]
    fn lists_that_do_not_fit_are_refused() {
        for (text, fold, words) in [
            (r#"{"train": ["p0"], "val": ["p7"]}"#, 0, "names `p7` in `val`"),
            (r#"{"train": ["p0"], "val": ["p0_1"]}"#, 0, "`p0_1` for training and for validation"),
            (r#"{"train": ["p0"]}"#, 0, "no list `val`"),
            (r#"{"train": ["p0"], "val": "p1"}"#, 0, "no list `val`"),
            (r#"{"train": [3], "val": ["p1"]}"#, 0, "names 3 in `train`"),
            (r#"{"train": ["p0"], "val": ["p1"]}"#, 1, "is one split"),
            (r#"[{"train": ["p0"], "val": ["p1"]}]"#, 1, "has 1 fold,"),
            ("[", 0, "is no JSON"),
            ("3", 0, "no list `train`"),
        ] {
            let e = of(text, fold).unwrap_err();
            assert!(e.code == Code::E0601 && e.message.contains(words) && e.message.contains("s.json"), "{text}: {e:?}");
        }
        let split = SplitSpec { file: Some("nowhere.json".into()), ..SplitSpec::default() };
        assert!(split_cases(&about(), &split, Path::new("run.ron")).unwrap_err().message.contains("cannot be read"));
    }
}
