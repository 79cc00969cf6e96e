//! `extends`: a graph made from another by changing it, as trees, before anything is given a meaning.
//!
//! A variant's own entries of `params`, `inputs`, `blocks`, `nodes` and `outputs` are added to the base's or take their place; then
//! `replace` exchanges blocks, `set` changes values at paths, and `drop` names nodes to leave out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::set::Set;
use super::tree::{Entry, Kind, Tree, parse};
use crate::text::{Code, Diagnostic, Diagnostics, Place, Result, Source, printable, suggestion};

/// Chains of `extends` may be this long.
const CHAIN: usize = 32;

/// The whole graph of a file as one tree: its bases merged, its own changes and then `sets` applied.
///
/// # Errors
/// What is wrong with a text; E0108 for a base that cannot be found or a ring; E0207 for a path that is not there.
pub fn load(source: &Arc<Source>, sets: &[Set]) -> Result<Tree> {
    let mut tree = chain(source, &mut vec![])?;
    let mut found = Diagnostics::default();
    for s in sets {
        if let Err(d) = apply(&mut tree, &s.path, &s.path_place, &s.value) {
            found.push(d);
        }
    }
    found.or(tree)
}

fn chain(source: &Arc<Source>, above: &mut Vec<PathBuf>) -> Result<Tree> {
    let mut own = parse(source)?;
    imported(&mut own, source, above)?;
    let Some(extends) = own.get("extends").cloned() else { return Ok(own) };
    let base = opened(&extends, source, above, "extend")?;
    let base = chain(&base, above)?;
    above.pop();
    merge(base, own)
}

