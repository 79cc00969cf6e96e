//! What the layouts with a `dataset.json` share: places in it, and the files it names.
//!
//! May use `text`.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::text::{Code, Diagnostic, Place, Source, Span, printable};

/// Reads `root/dataset.json`. `needs` says what it must have.
pub(super) fn read<T: DeserializeOwned>(root: &Path, inside: &str, needs: &str) -> Result<(Arc<Source>, T), Diagnostic> {
    let source = Source::read(&root.join("dataset.json")).map_err(|d| d.help(format!("`root` is the folder that holds {inside}")))?;
    let file = serde_json::from_str(&source.text).map_err(|e| malformed(&source, &e, needs))?;
    // The last of several would count, and a class or a channel be gone without a word.
    let keys: Option<Naming> = serde_json::from_str(&source.text).ok();
    for (field, Keys(all)) in
        keys.into_iter().flat_map(|k| [("labels", k.labels), ("modality", k.modality), ("channel_names", k.channel_names)])
    {
        if let Some((_, twice)) = all.iter().enumerate().find(|(at, key)| all[..*at].contains(key)) {
            return Err(at_word(&source, &format!("`{field}` has \"{}\" twice", printable(twice)), twice).help("each stands once"));
        }
    }
    Ok((source, file))
}

/// The keys of the fields that name classes and channels.
#[derive(Deserialize)]
struct Naming {
    #[serde(default)]
    labels: Keys,
    #[serde(default)]
    modality: Keys,
    #[serde(default)]
    channel_names: Keys,
}

/// All keys of a map, those that come again too.
#[derive(Default)]
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut all = vec![];
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    all.push(key);
                }
                Ok(Keys(all))
            }
        }
        from.deserialize_map(All)
    }
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
