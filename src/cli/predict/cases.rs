//! The cases that a command line names: their files, and what the results are called.
//!
//! Part of `cli::predict`; may use `text`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::text::{Code, Diagnostic, Diagnostics, Result, reason};

/// The files of each case, by the name that its segmentation gets.
pub fn cases(images: &[String], out: &Path) -> Result<BTreeMap<String, Vec<PathBuf>>> {
    let mut found = Diagnostics::default();
    let mut cases = BTreeMap::new();
    let mut add = |files: Vec<PathBuf>, found: &mut Diagnostics| {
        let Some(name) = files.first().and_then(|f| case_name(f)) else {
            let shown = files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(",");
            found.push(
                Diagnostic::error(Code::E0702, format!("`{shown}` is no image: its name ends neither in .nii nor in .nii.gz"))
                    .help("name NIfTI files"),
            );
            return;
        };
        let target = out.join(format!("{name}.nii.gz"));
        if let Some(file) = files.iter().find(|f| same(f, &target)) {
            found.push(
                Diagnostic::error(Code::E0603, format!("the segmentation of `{}` would be written over the image", file.display()))
                    .help("give another folder with --out"),
            );
        } else if let Some(other) = cases.insert(name.clone(), files.clone())
            && !other.iter().zip(&files).all(|(a, b)| same(a, b))
        {
            found.push(
                Diagnostic::error(Code::E0603, format!("two images are called `{name}`; one segmentation would be written over the other"))
                    .help("predict them into different folders"),
            );
        }
    };
    for image in images {
        // A file may have a comma in its name.
        if image.contains(',') && !Path::new(image).exists() {
            add(image.split(',').map(PathBuf::from).collect(), &mut found);
        } else if Path::new(image).is_dir() {
            for file in found.keep(images_in(Path::new(image))).unwrap_or_default() {
                add(vec![file], &mut found);
            }
        } else {
            add(vec![image.into()], &mut found);
        }
    }
    found.or(cases)
}

/// Whether both are one file on disk.
fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The NIfTI files of a folder, sorted by name; hidden ones are left out.
///
/// # Errors
/// E0702 when there are none or the folder cannot be read.
pub fn images_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let refuse = |why: String| {
        Diagnostic::error(Code::E0702, format!("`{}`: {why}", folder.display())).help("name a folder that holds .nii or .nii.gz files")
    };
    let entries = std::fs::read_dir(folder).map_err(|e| refuse(format!("the folder cannot be read: {}", reason(&e))))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.is_file() && case_name(p).is_some()).collect();
    if files.is_empty() {
        return Err(refuse("the folder holds no NIfTI file".into()).into());
    }
    files.sort();
    Ok(files)
}

/// `hippocampus_001` of `imagesTr/hippocampus_001.nii.gz`.
pub fn case_name(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let stem = name.strip_suffix(".nii.gz").or_else(|| name.strip_suffix(".nii"))?;
    (!stem.is_empty() && !stem.starts_with('.')).then(|| stem.to_owned())
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
        assert_eq!(not.0.len(), 2);
    }
}
