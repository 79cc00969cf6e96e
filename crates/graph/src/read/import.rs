//! `import`: composites of other files.
//!
//! `"parts/common.ron"` takes all of them; `(from: "unet.ron", only: ["Up"], rename: { "Up": "UnetUp" }, set: { "width": "width" }, hash:
//! { "Up": "b3:9f2c41d0" })` some, under other names, with other values of that file's parameters, and only as they were frozen. A composite sees
//! the parameters of its own file: those that it uses become parameters of its own, with the file's values as defaults.
//!
//! May use `extend`, `change`, `expr`, `tree`, `budget` beside it and `text`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::budget::{CHANGES, at_most};
use super::change::{among, apply};
use super::expr::names;
use super::extend::{Files, add, library};
use super::fmt::same;
use super::freeze::hash_of;
use super::parameter::uses;
use super::tree::{Entry, Kind, Tree};
use crate::text::{Code, Diagnostic, Diagnostics, Place, Result, Source, printable, suggestion};

/// The fields of an import.
const FIELDS: &[&str] = &["from", "only", "rename", "set", "hash"];

/// Adds the composites that `import` lists; a name that is defined twice is refused. Whether all could be read.
pub(super) fn imported(own: &mut Tree, source: &Arc<Source>, files: &mut Files, found: &mut Diagnostics) -> bool {
    let Some(import) = own.get("import").cloned() else { return true };
    let Kind::List(list) = &import.kind else {
        let d = Diagnostic::error(Code::E0104, format!("`import` is a list of files, but {} is given", import.what()));
        found.push(d.at(import.place.clone(), "here").help("write `import: [\"blocks/unet.ron\"]`").echo(import.kind == Kind::Fault));
        return false;
    };
    found.keep(at_most(CHANGES, list.len(), "files to import", &import.place));
    let mut all = list.len() <= CHANGES;
    for one in list.iter().take(CHANGES) {
        let taken = Import::read(one).and_then(|import| Ok((import.taken(source, files)?, import.name())));
        match found.keep(taken) {
            Some((blocks, from)) => found.keep(added(own, blocks, &from)).unwrap_or_default(),
            None => all = false,
        }
    }
    all
}

/// One entry of `import`.
pub(super) struct Import<'t> {
    pub file: &'t Tree,
    place: &'t Place,
    pub only: Option<Vec<&'t Tree>>,
    rename: &'t [Entry],
    set: &'t [Entry],
    pub hash: Option<&'t Tree>,
}

impl<'t> Import<'t> {
    pub fn read(tree: &'t Tree) -> Result<Self> {
        let plain = Self { file: tree, place: &tree.place, only: None, rename: &[], set: &[], hash: None };
        let Kind::Struct(None, entries) = &tree.kind else { return Ok(plain) };
        let mut found = Diagnostics::default();
        let wrong = |t: &Tree, expected: &str, help: &str| {
            let d = Diagnostic::error(Code::E0104, format!("{expected} is expected, but {} is given", t.what()));
            d.at(t.place.clone(), "here").help(help).echo(t.kind == Kind::Fault)
        };
        for e in entries.iter().filter(|e| !FIELDS.contains(&e.key.as_str())) {
            let d = Diagnostic::error(Code::E0107, format!("there is no field `{}` in an import", printable(&e.key)));
            found.push(d.at(e.key_place.clone(), "here").help(suggestion(&e.key, FIELDS.iter().copied(), "fields")));
        }
        let mut map = |key: &str, help: &str| match tree.get(key) {
            None => &[][..],
            Some(t) => t.entries().unwrap_or_else(|| {
                found.push(wrong(t, "a map", help));
                &[]
            }),
        };
        let rename = map("rename", "write `rename: { \"Up\": \"UnetUp\" }`");
        let set = map("set", "write `set: { \"width\": 16 }`");
        let only = match tree.get("only") {
            Some(Tree { kind: Kind::List(items), .. }) => Some(items.iter().collect()),
            Some(t) => {
                found.push(wrong(t, "a list of composites", "write `only: [\"Up\"]`"));
                None
            }
            None => None,
        };
        let hash = tree.get("hash");
        let each = hash.map_or(&[][..], |t| t.entries().unwrap_or_default()).iter().map(|e| &e.value);
        for t in hash.filter(|t| t.entries().is_none()).into_iter().chain(each).filter(|t| hash_of(t).is_none()) {
            found.push(wrong(t, "a hash, \"b3:\" and 8 digits or more,", "take `hash` out, and let `lmsc fmt --freeze` write it"));
        }
        let Some(file) = tree.get("from") else {
            let d = Diagnostic::error(Code::E0106, "the import does not say from which file").at(tree.place.clone(), "here");
            found.push(d.help("add `from: \"parts/common.ron\"`"));
            return Err(found);
        };
        found.or(Self { file, only, rename, set, hash, ..plain })
    }

