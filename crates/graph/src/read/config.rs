//! Typed configs from RON, changed by `--set`.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::de;
use super::set::Set;
use super::tree::{Entry, Kind, Tree, parse};
use super::value::Scope;
use crate::text::{Code, Diagnostic, Diagnostics, Result, Source};

/// Reads a config: the file's text, then each change at its dotted path (`data.root=/volumes`).
///
/// # Errors
/// What is wrong with the text or a value, at its place.
pub fn config<T: DeserializeOwned>(source: &Arc<Source>, sets: &[Set]) -> Result<T> {
    let mut tree = parse(source)?;
    let mut found = Diagnostics::default();
    for set in sets {
        if let Err(d) = change(&mut tree, set) {
            found.push(d);
        }
    }
    found.or(())?;
    de::read(&tree, &Scope::new()).map_err(Diagnostics::from)
}

/// Sets a value at a dotted path, adding fields that are not written in the file.
fn change(tree: &mut Tree, set: &Set) -> std::result::Result<(), Diagnostic> {
    let mut at = tree;
    let parts: Vec<&str> = set.path.split('.').collect();
    let Some((last, parents)) = parts.split_last() else { return Ok(()) };
    for part in parents {
        at = entry(at, part, set, || Tree { kind: Kind::Struct(None, vec![]), place: set.path_place.clone() })?;
    }
    *entry(at, last, set, || set.value.clone())? = set.value.clone();
    Ok(())
}

fn entry<'t>(tree: &'t mut Tree, key: &str, set: &Set, new: impl FnOnce() -> Tree) -> std::result::Result<&'t mut Tree, Diagnostic> {
    let what = tree.what();
    let place = tree.place.clone();
    if let Kind::Word(w) = &tree.kind {
        tree.kind = Kind::Struct(Some(w.clone()), vec![]);
    }
    let Some(entries) = tree.entries_mut() else {
        return Err(Diagnostic::error(Code::E0207, format!("`{}` cannot be set: {what} has no fields", set.path))
            .at(set.path_place.clone(), "set here")
            .also(place, "this is what stands there")
            .help("set the whole value, or a field of something that has fields"));
    };
    let i = match entries.iter().position(|e| e.key == key) {
        Some(i) => i,
        None => {
            entries.push(Entry { key: key.to_owned(), key_place: set.path_place.clone(), value: new() });
            entries.len() - 1
        }
    };
    Ok(&mut entries[i].value)
}
