//! `lmsc fmt --freeze`: a hash of each composite that is imported, `hash: { "Up": "b3:9f2c41d0" }`, and what is not as it was frozen.
//!
//! May use `import`, `extend`, `change`, `fmt`, `tree`, `budget` beside it and `text`.

use std::sync::Arc;

use super::budget::CHANGES;
use super::change::among;
use super::extend::{Files, library};
use super::fmt::format;
use super::import::{Import, closed, used_by};
use super::tree::{Entry, Kind, Tree, parse};
use crate::text::{Code, Diagnostic, Diagnostics, Place, Result, Source, printable};

/// Letters of a hash that are written.
const HASH: usize = 8;

impl Import<'_> {
    /// Tells which composites are not what was frozen; of a hash over the whole file that alone is known.
    pub(super) fn frozen(&self, whole: &Tree, found: &mut Diagnostics) {
        let Some(hash) = self.hash else { return };
        let file = self.name();
        let refuse = |what: String, now: String, place: &Place, help: &str| {
            let message = format!("{what} is not what was frozen: it is b3:{} now", &now[..HASH]);
            Diagnostic::error(Code::E0110, message).at(place.clone(), "frozen here").help(help)
        };
        if let Some(frozen) = hash_of(hash) {
            let now = identity(whole);
            if !now.starts_with(frozen) {
                let help = "`lmsc fmt --freeze` takes what is there now, and from then on says which composite differs";
                found.push(refuse(format!("`{}`", printable(&file)), now, &hash.place, help));
            }
            return;
        }
        let all = closed(whole, &[]);
        for e in hash.entries().unwrap_or_default() {
            let key = Tree { kind: Kind::Str(e.key.clone()), place: e.key_place.clone() };
            let own = self.listed(&key, &all, found).and_then(|name| all.iter().find(|o| o.key == name));
            let (Some(own), Some(frozen)) = (own, hash_of(&e.value)) else { continue };
            let now = digest([line(own)]);
            if !now.starts_with(frozen) {
                let what = format!("`{}` of `{}`", printable(&e.key), printable(&file));
                found.push(refuse(what, now, &e.value.place, "`lmsc fmt --freeze` takes what is there now"));
            }
        }
    }

    /// What `hash` is of the file as it is now: a hash for each composite that is taken.
    fn hash_now(&self, whole: &Tree) -> String {
        let mut all = closed(whole, &[]);
        if let Some(only) = &self.only {
            let listed = only.iter().filter_map(|t| if let Kind::Str(name) = &t.kind { Some(name.clone()) } else { None });
            all = used_by(all, listed.collect());
        }
        let each: Vec<String> = all.iter().map(|e| format!("\"{}\": \"b3:{}\"", e.key, &digest([line(e)])[..HASH])).collect();
        format!("{{ {} }}", each.join(", "))
    }
}

/// The digits of a hash.
pub(super) fn hash_of(tree: &Tree) -> Option<&str> {
    let Kind::Str(text) = &tree.kind else { return None };
    text.strip_prefix("b3:").filter(|h| h.len() >= HASH && h.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

/// The identity of what a file defines, as hex: its composites with what they import, and its parameters; comments and layout do not count.
fn identity(whole: &Tree) -> String {
    let mut lines: Vec<String> =
        ["params", "blocks"].iter().flat_map(|key| among(whole, key).iter().map(move |e| format!("{key} {}", line(e)))).collect();
    lines.sort_unstable();
    digest(lines)
}

/// An entry as it is hashed: single quotes with a backslash before them, as the first hashes had them.
fn line(e: &Entry) -> String {
    format!("{}: {}\n", e.key, e.value.on_a_line().replace('\'', "\\'"))
}

fn digest(lines: impl IntoIterator<Item = String>) -> String {
    let mut hasher = blake3::Hasher::new();
    lines.into_iter().for_each(|l| _ = hasher.update(l.as_bytes()));
    hasher.finalize().to_hex().to_string()
}

/// The text of a file with the hashes of what it imports, as that is now, laid out.
///
/// # Errors
/// What is wrong with the text, or with a file that it imports.
pub fn freeze(source: &Arc<Source>) -> Result<String> {
    let tree = parse(source)?;
    let mut edits: Vec<(std::ops::Range<usize>, String)> = vec![];
    if let Some(Tree { kind: Kind::List(list), .. }) = tree.get("import") {
        for one in list.iter().take(CHANGES) {
            let import = Import::read(one)?;
            let whole = library(import.file, source, &mut Files::default())?;
            let hash = import.hash_now(&whole);
            let span = one.place.span;
            match (&one.kind, import.hash) {
                (Kind::Str(_), _) => {
                    let name = source.text.get(span.start..span.end).unwrap_or_default();
                    edits.push((span.start..span.end, format!("(from: {name}, hash: {hash})")));
                }
                (_, Some(old)) => edits.push((old.place.span.start..old.place.span.end, hash)),
                (_, None) => {
                    let inside = source.text.get(span.start..span.end).unwrap_or_default().trim_end_matches(')').trim_end();
                    let comma = if inside.ends_with(',') { "" } else { "," };
                    let end = span.start + inside.len();
                    edits.push((end..end, format!("{comma} hash: {hash}")));
                }
            }
        }
    }
    let mut text = source.text.clone();
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    for (range, new) in edits {
        text.replace_range(range, &new);
    }
    format(&Source::new(source.name.clone(), text))
}
