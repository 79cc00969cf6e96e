//! A text with its name, and places in it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::{Code, Diagnostic};

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
#[derive(PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub text: String,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.name)
    }
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }

    /// Reads a file of at most [`MAX_TEXT_BYTES`]; a byte order mark is dropped.
    ///
    /// # Errors
    /// E0101 when it cannot be opened, is too large or is not UTF-8.
    pub fn read(path: &Path) -> Result<Arc<Self>, Diagnostic> {
        use std::io::Read;
        let shown = path.display().to_string();
        let refuse = |why: String, help: &str| Diagnostic::error(Code::E0101, format!("cannot read `{shown}`: {why}")).help(help);
        let file = std::fs::File::open(path).map_err(|e| refuse(reason(&e), "check the path and its permissions"))?;
        if file.metadata().is_ok_and(|m| m.is_dir()) {
            return Err(refuse("it is a folder".into(), "name a file"));
        }
        let mut bytes = Vec::new();
        file.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes).map_err(|e| refuse(reason(&e), "check the path and its permissions"))?;
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
        let byte = byte.min(self.text.len());
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        (before.matches('\n').count() + 1, before.get(start..).map_or(0, |s| s.chars().count()) + 1)
    }
}

/// An I/O error's reason without the number that the system appends.
fn reason(e: &std::io::Error) -> String {
    let text = e.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut c = text.chars();
    c.next().map(|f| f.to_lowercase().collect::<String>() + c.as_str()).unwrap_or_default()
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

/// A user's name made safe for a message: control and direction characters are escaped, long ones cut.
pub fn printable(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.chars().enumerate() {
        if i == 60 {
            out.push('…');
            break;
        }
        let hidden =
            c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if hidden { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}
