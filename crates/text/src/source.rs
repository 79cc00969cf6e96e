//! A text with its name, and places in it.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::file::{FileKind, HEAD};
use super::{Code, Diagnostic, broken_link, reason};

/// The largest graph or config that is read, in bytes.
pub const MAX_TEXT_BYTES: u64 = 4 << 20;

/// A byte range of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

/// A text and the name under which messages speak of it.
pub struct Source {
    pub name: String,
    pub text: String,
    /// Where its lines begin, looked up when a place is first spoken of.
    lines: OnceLock<Vec<usize>>,
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.text == other.text
    }
}

impl Eq for Source {}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.name)
    }
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into(), lines: OnceLock::new() })
    }

    /// Reads a file of at most [`MAX_TEXT_BYTES`]; a byte order mark is dropped.
    ///
    /// # Errors
    /// E0101 when it cannot be opened, is a file of another kind (a model, a volume), is too large or is not UTF-8.
    pub fn read(path: &Path) -> Result<Arc<Self>, Diagnostic> {
        use std::io::Read;
        let shown = path.display().to_string();
        let refuse = |why: String, help: &str| Diagnostic::error(Code::E0101, format!("cannot read `{shown}`: {why}")).help(help);
        let file = std::fs::File::open(path).map_err(|e| {
            let (why, help) = broken_link(path).unwrap_or_else(|| (reason(&e), "check the path and its permissions"));
            refuse(why, help)
        })?;
        let other = |kind: FileKind| refuse(format!("it is {}", kind.what()), &kind.remedy(path));
        if file.metadata().is_ok_and(|m| m.is_dir()) {
            return Err(other(FileKind::of(path).unwrap_or(FileKind::Folder)));
        }
        let mut bytes = Vec::new();
        file.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes).map_err(|e| refuse(reason(&e), "check the path and its permissions"))?;
        let kind = FileKind::of_bytes(&bytes[..bytes.len().min(HEAD)], path);
        if matches!(kind, FileKind::Weights | FileKind::Volume | FileKind::Foreign(_)) {
            return Err(other(kind));
        }
        if bytes.len() as u64 > MAX_TEXT_BYTES {
            return Err(refuse(
                format!("it is larger than {} MiB", MAX_TEXT_BYTES >> 20),
                "a graph or config is a small text file; is this the right one?",
            ));
        }
        let text = String::from_utf8(bytes)
            .map_err(|e| refuse(format!("it is not UTF-8 (byte {})", e.utf8_error().valid_up_to()), "save it as UTF-8 text"))?;
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        Ok(Self::new(shown, text))
    }

    /// Line and column of a byte, both from 1; columns count characters.
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        let byte = self.text.floor_char_boundary(byte);
        let line = self.lines().partition_point(|start| *start <= byte);
        let start = self.lines().get(line - 1).copied().unwrap_or(0);
        (line, self.text.get(start..byte).map_or(0, |s| s.chars().count()) + 1)
    }

    /// The bytes of a line, counted from 1, without its end; empty past the last.
    pub fn line(&self, number: usize) -> Range<usize> {
        let all = self.lines();
        let Some(&start) = number.checked_sub(1).and_then(|i| all.get(i)) else { return self.text.len()..self.text.len() };
        let end = all.get(number).map_or(self.text.len(), |next| next - 1);
        let text = self.text.get(start..end).unwrap_or_default();
        start..start + text.strip_suffix('\r').unwrap_or(text).len()
    }

    /// Where each line begins; the first always at 0.
    fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            std::iter::once(0).chain(self.text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1)).collect()
        })
    }
}

/// A span of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub source: Arc<Source>,
    pub span: Span,
}

impl Place {
    pub fn new(source: &Arc<Source>, span: Span) -> Self {
        Self { source: source.clone(), span }
    }
}
