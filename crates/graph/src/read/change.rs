//! `set`: the value at a path of a graph's tree gets another.
//!
//! May use `parameter`, `value`, `words`, `tree` beside it and `text`.

use std::collections::HashSet;
use std::sync::Arc;

use super::expr::is_name;
use super::extend::put;
use super::parameter::{choices, class, misfit};
use super::set::COMMAND_LINE;
use super::sweep::items;
use super::tree::{Entry, Kind, Tree};
use super::value::{FormValue, Value};
use super::words::classes;
use crate::text::{Code, Diagnostic, Place, nearest, printable, several, suggestion};

/// Changes the value at a path: a parameter, `node.field`, `Block.parameter` or `Block.node.field`.
pub(super) fn apply(graph: &mut Tree, path: &str, place: &Place, value: &Tree) -> std::result::Result<(), Diagnostic> {
    let refuse = |what: &str, name: &str, among: &[Entry]| {
        Diagnostic::error(Code::E0207, format!("there is no {what} `{}` to set", printable(name)))
            .at(place.clone(), "set here")
            .help(suggestion(name, among.iter().map(|e| e.key.as_str()), what))
    };
    if let Some(d) = several_given(path, place, value) {
        return Err(d);
    }
    let parts: Vec<&str> = path.split('.').collect();
    // The parameters that an expression may use: those of the graph, and of a composite its own.
    let own = parts.first().and_then(|block| graph.get("blocks")?.get(block)).map_or(&[][..], |c| among(c, "params"));
    let names: HashSet<String> = among(graph, "params").iter().chain(own).map(|e| e.key.clone()).collect();
    let known = |word: &str| matches!(word, "true" | "false") || names.contains(word);
    match parts.as_slice() {
        [name] => match field(graph, "params").and_then(|p| slot(p, name, place, value, &known)) {
            Some(result) => result,
            None => Err(refuse("parameter", name, among(graph, "params"))),
        },
        [block, name] if graph.get("blocks").is_some_and(|b| b.get(block).is_some()) => {
            let Some(composite) = field(graph, "blocks").and_then(|b| field(b, block)) else { return Ok(()) };
            match field(composite, "params").and_then(|p| slot(p, name, place, value, &known)) {
                Some(result) => result,
                None => Err(refuse("parameter", name, among(composite, "params"))),
            }
        }
        [node, name] => match set_field(graph, node, name, place, value) {
            Some(()) => Ok(()),
            None if turn(graph, node) => {
                later(graph, path, place, value);
                Ok(())
            }
            None => Err(refuse("node", node, among(graph, "nodes"))),
        },
        [block, node, name] => match field(graph, "blocks").and_then(|b| field(b, block)) {
            Some(composite) => match set_field(composite, node, name, place, value) {
                Some(()) => Ok(()),
                None if turn(composite, node) => {
                    later(graph, path, place, value);
                    Ok(())
                }
                None => Err(refuse("node", node, among(composite, "nodes"))),
            },
            None => Err(refuse("block", block, among(graph, "blocks"))),
        },
        _ => Err(refuse("path", path, &[])),
    }
}

/// That several values are given on a command line, where one is taken.
fn several_given(path: &str, place: &Place, value: &Tree) -> Option<Diagnostic> {
    let Place { source, span } = &value.place;
    let written = source.text.get(span.start..span.end).filter(|w| source.name == COMMAND_LINE && !w.starts_with('"'))?;
    let all = items(written);
    if all.len() < 2 || all.iter().any(|i| i.trim().is_empty()) {
        return None;
    }
    let d = Diagnostic::error(Code::E0207, format!("`{}` takes one value here, but {} are given", printable(path), all.len()));
    let list = format!("a list is written `{}=[{}]`", printable(path), printable(&all.join(",")));
    Some(d.at(place.clone(), "set here").help(format!("{list}; several values, one graph each, are for `lmsc stats` and `lmsc train`")))
}

