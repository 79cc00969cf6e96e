//! Looking into folders. Nothing that is there is left out because it cannot be looked at: what fits a layout by its name is a case or an error.
//!
//! May use `text`, `volume`.

use std::path::{Path, PathBuf};

use crate::text::{Code, Diagnostic, Diagnostics, broken_link, reason};
use crate::volume::{is_second, split_name};

/// What a folder holds, each list sorted by name. Hidden entries are left out, and with them the companions (`._x`) that a Mac adds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub folders: Vec<String>,
    /// Whatever else there is: files, links that lead nowhere, and folders that have the name of a volume.
    pub files: Vec<String>,
}

/// A file that has the name of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    pub file: &'a str,
    pub stem: &'a str,
    pub ending: &'a str,
}

impl Listing {
    /// The files with names of volumes; a pair of files is one, its header.
    pub fn volumes(&self) -> Vec<Named<'_>> {
        let all = self.files.iter().filter_map(|file| split_name(file).map(|(stem, ending)| Named { file, stem, ending }));
        let all: Vec<Named> = all.collect();
        let headers: Vec<&str> =
            all.iter().filter(|v| v.ending.get(..4).is_some_and(|e| e.eq_ignore_ascii_case(".hdr"))).map(|v| v.stem).collect();
        all.into_iter().filter(|v| !is_second(v.ending) || !headers.contains(&v.stem)).collect()
    }
}

/// Lists a folder.
///
/// # Errors
/// E0101 when it cannot be read.
pub(super) fn list(folder: &Path) -> Result<Listing, Diagnostic> {
    let refuse = |e: std::io::Error| {
        let otherwise = || (reason(&e), "check the path and its permissions; a relative path starts where the program is run");
        let (why, help) = broken_link(folder).unwrap_or_else(otherwise);
        Diagnostic::error(Code::E0101, format!("cannot read the folder `{}`: {why}", folder.display())).help(help)
    };
    let mut all = Listing::default();
    for entry in std::fs::read_dir(folder).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        // Links count as what they point to.
        let is_folder = std::fs::metadata(entry.path()).is_ok_and(|about| about.is_dir());
        if !is_folder || split_name(&name).is_some() {
            all.files.push(name.clone());
        }
        if is_folder {
            all.folders.push(name);
        }
    }
    all.folders.sort();
    all.files.sort();
    Ok(all)
}

/// Why a path is no file that can be read, and a remedy; `None` for a file.
pub(super) fn fault(path: &Path) -> Option<(String, &'static str)> {
    let about = match std::fs::metadata(path) {
        Ok(about) => about,
        Err(_) if path.to_string_lossy().contains('\u{fffd}') => return Some(("its name is not UTF-8".into(), "rename it")),
        Err(e) => return Some(broken_link(path).unwrap_or_else(|| (reason(&e), "check the path and its permissions"))),
    };
    if about.is_dir() {
        return Some(("it is a folder".into(), "put the volume itself in its place, or take the folder out"));
    }
    (!about.is_file()).then(|| ("it is not a regular file".into(), "put the volume itself in its place, or take it out"))
}

/// That a file is there.
///
/// # Errors
/// E0701 with the reason where it is not.
pub(super) fn there(path: &Path) -> Result<(), Diagnostic> {
    match fault(path) {
        None => Ok(()),
        Some((why, help)) => Err(Diagnostic::error(Code::E0701, format!("cannot use `{}`: {why}", path.display())).help(help)),
    }
}

/// Folders below a root.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The root first, then in order of their paths.
    pub folders: Vec<(PathBuf, Listing)>,
    /// What is a folder, or may be one by its name, and cannot be entered.
    pub closed: Vec<(PathBuf, Diagnostic)>,
}

/// All folders below `root`, itself first, down to `depth` levels.
///
/// # Errors
/// As [`list`] for the root.
pub(super) fn below(root: &Path, depth: usize) -> Result<Tree, Diagnostic> {
    let mut tree = Tree::default();
    let own = list(root)?;
    enter(root, own, depth, &mut tree);
    Ok(tree)
}

fn enter(folder: &Path, own: Listing, depth: usize, tree: &mut Tree) {
    let mut inner: Vec<PathBuf> = vec![];
    if depth > 0 {
        inner = own.folders.iter().map(|f| folder.join(f)).filter(|f| !leads_back(f)).collect();
        // A link without a file's ending that leads nowhere may have been a folder of cases.
        let links = own.files.iter().filter(|f| may_be_folder(f)).map(|f| folder.join(f)).filter(|f| broken_link(f).is_some());
        tree.closed.extend(links.filter_map(|f| Some((f.clone(), list(&f).err()?))));
    }
    tree.folders.push((folder.to_owned(), own));
    for folder in inner {
        match list(&folder) {
            Ok(listing) => enter(&folder, listing, depth - 1, tree),
            Err(why) => tree.closed.push((folder, why)),
        }
    }
}

/// Whether a folder is a link to one that it lies in.
fn leads_back(folder: &Path) -> bool {
    let (Ok(_), Some(parent)) = (std::fs::read_link(folder), folder.parent()) else { return false };
    matches!((folder.canonicalize(), parent.canonicalize()), (Ok(to), Ok(from)) if from.starts_with(&to))
}

/// Whether a name has no ending of a file.
fn may_be_folder(name: &str) -> bool {
    let Some((_, ending)) = name.rsplit_once('.') else { return true };
    !(1..=4).contains(&ending.len()) || !ending.bytes().all(|b| b.is_ascii_alphanumeric()) || ending.bytes().all(|b| b.is_ascii_digit())
}

/// Takes what cannot be entered as errors, where its path fits.
pub(super) fn closed(tree: &Tree, fits: impl Fn(&Path) -> bool, found: &mut Diagnostics) {
    tree.closed.iter().filter(|(path, _)| fits(path)).for_each(|(_, why)| found.push(why.clone()));
}
