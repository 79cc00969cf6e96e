//! The raw format of nnU-Net v2: `imagesTr/CASE_0000.nii.gz` for each channel, `labelsTr/CASE.nii.gz`, and a `dataset.json`.
//!
//! May use `text`, `data::dataset`, and `json`, `walk` beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::json::{at_word, inside, read};
use super::walk::list;
use crate::data::dataset::{Case, Description};
use crate::text::{Code, Diagnostic, Diagnostics, Source, printable};

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
    regions_class_order: Vec<u8>,
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
pub(super) fn describe(root: &Path) -> Result<Description, Diagnostics> {
    let needs = "it needs `channel_names`, `labels` and `file_ending` as nnU-Net v2 has them";
    let (source, file): (_, File) = read(root, "dataset.json, imagesTr and labelsTr", needs)?;
    let mut found = Diagnostics::default();
    if ![".nii.gz", ".nii"].contains(&file.file_ending.as_str()) {
        let message = format!("`file_ending` is `{}`, and only NIfTI is read", printable(&file.file_ending));
        found.push(at_word(&source, &message, "file_ending").help("convert the files to .nii.gz, for instance with SimpleITK"));
        return Err(found);
    }
    let modalities = found.keep(channels(&source, &file.channel_names)).unwrap_or_default();
    let labels = found.keep(labels(&source, &file.labels)).unwrap_or_default();
    let regions = regions(&file.labels);
    if !file.regions_class_order.is_empty() && file.regions_class_order.len() != regions.len() {
        let (given, message) = (file.regions_class_order.len(), "`regions_class_order` names");
        let message = format!("{message} {given} labels, and `labels` has {} regions beside the background", regions.len());
        found.push(at_word(&source, &message, "regions_class_order").help("one label for each region, in the order of `labels`"));
    }
    let cases = if file.dataset.is_empty() {
        found.keep(listed(root, &file.file_ending, &modalities)).unwrap_or_default()
    } else {
        found.keep(named(&source, root, &file.dataset, modalities.len())).unwrap_or_default()
    };
    if let Some(said) = file.num_training.filter(|n| *n != cases.len() && !found.has_errors()) {
        let message = format!("`numTraining` is {said}, but there are {} cases", cases.len());
        found.push(at_word(&source, &message, "numTraining").help("look for missing files, or correct the number"));
    }
    found.or(Description { name: file.name, modalities, labels, regions, paint: file.regions_class_order, cases })
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
fn labels(source: &Arc<Source>, named: &serde_json::Map<String, Value>) -> Result<Vec<(u8, String)>, Diagnostic> {
    let mut single: BTreeMap<u8, String> = BTreeMap::new();
    let mut in_regions = BTreeSet::new();
    let odd = |name: &str| {
        at_word(source, &format!("`labels`: `{}` has a value that is no number from 0 to 255", printable(name)), name)
            .help("as in \"labels\": {\"background\": 0, \"tumour\": 1}")
    };
    let byte = |v: &Value| v.as_u64().and_then(|v| u8::try_from(v).ok());
    for (name, value) in named {
        if name == "ignore" {
            return Err(at_word(source, "`labels` has `ignore`, and voxels without a label are not supported", name)
                .help("leave out the cases that are partly labelled, or label them whole"));
        }
        match value {
            Value::Array(values) => {
                in_regions.extend(values.iter().map(|v| byte(v).ok_or_else(|| odd(name))).collect::<Result<Vec<_>, _>>()?)
            }
            value => {
                let own = byte(value).ok_or_else(|| odd(name))?;
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
fn regions(named: &serde_json::Map<String, Value>) -> Vec<(String, Vec<u8>)> {
    if !named.values().any(Value::is_array) {
        return vec![];
    }
    let values = |v: &Value| v.as_array().map_or(std::slice::from_ref(v), Vec::as_slice).iter().filter_map(Value::as_u64).collect();
    let all = named.iter().map(|(name, v)| (name.clone(), values(v)));
    let bytes = |all: Vec<u64>| all.into_iter().filter_map(|v| u8::try_from(v).ok()).collect();
    all.filter(|(_, v): &(String, Vec<u64>)| *v != [0]).map(|(name, v)| (name, bytes(v))).collect()
}

/// The cases of `labelsTr`, each with its channels in `imagesTr`.
fn listed(root: &Path, ending: &str, modalities: &[String]) -> Result<Vec<Case>, Diagnostics> {
    let (images, labels) = (root.join("imagesTr"), root.join("labelsTr"));
    let held: BTreeSet<String> = list(&images)?.files.into_iter().collect();
    let mut used = BTreeSet::new();
    let mut found = Diagnostics::default();
    let mut cases = vec![];
    for label in list(&labels)?.files {
        let Some(id) = label.strip_suffix(ending) else { continue };
        let names: Vec<String> = (0..modalities.len()).map(|n| format!("{id}_{n:04}{ending}")).collect();
        for missing in names.iter().filter(|n| !held.contains(*n)) {
            let message = format!("`{}` has a label, but `{}` is not there", labels.join(&label).display(), images.join(missing).display());
            found.push(Diagnostic::error(Code::E0701, message).help("each channel of a case is one file: CASE_0000, CASE_0001, ..."));
        }
        let files: Vec<PathBuf> = names.iter().map(|n| images.join(n)).collect();
        used.extend(names);
        cases.push(Case::new(id, files, Some(labels.join(&label))));
    }
    if let Some(lone) = held.iter().find(|f| f.ends_with(ending) && !used.contains(*f)) {
        let message = format!("`{}` belongs to no label in `{}`", images.join(lone).display(), labels.display());
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

/// The cases that `dataset` names with their files.
fn named(source: &Arc<Source>, root: &Path, all: &BTreeMap<String, Files>, channels: usize) -> Result<Vec<Case>, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut cases = vec![];
    for (id, files) in all {
        let entry = |field: &str| format!("dataset.{}.{field}", printable(id));
        let image: Vec<PathBuf> = files.images.iter().filter_map(|f| found.keep(inside(source, root, &entry("images"), f))).collect();
        let label = found.keep(inside(source, root, &entry("label"), &files.label));
        if files.images.len() != channels {
            let message = format!("{} names {} files, and `channel_names` {channels}", entry("images"), files.images.len());
            found.push(at_word(source, &message, id).help("one file for each channel, in order"));
        }
        cases.push(Case::new(id.clone(), image, label));
    }
    found.or(cases)
}
