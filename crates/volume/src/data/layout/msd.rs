//! The layout of the Medical Segmentation Decathlon: `dataset.json` names modalities, labels and the pairs of files.
//!
//! May use `text`, `data::dataset`, and `json` beside it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::id_of;
use super::json::{at_word, inside, read};
use crate::data::dataset::{Case, Description};
use crate::text::{Diagnostic, Diagnostics, Source, printable};

/// What is read of `dataset.json`; it may hold more.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    name: String,
    modality: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    training: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    image: String,
    label: String,
}

/// Reads `root/dataset.json` and looks that every file it names is there.
pub(super) fn describe(root: &Path) -> Result<Description, Diagnostics> {
    let needs = "it needs `modality`, `labels` and `training` as the Medical Segmentation Decathlon writes them";
    let (source, file): (_, File) = read(root, "dataset.json, imagesTr and labelsTr", needs)?;
    let mut found = Diagnostics::default();
    let modalities = found.keep(numbered(&source, "modality", &file.modality)).unwrap_or_default();
    for (place, (number, _)) in modalities.iter().enumerate() {
        if usize::from(*number) != place {
            found.push(
                at_word(&source, &format!("`modality` has no \"{place}\""), "modality")
                    .help("number the modalities 0, 1, 2, ... without a gap"),
            );
            break;
        }
    }
    if modalities.is_empty() && !found.has_errors() {
        found.push(at_word(&source, "`modality` names none", "modality").help("name at least one: {\"0\": \"MRI\"}"));
    }
    let labels = found.keep(numbered(&source, "labels", &file.labels)).unwrap_or_default();
    if labels.first().is_none_or(|(v, _)| *v != 0) {
        found.push(at_word(&source, "`labels` has no 0, the background", "labels").help("add \"0\": \"background\""));
    } else if labels.len() < 2 {
        found.push(at_word(&source, "`labels` has nothing but the background", "labels").help("name the classes to be segmented"));
    }
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for (n, pair) in file.training.iter().enumerate() {
        let entry = |field: &str| format!("training[{n}].{field}");
        // Copies made on a Mac carry such companions; they are not volumes.
        if name_of(&pair.image).starts_with("._") {
            continue;
        }
        let image = found.keep(inside(&source, root, &entry("image"), &pair.image));
        let label = found.keep(inside(&source, root, &entry("label"), &pair.label));
        let (Some(image), Some(label)) = (image, label) else { continue };
        let id = id_of(&image);
        let case = Case::new(id.clone(), vec![image], Some(label));
        if cases.insert(id.clone(), case).is_some() {
            let message = format!("{} names the case `{}` again", entry("image"), printable(&id));
            found.push(at_word(&source, &message, &pair.image).help("each case stands once"));
        }
    }
    if cases.is_empty() && !found.has_errors() {
        found.push(at_word(&source, "`training` names no case", "training").help("list the pairs of image and label"));
    }
    let modalities = modalities.into_iter().map(|(_, n)| n).collect();
    found.or(Description { name: file.name, modalities, labels, cases: cases.into_values().collect(), ..Description::default() })
}

/// Keys that are numbers, ascending by number.
fn numbered(source: &Arc<Source>, field: &str, map: &BTreeMap<String, String>) -> Result<Vec<(u8, String)>, Diagnostic> {
    let mut all = vec![];
    for (key, name) in map {
        let Ok(number) = key.parse::<u8>() else {
            let message = format!("`{field}` has the key \"{}\", which is no number from 0 to 255", printable(key));
            return Err(at_word(source, &message, key).help(format!("keys are numbers and values are names: \"{field}\": {{\"0\": ...}}")));
        };
        if all.iter().any(|(n, _)| *n == number) {
            return Err(at_word(source, &format!("`{field}` has {number} twice"), key).help("each number stands once"));
        }
        all.push((number, name.clone()));
    }
    all.sort();
    Ok(all)
}

fn name_of(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Code;

    fn folder(json: &str, files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("dataset.json"), json).unwrap();
        for f in files {
            let path = root.path().join(f);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        root
    }

    const GOOD: &str = r#"{"name": "X", "modality": {"1": "T2", "0": "T1"}, "labels": {"10": "c", "0": "background", "2": "b"}, "other": [1],
        "training": [{"image": "./i/b.nii.gz", "label": "./l/b.nii.gz"}, {"image": "i/._b.nii.gz", "label": "l/._b.nii.gz"}, {"image": "i/a.nii", "label": "l/a.nii"}]}"#;

    #[test]
    fn a_good_one_is_read_in_order() {
        let root = folder(GOOD, &["i/a.nii", "i/b.nii.gz", "l/a.nii", "l/b.nii.gz"]);
        let d = describe(root.path()).unwrap();
        assert_eq!(d.modalities, ["T1", "T2"]);
        assert_eq!(d.labels.iter().map(|(v, n)| (*v, n.as_str())).collect::<Vec<_>>(), [(0, "background"), (2, "b"), (10, "c")]);
        assert_eq!(d.ids(), ["a", "b"]);
        assert_eq!(d.cases[1].image, [root.path().join("i/b.nii.gz")]);
        assert_eq!(d.foreground(), ["b", "c"]);
    }

    #[test]
    fn every_missing_file_is_named_with_its_entry() {
        let root = folder(GOOD, &["i/b.nii.gz"]);
        let all: Vec<String> = describe(root.path()).unwrap_err().0.into_iter().map(|d| d.message).collect();
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all[0].contains("dataset.json") && all[0].contains("training[0].label names `./l/b.nii.gz`"), "{all:?}");
        assert!(all[1].contains("training[2].image"));
    }

    #[test]
    fn bad_descriptions_say_why_and_where() {
        let says = |json: &str, what: &str| {
            let found = describe(folder(json, &["i/a.nii", "l/a.nii"]).path()).unwrap_err().0;
            assert!(found.iter().any(|d| d.message.contains(what) && !d.labels.is_empty()), "{found:?}");
        };
        let with = |modality: &str, labels: &str, image: &str| {
            format!(r#"{{"modality": {modality}, "labels": {labels}, "training": [{{"image": "{image}", "label": "l/a.nii"}}]}}"#)
        };
        let (m, l, i) = (r#"{"0": "T1"}"#, r#"{"0": "bg", "1": "a"}"#, "i/a.nii");
        assert!(describe(folder(&with(m, l, i), &["i/a.nii", "l/a.nii"]).path()).is_ok());
        says("{", "EOF");
        says(r#"{"labels": {}}"#, "modality");
        says(&with(r#"{"1": "T1"}"#, l, i), "has no \"0\"");
        says(&with("{}", l, i), "names none");
        says(&with(m, r#"{"bg": "0"}"#, i), "\"bg\"");
        says(&with(m, r#"{"1": "a"}"#, i), "the background");
        says(&with(m, r#"{"0": "a"}"#, i), "nothing but");
        says(&with(m, r#"{"0": "a", "00": "b"}"#, i), "0 twice");
        says(&with(m, l, "../i/a.nii"), "inside the folder");
        says(&with(m, l, "/etc/passwd"), "inside the folder");
        says(r#"{"modality": {"0": "T1"}, "labels": {"0": "b", "1": "a"}, "training": []}"#, "no case");
        assert!(describe(Path::new("/no/such/folder")).unwrap_err().0[0].code == Code::E0101);
    }
}
