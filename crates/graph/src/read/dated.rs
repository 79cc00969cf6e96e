//! What is read as before and written otherwise now: `norm: 4` for `group(4)`, `OneOf("silu", "relu")` for `OneOf(silu, relu)`, a function, a
//! norm or an initialisation in quotes, `None` for `none`.
//!
//! May use `fmt`, `words`, `tree` beside it and `text`.

use std::collections::HashSet;
use std::sync::Arc;

use super::fmt::format;
use super::tree::{Entry, Kind, Tree, parse};
use super::words::{FUNCTIONS, INITS, NORMS};
use crate::text::{Code, Diagnostic, Place, Result, Source};

/// A value, and how it is written now.
struct Dated {
    place: Place,
    now: String,
}

/// W0102: that a file has values as they were written before; one for all of them.
pub fn dated(tree: &Tree, source: &Arc<Source>) -> Option<Diagnostic> {
    let mut all = found(tree);
    all.retain(|d| Arc::ptr_eq(&d.place.source, source));
    all.sort_by_key(|d| d.place.span.start);
    let first = all.first()?;
    let more = match all.len() {
        1 => String::new(),
        2 => " and another one".to_owned(),
        n => format!(" and {} others", n - 1),
    };
    let message = format!("this is written `{}` now", first.now);
    let d = Diagnostic::warning(Code::W0102, message).at(first.place.clone(), "as it was written before");
    Some(d.help(format!("`lmsc fmt --upgrade` rewrites it{more}")))
}

/// The text of a file with everything as it is written now, laid out; what it means stays.
///
/// # Errors
/// What is wrong with the text.
pub fn upgrade(source: &Arc<Source>) -> Result<String> {
    let mut all = found(&parse(source)?);
    all.sort_by_key(|d| std::cmp::Reverse(d.place.span.start));
    let mut text = source.text.clone();
    for Dated { place, now } in all {
        text.replace_range(place.span.start..place.span.end, &now);
    }
    format(&Source::new(source.name.clone(), text))
}

fn found(tree: &Tree) -> Vec<Dated> {
    let mut names = HashSet::new();
    parameters(tree, &mut names);
    let mut all = vec![];
    walk(tree, &names, &mut all);
    all
}

/// The names of all parameters: a text that is one of them is an expression.
fn parameters<'t>(tree: &'t Tree, names: &mut HashSet<&'t str>) {
    for e in tree.entries().unwrap_or_default() {
        if e.key == "params" {
            names.extend(e.value.entries().unwrap_or_default().iter().map(|p| p.key.as_str()));
        }
        parameters(&e.value, names);
    }
}

fn walk(tree: &Tree, names: &HashSet<&str>, all: &mut Vec<Dated>) {
    match &tree.kind {
        Kind::List(items) => items.iter().for_each(|t| walk(t, names, all)),
        Kind::Tuple(name, items) => {
            for t in items {
                match &t.kind {
                    Kind::Str(s)
                        if name.as_deref() == Some("OneOf") && (FUNCTIONS.contains(&s.as_str()) || NORMS.contains(&s.as_str())) =>
                    {
                        all.push(Dated { place: t.place.clone(), now: s.clone() });
                    }
                    _ => walk(t, names, all),
                }
            }
        }
        Kind::Struct(Some(_), entries) => {
            for e in entries {
                match field(e, names) {
                    Some(now) => all.push(Dated { place: e.value.place.clone(), now }),
                    None => walk(&e.value, names, all),
                }
            }
        }
        Kind::Struct(None, entries) | Kind::Map(entries) => entries.iter().for_each(|e| walk(&e.value, names, all)),
        _ => {}
    }
}

/// How the value of a block's field is written now, if otherwise.
fn field(e: &Entry, names: &HashSet<&str>) -> Option<String> {
    let words = match e.key.as_str() {
        "norm" | "kind" => NORMS,
        "activation" | "function" => FUNCTIONS,
        "init" | "norm_init" => INITS,
        _ => return None,
    };
    match &e.value.kind {
        Kind::Int(n) if e.key == "norm" => Some(format!("group({n})")),
        Kind::Word(w) if w == "None" => Some("none".to_owned()),
        Kind::Str(s) if words.contains(&s.as_str()) && !names.contains(s.as_str()) => Some(s.clone()),
        _ => None,
    }
}
