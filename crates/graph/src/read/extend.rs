//! `extends`: a graph made from another by changing it, as trees, before anything is given a meaning.
//!
//! A variant's own entries of `params`, `inputs`, `blocks`, `nodes` and `outputs` are added to the base's or take their place; then
//! `replace` exchanges blocks, `set` changes values at paths, and `drop` names nodes to leave out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::budget::{CHANGES, at_most};
use super::change::{apply, turn};
use super::import::imported;
use super::kind::{Wanted, parsed_as};
use super::set::Set;
use super::tree::{Entry, Kind, Tree};
use crate::block;
use crate::text::{Code, Diagnostic, Diagnostics, Result, Source, printable, suggestion};

/// Chains of `extends` may be this long.
const CHAIN: usize = 32;

/// The files that a graph extends and imports have at most so many bytes together.
const BYTES: usize = 16 << 20;

/// The whole graph of a file as one tree: its bases merged, its own changes and then `sets` applied.
///
/// # Errors
/// What is wrong with a text; E0108 for a base that cannot be found or a ring; E0110 for a file of another kind; E0207 for a path that is
/// not there.
pub fn load(source: &Arc<Source>, sets: &[Set]) -> Result<Tree> {
    let l = loaded(source, sets)?;
    l.found.or(l.tree)
}

/// A graph as far as its files could be read.
pub struct Loaded {
    /// Without the changes that are wrong.
    pub tree: Tree,
    pub found: Diagnostics,
    /// Whether all imported files could be read.
    pub imported: bool,
}

/// As [`load`], and what is left where something is wrong.
///
/// # Errors
/// What leaves no graph at all: a text that is not RON or another kind of file, a base that cannot be read.
pub fn loaded(source: &Arc<Source>, sets: &[Set]) -> Result<Loaded> {
    let mut all = chain(source, &mut Files::default(), Wanted::Graph)?;
    for s in sets {
        all.found.keep(apply(&mut all.tree, &s.path, &s.path_place, &s.value));
    }
    Ok(all)
}

/// A file that only defines `blocks`, with what it imports, as far as its files could be read, as a graph without nodes.
///
/// # Errors
/// As [`loaded`].
pub fn blocks(source: &Arc<Source>) -> Result<Loaded> {
    chain(source, &mut Files::default(), Wanted::Blocks).map(without_nodes)
}

/// A graph, or a file that only defines `blocks` as a graph without nodes.
///
/// # Errors
/// As [`load`].
pub fn defining(source: &Arc<Source>) -> Result<Tree> {
    let blocks = |tree: &Tree| GRAPH.iter().all(|key| tree.get(key).is_none());
    let l = chain(source, &mut Files::default(), Wanted::Base)?;
    let l = if blocks(&l.tree) { without_nodes(l) } else { l };
    l.found.or(l.tree)
}

/// What a graph has beside its blocks.
const GRAPH: [&str; 3] = ["inputs", "nodes", "outputs"];

fn without_nodes(mut l: Loaded) -> Loaded {
    let place = l.tree.place.clone();
    for key in GRAPH {
        let value = Tree { kind: Kind::Map(vec![]), place: place.clone() };
        put(&mut l.tree, Entry { key: key.into(), key_place: place.clone(), value });
    }
    l
}

/// The files that a graph's text extends and imports, as far as they can be read.
pub fn files(source: &Arc<Source>) -> Vec<PathBuf> {
    let mut files = Files::default();
    // What is wrong with them is said by whoever reads the graph.
    let _ = chain(source, &mut files, Wanted::Graph);
    files.opened
}

/// The files of one graph.
#[derive(Default)]
pub(super) struct Files {
    /// All that were opened.
    opened: Vec<PathBuf>,
    /// Those on the way to the one that is being read, against rings.
    above: Vec<PathBuf>,
    /// Bytes of all that were opened.
    bytes: usize,
    /// Libraries that have been read, with what they import.
    libraries: HashMap<PathBuf, Arc<Tree>>,
}

