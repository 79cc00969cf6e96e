//! What the layouts with a `dataset.json` share: places in it, and the files it names.
//!
//! May use `text`.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::text::{Code, Diagnostic, Place, Source, Span, printable};

/// Reads `root/dataset.json`. `needs` says what it must have.
pub(super) fn read<T: DeserializeOwned>(root: &Path, inside: &str, needs: &str) -> Result<(Arc<Source>, T), Diagnostic> {
    let source = Source::read(&root.join("dataset.json")).map_err(|d| d.help(format!("`root` is the folder that holds {inside}")))?;
    let file = serde_json::from_str(&source.text).map_err(|e| malformed(&source, &e, needs))?;
    Ok((source, file))
}

/// The file that an entry names, which must be inside the root and there.
pub(super) fn inside(source: &Arc<Source>, root: &Path, entry: &str, named: &str) -> Result<PathBuf, Diagnostic> {
    let relative = Path::new(named);
    let shown = printable(named);
    if named.is_empty() || !relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
        return Err(at_word(source, &format!("{entry} is `{shown}`, which is not a path inside the folder"), named)
            .help("name files relative to dataset.json, without `..`"));
    }
    let path: PathBuf = root.join(relative.components().filter(|c| matches!(c, Component::Normal(_))).collect::<PathBuf>());
    if path.is_file() {
        return Ok(path);
    }
    Err(at_word(source, &format!("{entry} names `{shown}`, which is not there"), named).help(format!("looked for `{}`", path.display())))
}

/// E0701 with the place of the first quoted `word`.
pub(super) fn at_word(source: &Arc<Source>, message: &str, word: &str) -> Diagnostic {
    let quoted = format!("\"{word}\"");
    let d = Diagnostic::error(Code::E0701, format!("`{}`: {message}", source.name));
    match source.text.find(&quoted) {
        Some(start) => d.at(Place::new(source, Span::new(start, start + quoted.len())), "here"),
        None => d,
    }
}

fn malformed(source: &Arc<Source>, e: &serde_json::Error, needs: &str) -> Diagnostic {
    let text = e.to_string();
    let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(r, _)| r);
    let line: usize = source.text.split_inclusive('\n').take(e.line().saturating_sub(1)).map(str::len).sum();
    let mut start = (line + e.column().saturating_sub(1)).min(source.text.len());
    while !source.text.is_char_boundary(start) {
        start -= 1;
    }
    let end = source.text.get(start..).and_then(|t| t.chars().next()).map_or(start, |c| start + c.len_utf8());
    Diagnostic::error(Code::E0701, format!("`{}` is not the description of a data set: {reason}", source.name))
        .at(Place::new(source, Span::new(start, end)), "here")
        .help(needs)
}
