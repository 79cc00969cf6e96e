//! The raw format of nnU-Net v2: `imagesTr/CASE_0000.nii.gz` for each channel, `labelsTr/CASE.nii.gz`, and a `dataset.json`.
//!
//! May use `text`, `volume`, `data::dataset`, and `flat`, `json`, `walk` beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::flat::numbered;
use super::json::{at_word, called, file, read};
use super::walk::{Listing, list};
use super::{Want, finish};
use crate::data::dataset::{Case, Description};
use crate::text::{Code, Diagnostic, Diagnostics, Source, a_few, printable, several};
use crate::volume::{same_ending, split_name};

/// What is read of `dataset.json`; it may hold more.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    name: String,
    #[serde(alias = "channel_names")]
    channel_names: BTreeMap<String, String>,
    /// Name to value; to several values where classes are regions.
    labels: serde_json::Map<String, Value>,
    /// The label that each of the regions paints, in the order of `labels`.
    #[serde(default, alias = "regions_class_order")]
    regions_class_order: Vec<u32>,
    num_training: Option<usize>,
    #[serde(alias = "file_ending")]
    file_ending: String,
    /// Cases with files of other names.
    #[serde(default)]
    dataset: BTreeMap<String, Files>,
}

#[derive(Deserialize)]
struct Files {
    images: Vec<String>,
    label: String,
}

/// Reads `root/dataset.json` and finds the cases of `labelsTr`.
pub(super) fn describe(root: &Path, want: Want) -> Result<Description, Diagnostics> {
    let needs = "it needs `channel_names`, `labels` and `file_ending` as nnU-Net v2 has them";
    let (source, about): (_, File) = read(root, "dataset.json, imagesTr and labelsTr", needs)?;
    let mut found = Diagnostics::default();
    let ending = about.file_ending.trim();
    if split_name(&format!("case{ending}")).is_none_or(|(stem, _)| stem != "case") {
        let message = format!("`file_ending` is `{}`, and only NIfTI is read", printable(&about.file_ending));
        found.push(at_word(&source, &message, "file_ending").help("convert the files to .nii.gz, for instance with SimpleITK"));
        return Err(found);
    }
    let modalities = found.keep(channels(&source, &about.channel_names));
    let labels = found.keep(labels(&source, &about.labels)).unwrap_or_default();
    let regions = regions(&about.labels);
    if !about.regions_class_order.is_empty() && about.regions_class_order.len() != regions.len() {
        let (given, message) = (about.regions_class_order.len(), "`regions_class_order` names");
        let message =
            format!("{message} {}, and `labels` has {} beside the background", several(given, "label"), several(regions.len(), "region"));
        found.push(at_word(&source, &message, "regions_class_order").help("one label for each region, in the order of `labels`"));
    }
    // Without the channels nothing can be said of their files.
    let Some(modalities) = modalities else { return Err(found) };
    let cases = if about.dataset.is_empty() {
        found.keep(listed(root, ending, &modalities, want)).unwrap_or_default()
    } else {
        found.keep(named(&source, root, &about.dataset, modalities.len(), want)).unwrap_or_default()
    };
    if let Some(said) = about.num_training.filter(|n| *n != cases.len() && want == Want::Pairs && !found.has_errors()) {
        let message =
            format!("`numTraining` is {said}, but there {} {}", if cases.len() == 1 { "is" } else { "are" }, several(cases.len(), "case"));
        found.push(at_word(&source, &message, "numTraining").help("look for missing files, or correct the number"));
    }
    let paint = about.regions_class_order;
    finish(found, Description { name: called(about.name, root), modalities, labels, regions, paint, cases, ..Description::default() })
}

/// The names of the channels in the order of their numbers, which go from 0 without a gap.
fn channels(source: &Arc<Source>, named: &BTreeMap<String, String>) -> Result<Vec<String>, Diagnostic> {
    let names: Option<Vec<String>> = (0..named.len()).map(|n| named.get(&n.to_string()).cloned()).collect();
    names.filter(|n| !n.is_empty()).ok_or_else(|| {
        at_word(source, "`channel_names` does not number its channels 0, 1, 2, ...", "channel_names")
            .help("as in \"channel_names\": {\"0\": \"T1\", \"1\": \"T2\"}")
    })
}

