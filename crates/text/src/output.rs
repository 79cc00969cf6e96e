//! The output files of a command. Every output of every verb is claimed here before anything is computed.
//!
//! An output must lie in a folder that can be written. It must be no input of the same command, by whatever name, link or spelling, and no other output
//! of it. And it must not be there yet, unless lmsc has written what is there: its files carry a mark (see [`Form`]), which names the
//! verb. What carries none is replaced only where the user has said `--overwrite`; an input is never.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::write::{folder_of, probe, refusal};
use super::{Code, Diagnostic, unwritable, write_text};

/// As many bytes of a file are looked at for a mark.
const LOOKED_AT: u64 = 64 << 10;

/// The form of an output: how its files are marked, and so known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A page: `<meta name="generator" content="lmsc view">`.
    Html,
    /// A drawing: the comment `<!-- lmsc graph -->`.
    Svg,
    /// An object: its first key is `"written_by": "lmsc eval"`.
    Json,
    /// A table that begins with these columns, which no other program's has.
    Csv(&'static str),
    /// A picture: its text `Software` is `lmsc`, whatever the verb.
    Png,
    /// Tensors: the entry `lmsc.by` of the metadata is `lmsc forward`.
    Tensors,
    /// A network as ONNX: its producer is `lmsc`, whatever the verb.
    Onnx,
    /// What people write in (graphs, configs, scripts) or what has no room for a mark: never replaced unasked.
    Plain,
}

impl Form {
    /// The bytes by which a file of the verb `by` (`lmsc view`) is known; none where it cannot be.
    fn mark(self, by: &str) -> Option<String> {
        Some(match self {
            Form::Html => format!("<meta name=\"generator\" content=\"{by}\""),
            Form::Svg => format!("<!-- {by} -->"),
            Form::Json => format!("\"written_by\": \"{by}\""),
            Form::Csv(columns) => columns.to_owned(),
            Form::Png => "Software\0lmsc".to_owned(),
            Form::Tensors => format!("\"lmsc.by\":\"{by}\""),
            // The field 2 of the message, four bytes long, and the tag of the next.
            Form::Onnx => "\x12\x04lmsc\x1a".to_owned(),
            Form::Plain => return None,
        })
    }

    /// The text with its mark.
    fn marked(self, text: &str, by: &str) -> String {
        let Some(mark) = self.mark(by) else { return text.to_owned() };
        match self {
            Form::Html => text.replacen("<head>\n", &format!("<head>\n{mark}>\n"), 1),
            Form::Svg => text.replacen("<title>", &format!("{mark}\n<title>"), 1),
            Form::Json => match text.split_once('{') {
                Some((before, after)) => {
                    let indent = if after.starts_with("\n  ") { "  " } else { "" };
                    format!("{before}{{\n{indent}{mark},{after}")
                }
                None => text.to_owned(),
            },
            _ => text.to_owned(),
        }
    }
}

/// One file, whatever it is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Identity {
    /// Device and number, which hard links and links share.
    #[cfg_attr(not(unix), allow(dead_code, reason = "other systems go by the name"))]
    Number(u64, u64),
    /// The folder without links, and the name in it.
    Name(PathBuf),
}

impl Identity {
    fn of(path: &Path) -> Self {
        #[cfg(unix)]
        if let Ok(about) = fs::metadata(path) {
            use std::os::unix::fs::MetadataExt;
            return Self::Number(about.dev(), about.ino());
        }
        let whole = path.canonicalize().unwrap_or_else(|_| {
            let folder = folder_of(path);
            let folder = folder.canonicalize().or_else(|_| std::path::absolute(folder)).unwrap_or_else(|_| folder.to_owned());
            path.file_name().map_or(folder.clone(), |name| folder.join(name))
        });
        // Two names that differ in their case alone may be one file there.
        let blind = cfg!(any(windows, target_os = "macos"));
        Self::Name(if blind { whole.to_string_lossy().to_lowercase().into() } else { whole })
    }
}

