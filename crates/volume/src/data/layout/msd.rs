//! The layout of the Medical Segmentation Decathlon: `dataset.json` names modalities, labels and the pairs of files.
//!
//! May use `text`, `volume`, `data::dataset`, and `json`, `walk` beside it. The first version of nnU-Net has the same description, and a file for each
//! channel of an image: `imagesTr/case_0000.nii.gz` where `./imagesTr/case.nii.gz` is named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::json::{at_word, called, file, present, read, resolve};
use super::walk::list;
use super::{Want, finish, id_of};
use crate::data::dataset::{Case, Description};
use crate::text::{Diagnostic, Diagnostics, Severity, Source, a_few, printable, several};
use crate::volume::split_name;

/// What is read of `dataset.json`; it may hold more.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    name: String,
    modality: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    #[serde(rename = "numTraining")]
    count: Option<serde_json::Value>,
    training: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    image: String,
    label: String,
}

/// Reads `root/dataset.json` and looks that every file it names is there.
pub(super) fn describe(root: &Path, want: Want) -> Result<Description, Diagnostics> {
    let needs = "it needs `modality`, `labels` and `training` as the Medical Segmentation Decathlon writes them";
    let (source, about): (_, File) = read(root, "dataset.json, imagesTr and labelsTr", needs)?;
    let mut found = Diagnostics::default();
    let modalities = found.keep(modalities(&source, &about.modality)).unwrap_or_default();
    let labels = found.keep(labels(&source, &about.labels)).unwrap_or_default();
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    let mut listed = BTreeSet::new();
    for (n, pair) in about.training.iter().enumerate() {
        let entry = |field: &str| format!("training[{n}].{field}");
        // Copies made on a Mac carry such companions; they are not volumes.
        if name_of(&pair.image).starts_with("._") {
            continue;
        }
        let image = match found.keep(resolve(&source, root, &entry("image"), &pair.image, false)) {
            None => None,
            Some(named) => {
                let id = id_of(&named);
                let files = match channels(&named, modalities.len()) {
                    Some(files) => Ok(files),
                    None => present(&source, root, &entry("image"), &pair.image, named).map(|file| vec![file]),
                };
                let files = if want.images() { found.keep(files) } else { Some(files.unwrap_or_default()) };
                files.map(|files| (id, files))
            }
        };
        let label = file(&source, root, &entry("label"), &pair.label, false);
        let label = if want.labels() { found.keep(label) } else { label.ok() };
        let (Some((id, image)), true) = (image, label.is_some() || !want.labels()) else { continue };
        listed.extend(image.iter().cloned());
        if cases.insert(id.clone(), Case::new(id.clone(), image, label)).is_some() {
            let message = format!("{} names the case `{}` again", entry("image"), printable(&id));
            found.push(at_word(&source, &message, &pair.image).help("each case stands once"));
        }
    }
    if cases.is_empty() && !found.has_errors() {
        found.push(at_word(&source, "`training` names no case", "training").help("list the pairs of image and label"));
    }
    let mut warnings = vec![];
    let count = about.count.and_then(|n| n.as_u64().or_else(|| n.as_str()?.trim().parse().ok()));
    if let Some(said) = count.filter(|n| *n != cases.len() as u64) {
        let message = format!("`numTraining` is {said}, but `training` names {}", several(cases.len(), "case"));
        warnings.push(at_word(&source, &message, "numTraining").help("look for missing entries, or correct the number"));
    }
    warnings.extend(unlisted(&source, &listed));
    warnings.iter_mut().for_each(|d| d.severity = Severity::Warning);
    let modalities = modalities.into_iter().map(|(_, n)| n).collect();
    let cases = cases.into_values().collect();
    finish(found, Description { name: called(about.name, root), modalities, labels, cases, warnings, ..Description::default() })
}

fn modalities(source: &Arc<Source>, named: &BTreeMap<String, String>) -> Result<Vec<(u32, String)>, Diagnostic> {
    let all = numbered(source, "modality", named)?;
    if let Some(place) = (0..all.len()).find(|place| usize::try_from(all[*place].0) != Ok(*place)) {
        return Err(
            at_word(source, &format!("`modality` has no \"{place}\""), "modality").help("number the modalities 0, 1, 2, ... without a gap")
        );
    }
    if all.is_empty() {
        return Err(at_word(source, "`modality` names none", "modality").help("name at least one: {\"0\": \"MRI\"}"));
    }
    Ok(all)
}

