//! BraTS, 2017 to 2023: a folder for each case, a file for each modality.
//!
//! May use `text`, `data::dataset`, and `walk` beside it. The challenge named its files anew several times; what is read:
//!
//! ```text
//! 2017-2020  [HGG|LGG/]Brats17_TCIA_105_1/Brats17_TCIA_105_1_{t1,t1ce,t2,flair,seg}.nii.gz    labels 1, 2, 4
//! 2021       BraTS2021_00000/BraTS2021_00000_{t1,t1ce,t2,flair,seg}.nii.gz                    labels 1, 2, 4
//! 2023       BraTS-GLI-00000-000/BraTS-GLI-00000-000-{t1n,t1c,t2w,t2f,seg}.nii.gz             labels 1, 2, 3
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::walk::{Listing, Named, below, closed};
use super::{Want, checked, finish, id_of};
use crate::data::dataset::{Case, Description};
use crate::text::{Code, Diagnostic, Diagnostics, suggestion};
use crate::volume::split_name;

/// The modalities by the name that this program gives them, with the endings that the years gave them.
const MODALITIES: [(&str, &[&str]); 4] =
    [("t1", &["t1", "t1n"]), ("t1ce", &["t1ce", "t1c", "t1gd"]), ("t2", &["t2", "t2w"]), ("flair", &["flair", "t2f"])];
/// Endings of segmentations; one case of 2020 has the second.
const SEGMENTATION: [&str; 2] = ["seg", "segm"];
/// How deep the folders of cases lie: `TRAINING/HGG/case`.
const DEPTH: usize = 3;

/// All modalities, in the order of the input channels.
pub fn all() -> Vec<String> {
    MODALITIES.map(|(name, _)| name.to_owned()).to_vec()
}

/// Whether a folder holds cases of BraTS.
pub(super) fn looks_like(root: &Path) -> Result<bool, Diagnostic> {
    Ok(below(root, DEPTH)?
        .folders
        .iter()
        .any(|(_, files)| endings(files).iter().any(|(_, e)| e.eq_ignore_ascii_case("flair") || *e == "t2f")))
}

/// Finds the cases: folders with a segmentation or a modality in them.
pub(super) fn describe(root: &Path, modalities: &[String], labels: &[(u32, String)], want: Want) -> Result<Description, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut wanted = vec![];
    for name in modalities {
        match MODALITIES.iter().find(|(own, _)| own == name) {
            Some(known) => wanted.push(*known),
            None => {
                let known = MODALITIES.iter().map(|(n, _)| *n);
                found.push(Diagnostic::error(Code::E0701, format!("`data.modalities`: BraTS has no `{name}`")).help(suggestion(
                    name,
                    known,
                    "modalities",
                )));
            }
        }
    }
    if modalities.is_empty() {
        found.push(Diagnostic::error(Code::E0701, "`data.modalities` names none").help(format!("choose from {}", all().join(", "))));
    }
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    let mut dashes = false;
    let tree = below(root, DEPTH)?;
    closed(&tree, |_| true, &mut found);
    let in_volume = |folder: &Path| folder.strip_prefix(root).is_ok_and(|p| p.iter().any(|n| split_name(&n.to_string_lossy()).is_some()));
    for (folder, files) in tree.folders.iter().filter(|(folder, _)| !in_volume(folder)) {
        let named = endings(files);
        let fits = |all: &[&str], e: &str| all.iter().any(|w| w.eq_ignore_ascii_case(e));
        let is_case = named.iter().any(|(_, e)| MODALITIES.iter().any(|(_, own)| fits(own, e)) || fits(&SEGMENTATION, e));
        if !is_case {
            continue;
        }
        let ends_in = |all: &[&str], found: &mut Diagnostics| {
            let files: Vec<PathBuf> = named.iter().filter(|(_, e)| fits(all, e)).map(|(v, _)| folder.join(v.file)).collect();
            if let [first, second, ..] = &files[..] {
                let message = format!("`{}` and `{}` are the same part of one case", first.display(), second.display());
                found.push(Diagnostic::error(Code::E0701, message).help("keep one of them"));
            }
            files.into_iter().next()
        };
        let id = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let missing = |what: &str, names: &[&str]| {
            let shown = names.iter().map(|n| format!("{id}_{n}.nii.gz")).collect::<Vec<_>>().join(", ");
            Diagnostic::error(Code::E0701, format!("`{}` has no {what}", folder.display()))
                .help(format!("looked for files that end as {shown}; add it, or take the folder out"))
        };
        let mut image: Vec<PathBuf> = vec![];
        for (name, endings) in &wanted {
            match ends_in(endings, &mut found) {
                Some(file) => image.push(file),
                None if want.images() => found.push(missing(&format!("modality `{name}`"), endings)),
                None => {}
            }
        }
        let label = ends_in(&SEGMENTATION, &mut found);
        match &label {
            Some(file) => dashes |= id_of(file).ends_with("-seg"),
            None if want.labels() => found.push(missing("segmentation", &SEGMENTATION)),
            None => {}
        }
        // 2023 has several visits of one subject: BraTS-GLI-00000-000, -001.
        let visit = id.rsplit_once('-').filter(|(_, visit)| visit.len() == 3 && visit.bytes().all(|b| b.is_ascii_digit()));
        let subject = visit.map_or(id.clone(), |(subject, _)| subject.to_owned());
        let again = cases.insert(id.clone(), Case { subject, ..Case::new(id.clone(), image, label) });
        if again.is_some() {
            found.push(
                Diagnostic::error(Code::E0701, format!("`{}` has the case `{id}` twice", root.display()))
                    .help("name a folder that holds each case once"),
            );
        }
    }
    if cases.is_empty() && !found.has_errors() {
        found.push(
            Diagnostic::error(Code::E0701, format!("`{}` holds no case of BraTS", root.display()))
                .help("each case is a folder with files that end in _t1, _t1ce, _t2, _flair and _seg (or -t1n, -t1c, -t2w, -t2f, -seg)"),
        );
    }
    let enhancing = if dashes { 3 } else { 4 };
    let given = if labels.is_empty() {
        [(0, "background"), (1, "necrotic core"), (2, "edema"), (enhancing, "enhancing tumour")].map(|(v, n)| (v, n.to_owned())).to_vec()
    } else {
        found.keep(checked(labels)).unwrap_or_default()
    };
    let about = Description {
        name: "BraTS".into(),
        modalities: modalities.to_vec(),
        labels: given,
        cases: cases.into_values().collect(),
        ..Description::default()
    };
    finish(found, about)
}

/// The volumes with what stands after the last `_` or `-` of their names.
fn endings(files: &Listing) -> Vec<(Named<'_>, &str)> {
    files.volumes().into_iter().filter_map(|v| Some((v, v.stem.rsplit_once(['_', '-'])?.1))).collect()
}

/// What a name's last word says if it is one of this layout: the name of a modality, or nothing for a segmentation.
pub(super) fn part(word: &str) -> Option<Option<&'static str>> {
    if SEGMENTATION.iter().any(|own| own.eq_ignore_ascii_case(word)) {
        return Some(None);
    }
    MODALITIES.iter().find(|(_, own)| own.iter().any(|o| o.eq_ignore_ascii_case(word))).map(|(name, _)| Some(*name))
}