/// The inputs and outputs of one command.
#[derive(Debug)]
pub struct Outputs {
    /// The verb: `lmsc eval`.
    by: String,
    /// What `--overwrite` says; none for a verb without that option.
    overwrite: Option<bool>,
    inputs: HashMap<Identity, PathBuf>,
    claimed: HashSet<Identity>,
    /// Folders that were found to be writable.
    writable: HashSet<PathBuf>,
    /// Folders that the command makes where they are not there.
    made: Vec<PathBuf>,
}

impl Outputs {
    /// Those of a verb; `overwrite` is none where it has no such option.
    pub fn new(verb: &str, overwrite: Option<bool>) -> Self {
        Self {
            by: format!("lmsc {verb}"),
            overwrite,
            inputs: HashMap::new(),
            claimed: HashSet::new(),
            writable: HashSet::new(),
            made: vec![],
        }
    }

    /// The entry of a safetensors file's metadata that marks it as this verb's.
    pub fn entry(&self) -> (String, String) {
        ("lmsc.by".to_owned(), self.by.clone())
    }

    /// Names a file that the command reads. What is not there cannot be written over and is passed by.
    pub fn input(&mut self, path: &Path) {
        if fs::metadata(path).is_ok_and(|about| about.is_file()) {
            self.inputs.insert(Identity::of(path), path.to_owned());
        }
    }

    /// Names several.
    pub fn inputs<P: AsRef<Path>>(&mut self, paths: impl IntoIterator<Item = P>) {
        paths.into_iter().for_each(|path| self.input(path.as_ref()));
    }

    /// Whether a file may be written there. A device or a pipe may always.
    ///
    /// # Errors
    /// E0603 where it may not or cannot be.
    pub fn look(&mut self, path: &Path, form: Form) -> Result<(), Diagnostic> {
        self.place(path)?;
        self.replace(path, form, false)
    }

    /// Takes a path for an output of this command, as [`Outputs::look`] allows.
    ///
    /// # Errors
    /// As there; E0603 where another output has the path.
    pub fn claim(&mut self, path: &Path, form: Form) -> Result<(), Diagnostic> {
        self.look(path, form)?;
        self.reserve(path)
    }

    /// As [`Outputs::claim`], without looking who has written what is there: see [`Outputs::replace`].
    ///
    /// # Errors
    /// E0603 for an input, for another output's path, for a place that cannot be written.
    pub fn reserve(&mut self, path: &Path) -> Result<(), Diagnostic> {
        self.place(path)?;
        if regular(path) != Some(false) && !self.claimed.insert(Identity::of(path)) {
            let message = format!("`{}` would be written twice: two outputs of this command have that path", path.display());
            return Err(Diagnostic::error(Code::E0603, message).help("give each a path of its own"));
        }
        Ok(())
    }

    /// Whether a file that is there may be replaced; `own` says that lmsc is known to have written it.
    ///
    /// # Errors
    /// E0603 where it may not be.
    pub fn replace(&self, path: &Path, form: Form, own: bool) -> Result<(), Diagnostic> {
        if regular(path) != Some(true) || own || self.overwrite == Some(true) || self.wrote(path, form) {
            return Ok(());
        }
        let there = format!("`{}` is there already", path.display());
        Err(match self.overwrite {
            None => Diagnostic::error(Code::E0603, there).help("give another path, or remove the file first"),
            Some(_) => Diagnostic::error(Code::E0603, format!("{there}, and `{}` is not known to have written it", self.by))
                .help("give another path, remove the file first, or allow it with --overwrite"),
        })
    }

    /// Whether a folder can be written, or made where it is not there yet; nothing is made.
    ///
    /// # Errors
    /// E0603 with the reason.
    pub fn folder(&mut self, folder: &Path) -> Result<(), Diagnostic> {
        self.made.push(folder.to_owned());
        self.can_be_written(folder)
    }

    fn can_be_written(&mut self, folder: &Path) -> Result<(), Diagnostic> {
        if self.writable.contains(folder) {
            return Ok(());
        }
        let mut there = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        loop {
            match fs::metadata(there) {
                Ok(about) if about.is_dir() => break,
                Ok(_) => {
                    return Err(unwritable(
                        folder,
                        &refusal(ErrorKind::NotADirectory, &format!("`{}` is a file, not a folder", there.display())),
                    ));
                }
                Err(e) if is_absent(there, &e) => there = folder_of(there),
                Err(e) => return Err(unreachable_link(there, &e)),
            }
        }
        probe(there).map_err(|e| unwritable(folder, &e))?;
        self.writable.insert(folder.to_owned());
        Ok(())
    }