fn chain(source: &Arc<Source>, files: &mut Files, wanted: Wanted) -> Result<Loaded> {
    let (mut tree, mut found) = parsed_as(source, wanted)?;
    let imported = imported(&mut tree, source, files, &mut found);
    let Some(extends) = tree.get("extends").cloned() else {
        let set = tree.entries().unwrap_or_default().iter().find(|e| e.key == "set").map(|e| e.value.clone());
        if let (Some(set), Some(entries)) = (set, tree.entries_mut()) {
            entries.retain(|e| e.key != "set");
            set_all(&mut tree, &set, &mut found);
        }
        return Ok(Loaded { tree, found, imported });
    };
    let base = inside(source, files, |files| {
        let base = opened(&extends, source, files, "extend")?;
        chain(&base, files, Wanted::Base).map_err(|d| named_at(d, &extends))
    });
    match base {
        Ok(mut base) => {
            let tree = merge(base.tree, tree, &mut found);
            base.found.0.append(&mut found.0);
            Ok(Loaded { tree, found: base.found, imported: imported && base.imported })
        }
        Err(base) => {
            found.0.extend(base.0);
            Err(found)
        }
    }
}

/// Where a file is named that is of another kind than it should be.
fn named_at(mut found: Diagnostics, tree: &Tree) -> Diagnostics {
    for d in found.0.iter_mut().filter(|d| d.code == Code::E0110 && d.labels.len() == 1) {
        *d = d.clone().also(tree.place.clone(), "named here");
    }
    found
}

/// Runs `read` with the file on the way.
fn inside<T>(source: &Source, files: &mut Files, read: impl FnOnce(&mut Files) -> T) -> T {
    files.above.push(identity(Path::new(&source.name)));
    let result = read(files);
    files.above.pop();
    result
}

/// The same for all names of a file.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Where the file is that a text names, relative to the file that names it.
fn named(name: &str, source: &Source) -> PathBuf {
    Path::new(&source.name).parent().unwrap_or(Path::new("")).join(name)
}

/// Opens the file that a text names.
fn opened(tree: &Tree, source: &Arc<Source>, files: &mut Files, verb: &str) -> Result<Arc<Source>> {
    let Kind::Str(name) = &tree.kind else {
        return Err(Diagnostic::error(Code::E0104, format!("a file's name is expected, but {} is given", tree.what()))
            .at(tree.place.clone(), "here")
            .help("write `\"lightmedseg.ron\"`")
            .echo(tree.kind == Kind::Fault)
            .into());
    };
    let refuse =
        |why: String, help: &str| Diagnostics::from(Diagnostic::error(Code::E0108, why).at(tree.place.clone(), "named here").help(help));
    if Path::new(name).is_absolute() {
        return Err(refuse(
            format!("`{}` is an absolute path: a file is named relative to the one that names it", printable(name)),
            "write the path from the folder of this file, so that both can be moved together",
        ));
    }
    let path = named(name, source);
    if files.above.contains(&identity(&path)) {
        let names: Vec<_> = files
            .above
            .iter()
            .chain([&identity(&path)])
            .map(|p| p.file_name().unwrap_or_default().to_string_lossy().into_owned())
            .collect();
        let help = "let one of them stand alone: take out its line that names the next";
        return Err(refuse(format!("these files {verb} each other in a ring: {}", names.join(" -> ")), help));
    }
    if files.above.len() > CHAIN {
        return Err(refuse(format!("more than {CHAIN} files {verb} each other"), "put some of them together"));
    }
    let file = Source::read(&path).map_err(|d| Diagnostic { code: Code::E0108, ..d.at(tree.place.clone(), "named here") })?;
    files.opened.push(path);
    files.bytes += file.text.len();
    at_most(BYTES, files.bytes, "bytes in the files of one graph", &tree.place)?;
    Ok(file)
}

