//! Files written whole: a reader sees the old file or the new one, whatever happens in between.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::{Code, Diagnostic};

/// What the names of files begin with that are being written.
const WRITING: &str = ".writing-";

/// Writes a file through `fill`: beside its place first, then to the disk, then under its name. What is there keeps its permissions,
/// and a link keeps pointing where it does; a device or a pipe is written to as it is.
///
/// # Errors
/// E0603 when it cannot be written; the file is then as it was.
pub fn write_whole(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Diagnostic> {
    whole(path, fill).map_err(|e| unwritable(path, &e))
}

/// Writes a text with [`write_whole`].
///
/// # Errors
/// As there.
pub fn write_text(path: &Path, text: &str) -> Result<(), Diagnostic> {
    write_whole(path, |out| out.write_all(text.as_bytes()))
}

/// Reads a file that begins with `mark`; `None` where it does not, without reading more of it.
///
/// # Errors
/// Why it cannot be read.
pub fn read_marked(path: &Path, mark: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut file = File::open(path)?;
    let mut bytes = vec![];
    (&mut file).take(mark.len() as u64).read_to_end(&mut bytes)?;
    if bytes != mark {
        return Ok(None);
    }
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    bytes.try_reserve(size.saturating_sub(mark.len())).map_err(|_| io::Error::other("it is larger than the memory"))?;
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The E0603 of a path that cannot be written.
pub fn unwritable(path: &Path, e: &io::Error) -> Diagnostic {
    use io::ErrorKind as Kind;
    let shown = path.display();
    let help = match e.kind() {
        Kind::IsADirectory => format!("give the name of a file in it, as in `{}`", path.join("NAME").display()),
        Kind::NotADirectory => "give another path, in which every folder is one".to_owned(),
        Kind::NotFound => "make the folder first, or give another path".to_owned(),
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => "you may not write there: give another path, or get the right to".to_owned(),
        Kind::StorageFull | Kind::QuotaExceeded => "make room there, or give a path on another disk".to_owned(),
        Kind::FileTooLarge => "give a path on a disk that takes files of that size".to_owned(),
        Kind::InvalidFilename | Kind::InvalidInput => "give another name".to_owned(),
        Kind::AlreadyExists => "give another path, or remove what is there".to_owned(),
        _ => "look at what is there and whether you may write there, or give another path".to_owned(),
    };
    Diagnostic::error(Code::E0603, format!("cannot write `{shown}`: {}", reason(e))).help(help)
}

/// What is not as it must be to be written to: its kind for the remedy, and why.
pub(super) fn refusal(kind: io::ErrorKind, why: &str) -> io::Error {
    io::Error::new(kind, why.to_owned())
}

/// An I/O error's reason, in lower case and without the number that the system appends.
pub fn reason(e: &io::Error) -> String {
    let text = e.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut c = text.chars();
    c.next().map(|f| f.to_lowercase().collect::<String>() + c.as_str()).unwrap_or_default()
}

fn whole(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let old = std::fs::metadata(path).ok();
    if old.as_ref().is_some_and(Metadata::is_dir) {
        return Err(refusal(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    if old.as_ref().is_some_and(|m| !m.is_file()) {
        return filled(File::options().write(true).open(path)?, fill).map(|_| ());
    }
    if old.as_ref().is_some_and(|m| m.permissions().readonly()) {
        return Err(refusal(io::ErrorKind::PermissionDenied, "it is read-only"));
    }
    let target = if old.is_some() { path.canonicalize()? } else { path.to_owned() };
    let (file, beside) = beside(folder_of(&target), "")?.into_parts();
    let file = filled(file, fill)?;
    if let Some(old) = old {
        file.set_permissions(old.permissions())?;
    }
    file.sync_all()?;
    beside.persist(&target).map_err(|e| e.error)
}

/// A new file in a folder whose name ends in `end`, removed unless it is moved to its place.
fn beside(folder: &Path, end: &str) -> io::Result<tempfile::NamedTempFile> {
    let mut name = tempfile::Builder::new();
    name.prefix(WRITING).suffix(end);
    // Temporary files are private to their user; what is written here is as open as the user's other files.
    let open = open_to_readers();
    if let Some(open) = &open {
        name.permissions(open.clone());
    }
    name.tempfile_in(folder)
}

/// The folder of a file; the working directory where none is said.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(if path.has_root() { "/" } else { "." }))
}

/// Shows that files can be made in a folder.
///
/// # Errors
/// Why they cannot.
pub fn probe(folder: &Path) -> io::Result<()> {
    beside(folder, "").map(|_| ())
}

/// A file that is written beside its place, to be looked at before it takes it. Dropped, it is removed.
#[derive(Debug)]
pub struct Staged {
    file: TempPath,
    target: PathBuf,
}

impl Staged {
    /// For the file `target`, in its folder and with its ending.
    ///
    /// # Errors
    /// E0603 when it cannot be made.
    pub fn new(target: &Path) -> Result<Self, Diagnostic> {
        let old = std::fs::metadata(target).ok();
        if old.as_ref().is_some_and(|m| !m.is_file()) {
            return Err(unwritable(target, &refusal(io::ErrorKind::AlreadyExists, "it is no regular file")));
        }
        let whole = if old.is_some() { target.canonicalize() } else { Ok(target.to_owned()) };
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let made = whole.and_then(|whole| Ok((beside(folder_of(&whole), &format!("-{name}"))?.into_temp_path(), whole)));
        let (file, target) = made.map_err(|e| unwritable(target, &e))?;
        Ok(Self { file, target })
    }

    /// Where to write for now.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Moves it to its place; a file that is there keeps its permissions.
    ///
    /// # Errors
    /// E0603 when it cannot be moved.
    pub fn publish(self) -> Result<(), Diagnostic> {
        let Self { file, target } = self;
        let kept = match std::fs::metadata(&target) {
            Ok(old) => std::fs::set_permissions(&file, old.permissions()),
            Err(_) => Ok(()),
        };
        kept.and_then(|()| file.persist(&target).map_err(|e| e.error)).map_err(|e| unwritable(&target, &e))
    }
}

/// A folder that is written beside its place and takes it when it is whole. Dropped, it is removed with what is in it.
#[derive(Debug)]
pub struct StagedFolder {
    folder: tempfile::TempDir,
    target: PathBuf,
}

impl StagedFolder {
    /// For the folder `target`, which is not there yet or is empty.
    ///
    /// # Errors
    /// E0603 where something is there, or it cannot be made.
    pub fn new(target: &Path) -> Result<Self, Diagnostic> {
        let in_use = |what: &str| {
            Diagnostic::error(Code::E0603, format!("`{}` is {what}", target.display())).help("give another folder, or remove it first")
        };
        match std::fs::read_dir(target).map(|mut all| all.next().is_some()) {
            Ok(true) => return Err(in_use("a folder that has files in it")),
            Ok(false) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound && std::fs::symlink_metadata(target).is_err() => {}
            Err(e) if e.kind() == io::ErrorKind::NotADirectory || target.is_file() => return Err(in_use("a file")),
            Err(e) => return Err(unwritable(target, &e)),
        }
        if target.file_name().is_none() {
            return Err(unwritable(target, &refusal(io::ErrorKind::InvalidFilename, "it is no name of a folder")));
        }
        let mut name = tempfile::Builder::new();
        name.prefix(WRITING);
        if let Some(open) = open_folder() {
            name.permissions(open);
        }
        let folder = name.tempdir_in(folder_of(target)).map_err(|e| unwritable(target, &e))?;
        Ok(Self { folder, target: target.to_owned() })
    }

    /// Where to write for now.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Moves it to its place.
    ///
    /// # Errors
    /// E0603 when it cannot be moved.
    pub fn publish(self) -> Result<(), Diagnostic> {
        std::fs::rename(self.folder.path(), &self.target).map_err(|e| unwritable(&self.target, &e))?;
        // It is no longer there under its first name.
        let _ = self.folder.keep();
        Ok(())
    }
}

fn filled(file: File, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<File> {
    let mut out = BufWriter::new(file);
    fill(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)
}

#[cfg(unix)]
fn open_to_readers() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn open_to_readers() -> Option<Permissions> {
    None
}

/// Those of a folder that other users may look into.
#[cfg(unix)]
fn open_folder() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(Permissions::from_mode(0o777))
}

#[cfg(not(unix))]
fn open_folder() -> Option<Permissions> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        write_text(&path, "old").unwrap();
        let e = write_whole(&path, |out| {
            out.write_all(b"half of it")?;
            Err(io::Error::other("No space left (os error 28)"))
        });
        assert!(e.unwrap_err().message.ends_with("a.txt`: no space left"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("bundle");
        let staged = StagedFolder::new(&target).unwrap();
        std::fs::write(staged.path().join("a.txt"), "half").unwrap();
        drop(staged);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        for empty in [false, true] {
            let target = dir.path().join(format!("{empty}"));
            if empty {
                std::fs::create_dir(&target).unwrap();
            }
            let staged = StagedFolder::new(&target).unwrap();
            std::fs::write(staged.path().join("a.txt"), "whole").unwrap();
            staged.publish().unwrap();
            assert_eq!(std::fs::read_to_string(target.join("a.txt")).unwrap(), "whole");
            assert!(StagedFolder::new(&target).unwrap_err().message.ends_with("is a folder that has files in it"));
            assert!(StagedFolder::new(&target.join("a.txt")).unwrap_err().message.ends_with("is a file"));
        }
        assert!(StagedFolder::new(&dir.path().join("none/bundle")).is_err());
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let told = |path: &Path| write_text(path, "x").map_err(|d| (d.message, d.help.concat())).unwrap_err();
        let (message, help) = told(dir.path());
        assert!(message.ends_with("it is a folder") && help.contains("a file in it"), "{message}; {help}");
        let (message, help) = told(&dir.path().join("none/a.txt"));
        assert!(message.contains("no such file") && help.starts_with("make the folder"), "{message}; {help}");
        write_text(&dir.path().join("b.txt"), "x").unwrap();
        let (message, help) = told(&dir.path().join("b.txt/a.txt"));
        assert!(message.contains("not a directory") && help.starts_with("give another path"), "{message}; {help}");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_stay() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("a.txt"), dir.path().join("link"));
        write_text(&path, "old").unwrap();
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path) & 0o600, 0o600);
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write_text(&link, "new").unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new", 0o640));
        std::fs::set_permissions(&path, Permissions::from_mode(0o440)).unwrap();
        assert!(write_text(&path, "newer").unwrap_err().message.ends_with("it is read-only"));
        write_text(Path::new("/dev/null"), "gone").unwrap();
    }
}
