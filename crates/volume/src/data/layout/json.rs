//! What the layouts with a `dataset.json` share: places in it, and the files it names.
//!
//! May use `text`, and `walk` beside it.

use std::collections::HashSet;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::walk::fault;
use crate::text::{Code, Diagnostic, Place, Source, Span, printable};

/// The description of a data set with such a layout.
pub(super) const DATASET: &str = "dataset.json";

/// Reads `root/dataset.json`. `needs` says what it must have.
pub(super) fn read<T: DeserializeOwned>(root: &Path, inside: &str, needs: &str) -> Result<(Arc<Source>, T), Diagnostic> {
    let source = Source::read(&root.join(DATASET)).map_err(|d| d.help(format!("`root` is the folder that holds {inside}")))?;
    serde_json::from_str::<Unique>(&source.text).map_err(|e| malformed(&source, &e, needs))?;
    let file = serde_json::from_str(&source.text).map_err(|e| malformed(&source, &e, needs))?;
    Ok((source, file))
}

/// What a data set is called: as its description says, else as its folder.
pub(super) fn called(said: String, root: &Path) -> String {
    let folder = || Some(root.canonicalize().ok()?.file_name()?.to_string_lossy().into_owned());
    if said.trim().is_empty() { folder().unwrap_or_default() } else { said }
}

/// A JSON text in which no object has one key twice; of two values the reader would take the last without a word.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(A::Error::custom(format!("the key \"{}\" stands twice in one object", printable(&key))));
            }
            seen.insert(key);
            map.next_value::<Self>()?;
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

/// The file that an entry names, seen from the folder of `dataset.json`; whether it is there is not looked at. With `anywhere` it may lie outside of
/// the folder.
pub(super) fn resolve(source: &Arc<Source>, root: &Path, entry: &str, named: &str, anywhere: bool) -> Result<PathBuf, Diagnostic> {
    let shown = printable(named);
    let refuse = |why: String, help: &str| {
        let d = at_word(source, &format!("{entry} is `{shown}`, {why}"), named).help(help);
        match at_its_end(root, named) {
            Some(there) => d.help(format!("`{}` is there", there.display())),
            None => d,
        }
    };
    if named.trim().is_empty() {
        return Err(refuse("which names no file".into(), "name files relative to dataset.json"));
    }
    // Written on Windows; a file with such a name would be taken as it is.
    let text =
        if named.contains('\\') && root.join(named).symlink_metadata().is_err() { named.replace('\\', "/") } else { named.to_owned() };
    let path = Path::new(&text);
    if path.is_absolute() {
        return match below(root, path) {
            Some(inside) => Ok(root.join(inside)),
            None if anywhere => Ok(path.to_owned()),
            None => Err(refuse("an absolute path that does not lead inside the folder".into(), "name files relative to dataset.json")),
        };
    }
    let mut inside = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => inside.push(name),
            Component::ParentDir if !inside.pop() => {
                return if anywhere {
                    Ok(root.join(path))
                } else {
                    let why = "which is not a path inside the folder".to_owned();
                    Err(refuse(why, "name files relative to dataset.json, without `..` that leads out of it"))
                };
            }
            _ => {}
        }
    }
    Ok(root.join(inside))
}

/// What follows the root in an absolute path, by its words or by what they lead to.
fn below(root: &Path, path: &Path) -> Option<PathBuf> {
    let real = root.canonicalize().ok()?;
    let known = [std::path::absolute(root).ok()?, real.clone()];
    let plain = |inside: &&Path| inside.components().all(|c| matches!(c, Component::Normal(_)));
    if let Some(inside) = known.iter().find_map(|root| path.strip_prefix(root).ok()).filter(plain) {
        return Some(inside.to_owned());
    }
    // The file itself may be a link to where git-annex keeps it: its folder counts.
    let folder = path.parent()?.canonicalize().ok()?;
    Some(folder.strip_prefix(&real).ok()?.join(path.file_name()?))
}

/// The file at the last two names of a path, where that lies in the root.
fn at_its_end(root: &Path, named: &str) -> Option<PathBuf> {
    let text = named.trim().replace('\\', "/");
    let mut last = text.rsplit('/').filter(|n| !n.is_empty());
    let (name, folder) = (last.next()?, last.next()?);
    let path = Path::new(folder).join(name);
    (![name, folder].contains(&"..") && root.join(&path).is_file()).then_some(path)
}

/// That the file which an entry names is there.
pub(super) fn present(source: &Arc<Source>, root: &Path, entry: &str, named: &str, path: PathBuf) -> Result<PathBuf, Diagnostic> {
    let Some((why, help)) = fault(&path) else { return Ok(path) };
    let shown = printable(named);
    let lost = path.symlink_metadata().is_err();
    let message = if lost { format!("{entry} names `{shown}`, which is not there") } else { format!("{entry} names `{shown}`: {why}") };
    let d = at_word(source, &message, named);
    let trimmed = root.join(named.trim());
    if !lost {
        Err(d.help(help))
    } else if named.trim() != named && trimmed.is_file() {
        Err(d.help("there is a file of that name without the spaces around it"))
    } else {
        Err(d.help(format!("looked for `{}`", path.display())))
    }
}

/// The file that an entry names, which must be there; with `anywhere` it may lie outside of the folder.
pub(super) fn file(source: &Arc<Source>, root: &Path, entry: &str, named: &str, anywhere: bool) -> Result<PathBuf, Diagnostic> {
    let path = resolve(source, root, entry, named, anywhere)?;
    present(source, root, entry, named, path)
}

/// E0701 with the place of the first quoted `word`.
pub(super) fn at_word(source: &Arc<Source>, message: &str, word: &str) -> Diagnostic {
    let d = Diagnostic::error(Code::E0701, format!("`{}`: {message}", source.name));
    // In a JSON text a backslash is written as two.
    let quoted = format!("\"{}\"", word.replace('\\', "\\\\"));
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

/// Whether a description is nnU-Net's, by its words: those of a text that does not parse as well.
pub(super) fn is_nnunet(text: &str) -> bool {
    let has = |word: &str| text.contains(&format!("\"{word}\""));
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
        Ok(fields) => fields.contains_key("channel_names") || fields.contains_key("file_ending") && !fields.contains_key("training"),
        Err(_) => has("channel_names") || has("file_ending") && !has("training"),
    }
}