/// Opens the file that a text names, relative to the file that names it; `above` holds the files on the way, against rings.
fn opened(tree: &Tree, source: &Arc<Source>, above: &mut Vec<PathBuf>, verb: &str) -> Result<Arc<Source>> {
    let Kind::Str(name) = &tree.kind else {
        return Err(Diagnostic::error(Code::E0104, format!("a file's name is expected, but {} is given", tree.what()))
            .at(tree.place.clone(), "here")
            .help("write `\"lightmedseg.ron\"`")
            .into());
    };
    let refuse = |why: String| Diagnostics::from(Diagnostic::error(Code::E0108, why).at(tree.place.clone(), "named here"));
    if Path::new(name).is_absolute() {
        return Err(refuse(format!("`{}` is an absolute path: a file is named relative to the one that names it", printable(name))));
    }
    let path = Path::new(&source.name).parent().unwrap_or(Path::new("")).join(name);
    let identity = |p: &Path| p.canonicalize().unwrap_or_else(|_| p.to_owned());
    above.push(identity(Path::new(&source.name)));
    if above.contains(&identity(&path)) {
        let names: Vec<_> =
            above.iter().chain([&identity(&path)]).map(|p| p.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect();
        return Err(refuse(format!("these files {verb} each other in a ring: {}", names.join(" -> "))));
    }
    if above.len() > CHAIN {
        return Err(refuse(format!("more than {CHAIN} files {verb} each other")));
    }
    Source::read(&path).map_err(|d| Diagnostic { code: Code::E0108, ..d.at(tree.place.clone(), "named here") }.into())
}

/// Adds the composites of the files that `import` lists; a name that is defined twice is refused.
fn imported(own: &mut Tree, source: &Arc<Source>, above: &mut Vec<PathBuf>) -> Result<()> {
    let Some(import) = own.get("import").cloned() else { return Ok(()) };
    let Kind::List(files) = &import.kind else {
        return Err(Diagnostic::error(Code::E0104, format!("`import` is a list of files, but {} is given", import.what()))
            .at(import.place.clone(), "here")
            .help("write `import: [\"blocks/unet.ron\"]`")
            .into());
    };
    let mut found = Diagnostics::default();
    for file in files {
        let library = opened(file, source, above, "import").and_then(|s| {
            let mut library = parse(&s)?;
            imported(&mut library, &s, above)?;
            above.pop();
            Ok(library)
        });
        let Some(library) = found.keep(library) else { continue };
        for e in library.entries().unwrap_or_default() {
            if e.key == "blocks" {
                found.keep(added(own, e));
            } else if e.key != "import" {
                let d = Diagnostic::error(Code::E0107, format!("a file that is imported defines `blocks`, not `{}`", printable(&e.key)));
                found.push(d.at(e.key_place.clone(), "here").also(file.place.clone(), "imported here"));
            }
        }
    }
    found.or(())
}

fn added(own: &mut Tree, blocks: &Entry) -> Result<()> {
    let mut found = Diagnostics::default();
    for e in blocks.value.entries().unwrap_or_default() {
        match own.get("blocks").and_then(|b| b.entries()?.iter().find(|o| o.key == e.key)) {
            // The same file may be imported by two ways.
            Some(o)
                if o.key_place == e.key_place
                    || o.key_place.source.name == e.key_place.source.name && o.key_place.span == e.key_place.span => {}
            Some(o) => found.push(
                Diagnostic::error(Code::E0103, format!("`{}` is defined twice", printable(&e.key)))
                    .at(o.key_place.clone(), "here")
                    .also(e.key_place.clone(), "and in the file that is imported")
                    .help("rename one of them"),
            ),
            None => {
                let one = Tree { kind: Kind::Map(vec![e.clone()]), place: blocks.value.place.clone() };
                found.keep(add(own, &Entry { value: one, ..blocks.clone() }));
            }
        }
    }
    found.or(())
}

fn merge(mut base: Tree, own: Tree) -> Result<Tree> {
    let mut found = Diagnostics::default();
    // What a base claims of itself is not true of its variants.
    if let Some(entries) = base.entries_mut() {
        entries.retain(|e| e.key != "claims");
    }
    let Some(entries) = own.entries() else {
        return Err(Diagnostic::error(Code::E0104, "a graph is a group of fields").at(own.place.clone(), "here").into());
    };
    for e in entries {
        match e.key.as_str() {
            "extends" | "import" | "set" | "replace" => {}
            "params" | "inputs" | "blocks" | "nodes" | "outputs" | "lints" => found.keep(add(&mut base, e)).unwrap_or_default(),
            "drop" => found.keep(add_list(&mut base, e)).unwrap_or_default(),
            _ => put(&mut base, e.clone()),
        }
    }
    if let Some(changes) = own.get("replace") {
        found.keep(replace(&mut base, changes)).unwrap_or_default();
    }
    if let Some(changes) = own.get("set") {
        match changes.entries() {
            Some(entries) => {
                for e in entries {
                    found.keep(apply(&mut base, &e.key, &e.key_place, &e.value)).unwrap_or_default();
                }
            }
            None => found.push(Diagnostic::error(Code::E0104, "`set` is a map from paths to values").at(changes.place.clone(), "here")),
        }
    }
    found.or(base)
}

fn put(tree: &mut Tree, entry: Entry) {
    let Some(entries) = tree.entries_mut() else { return };
    match entries.iter_mut().find(|e| e.key == entry.key) {
        Some(e) => *e = entry,
        None => entries.push(entry),
    }
}

/// Adds the entries of one of the variant's maps to the base's, in place of those of the same name.
fn add(base: &mut Tree, own: &Entry) -> std::result::Result<(), Diagnostic> {
    let Some(new) = own.value.entries() else {
        return Err(Diagnostic::error(Code::E0104, format!("`{}` is a map, but {} is given", own.key, own.value.what()))
            .at(own.value.place.clone(), "here"));
    };
    match base.entries_mut().and_then(|e| e.iter_mut().find(|e| e.key == own.key)) {
        Some(e) => new.iter().for_each(|n| put(&mut e.value, n.clone())),
        None => put(base, own.clone()),
    }
    Ok(())
}

fn add_list(base: &mut Tree, own: &Entry) -> std::result::Result<(), Diagnostic> {
    let Kind::List(new) = &own.value.kind else {
        return Err(Diagnostic::error(Code::E0104, "`drop` is a list of nodes")
            .at(own.value.place.clone(), "here")
            .help("write `drop: [\"lspm\"]`"));
    };
    match base.entries_mut().and_then(|e| e.iter_mut().find(|e| e.key == own.key)) {
        Some(Entry { value: Tree { kind: Kind::List(old), .. }, .. }) => old.extend(new.iter().cloned()),
        _ => put(base, own.clone()),
    }
    Ok(())
}

/// Every node of a block becomes one of another; the fields stay, those that the new block is given are added.
fn replace(base: &mut Tree, changes: &Tree) -> Result<()> {
    let mut found = Diagnostics::default();
    for e in changes.entries().unwrap_or_default() {
        let (Some(to), extra) = (e.value.name().map(str::to_owned), e.value.entries().unwrap_or_default()) else {
            found.push(
                Diagnostic::error(Code::E0104, format!("a block is expected, but {} is given", e.value.what()))
                    .at(e.value.place.clone(), "here"),
            );
            continue;
        };
        let mut names = vec![];
        let mut changed = 0;
        each_node(base, &mut |node| {
            names.extend(node.name().map(str::to_owned));
            if node.name() == Some(&e.key) {
                changed += 1;
                let old = node.entries().unwrap_or_default().to_vec();
                let added = extra.iter().filter(|x| old.iter().all(|o| o.key != x.key)).cloned();
                node.kind = Kind::Struct(Some(to.clone()), old.iter().cloned().chain(added).collect());
                node.place = e.value.place.clone();
            }
        });
        if changed == 0 {
            names.sort();
            names.dedup();
            let help = suggestion(&e.key, names.iter().map(String::as_str), "blocks in use");
            found.push(
                Diagnostic::error(Code::E0201, format!("no node uses the block `{}`", printable(&e.key)))
                    .at(e.key_place.clone(), "replaced here")
                    .help(help),
            );
        }
    }
    found.or(())
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

/// Changes the value at a path: a parameter, `node.field`, `Block.parameter` or `Block.node.field`.
fn apply(graph: &mut Tree, path: &str, place: &Place, value: &Tree) -> std::result::Result<(), Diagnostic> {
    let refuse = |what: &str, name: &str, known: Vec<String>| {
        Diagnostic::error(Code::E0207, format!("there is no {what} `{}` to set", printable(name)))
            .at(place.clone(), "set here")
            .help(suggestion(name, known.iter().map(String::as_str), what))
    };
    let parts: Vec<&str> = path.split('.').collect();
    match parts.as_slice() {
        [name] => {
            let known = keys(graph, "params");
            let slot = field(graph, "params").and_then(|p| field(p, name));
            assign(slot.ok_or_else(|| refuse("parameter", name, known))?, name, place, value)
        }
        [block, name] if field(graph, "blocks").and_then(|b| field(b, block)).is_some() => {
            let composite = field(graph, "blocks").and_then(|b| field(b, block));
            let known = composite.as_ref().map(|c| keys(c, "params")).unwrap_or_default();
            let slot = composite.and_then(|c| field(c, "params")).and_then(|p| field(p, name));
            assign(slot.ok_or_else(|| refuse("parameter", name, known))?, name, place, value)
        }
        [node, name] => set_field(graph, node, name, place, value).ok_or_else(|| refuse("node", node, keys(graph, "nodes"))),
        [block, node, name] => {
            let known = keys(graph, "blocks");
            let composite = field(graph, "blocks").and_then(|b| field(b, block)).ok_or_else(|| refuse("block", block, known))?;
            let nodes = keys(composite, "nodes");
            set_field(composite, node, name, place, value).ok_or_else(|| refuse("node", node, nodes))
        }
        _ => Err(refuse("path", path, vec![])),
    }
}

/// Gives a parameter another value of its type.
fn assign(slot: &mut Tree, name: &str, place: &Place, value: &Tree) -> std::result::Result<(), Diagnostic> {
    let refuse = |expected: &str| {
        Diagnostic::error(Code::E0207, format!("`{name}` is {expected}, but {} is given", value.what()))
            .at(place.clone(), "set here")
            .also(slot.place.clone(), "declared here")
    };
    match (&mut slot.kind, &value.kind) {
        (Kind::Tuple(Some(of), choices), new) if of == "OneOf" => {
            let word = |t: &Tree| matches!(&t.kind, Kind::Str(s) | Kind::Word(s) if matches!(new, Kind::Str(n) | Kind::Word(n) if n == s));
            match choices.iter().position(word) {
                Some(i) => choices[..=i].rotate_right(1),
                None => {
                    let all: Vec<String> = choices
                        .iter()
                        .filter_map(|t| if let Kind::Str(s) | Kind::Word(s) = &t.kind { Some(format!("`{s}`")) } else { None })
                        .collect();
                    return Err(refuse("one of some words").help(format!("choices: {}", all.join(", "))));
                }
            }
            return Ok(());
        }
        (Kind::Int(_), Kind::Int(_) | Kind::Str(_))
        | (Kind::Float(_), Kind::Float(_) | Kind::Int(_) | Kind::Str(_))
        | (Kind::Bool(_), Kind::Bool(_) | Kind::Str(_)) => {}
        (Kind::Int(_), _) => return Err(refuse("a whole number").help(format!("write `{name}=8`"))),
        (Kind::Float(_), _) => return Err(refuse("a number").help(format!("write `{name}=0.5`"))),
        (Kind::Bool(_), _) => return Err(refuse("`true` or `false`").help(format!("write `{name}=true`"))),
        _ => {}
    }
    *slot = value.clone();
    Ok(())
}

fn set_field(graph: &mut Tree, node: &str, name: &str, place: &Place, value: &Tree) -> Option<()> {
    let node = field(graph, "nodes").and_then(|n| field(n, node))?;
    put(node, Entry { key: name.to_owned(), key_place: place.clone(), value: value.clone() });
    Some(())
}

fn field<'t>(tree: &'t mut Tree, key: &str) -> Option<&'t mut Tree> {
    tree.entries_mut()?.iter_mut().find(|e| e.key == key).map(|e| &mut e.value)
}

fn keys(tree: &Tree, key: &str) -> Vec<String> {
    tree.get(key).and_then(Tree::entries).unwrap_or_default().iter().map(|e| e.key.clone()).collect()
}