    /// The file as it is written.
    pub fn name(&self) -> String {
        if let Kind::Str(name) = &self.file.kind { name.clone() } else { String::new() }
    }

    /// The composites that it takes, under their new names.
    fn taken(&self, source: &Arc<Source>, files: &mut Files) -> Result<Vec<Entry>> {
        let whole = library(self.file, source, files)?;
        let mut found = Diagnostics::default();
        self.frozen(&whole, &mut found);
        let mut own = (*whole).clone();
        found.keep(self.unchanged(&own));
        for e in self.set {
            found.keep(apply(&mut own, &e.key, &e.key_place, &e.value));
        }
        let mut all = closed(&own, self.set);
        if let Some(only) = &self.only {
            let listed = only.iter().filter_map(|t| self.listed(t, &all, &mut found)).collect();
            all = used_by(all, listed);
        }
        let mut new: HashMap<String, String> = HashMap::new();
        for e in self.rename {
            let to = if let Kind::Str(to) = &e.value.kind { Some(to.clone()) } else { None };
            let key = Tree { kind: Kind::Str(e.key.clone()), place: e.key_place.clone() };
            match (self.listed(&key, &all, &mut found), to) {
                (Some(from), Some(to)) => _ = new.insert(from, to),
                (_, None) => {
                    let d = Diagnostic::error(Code::E0104, format!("a name in quotes is expected, but {} is given", e.value.what()));
                    found.push(d.at(e.value.place.clone(), "here").help("write `rename: { \"Up\": \"UnetUp\" }`"));
                }
                _ => {}
            }
        }
        if !new.is_empty() {
            all.iter_mut().for_each(|e| renamed(e, &new));
        }
        found.or(all)
    }

    /// Refuses a file that changes nodes of its composites when they open, as that is not part of them.
    fn unchanged(&self, whole: &Tree) -> std::result::Result<(), Diagnostic> {
        let drops =
            whole.get("drop").map_or(&[][..], |t| if let Kind::List(items) = &t.kind { items.as_slice() } else { std::slice::from_ref(t) });
        let drops = drops.iter().filter_map(|t| if let Kind::Str(s) = &t.kind { Some((s.as_str(), &t.place)) } else { None });
        let sets = among(whole, "set").iter().map(|e| (e.key.as_str(), &e.key_place));
        let of_block = |path: &str| path.split_once('.').is_some_and(|(block, _)| among(whole, "blocks").iter().any(|b| b.key == block));
        match drops.chain(sets).find(|(path, _)| of_block(path)) {
            None => Ok(()),
            Some((path, place)) => {
                let message =
                    format!("`{}` changes a node of a composite, `{}`, which an import does not take", printable(&self.name()), path);
                let d = Diagnostic::error(Code::E0104, message).at(self.place.clone(), "imported here").also(place.clone(), "changed here");
                Err(d.help("import the file that it extends, or write the composite out in it"))
            }
        }
    }

