//! Cases to predict and labels to hold predictions against, by the names of their files: of a folder of volumes, of files that are named one by one,
//! of a data set.
//!
//! May use `text`, `volume`, `data::dataset`, and the layouts beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::json::DATASET;
use super::walk::list;
use super::{DatasetSpec, Want, brats, describe, guess};
use crate::data::dataset::Description;
use crate::text::{Code, Diagnostic, Diagnostics, reason, several};
use crate::volume::{case_name, read_grid, split_name};

/// The files of each case, by its name.
pub type Images = BTreeMap<String, Vec<PathBuf>>;

/// What stands before a channel's number, and the number, in a name as nnU-Net gives it: `case_0001`.
pub(super) fn numbered(stem: &str) -> Option<(&str, usize)> {
    let (case, number) = stem.rsplit_once('_')?;
    (!case.is_empty() && number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit())).then(|| Some((case, number.parse().ok()?)))?
}

/// The cases of a folder for a network of these modalities: its volumes, those that are channels of one case together (`CASE_0000`, `CASE_0001` as
/// nnU-Net has them, or `CASE_t1`, `CASE_flair`); or, of a folder without volumes, the images of the data set that it is by its layout.
///
/// # Errors
/// E0702 when it holds neither; E0703 for volumes that make no whole case or have one name; what is wrong with the data set.
pub fn images_in(folder: &Path, modalities: &[String]) -> Result<Images, Diagnostics> {
    let listing = list(folder)?;
    let files: Vec<PathBuf> = listing.volumes().into_iter().map(|v| folder.join(v.file)).collect();
    if !files.is_empty() {
        return grouped(files, modalities, true);
    }
    let spec = match of_layout(folder)? {
        // The channels of a network may be some of those of the data set.
        DatasetSpec::Brats { root, labels, .. } if modalities.iter().all(|m| brats::all().contains(m)) => {
            DatasetSpec::Brats { root, labels, modalities: modalities.to_vec() }
        }
        spec => spec,
    };
    images_of(&describe(&spec, Want::Images)?, modalities)
}

/// The cases that files named one by one make.
///
/// # Errors
/// E0703 for files that make no whole case or have one name; E0702 for one that has no name of a volume.
pub fn images_from(files: Vec<PathBuf>, modalities: &[String]) -> Result<Images, Diagnostics> {
    grouped(files, modalities, false)
}

/// The images of a data set, their files in the order of these modalities where it has all of them by name.
///
/// # Errors
/// E0701 for generated cases, which have no files; E0703 for cases whose files would have one name.
pub fn images_of(about: &Description, modalities: &[String]) -> Result<Images, Diagnostics> {
    let order: Option<Vec<usize>> = modalities.iter().map(|m| about.modalities.iter().position(|own| own == m)).collect();
    let order = order.filter(|_| modalities.len() == about.modalities.len());
    let files = |files: &[PathBuf]| match &order {
        Some(order) if files.len() == order.len() => order.iter().filter_map(|n| files.get(*n).cloned()).collect(),
        _ => files.to_vec(),
    };
    named(about.cases.iter().map(|c| (c.id.as_str(), (!c.image.is_empty()).then(|| files(&c.image)))))
}

/// The labels of a folder of volumes by their names, of a folder without volumes those of the data set that it is by its layout, or the one file.
///
/// # Errors
/// E0702 when there are none; E0703 for two of one name; what is wrong with the data set.
pub fn labels_in(path: &Path) -> Result<BTreeMap<String, PathBuf>, Diagnostics> {
    if !path.is_dir() {
        // A link that leads nowhere is told of by who reads it.
        path.symlink_metadata().map_err(|e| lost(path, &e))?;
        return Ok(BTreeMap::from([(called(path), path.to_owned())]));
    }
    let listing = list(path)?;
    let mut found = Diagnostics::default();
    let mut all: BTreeMap<String, PathBuf> = BTreeMap::new();
    for volume in listing.volumes() {
        let file = path.join(volume.file);
        if let Some(first) = all.insert(volume.stem.to_owned(), file.clone()) {
            let message = format!("`{}` and `{}` are both called `{}`", first.display(), file.display(), volume.stem);
            found.push(Diagnostic::error(Code::E0703, message).help("keep one of them"));
        }
    }
    found.or(())?;
    if all.is_empty() { labels_of(&describe(&of_layout(path)?, Want::Labels)?) } else { Ok(all) }
}

/// The labels of a data set by the names that predictions of its cases get.
///
/// # Errors
/// E0701 for generated cases, which have no files; E0703 for cases whose files would have one name.
pub fn labels_of(about: &Description) -> Result<BTreeMap<String, PathBuf>, Diagnostics> {
    named(about.cases.iter().map(|c| (c.id.as_str(), c.label.clone())))
}

