//! Typed configs from RON, changed by `--set`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::de;
use super::kind::{Wanted, parsed_as};
use super::scope::Scope;
use super::set::Set;
use super::tree::{Entry, Kind, Tree, parse};
use crate::text::{Code, Diagnostic, Diagnostics, Result, Source};

/// Values of a config that go together, by one name: the text of a config with some of the fields.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    pub name: &'static str,
    pub text: &'static str,
}

/// Presets of which a field of a config may name one: what is written nowhere in the config, nor changed, has the preset's value. Fields within
/// groups of fields count one by one.
#[derive(Clone, Copy, Debug)]
pub struct Presets {
    /// The field that names one.
    pub field: &'static str,
    pub all: &'static [Preset],
    /// Says of a dotted field of the preset whether it goes with the config, by the names of the config's own fields.
    pub fits: fn(&str, &[&str]) -> bool,
}

/// Reads a run config: the file's text, then each change at its dotted path (`data.root=/volumes`; `spacing=None` leaves an optional field empty),
/// then what the preset that it names says of the rest.
///
/// # Errors
/// Everything that is wrong with the text or a value, each at its place; E0110 where the file is a graph or something else.
pub fn config<T: DeserializeOwned>(source: &Arc<Source>, sets: &[Set], presets: &Presets) -> Result<T> {
    let (tree, mut found) = changed(source, sets, presets)?;
    let config = found.keep(de::read(&tree, &Scope::nameless()));
    let found = found.without_echoes();
    match config {
        Some(config) => found.or(config),
        None => Err(found),
    }
}

/// The dotted paths of the fields that a config's text, its changes and the preset that it names have, of nested ones and of what holds them.
///
/// # Errors
/// As [`config`], of the text.
pub fn config_fields(source: &Arc<Source>, sets: &[Set], presets: &Presets) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    let (tree, found) = changed(source, sets, presets)?;
    found.or(())?;
    let mut open = vec![(String::new(), tree)];
    while let Some((path, tree)) = open.pop() {
        for entry in tree.entries().unwrap_or_default() {
            let path = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
            all.insert(path.clone());
            open.push((path, entry.value.clone()));
        }
    }
    Ok(all)
}

/// Adds what `tree` lacks of `base`, field by field.
fn fill(tree: &mut Tree, base: &Tree, path: &str, fits: &impl Fn(&str) -> bool) {
    // A choice by name is one value, with its fields.
    if tree.name().is_some() || base.name().is_some() {
        return;
    }
    let (Some(own), Some(entries)) = (tree.entries_mut(), base.entries()) else { return };
    for entry in entries {
        let path = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
        match own.iter_mut().find(|e| e.key == entry.key) {
            Some(e) => fill(&mut e.value, &entry.value, &path, fits),
            None if fits(&path) => {
                let mut new = Tree { kind: Kind::Struct(None, vec![]), place: entry.value.place.clone() };
                match entry.value.kind {
                    Kind::Struct(None, _) => fill(&mut new, &entry.value, &path, fits),
                    _ => new = entry.value.clone(),
                }
                own.push(Entry { key: entry.key.clone(), key_place: entry.key_place.clone(), value: new });
            }
            None => {}
        }
    }
}

/// The tree of a text after its changes, filled up by the preset that it names; and what is wrong with the changes.
///
/// # Errors
/// As [`config`], of the text.
fn changed(source: &Arc<Source>, sets: &[Set], presets: &Presets) -> Result<(Tree, Diagnostics)> {
    let (mut tree, mut found) = parsed_as(source, Wanted::Config)?;
    for set in sets {
        if let Err(d) = change(&mut tree, set) {
            found.push(d);
        }
    }
    let named = tree.get(presets.field).and_then(|value| match &value.kind {
        Kind::Word(name) | Kind::Str(name) => presets.all.iter().find(|p| p.name == name),
        _ => None,
    });
    if let Some(preset) = named {
        let base = parse(&Source::new(format!("{} {}", presets.field, preset.name), preset.text))?;
        let whole = tree.clone();
        let own: Vec<&str> = whole.entries().unwrap_or_default().iter().map(|e| e.key.as_str()).collect();
        fill(&mut tree, &base, "", &|path| (presets.fits)(path, &own));
    }
    Ok((tree, found))
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