    /// The name of a composite that the file has.
    pub fn listed(&self, tree: &Tree, all: &[Entry], found: &mut Diagnostics) -> Option<String> {
        let Kind::Str(name) = &tree.kind else {
            let d = Diagnostic::error(Code::E0104, format!("a name in quotes is expected, but {} is given", tree.what()));
            found.push(d.at(tree.place.clone(), "here").help("write `only: [\"Up\"]`"));
            return None;
        };
        if all.iter().any(|e| e.key == *name) {
            return Some(name.clone());
        }
        let message = format!("`{}` defines no block `{}`", printable(&self.name()), printable(name));
        let d = Diagnostic::error(Code::E0201, message).at(tree.place.clone(), "named here").also(self.place.clone(), "in this import");
        found.push(d.help(suggestion(name, all.iter().map(|e| e.key.as_str()), "blocks")));
        None
    }
}

/// Every text and name of a value.
fn each_word<'t>(tree: &'t Tree, f: &mut dyn FnMut(&'t str)) {
    match &tree.kind {
        Kind::Str(s) | Kind::Word(s) => f(s),
        Kind::List(items) => items.iter().for_each(|t| each_word(t, f)),
        Kind::Tuple(name, items) => {
            name.iter().for_each(|n| f(n));
            items.iter().for_each(|t| each_word(t, f));
        }
        Kind::Struct(name, entries) => {
            name.iter().for_each(|n| f(n));
            entries.iter().for_each(|e| each_entry(e, f));
        }
        Kind::Map(entries) => entries.iter().for_each(|e| each_entry(e, f)),
        _ => {}
    }
}

fn each_entry<'t>(e: &'t Entry, f: &mut dyn FnMut(&'t str)) {
    f(&e.key);
    each_word(&e.value, f);
}

/// The composites of a file, each with those of the file's parameters that it uses as its own. Values that are `set` come first: they are of
/// the file that imports.
pub(super) fn closed(whole: &Tree, set: &[Entry]) -> Vec<Entry> {
    let params = among(whole, "params");
    let is_set = |name: &str| set.iter().any(|s| s.key == name || s.key.starts_with(&format!("{name}[")));
    let mut all = among(whole, "blocks").to_vec();
    for e in &mut all {
        let mut words: HashSet<&str> = HashSet::new();
        each_word(&e.value, &mut |text| words.extend(names(text)));
        let own = |key: &str| e.value.get(key).and_then(Tree::entries).unwrap_or_default().iter().map(|e| e.key.as_str());
        let inputs = e.value.get("inputs").into_iter().flat_map(|t| if let Kind::List(items) = &t.kind { items.as_slice() } else { &[] });
        let inputs = inputs.filter_map(|t| if let Kind::Str(s) = &t.kind { Some(s.trim_end_matches(['?', '[', ']'])) } else { None });
        let taken: HashSet<&str> = own("params").chain(own("nodes")).chain(inputs).collect();
        let mut needed: Vec<&Entry> = params.iter().filter(|p| words.contains(p.key.as_str()) && !taken.contains(p.key.as_str())).collect();
        // What their values use, unless they are the importer's.
        let mut i = 0;
        while i < needed.len() {
            if !is_set(&needed[i].key) {
                let more = uses(&needed[i].value);
                let more = params.iter().filter(|p| more.contains(&p.key.as_str()) && needed.iter().all(|n| n.key != p.key));
                let more: Vec<&Entry> = more.collect();
                needed.extend(more);
            }
            i += 1;
        }
        let (mut waiting, mut ordered): (Vec<&Entry>, Vec<Entry>) = (vec![], vec![]);
        for p in needed {
            if is_set(&p.key) { ordered.push(p.clone()) } else { waiting.push(p) }
        }
        while !waiting.is_empty() {
            let ready = waiting.iter().position(|p| uses(&p.value).iter().all(|u| waiting.iter().all(|w| w.key != *u || w.key == p.key)));
            // Those that use each other are told where they are read.
            ordered.push(waiting.remove(ready.unwrap_or(0)).clone());
        }
        if ordered.is_empty() {
            continue;
        }
        let place = e.value.place.clone();
        let Some(entries) = e.value.entries_mut() else { continue };
        match entries.iter_mut().find(|f| f.key == "params") {
            Some(own) => {
                if let Some(own) = own.value.entries_mut() {
                    own.splice(0..0, ordered);
                }
            }
            None => {
                let value = Tree { kind: Kind::Map(ordered), place: place.clone() };
                entries.insert(0, Entry { key: "params".into(), key_place: place, value });
            }
        }
    }
    all
}

