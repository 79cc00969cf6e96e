//! Looking into folders.
//!
//! May use `text`.

use std::path::{Path, PathBuf};

use crate::text::{Code, Diagnostic, reason};

/// What a folder holds: folders and files, each sorted by name. Hidden ones are left out, and with them the companions (`._x`) that a Mac adds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub folders: Vec<String>,
    pub files: Vec<String>,
}

/// Lists a folder.
///
/// # Errors
/// E0101 when it cannot be read.
pub(super) fn list(folder: &Path) -> Result<Listing, Diagnostic> {
    let refuse = |e: std::io::Error| {
        Diagnostic::error(Code::E0101, format!("cannot read the folder `{}`: {}", folder.display(), reason(&e)))
            .help("check the path and its permissions; a relative path starts where the program is run")
    };
    let mut all = Listing::default();
    for entry in std::fs::read_dir(folder).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        // A name that is no text belongs to no layout.
        let Some(name) = entry.file_name().to_str().map(String::from) else { continue };
        if name.starts_with('.') {
            continue;
        }
        // Links count as what they point to.
        match std::fs::metadata(entry.path()) {
            Ok(about) if about.is_dir() => all.folders.push(name),
            Ok(about) if about.is_file() => all.files.push(name),
            _ => {}
        }
    }
    all.folders.sort();
    all.files.sort();
    Ok(all)
}

/// A file's name without `.nii` or `.nii.gz`.
pub(super) fn stem(name: &str) -> &str {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    name.strip_suffix(".nii").unwrap_or(name)
}

/// Whether a file has the name of a NIfTI.
pub(super) fn is_volume(name: &str) -> bool {
    name.ends_with(".nii") || name.ends_with(".nii.gz")
}

/// All folders below `root`, itself first, down to `depth` levels, in order of their paths.
///
/// # Errors
/// As [`list`].
pub(super) fn below(root: &Path, depth: usize) -> Result<Vec<(PathBuf, Listing)>, Diagnostic> {
    let own = list(root)?;
    let inner: Vec<PathBuf> = if depth > 0 { own.folders.iter().map(|f| root.join(f)).collect() } else { vec![] };
    let mut all = vec![(root.to_owned(), own)];
    for folder in inner {
        all.extend(below(&folder, depth - 1)?);
    }
    Ok(all)
}
