//! The cases that a command line names: their files, and what the results are called.
//!
//! Part of `cli::predict`; may use `data`, `train` (data sets by name) and `text`.

use std::path::{Path, PathBuf};

use crate::cli::named::{CaseSelection, is_config, named};
use crate::data::{Images, Want, called_together, images_from, images_in, images_of, split_files};
use crate::text::{Code, Diagnostic, Diagnostics, Result};
use crate::volume::case_name;

/// Looks at the names alone, before a model is loaded.
///
/// # Errors
/// E0702 for what is named as no volume, no folder and no run config.
pub fn look(images: &[String]) -> Result<()> {
    let mut found = Diagnostics::default();
    for image in images.iter().filter(|i| !Path::new(i).is_dir() && !is_config(Path::new(i))) {
        for file in split_files(image).iter().filter(|f| case_name(f).is_none()) {
            // A folder that was mistyped has no ending at all.
            if file.extension().is_none() && file.symlink_metadata().is_err() {
                let message = format!("cannot read `{}`: no such file or folder", file.display());
                found.push(
                    Diagnostic::error(Code::E0702, message)
                        .help("check the path; images are NIfTI files (.nii, .nii.gz), folders of such, or a run config"),
                );
                continue;
            }
            let message = format!("`{}` is no image: its name ends in none of .nii, .nii.gz, .hdr and .img", file.display());
            found.push(Diagnostic::error(Code::E0702, message).help("name NIfTI files"));
        }
    }
    found.or(())
}

/// The files of each case, by the name that its segmentation gets. `modalities` are those of the network.
pub fn cases(images: &[String], part: CaseSelection, modalities: &[String], out: &Path) -> Result<Images> {
    let mut found = Diagnostics::default();
    let mut cases = Images::new();
    let mut singles: Vec<PathBuf> = vec![];
    let mut of_config = false;
    for image in images {
        let path = Path::new(image);
        let files = if path.is_dir() {
            found.keep(images_in(path, modalities))
        } else if is_config(path) {
            of_config = true;
            found.keep(named(path, part, Want::Images).and_then(|about| images_of(&about, modalities)))
        } else {
            let mut files = split_files(image);
            if files.len() == 1 {
                singles.append(&mut files);
                continue;
            }
            found.keep(together(files))
        };
        files.into_iter().flatten().for_each(|(name, files)| add(&mut cases, name, files, &mut found));
    }
    let singles = found.keep(images_from(singles, modalities)).unwrap_or_default();
    singles.into_iter().for_each(|(name, files)| add(&mut cases, name, files, &mut found));
    if part != CaseSelection::All && !of_config {
        let message = "--part is for run configs, and none is named";
        found.push(Diagnostic::error(Code::E0601, message).help("name the run config (.ron) in place of its folder, or leave --part out"));
    }
    for (name, files) in &cases {
        let target = out.join(format!("{name}.nii.gz"));
        if let Some(file) = files.iter().find(|f| same(f, &target)) {
            let message = format!("the segmentation of `{}` would be written over the image", file.display());
            found.push(Diagnostic::error(Code::E0603, message).help("give another folder with --out"));
        }
    }
    found.or(cases)
}

/// Files that were joined to one case.
fn together(files: Vec<PathBuf>) -> Result<Images, Diagnostic> {
    match called_together(&files) {
        Some(name) => Ok(Images::from([(name, files)])),
        None => {
            let shown = files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(",");
            let message = format!("`{shown}` is no image: not all names end in .nii, .nii.gz, .hdr or .img");
            Err(Diagnostic::error(Code::E0702, message).help("name NIfTI files"))
        }
    }
}

fn add(cases: &mut Images, name: String, files: Vec<PathBuf>, found: &mut Diagnostics) {
    let other = cases.insert(name.clone(), files.clone());
    if other.is_some_and(|other| other.len() != files.len() || !other.iter().zip(&files).all(|(a, b)| same(a, b))) {
        let message = format!("two images are called `{name}`; one segmentation would be written over the other");
        found.push(Diagnostic::error(Code::E0603, message).help("predict them into different folders"));
    }
}

/// Whether both are one file on disk.
fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_from_files_folders_and_commas() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.nii", "a.nii.gz", "._a.nii.gz", "notes.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let cases = |images: &[String], out: &Path| cases(images, CaseSelection::All, &["T1".to_owned()], out);
        let folder = dir.path().display().to_string();
        let got = cases(&[folder.clone(), "x/p_t1.nii.gz,x/p_t2.nii.gz".into()], Path::new("out")).unwrap();
        let names: Vec<&String> = got.keys().collect();
        assert_eq!(names, ["a", "b", "p_t1"]);
        assert_eq!(got["p_t1"], [PathBuf::from("x/p_t1.nii.gz"), PathBuf::from("x/p_t2.nii.gz")]);

        let twice = cases(&[folder.clone(), "other/a.nii".into()], Path::new("out")).unwrap_err();
        assert_eq!(twice.0[0].code, Code::E0603);
        let over = cases(&[folder], dir.path()).unwrap_err();
        assert!(over.0.iter().any(|d| d.message.contains("over the image")), "{over:?}");
        let not = cases(&["a.png".into(), "b.txt".into()], Path::new("out")).unwrap_err();
        let look = |name: &str| look(&[name.to_owned()]).unwrap_err().0[0].message.clone();
        assert!(look("imagesTs").ends_with("no such file or folder"));
        assert!(look(&dir.path().join("notes.txt").display().to_string()).contains("its name ends in none of"));
        assert_eq!(not.0.len(), 2);
    }
}