/// Those of the composites that are listed, with those that they use.
pub(super) fn used_by(all: Vec<Entry>, listed: Vec<String>) -> Vec<Entry> {
    let mut kept: HashSet<String> = HashSet::new();
    let mut open = listed;
    while let Some(name) = open.pop() {
        let Some(e) = all.iter().find(|e| e.key == name) else { continue };
        if kept.insert(name) {
            each_word(&e.value, &mut |text| open.extend(names(text).filter(|n| all.iter().any(|e| e.key == *n)).map(str::to_owned)));
        }
    }
    all.into_iter().filter(|e| kept.contains(&e.key)).collect()
}

/// Gives composites their new names, where they are defined and where they are used.
fn renamed(e: &mut Entry, new: &HashMap<String, String>) {
    fn inside(t: &mut Tree, new: &HashMap<String, String>) {
        let change = |name: &mut String| {
            if let Some(to) = new.get(name.as_str()) {
                to.clone_into(name);
            }
        };
        match &mut t.kind {
            Kind::Word(name) => change(name),
            // A word of an expression.
            Kind::Str(s) if s.contains('\'') => new.iter().for_each(|(from, to)| *s = s.replace(&format!("'{from}'"), &format!("'{to}'"))),
            Kind::List(items) => items.iter_mut().for_each(|t| inside(t, new)),
            Kind::Tuple(name, items) => {
                name.iter_mut().for_each(change);
                items.iter_mut().for_each(|t| inside(t, new));
            }
            Kind::Struct(name, entries) => {
                name.iter_mut().for_each(change);
                entries.iter_mut().for_each(|e| inside(&mut e.value, new));
            }
            Kind::Map(entries) => entries.iter_mut().for_each(|e| inside(&mut e.value, new)),
            _ => {}
        }
    }
    if let Some(to) = new.get(&e.key) {
        to.clone_into(&mut e.key);
    }
    inside(&mut e.value, new);
}

/// Adds composites to those of a file.
fn added(own: &mut Tree, blocks: Vec<Entry>, from: &str) -> Result<()> {
    let mut found = Diagnostics::default();
    let there: HashMap<&str, &Entry> = among(own, "blocks").iter().map(|o| (o.key.as_str(), o)).collect();
    let mut new = vec![];
    for e in blocks {
        match there.get(e.key.as_str()) {
            // The same file may be imported by two ways.
            Some(o) if same_place(&o.key_place, &e.key_place) && same(&o.value, &e.value) => {}
            Some(o) => {
                let name = printable(&e.key);
                let d = Diagnostic::error(Code::E0103, format!("`{name}` is defined twice")).at(o.key_place.clone(), "here");
                let d = d.also(e.key_place.clone(), "and in the file that is imported");
                found.push(d.help(format!("rename one of them: (from: \"{}\", rename: {{ \"{name}\": \"{name}2\" }})", printable(from))));
            }
            None => new.push(e),
        }
    }
    if let Some(first) = new.first() {
        let (key_place, place) = (first.key_place.clone(), first.value.place.clone());
        let all = Entry { key: "blocks".into(), key_place, value: Tree { kind: Kind::Map(new), place } };
        found.keep(add(own, &all));
    }
    found.or(())
}

fn same_place(a: &Place, b: &Place) -> bool {
    a.source.name == b.source.name && a.span == b.span
}