/// Values and names, ascending. A name with several values is a region; its values are classes of their own.
fn labels(source: &Arc<Source>, named: &serde_json::Map<String, Value>) -> Result<Vec<(u32, String)>, Diagnostic> {
    let mut single: BTreeMap<u32, String> = BTreeMap::new();
    let mut in_regions = BTreeSet::new();
    let odd = |name: &str| {
        at_word(source, &format!("`labels`: `{}` has a value that is no whole number from 0 on", printable(name)), name)
            .help("as in \"labels\": {\"background\": 0, \"tumour\": 1}")
    };
    let number = |v: &Value| v.as_u64().and_then(|v| u32::try_from(v).ok());
    for (name, value) in named {
        if name == "ignore" {
            return Err(at_word(source, "`labels` has `ignore`, and voxels without a label are not supported", name)
                .help("leave out the cases that are partly labelled, or label them whole"));
        }
        match value {
            Value::Array(values) => {
                in_regions.extend(values.iter().map(|v| number(v).ok_or_else(|| odd(name))).collect::<Result<Vec<_>, _>>()?)
            }
            value => {
                let own = number(value).ok_or_else(|| odd(name))?;
                if single.insert(own, name.clone()).is_some() {
                    return Err(at_word(source, &format!("`labels` has the value {own} twice"), name).help("each value stands once"));
                }
            }
        }
    }
    for value in in_regions {
        single.entry(value).or_insert_with(|| format!("label {value}"));
    }
    if single.keys().next() != Some(&0) {
        return Err(at_word(source, "`labels` has no 0, the background", "labels").help("add \"background\": 0"));
    }
    if single.len() < 2 {
        return Err(at_word(source, "`labels` has nothing but the background", "labels").help("name the classes to be segmented"));
    }
    Ok(single.into_iter().collect())
}

/// Where a name has several values, every name but the background with its own; else nothing.
fn regions(named: &serde_json::Map<String, Value>) -> Vec<(String, Vec<u32>)> {
    if !named.values().any(Value::is_array) {
        return vec![];
    }
    let values = |v: &Value| v.as_array().map_or(std::slice::from_ref(v), Vec::as_slice).iter().filter_map(Value::as_u64).collect();
    let all = named.iter().map(|(name, v)| (name.clone(), values(v)));
    let numbers = |all: Vec<u64>| all.into_iter().filter_map(|v| u32::try_from(v).ok()).collect();
    all.filter(|(_, v): &(String, Vec<u64>)| *v != [0]).map(|(name, v)| (name, numbers(v))).collect()
}