    /// Makes a folder, with those above it.
    ///
    /// # Errors
    /// E0603 when it cannot be made.
    pub fn make(&self, folder: &Path) -> Result<(), Diagnostic> {
        fs::create_dir_all(folder).map_err(|e| unwritable(folder, &e))
    }

    /// Writes a text with the mark of its form to a path that was claimed, whole or not at all.
    ///
    /// # Errors
    /// E0603 when it cannot be written.
    pub fn write(&self, path: &Path, form: Form, text: &str) -> Result<(), Diagnostic> {
        write_text(path, &form.marked(text, &self.by))
    }

    /// That a path is no input, and that a file can be written there.
    fn place(&mut self, path: &Path) -> Result<(), Diagnostic> {
        if path.file_name().is_none() {
            return Err(unwritable(path, &refusal(ErrorKind::InvalidFilename, "it is no name of a file")));
        }
        match fs::metadata(path) {
            Ok(about) if about.is_dir() => return Err(unwritable(path, &refusal(ErrorKind::IsADirectory, "it is a folder"))),
            Ok(about) if !about.is_file() => return Ok(()),
            Ok(about) => self.is_no_input(path, &about)?,
            Err(e) if is_absent(path, &e) => {}
            Err(e) => return Err(unreachable_link(path, &e)),
        }
        // Beside the file that a link leads to.
        let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = folder_of(&whole);
        self.can_be_written(folder)?;
        if !folder.is_dir() && !self.made.iter().any(|made| folder.starts_with(made)) {
            let message = format!("cannot write `{}`: its folder is not there", path.display());
            return Err(Diagnostic::error(Code::E0603, message).help("make the folder first"));
        }
        Ok(())
    }

    fn is_no_input(&self, path: &Path, about: &Metadata) -> Result<(), Diagnostic> {
        if let Some(input) = self.inputs.get(&Identity::of(path)) {
            let message = match input == path {
                true => format!("`{}` is an input of this command, and would be written over", path.display()),
                false => format!("`{}` is `{}`, an input of this command, and would be written over", path.display(), input.display()),
            };
            return Err(Diagnostic::error(Code::E0603, message).help("give another path for the output"));
        }
        if about.permissions().readonly() {
            return Err(unwritable(path, &refusal(ErrorKind::PermissionDenied, "it is read-only")));
        }
        Ok(())
    }

    /// Whether a file carries this verb's mark.
    fn wrote(&self, path: &Path, form: Form) -> bool {
        let Some(mark) = form.mark(&self.by) else { return false };
        let mut first = vec![];
        let read = fs::File::open(path).and_then(|file| file.take(LOOKED_AT).read_to_end(&mut first));
        read.is_ok()
            && match form {
                Form::Csv(_) => first.starts_with(mark.as_bytes()),
                _ => first.windows(mark.len()).any(|w| w == mark.as_bytes()),
            }
    }
}

/// Whether what is there is a file; `None` where nothing is.
fn regular(path: &Path) -> Option<bool> {
    fs::metadata(path).ok().map(|about| about.is_file())
}

/// Whether nothing is there, not even a link that leads nowhere.
fn is_absent(path: &Path, e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) && fs::symlink_metadata(path).is_err()
}