/// Gives a parameter another value of its type. `known` says which parameters there are.
fn assign(slot: &mut Tree, name: &str, place: &Place, value: &Tree, known: &dyn Fn(&str) -> bool) -> std::result::Result<(), Diagnostic> {
    let here = |d: Diagnostic, slot: &Tree| d.at(place.clone(), "set here").also(slot.place.clone(), "declared here");
    let refuse = |expected: &str, slot: &Tree| {
        here(Diagnostic::error(Code::E0207, format!("`{name}` is {expected}, but {} is given", value.what())), slot)
    };
    let mut value = value.clone();
    // A bare word of a command line is read as a text.
    if let Kind::Str(w) = &value.kind
        && value.place.source.name == COMMAND_LINE
        && !classes(w).is_empty()
    {
        value.kind = Kind::Word(w.clone());
    }
    if let Some(names) = choices(slot) {
        let name = if let Kind::Str(s) = &value.kind { Some(s.as_str()) } else { value.name() };
        let Some(i) = names.iter().position(|n| Some(*n) == name) else {
            let all: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
            let near =
                name.and_then(|name| nearest(name, names.iter().copied())).map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
            return Err(refuse("one of some words", slot).help(format!("{near}choices: {}", all.join(", "))));
        };
        if let Kind::Tuple(_, choices) = &mut slot.kind {
            choices[..=i].rotate_right(1);
            choices[0].place = value.place.clone();
        }
        return Ok(());
    }
    if let Some(class) = class(slot) {
        let given = match (&value.kind, value.name().map(classes)) {
            (Kind::Str(_), _) => None,
            (_, Some(given)) if given.iter().any(|c| class.contains(c)) => None,
            (Kind::Word(_) | Kind::Tuple(Some(_), _) | Kind::Struct(Some(_), _), Some(given)) if !given.is_empty() => {
                Some(Value::Form(Arc::new(FormValue { tree: value.clone() })))
            }
            _ => {
                return Err(
                    refuse(class.first().map_or("something else", |c| c.one()), slot).help(class.first().map_or("", |c| c.examples()))
                );
            }
        };
        if let Some(given) = given {
            return Err(here(misfit(name, &given, &class), slot));
        }
        *slot = value;
        return Ok(());
    }
    // A bare word of a command line that is no parameter is no expression either.
    if let Kind::Str(w) = &value.kind
        && value.place.source.name == COMMAND_LINE
        && is_name(w)
        && !known(w)
    {
        let (kind, example) = match &slot.kind {
            Kind::Int(_) => ("a whole number", format!("write `{name}=8`")),
            Kind::Float(_) => ("a number", format!("write `{name}=0.5`")),
            Kind::Bool(_) => ("`true` or `false`", format!("write `{name}={}`", !w.eq_ignore_ascii_case("false"))),
            Kind::List(_) => ("a list", format!("write `{name}=[16, 32]`")),
            Kind::Tuple(None, _) => ("a size", format!("write `{name}=(1, 2, 2)`")),
            _ => ("", String::new()),
        };
        if !kind.is_empty() {
            let message = format!("`{name}` is {kind}, but `{}` is given", printable(w));
            let help = format!("{example}; there is no parameter `{}` either", printable(w));
            return Err(here(Diagnostic::error(Code::E0207, message), slot).help(help));
        }
    }
    // Whole numbers and sizes are one kind, and so is a number for each level in place of one for all.
    match (&slot.kind, &value.kind) {
        (Kind::Int(_), Kind::Int(_) | Kind::Str(_) | Kind::Tuple(None, _) | Kind::List(_))
        | (Kind::Float(_), Kind::Float(_) | Kind::Int(_) | Kind::Str(_))
        | (Kind::Bool(_), Kind::Bool(_) | Kind::Str(_))
        | (Kind::List(_), Kind::List(_) | Kind::Tuple(None, _) | Kind::Str(_))
        | (Kind::Tuple(None, _), Kind::Tuple(None, _) | Kind::List(_) | Kind::Int(_) | Kind::Str(_)) => {}
        (Kind::Int(_), _) => return Err(refuse("a whole number", slot).help(format!("write `{name}=8`"))),
        (Kind::Float(_), _) => return Err(refuse("a number", slot).help(format!("write `{name}=0.5`"))),
        (Kind::Bool(_), _) => return Err(refuse("`true` or `false`", slot).help(format!("write `{name}=true`"))),
        (Kind::List(_), _) => {
            return Err(refuse("a list", slot).help(format!("write `{name}=[16, 32]`, or change an entry, `{name}[0]=16`")));
        }
        (Kind::Tuple(None, _), _) => return Err(refuse("a size", slot).help(format!("write `{name}=(1, 2, 2)`"))),
        _ => {}
    }
    *slot = value;
    Ok(())
}