/// What the files of a case are called: its name, without what would lead into another folder.
pub fn file_name(case: &str) -> String {
    let plain: String = case.chars().map(|c| if c == '/' || c == '\\' || c.is_control() { '_' } else { c }).collect();
    if plain.starts_with('.') { plain.replacen('.', "_", 1) } else { plain }
}

/// The files of one case that are joined by commas. A path that is there as it stands is taken whole, commas and all.
pub fn split_files(text: &str) -> Vec<PathBuf> {
    let is_there = |path: &str| Path::new(path).symlink_metadata().is_ok();
    let parts: Vec<&str> = text.split(',').collect();
    let (mut files, mut from) = (vec![], 0);
    while from < parts.len() {
        let longest = (from + 1..=parts.len()).rev().find(|to| is_there(&parts[from..*to].join(",")));
        let to = longest.unwrap_or(from + 1);
        files.push(parts[from..to].join(",").into());
        from = to;
    }
    files
}

/// What the results of files that are named as one case are called: the first one's name, without a channel's number where they are numbered.
pub fn called_together(files: &[PathBuf]) -> Option<String> {
    let names: Vec<String> = files.iter().map(|f| case_name(f)).collect::<Option<_>>()?;
    let first = names.first()?;
    let case = numbered(first).map(|(case, _)| case).filter(|_| files.len() > 1);
    let in_order = |case: &str| names.iter().enumerate().all(|(n, name)| numbered(name) == Some((case, n)));
    Some(case.filter(|case| in_order(case)).unwrap_or(first).to_owned())
}

fn lost(path: &Path, e: &std::io::Error) -> Diagnostic {
    Diagnostic::error(Code::E0702, format!("`{}`: {}", path.display(), reason(e))).help("check the path and its permissions")
}

fn called(path: &Path) -> String {
    case_name(path).unwrap_or_else(|| path.display().to_string())
}

/// The layout of a folder that holds no volume.
fn of_layout(folder: &Path) -> Result<DatasetSpec, Diagnostic> {
    guess(folder).map_err(|why| {
        if folder.join(DATASET).symlink_metadata().is_ok() {
            return why;
        }
        Diagnostic::error(Code::E0702, format!("`{}`: the folder holds no NIfTI file", folder.display())).help(
            "name a folder that holds volumes (.nii, .nii.gz, .hdr with .img), or a data set in a layout that `lmsc data check` reads",
        )
    })
}

/// By the names that their files get.
fn named<'a, T>(cases: impl Iterator<Item = (&'a str, Option<T>)>) -> Result<BTreeMap<String, T>, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut all = BTreeMap::new();
    for (id, files) in cases {
        let name = file_name(id);
        let Some(files) = files else {
            found.push(Diagnostic::error(Code::E0701, format!("the case `{name}` has no file")).help("cases that are generated have none"));
            continue;
        };
        if all.insert(name.clone(), files).is_some() {
            found.push(Diagnostic::error(Code::E0703, format!("two cases are called `{name}`")).help("give each a name of its own"));
        }
    }
    found.or(all)
}

/// What the name of a file says of its place in a case.
enum Part {
    /// A channel of the case of this name.
    Channel(String, usize),
    /// The label of the case of this name.
    Label(String),
    Whole,
}

