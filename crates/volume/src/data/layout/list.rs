//! Cases that the run config lists itself.
//!
//! May use `text`, `data::dataset`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::walk::fault;
use super::{Want, checked, under};
use crate::data::dataset::{Case, Description};
use crate::text::{Code, Diagnostic, Diagnostics, printable};

/// One case as it stands in the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseEntry {
    pub id: String,
    /// One file for each modality, or one that holds them all.
    pub image: Vec<PathBuf>,
    pub label: PathBuf,
    /// Whose case it is: cases of one subject stay on one side of a split. Without it, the case is a subject of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// Looks that all files of the list are there.
pub(super) fn describe(
    root: &Path,
    modalities: &[String],
    labels: &[(u32, String)],
    entries: &[CaseEntry],
    want: Want,
) -> Result<Description, Diagnostics> {
    let mut found = Diagnostics::default();
    let labels = found.keep(checked(labels)).unwrap_or_default();
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for entry in entries {
        let shown = printable(&entry.id);
        let mut part = |what: &str, named: &Path, needed: bool| {
            let file = under(root, named);
            let Some((why, help)) = fault(&file) else { return Some(file) };
            let lost = file.symlink_metadata().is_err();
            if needed || !lost {
                let why = if lost { "is not there".to_owned() } else { format!("cannot be used: {why}") };
                let d = Diagnostic::error(Code::E0701, format!("`data.cases`: the {what} of `{shown}` {why}"));
                found.push(if lost { d } else { d.help(help) }.help(format!("looked for `{}`", file.display())));
            }
            None
        };
        let image: Vec<PathBuf> = entry.image.iter().filter_map(|f| part("image", f, want.images())).collect();
        let label = part("label", &entry.label, want.labels());
        if entry.image.is_empty() {
            found.push(
                Diagnostic::error(Code::E0701, format!("`data.cases`: `{shown}` has no image"))
                    .help("name its files: image: [\"t1.nii.gz\", ...]"),
            );
        }
        let subject = entry.subject.clone().unwrap_or_else(|| entry.id.clone());
        if cases.insert(entry.id.clone(), Case { subject, ..Case::new(entry.id.clone(), image, label) }).is_some() {
            found.push(Diagnostic::error(Code::E0701, format!("`data.cases` has `{shown}` twice")).help("each case stands once"));
        }
    }
    if modalities.is_empty() {
        found.push(Diagnostic::error(Code::E0701, "`data.modalities` names none").help("name what each channel holds: [\"T1\", \"T2\"]"));
    }
    if entries.is_empty() {
        found.push(
            Diagnostic::error(Code::E0701, "`data.cases` lists no case")
                .help("as in cases: [(id: \"a\", image: [\"a.nii.gz\"], label: \"a_seg.nii.gz\")]"),
        );
    }
    found.or(Description {
        name: "list".into(),
        modalities: modalities.to_vec(),
        labels,
        cases: cases.into_values().collect(),
        ..Description::default()
    })
}