/// Gives the parameter of that name, or an entry of it, another value; nothing where there is no such parameter.
fn slot(
    params: &mut Tree,
    name: &str,
    place: &Place,
    value: &Tree,
    known: &dyn Fn(&str) -> bool,
) -> Option<std::result::Result<(), Diagnostic>> {
    match field(params, name) {
        Some(slot) => Some(assign(slot, name, place, value, known)),
        None => assign_entry(params, name, place, value, known),
    }
}

/// Gives an entry of a parameter that is a list another value: `features[1]`.
fn assign_entry(
    params: &mut Tree,
    path: &str,
    place: &Place,
    value: &Tree,
    known: &dyn Fn(&str) -> bool,
) -> Option<std::result::Result<(), Diagnostic>> {
    let (name, rest) = path.split_once('[')?;
    let index = rest.strip_suffix(']')?.trim();
    let slot = field(params, name.trim())?;
    let refuse = |why: String, help: &str, slot: &Tree| {
        Some(Err(Diagnostic::error(Code::E0207, why).at(place.clone(), "set here").also(slot.place.clone(), "declared here").help(help)))
    };
    let n = if let Kind::List(items) | Kind::Tuple(None, items) = &slot.kind { Some(items.len()) } else { None };
    let Some(n) = n else { return refuse(format!("`{name}` is no list, so that it has no entry {index}"), "set the whole value", slot) };
    let Some(i) = index.parse::<usize>().ok().filter(|i| *i < n) else {
        let range = if n == 0 { "none".into() } else { format!("0 to {}", n - 1) };
        return refuse(format!("`{name}` has {}, {range}, and entry {index} is set", several(n, "entry")), "set the whole list", slot);
    };
    let (Kind::List(items) | Kind::Tuple(None, items)) = &mut slot.kind else { return None };
    Some(assign(&mut items[i], path, place, value, known))
}

/// Whether a name may be that of a turn of a loop, which is known when the loop opens.
pub(super) fn turn(graph: &Tree, name: &str) -> bool {
    !name.contains('{')
        && among(graph, "nodes").iter().any(|e| match (e.key.split_once('{'), e.key.rsplit_once('}')) {
            (Some((before, _)), Some((_, after))) => {
                name.strip_prefix(before).is_some_and(|rest| rest.len() > after.len() && rest.ends_with(after))
            }
            _ => false,
        })
}

/// Keeps a change of a turn for when its loop opens.
fn later(graph: &mut Tree, path: &str, place: &Place, value: &Tree) {
    let entry = Entry { key: path.to_owned(), key_place: place.clone(), value: value.clone() };
    match field(graph, "set") {
        Some(set) => put(set, entry),
        None => put(
            graph,
            Entry { key: "set".into(), key_place: place.clone(), value: Tree { kind: Kind::Map(vec![entry]), place: place.clone() } },
        ),
    }
}

fn set_field(graph: &mut Tree, node: &str, name: &str, place: &Place, value: &Tree) -> Option<()> {
    let node = field(graph, "nodes").and_then(|n| field(n, node))?;
    put(node, Entry { key: name.to_owned(), key_place: place.clone(), value: value.clone() });
    Some(())
}

pub(super) fn field<'t>(tree: &'t mut Tree, key: &str) -> Option<&'t mut Tree> {
    tree.entries_mut()?.iter_mut().find(|e| e.key == key).map(|e| &mut e.value)
}

pub(super) fn among<'t>(tree: &'t Tree, key: &str) -> &'t [Entry] {
    tree.get(key).and_then(Tree::entries).unwrap_or_default()
}