/// Files brought together by case. `folder`: all files of a folder, so that they have one rule of naming.
fn grouped(files: Vec<PathBuf>, modalities: &[String], folder: bool) -> Result<Images, Diagnostics> {
    let mut found = Diagnostics::default();
    // One channel has a number only where all files have it; elsewhere the number is the case's.
    let one = modalities.len() == 1 && folder && files.iter().all(|f| numbered(&called(f)).is_some_and(|(_, n)| n == 0));
    let mut cases = Images::new();
    let mut parts: BTreeMap<String, BTreeMap<usize, PathBuf>> = BTreeMap::new();
    let mut labels = vec![];
    // What the names say, and how many channels each file has, where it can be read.
    let mut named = vec![];
    for file in files {
        let Some(stem) = file.file_name().and_then(|n| split_name(n.to_str()?)).map(|(stem, _)| stem.to_owned()) else {
            let message = format!("`{}` is no image: its name ends in none of .nii, .nii.gz, .hdr and .img", file.display());
            let no_image = || Diagnostic::error(Code::E0702, message).help("name NIfTI files");
            found.push(file.symlink_metadata().map_or_else(|e| lost(&file, &e), |_| no_image()));
            continue;
        };
        let part = part(&stem, modalities, one);
        let channels = if matches!(part, Part::Channel(..)) { read_grid(&file).ok().map(|(_, channels)| channels) } else { None };
        named.push((file, stem, part, channels));
    }
    // A file that cannot be read is what the others are.
    let separate = named.iter().any(|(.., channels)| *channels == Some(1)) || named.iter().all(|(.., channels)| channels.is_none());
    for (file, stem, part, channels) in named {
        match part {
            // A file of several channels is a case of its own, whatever its name.
            Part::Channel(case, n) if one || channels.map_or(separate, |channels| channels == 1) => {
                let other = parts.entry(case).or_default().insert(n, file.clone()).filter(|other| *other != file);
                if let Some(other) = other {
                    found.push(twice(&other, &file, &stem));
                }
            }
            Part::Label(case) => labels.push((case, stem, file)),
            _ => put(&mut cases, stem, vec![file], &mut found),
        }
    }
    // Beside the channels of a case its label is no image.
    for (_, stem, file) in labels.into_iter().filter(|(case, ..)| !parts.contains_key(case)) {
        put(&mut cases, stem, vec![file], &mut found);
    }
    for (case, files) in parts {
        if files.keys().copied().eq(0..modalities.len()) {
            put(&mut cases, case, files.into_values().collect(), &mut found);
            continue;
        }
        let about = format!("the model was trained on {}: {}", several(modalities.len(), "channel"), modalities.join(", "));
        let lacking = (0..modalities.len()).find(|n| !files.contains_key(n));
        let message = match (lacking, files.last_key_value()) {
            (Some(n), _) => format!("the case `{case}` has no file for channel {n} ({})", modalities[n]),
            (None, Some((_, file))) => format!("`{}` is a channel that the model does not know", file.display()),
            (None, None) => continue,
        };
        found.push(Diagnostic::error(Code::E0703, message).help(about));
    }
    found.or(cases)
}

fn put(cases: &mut Images, name: String, files: Vec<PathBuf>, found: &mut Diagnostics) {
    let first = files.first().cloned().unwrap_or_default();
    if let Some(other) = cases.get(&name).and_then(|other| other.first()).filter(|other| **other != first) {
        found.push(twice(other, &first, &name));
    }
    cases.insert(name, files);
}

fn twice(first: &Path, second: &Path, name: &str) -> Diagnostic {
    let message = format!(
        "`{}` and `{}` are both called `{name}`; one segmentation would be written over the other",
        first.display(),
        second.display()
    );
    Diagnostic::error(Code::E0603, message).help("keep one of them, or predict them into different folders")
}