fn unreachable_link(path: &Path, e: &io::Error) -> Diagnostic {
    match e.kind() {
        ErrorKind::NotFound => unwritable(path, &refusal(ErrorKind::AlreadyExists, "it is a link to what is not there")),
        _ => unwritable(path, e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: Form = Form::Csv("set,case");

    fn told(result: Result<(), Diagnostic>) -> String {
        let d = result.expect_err("it is refused");
        assert!(d.code == Code::E0603 && !d.help.is_empty(), "{d:?}");
        d.message
    }

    #[test]
    fn what_lmsc_wrote_is_replaced_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for (form, text) in [
            (Form::Html, "<html>\n<head>\n</head>\n"),
            (Form::Svg, "<svg>\n<title>x</title>"),
            (Form::Json, "{\n  \"a\": 1\n}\n"),
            (Form::Json, "{\n\"a\": 1\n}\n"),
            (Form::Json, "{\"a\": 1}"),
            (COLUMNS, "set,case,dice\n"),
        ] {
            let path = dir.path().join("x");
            let mut outputs = Outputs::new("view", Some(false));
            outputs.claim(&path, form).unwrap();
            outputs.write(&path, form, text).unwrap();
            let written = std::fs::read_to_string(&path).unwrap();
            if form == Form::Json {
                let json: serde_json::Value = serde_json::from_str(&written).unwrap_or_else(|e| panic!("{e}: {written}"));
                assert!(json["written_by"] == "lmsc view" && json["a"] == 1, "{written}");
            }
            Outputs::new("view", Some(false)).claim(&path, form).unwrap();
            if form != COLUMNS {
                let of_another = Outputs::new("report", Some(false)).claim(&path, form);
                assert!(told(of_another).contains("is there already"), "{written}");
            }
            assert!(told(Outputs::new("view", None).claim(&path, Form::Plain)).contains("is there already"));
            std::fs::write(&path, text.replace("set,", "sets,")).unwrap();
            assert!(told(Outputs::new("view", Some(false)).claim(&path, form)).contains("is there already"), "{form:?}");
            Outputs::new("view", Some(true)).claim(&path, form).unwrap();
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn an_input_is_never_written_over_by_any_of_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("sub")).unwrap();
        std::fs::write(at("in"), "x").unwrap();
        let mut names = vec![at("in"), at("./in"), at("sub/../in")];
        #[cfg(unix)]
        {
            std::fs::hard_link(at("in"), at("hard")).unwrap();
            std::os::unix::fs::symlink("in", at("soft")).unwrap();
            std::os::unix::fs::symlink(dir.path(), at("sub/up")).unwrap();
            names.extend([at("hard"), at("soft"), at("sub/up/in")]);
        }
        for name in names {
            for overwrite in [None, Some(false), Some(true)] {
                let mut outputs = Outputs::new("x", overwrite);
                outputs.input(&at("in"));
                assert!(told(outputs.claim(&name, Form::Plain)).contains("an input of this command"), "{}", name.display());
            }
        }
    }

    #[test]
    fn no_two_outputs_have_one_path() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        let mut outputs = Outputs::new("x", Some(true));
        outputs.claim(&dir.path().join("a"), Form::Plain).unwrap();
        assert!(told(outputs.claim(&dir.path().join("sub/../a"), Form::Plain)).contains("twice"));
        outputs.claim(&dir.path().join("b"), Form::Plain).unwrap();
        for _ in 0..2 {
            outputs.claim(Path::new("/dev/null"), Form::Plain).unwrap();
        }
    }

    #[test]
    fn places_that_cannot_be_written_are_known_before() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "").unwrap();
        let mut outputs = Outputs::new("x", Some(true));
        for (path, why) in [
            (at("."), "it is a folder"),
            (at(""), "it is a folder"),
            (at("file/below"), "not a folder"),
            (at("none/below"), "its folder is not there"),
            (at("file/far/below"), "not a folder"),
            (PathBuf::from("/"), "no name of a file"),
        ] {
            assert!(told(outputs.claim(&path, Form::Plain)).contains(why), "{}", path.display());
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
            std::os::unix::fs::symlink("loop", at("loop")).unwrap();
            assert!(told(outputs.claim(&at("dangling"), Form::Plain)).contains("link to what is not there"));
            assert!(told(outputs.folder(&at("dangling/below"))).contains("link to what is not there"));
            told(outputs.claim(&at("loop"), Form::Plain));
            told(outputs.folder(&at("loop")));
        }
        outputs.folder(&at("new/newer")).unwrap();
        outputs.claim(&at("new/newer/file"), Form::Plain).unwrap();
        outputs.claim(&at("new/newer/far/file"), Form::Plain).unwrap();
        assert!(!at("new").exists(), "only looked at");
        assert!(told(outputs.folder(&at("file"))).contains("not a folder"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), if cfg!(unix) { 3 } else { 1 });
    }
}