/// The cases of `labelsTr`, each with its channels in `imagesTr`; where images are wanted alone, those of `imagesTr`.
fn listed(root: &Path, ending: &str, modalities: &[String], want: Want) -> Result<Vec<Case>, Diagnostics> {
    let (images, labels) = (root.join("imagesTr"), root.join("labelsTr"));
    let mut found = Diagnostics::default();
    let held = if want.images() { found.keep(list(&images)) } else { list(&images).ok() };
    let known = if want.labels() { found.keep(list(&labels)) } else { list(&labels).ok() };
    found.or(())?;
    let mut found = Diagnostics::default();
    let (held, known) = (held.unwrap_or_default(), known.unwrap_or_default());
    let held = found.keep(by_name(&images, &held, ending)).unwrap_or_default();
    let known = found.keep(by_name(&labels, &known, ending)).unwrap_or_default();
    found.or(())?;
    let mut found = Diagnostics::default();
    let ids: BTreeSet<&str> = match want {
        Want::Images => held.keys().filter_map(|stem| Some(numbered(stem)?.0)).collect(),
        Want::Pairs | Want::Labels => known.keys().map(String::as_str).collect(),
    };
    let odd: Vec<&str> = ids.iter().copied().filter(|id| numbered(id).is_some() && held.contains_key(*id) && want == Want::Pairs).collect();
    if !odd.is_empty() {
        let message = format!("`{}` has labels with the number of a channel in their names: {}", labels.display(), a_few(&odd, 3));
        found.push(Diagnostic::error(Code::E0701, message).help("a case has one label, labelsTr/CASE.nii.gz: take the numbers out"));
        return Err(found);
    }
    let (mut used, mut cases) = (BTreeSet::new(), vec![]);
    for id in ids {
        let (mut files, mut whole) = (vec![], true);
        for stem in (0..modalities.len()).map(|n| format!("{id}_{n:04}")) {
            if let Some(file) = held.get(&stem) {
                files.push(file.clone());
                used.insert(stem);
            } else if want.images() {
                let lacking = images.join(format!("{stem}{ending}"));
                let owner = known.get(id).map_or_else(|| format!("`{id}` has channels"), |l| format!("`{}` has a label", l.display()));
                let message = format!("{owner}, but `{}` is not there", lacking.display());
                found.push(Diagnostic::error(Code::E0701, message).help("each channel of a case is one file: CASE_0000, CASE_0001, ..."));
                whole = false;
            }
        }
        if whole {
            cases.push(Case::new(id, files, known.get(id).cloned()));
        }
    }
    let lone: Vec<&str> = held.keys().filter(|stem| !used.contains(*stem) && want.images()).map(String::as_str).collect();
    if let Some(first) = lone.first().and_then(|stem| held.get(*stem)) {
        let more = if lone.len() > 1 { format!(" ({} in all: {})", several(lone.len(), "image"), a_few(&lone, 3)) } else { String::new() };
        let message = format!("`{}` belongs to no label in `{}`{more}", first.display(), labels.display());
        found.push(
            Diagnostic::error(Code::E0701, message)
                .help("add its label, or take the image out; channels are numbered as `channel_names` says"),
        );
    }
    if cases.is_empty() && !found.has_errors() {
        let message = format!("`{}` holds no label that ends in {ending}", labels.display());
        found.push(Diagnostic::error(Code::E0701, message).help("labels are labelsTr/CASE.nii.gz, images imagesTr/CASE_0000.nii.gz"));
    }
    found.or(cases)
}

/// The volumes of a folder by what they are called; all must have the ending that the description says, in whatever capitals.
fn by_name(folder: &Path, listing: &Listing, ending: &str) -> Result<BTreeMap<String, PathBuf>, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut all = BTreeMap::new();
    let mut others = vec![];
    for volume in listing.volumes() {
        let file = folder.join(volume.file);
        if !same_ending(volume.ending, ending) {
            others.push(volume.file);
        } else if let Some(other) = all.insert(volume.stem.to_owned(), file.clone()) {
            let message = format!("`{}` and `{}` are both called {}", other.display(), file.display(), volume.stem);
            found.push(Diagnostic::error(Code::E0701, message).help("keep one of them"));
        }
    }
    if all.is_empty() && !others.is_empty() {
        let message = format!("`{}` holds no volume that ends in {ending}, as `file_ending` says: {}", folder.display(), a_few(&others, 3));
        found.push(Diagnostic::error(Code::E0701, message).help("correct `file_ending`, or convert the files"));
    } else if !others.is_empty() {
        let message =
            format!("`{}` holds volumes that do not end in {ending}, as `file_ending` says: {}", folder.display(), a_few(&others, 3));
        found.push(Diagnostic::error(Code::E0701, message).help("give all files one ending, or take these out"));
    }
    found.or(all)
}

/// The cases that `dataset` names with their files, which may lie anywhere: nnU-Net writes `../Dataset001_X/imagesTr/...` for cases that it shares.
fn named(source: &Arc<Source>, root: &Path, all: &BTreeMap<String, Files>, channels: usize, want: Want) -> Result<Vec<Case>, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut cases = vec![];
    for (id, files) in all {
        let entry = |field: &str| format!("dataset.{}.{field}", printable(id));
        let image: Vec<_> = files.images.iter().map(|f| file(source, root, &entry("images"), f, true)).collect();
        let image: Vec<PathBuf> = image.into_iter().filter_map(|f| if want.images() { found.keep(f) } else { f.ok() }).collect();
        let label = file(source, root, &entry("label"), &files.label, true);
        let label = if want.labels() { found.keep(label) } else { label.ok() };
        if files.images.len() != channels {
            let message = format!("{} names {}, and `channel_names` {channels}", entry("images"), several(files.images.len(), "file"));
            found.push(at_word(source, &message, id).help("one file for each channel, in order"));
        }
        cases.push(Case::new(id.clone(), image, label));
    }
    found.or(cases)
}