/// A file whose composites are imported, with what it extends and imports itself; read once, however many files import it.
pub(super) fn library(file: &Tree, source: &Arc<Source>, files: &mut Files) -> Result<Arc<Tree>> {
    let known = if let Kind::Str(name) = &file.kind { Some(identity(&named(name, source))) } else { None };
    if let Some(known) = known.as_ref().and_then(|path| files.libraries.get(path)) {
        return Ok(known.clone());
    }
    let Loaded { tree, found, .. } = inside(source, files, |files| {
        let text = opened(file, source, files, "import")?;
        chain(&text, files, Wanted::Base).map_err(|d| named_at(d, file))
    })?;
    let tree = Arc::new(found.or(tree)?);
    files.libraries.extend(known.map(|path| (path, tree.clone())));
    Ok(tree)
}

/// The base with a variant's changes, those left out that are wrong.
fn merge(mut base: Tree, own: Tree, found: &mut Diagnostics) -> Tree {
    // What a base claims of itself is not true of its variants.
    if let Some(entries) = base.entries_mut() {
        entries.retain(|e| e.key != "claims");
    }
    over(&mut base, &own);
    for e in own.entries().unwrap_or_default() {
        match e.key.as_str() {
            "extends" | "import" | "set" | "replace" => {}
            "params" | "inputs" | "blocks" | "nodes" | "outputs" | "lints" => found.keep(add(&mut base, e)).unwrap_or_default(),
            "drop" | "over" => found.keep(add_list(&mut base, e)).unwrap_or_default(),
            _ => put(&mut base, e.clone()),
        }
    }
    if let Some(changes) = own.get("replace") {
        replace(&mut base, changes, found);
    }
    if let Some(changes) = own.get("set") {
        set_all(&mut base, changes, found);
    }
    base
}

/// Notes which nodes of a variant take the place of a turn of the base's loops: those that have the name of one.
fn over(base: &mut Tree, own: &Tree) {
    let new = own.get("nodes").and_then(Tree::entries).unwrap_or_default();
    let new = new.iter().filter(|e| base.get("nodes").is_none_or(|n| n.get(&e.key).is_none()) && turn(base, &e.key));
    let names: Vec<Tree> = new.map(|e| Tree { kind: Kind::Str(e.key.clone()), place: e.key_place.clone() }).collect();
    if let Some(first) = names.first() {
        let (key_place, place) = (first.place.clone(), first.place.clone());
        let all = Entry { key: "over".into(), key_place, value: Tree { kind: Kind::List(names), place } };
        // It is a list, so that adding it cannot fail.
        let _ = add_list(base, &all);
    }
}

/// Applies the changes of a map from paths to values.
fn set_all(tree: &mut Tree, changes: &Tree, found: &mut Diagnostics) {
    match changes.entries() {
        Some(entries) => {
            found.keep(at_most(CHANGES, entries.len(), "changes in `set`", &changes.place));
            for e in entries.iter().take(CHANGES) {
                found.keep(apply(tree, &e.key, &e.key_place, &e.value)).unwrap_or_default();
            }
        }
        None => found.push(
            Diagnostic::error(Code::E0104, "`set` is a map from paths to values")
                .at(changes.place.clone(), "here")
                .help("write `set: { \"width\": 16 }`"),
        ),
    }
}

pub(super) fn put(tree: &mut Tree, entry: Entry) {
    let Some(entries) = tree.entries_mut() else { return };
    match entries.iter_mut().find(|e| e.key == entry.key) {
        Some(e) => *e = entry,
        None => entries.push(entry),
    }
}