fn labels(source: &Arc<Source>, named: &BTreeMap<String, String>) -> Result<Vec<(u32, String)>, Diagnostic> {
    let all = numbered(source, "labels", named)?;
    if all.first().is_none_or(|(v, _)| *v != 0) {
        return Err(at_word(source, "`labels` has no 0, the background", "labels").help("add \"0\": \"background\""));
    }
    if all.len() < 2 {
        return Err(at_word(source, "`labels` has nothing but the background", "labels").help("name the classes to be segmented"));
    }
    Ok(all)
}

/// Of an image that is not there the files of its channels, as the first version of nnU-Net has them beside the same description:
/// `case_0000.nii.gz` for `case.nii.gz`. `None` where the first of them is not there either.
fn channels(image: &Path, modalities: usize) -> Option<Vec<PathBuf>> {
    if image.symlink_metadata().is_ok() {
        return None;
    }
    let name = image.file_name()?.to_str()?;
    let (stem, ending) = split_name(name)?;
    let channel = |n: usize| image.with_file_name(format!("{stem}_{n:04}{ending}"));
    channel(0).symlink_metadata().ok()?;
    Some((0..modalities.max(1)).map(channel).collect())
}

/// A word on volumes that lie beside images of the list and are not named in it.
fn unlisted(source: &Arc<Source>, listed: &BTreeSet<PathBuf>) -> Option<Diagnostic> {
    let folders: BTreeSet<&Path> = listed.iter().filter_map(|file| file.parent()).collect();
    let mut all = vec![];
    for folder in folders {
        // What cannot be read is told of by its files.
        let Ok(listing) = list(folder) else { continue };
        let names = listing.volumes().into_iter().map(|v| folder.join(v.file));
        all.extend(names.filter(|file| !listed.contains(file)).map(|file| file.display().to_string()));
    }
    if all.is_empty() || listed.is_empty() {
        return None;
    }
    let message = format!(
        "`training` does not name {} that {} beside its images: {}",
        several(all.len(), "volume"),
        if all.len() == 1 { "lies" } else { "lie" },
        a_few(&all, 3)
    );
    Some(at_word(source, &message, "training").help("add them with their labels; what is not named is not used"))
}

/// Keys that are numbers, ascending by number.
fn numbered(source: &Arc<Source>, field: &str, map: &BTreeMap<String, String>) -> Result<Vec<(u32, String)>, Diagnostic> {
    let mut all = vec![];
    for (key, name) in map {
        let Ok(number) = key.parse::<u32>() else {
            let message = format!("`{field}` has the key \"{}\", which is no whole number from 0 on", printable(key));
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
        let d = describe(root.path(), Want::Pairs).unwrap();
        assert_eq!(d.modalities, ["T1", "T2"]);
        assert_eq!(d.labels.iter().map(|(v, n)| (*v, n.as_str())).collect::<Vec<_>>(), [(0, "background"), (2, "b"), (10, "c")]);
        assert_eq!(d.ids(), ["a", "b"]);
        assert_eq!(d.cases[1].image, [root.path().join("i/b.nii.gz")]);
        assert_eq!(d.foreground(), ["b", "c"]);
    }

    #[test]
    fn every_missing_file_is_named_with_its_entry() {
        let root = folder(GOOD, &["i/b.nii.gz"]);
        let all: Vec<String> = describe(root.path(), Want::Pairs).unwrap_err().0.into_iter().map(|d| d.message).collect();
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all[0].contains("dataset.json") && all[0].contains("training[0].label names `./l/b.nii.gz`"), "{all:?}");
        assert!(all[1].contains("training[2].image"));
    }

    #[test]
    fn bad_descriptions_say_why_and_where() {
        let says = |json: &str, what: &str| {
            let found = describe(folder(json, &["i/a.nii", "l/a.nii"]).path(), Want::Pairs).unwrap_err().0;
            assert!(found.iter().any(|d| d.message.contains(what) && !d.labels.is_empty()), "{found:?}");
        };
        let with = |modality: &str, labels: &str, image: &str| {
            format!(r#"{{"modality": {modality}, "labels": {labels}, "training": [{{"image": "{image}", "label": "l/a.nii"}}]}}"#)
        };
        let (m, l, i) = (r#"{"0": "T1"}"#, r#"{"0": "bg", "1": "a"}"#, "i/a.nii");
        assert!(describe(folder(&with(m, l, i), &["i/a.nii", "l/a.nii"]).path(), Want::Pairs).is_ok());
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
        assert!(describe(Path::new("/no/such/folder"), Want::Pairs).unwrap_err().0[0].code == Code::E0101);
    }
}