fn part(stem: &str, modalities: &[String], one: bool) -> Part {
    if modalities.len() < 2 && !one {
        return Part::Whole;
    }
    if let Some((case, n)) = numbered(stem) {
        return Part::Channel(case.to_owned(), n);
    }
    let Some((case, word)) = stem.rsplit_once(['_', '-']) else { return Part::Whole };
    let known = brats::part(word);
    let place = modalities.iter().position(|m| m.eq_ignore_ascii_case(word) || known.flatten() == Some(m.as_str()));
    match (place, known) {
        (Some(n), _) => Part::Channel(case.to_owned(), n),
        (None, Some(None)) => Part::Label(case.to_owned()),
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        dir
    }

    /// `case: file file`, one for each case.
    fn shown(images: Result<Images, Diagnostics>) -> Vec<String> {
        let name = |f: &PathBuf| f.file_name().unwrap().to_string_lossy().into_owned();
        images.unwrap().iter().map(|(case, files)| format!("{case}: {}", files.iter().map(name).collect::<Vec<_>>().join(" "))).collect()
    }

    fn said(images: Result<Images, Diagnostics>) -> String {
        images.unwrap_err().0.iter().map(|d| format!("{} | {}\n", d.message, d.help.join(" | "))).collect()
    }

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn channels_of_one_case_are_brought_together() {
        let two = folder(&["a_0000.nii.gz", "a_0001.nii.gz", "b_0000.nii.gz", "b_0001.NII.GZ", "._a_0000.nii.gz", "dataset.txt"]);
        assert_eq!(
            shown(images_in(two.path(), &names(&["T1", "T2"]))),
            ["a: a_0000.nii.gz a_0001.nii.gz", "b: b_0000.nii.gz b_0001.NII.GZ"]
        );
        let text = said(images_in(two.path(), &names(&["T1", "T2", "T3"])));
        assert!(text.contains("the case `a` has no file for channel 2 (T3) | the model was trained on 3 channels: T1, T2, T3"), "{text}");
        let three = folder(&["a_0000.nii", "a_0001.nii", "a_0002.nii"]);
        assert!(said(images_in(three.path(), &names(&["T1", "T2"]))).contains("a_0002.nii` is a channel that the model does not know"));

        let one = folder(&["a_0000.nii.gz", "b_0000.nii.gz"]);
        assert_eq!(shown(images_in(one.path(), &names(&["T1"]))), ["a: a_0000.nii.gz", "b: b_0000.nii.gz"]);
        let cases = folder(&["p_0000.nii.gz", "p_0001.nii.gz"]);
        assert_eq!(shown(images_in(cases.path(), &names(&["T1"]))), ["p_0000: p_0000.nii.gz", "p_0001: p_0001.nii.gz"]);

        let named = folder(&["x-flair.nii", "x-t1n.nii", "x-seg.nii", "whole.nii"]);
        assert_eq!(shown(images_in(named.path(), &names(&["t1", "flair"]))), ["whole: whole.nii", "x: x-t1n.nii x-flair.nii"]);
    }

    #[test]
    fn pairs_of_files_links_and_folders_with_names_of_volumes_are_cases() {
        let root = folder(&["a.hdr", "a.img", "b.HDR", "b.IMG.gz", "c.img", "d.nii.gz/x.txt"]);
        assert_eq!(shown(images_in(root.path(), &names(&["T1"]))), ["a: a.hdr", "b: b.HDR", "c: c.img", "d: d.nii.gz"]);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("../annex/objects/x", root.path().join("e.nii.gz")).unwrap();
            assert!(images_in(root.path(), &names(&["T1"])).unwrap().contains_key("e"));
            assert!(labels_in(root.path()).unwrap().contains_key("e"));
        }
        let twice = folder(&["a.nii", "a.nii.gz"]);
        assert!(said(images_in(twice.path(), &names(&["T1"]))).contains("are both called `a`"));
        assert!(labels_in(twice.path()).is_err());
        assert!(said(images_in(folder(&["a.txt"]).path(), &names(&["T1"]))).contains("holds no NIfTI file"));
    }

    #[test]
    fn a_data_set_is_predicted_and_compared_by_its_layout() {
        let brats = folder(&["p1/p1_t1.nii", "p1/p1_t1ce.nii", "p1/p1_t2.nii", "p1/p1_flair.nii", "p1/p1_seg.nii"]);
        assert_eq!(shown(images_in(brats.path(), &names(&["flair", "t1"]))), ["p1: p1_flair.nii p1_t1.nii"]);
        assert_eq!(labels_in(brats.path()).unwrap()["p1"], brats.path().join("p1/p1_seg.nii"));
        let acdc = folder(&["patient101/patient101_frame01.nii.gz", "patient101/patient101_4d.nii.gz"]);
        assert_eq!(shown(images_in(acdc.path(), &names(&["MRI"]))), ["patient101_frame01: patient101_frame01.nii.gz"]);
        let nnunet =
            folder(&["imagesTr/a_0000.nii", "imagesTr/a_0001.nii", "imagesTr/b_0000.nii", "imagesTr/b_0001.nii", "labelsTr/a.nii"]);
        let about =
            r#"{"channel_names": {"0": "T1", "1": "T2"}, "labels": {"background": 0, "x": 1}, "file_ending": ".nii", "numTraining": 1}"#;
        std::fs::write(nnunet.path().join("dataset.json"), about).unwrap();
        assert_eq!(shown(images_in(nnunet.path(), &names(&["T2", "T1"]))), ["a: a_0001.nii a_0000.nii", "b: b_0001.nii b_0000.nii"]);
        assert_eq!(labels_in(nnunet.path()).unwrap().keys().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn paths_with_commas_are_taken_whole() {
        let root = folder(&["a,b/c,d.nii", "a,b/e.nii"]);
        let at = |name: &str| root.path().join(name).display().to_string();
        assert_eq!(split_files(&at("a,b/c,d.nii")), [root.path().join("a,b/c,d.nii")]);
        assert_eq!(
            split_files(&format!("{},{}", at("a,b/c,d.nii"), at("a,b/e.nii"))),
            [root.path().join("a,b/c,d.nii"), root.path().join("a,b/e.nii")]
        );
        assert_eq!(split_files("no/x.nii,no/y.nii"), [PathBuf::from("no/x.nii"), PathBuf::from("no/y.nii")]);
        assert_eq!(called_together(&["x/a_0000.nii".into(), "x/a_0001.nii".into()]).as_deref(), Some("a"));
        assert_eq!(called_together(&["x/p_t1.nii".into(), "x/p_t2.nii".into()]).as_deref(), Some("p_t1"));
        assert_eq!(called_together(&["x/a_0000.nii".into()]).as_deref(), Some("a_0000"));
        assert_eq!(file_name("a/../b\n"), "a_.._b_");
    }
}