/// Adds the entries of one of the variant's maps to the base's, in place of those of the same name.
pub(super) fn add(base: &mut Tree, own: &Entry) -> std::result::Result<(), Diagnostic> {
    let Some(new) = own.value.entries() else {
        return Err(Diagnostic::error(Code::E0104, format!("`{}` is a map, but {} is given", own.key, own.value.what()))
            .at(own.value.place.clone(), "here")
            .help(format!("write `{}: {{ \"name\": ... }}`", own.key)));
    };
    match base.entries_mut().and_then(|e| e.iter_mut().find(|e| e.key == own.key)) {
        // Where the base has no map here, that is told when the graph is read.
        Some(e) => {
            if let Some(entries) = e.value.entries_mut() {
                let mut at: HashMap<String, usize> = entries.iter().enumerate().map(|(i, e)| (e.key.clone(), i)).collect();
                for n in new {
                    match at.get(&n.key) {
                        Some(i) => entries[*i] = n.clone(),
                        None => {
                            at.insert(n.key.clone(), entries.len());
                            entries.push(n.clone());
                        }
                    }
                }
            }
        }
        None => put(base, own.clone()),
    }
    Ok(())
}

fn add_list(base: &mut Tree, own: &Entry) -> std::result::Result<(), Diagnostic> {
    let Kind::List(new) = &own.value.kind else {
        return Err(Diagnostic::error(Code::E0104, format!("`{}` is a list of nodes", own.key))
            .at(own.value.place.clone(), "here")
            .help(format!("write `{}: [\"lspm\"]`", own.key)));
    };
    match base.entries_mut().and_then(|e| e.iter_mut().find(|e| e.key == own.key)) {
        Some(Entry { value: Tree { kind: Kind::List(old), .. }, .. }) => old.extend(new.iter().cloned()),
        _ => put(base, own.clone()),
    }
    Ok(())
}

/// Every node of a block becomes one of another; the fields stay, those that the new block is given are added.
fn replace(base: &mut Tree, changes: &Tree, found: &mut Diagnostics) {
    let Some(all) = changes.entries() else {
        let d = Diagnostic::error(Code::E0104, format!("`replace` is a map from blocks to blocks, but {} is given", changes.what()));
        found.push(d.at(changes.place.clone(), "here").help("write `replace: { \"GhostConv3D\": Conv(bias: false) }`"));
        return;
    };
    found.keep(at_most(CHANGES, all.len(), "blocks to replace", &changes.place));
    for e in all.iter().take(CHANGES) {
        let (Some(to), extra) = (e.value.name().map(str::to_owned), e.value.entries().unwrap_or_default()) else {
            found.push(
                Diagnostic::error(Code::E0104, format!("a block is expected, but {} is given", e.value.what()))
                    .at(e.value.place.clone(), "here")
                    .help("write `replace: { \"GhostConv3D\": Conv(bias: false) }`"),
            );
            continue;
        };
        let mut changed = 0;
        each_node(base, &mut |node| {
            if node.name().map(block::Entry::current) == Some(block::Entry::current(&e.key)) {
                changed += 1;
                let old = node.entries().unwrap_or_default().to_vec();
                let added = extra.iter().filter(|x| old.iter().all(|o| o.key != x.key)).cloned();
                node.kind = Kind::Struct(Some(to.clone()), old.iter().cloned().chain(added).collect());
                node.place = e.value.place.clone();
            }
        });
        if changed == 0 {
            let mut names = std::collections::BTreeSet::new();
            each_node(base, &mut |node| names.extend(node.name().map(str::to_owned)));
            let help = suggestion(&e.key, names.iter().map(String::as_str), "blocks in use");
            found.push(
                Diagnostic::error(Code::E0201, format!("no node uses the block `{}`", printable(&e.key)))
                    .at(e.key_place.clone(), "replaced here")
                    .help(help),
            );
        }
    }
}

fn each_node(graph: &mut Tree, f: &mut dyn FnMut(&mut Tree)) {
    let Some(entries) = graph.entries_mut() else { return };
    for e in entries {
        match e.key.as_str() {
            "nodes" => e.value.entries_mut().into_iter().flatten().for_each(|n| f(&mut n.value)),
            "blocks" => e.value.entries_mut().into_iter().flatten().for_each(|b| each_node(&mut b.value, f)),
            _ => {}
        }
    }
}
