//! Nodes that stand for none or many: `when`, `for`, and `{...}` in names.
//!
//! `"enc{i}": Stage(for: "i in 1..=4", x: "pool{i - 1} | stem", out: "width * 2 ^ (i - 1)")` is four nodes;
//! `"lspm": LSPM(when: "lspm", x: "stem")` is one or none; `features: ["enc{1..=4}"]` names four.

use std::borrow::Cow;

use super::budget::{Budget, Limit, NAME, at_most};
use super::expr::{evaluate, is_name};
use super::graph::{NodeText, Reference};
use super::tree::{Kind, Tree};
use super::value::{Scope, Value};
use crate::text::{Code, Diagnostic, Diagnostics, Place, printable};

/// A range may be this long.
const MOST: i64 = 100_000;

/// A text with its `{...}` filled in may be this long.
const LONGEST: usize = 256;

/// The nodes of a scope as they are with these parameters, and the names of those that are not there.
pub fn expand<'t>(nodes: &'t [NodeText], scope: &Scope, found: &mut Diagnostics) -> (Cow<'t, [NodeText]>, Vec<String>) {
    opened(nodes, scope, &mut Budget::default(), found)
}

/// The same for one scope of many, which share a budget.
pub fn opened<'t>(
    nodes: &'t [NodeText],
    scope: &Scope,
    budget: &mut Budget,
    found: &mut Diagnostics,
) -> (Cow<'t, [NodeText]>, Vec<String>) {
    if nodes.iter().all(plain) {
        let all = if nodes.iter().all(|n| counted(n, budget, found)) { nodes } else { &[] };
        return (Cow::Borrowed(all), vec![]);
    }
    let mut all = vec![];
    let mut absent = vec![];
    for n in nodes {
        if plain(n) {
            if !counted(n, budget, found) {
                break;
            }
            all.push(n.clone());
            continue;
        }
        let Some(turns) = found.keep(turns(n, scope)) else {
            budget.fault();
            continue;
        };
        for locals in turns {
            if !counted(n, budget, found) {
                return (Cow::Owned(all), absent);
            }
            let scope = with(scope, &locals);
            let turn = one(n, locals, &scope, budget, found);
            match found.keep(turn) {
                Some((node, true)) => all.push(node),
                Some((node, false)) => absent.push(node.id),
                None => budget.fault(),
            }
        }
    }
    (Cow::Owned(all), absent)
}

/// Takes a node from the budget.
fn counted(n: &NodeText, budget: &mut Budget, found: &mut Diagnostics) -> bool {
    budget.take(Limit::Nodes, 1, &n.id_place, found) && budget.take(Limit::Characters, n.weight, &n.id_place, found)
}

/// References with their `{...}` filled in.
pub fn filled(outputs: &[(String, Reference)], scope: &Scope, found: &mut Diagnostics) -> Vec<(String, Reference)> {
    let each = outputs.iter().filter_map(|(name, r)| {
        if !r.text.contains('{') {
            return Some((name.clone(), r.clone()));
        }
        let text = found.keep(fill(&r.text, scope, &r.place))?;
        Some((name.clone(), Reference::parse(&text, r.place.clone())))
    });
    each.collect()
}

/// A scope with some names added.
pub fn with<'s>(scope: &'s Scope, locals: &[(String, Value)]) -> Cow<'s, Scope> {
    if locals.is_empty() {
        return Cow::Borrowed(scope);
    }
    let mut own = scope.clone();
    own.extend(locals.iter().cloned());
    Cow::Owned(own)
}

fn plain(n: &NodeText) -> bool {
    let special = |t: &Tree| matches!(&t.kind, Kind::Str(s) if s.contains('{'));
    !n.id.contains('{')
        && n.entries.iter().all(|e| {
            !matches!(e.key.as_str(), "for" | "when")
                && match &e.value.kind {
                    Kind::List(items) => !items.iter().any(special),
                    _ => !special(&e.value),
                }
        })
}

/// The values of the loop's variable, one set a turn; one empty set without a loop.
fn turns(n: &NodeText, scope: &Scope) -> Result<Vec<Vec<(String, Value)>>, Diagnostic> {
    let Some(e) = n.entries.iter().find(|e| e.key == "for") else { return Ok(vec![vec![]]) };
    let refuse = |why: String| Diagnostic::error(Code::E0105, why).at(e.value.place.clone(), "here").help("write `for: \"i in 1..=4\"`");
    let Kind::Str(text) = &e.value.kind else { return Err(refuse(format!("a loop is a text, but {} is given", e.value.what()))) };
    let (name, range) = text.split_once(" in ").ok_or_else(|| refuse(format!("`{}` is not a loop", printable(text))))?;
    let name = name.trim();
    if !is_name(name) {
        return Err(refuse(format!("`{}` cannot be a name", printable(name))));
    }
    if !n.id.contains('{') {
        return Err(Diagnostic::error(Code::E0109, format!("every turn of the loop would be called `{}`", printable(&n.id)))
            .at(n.id_place.clone(), "here")
            .help(format!("put the variable into the name: \"{}{{{name}}}\"", n.id)));
    }
    let all = range_of(range, scope, &e.value.place)?;
    Ok(all.map(|i| vec![(name.to_owned(), Value::Int(i))]).collect())
}

fn range_of(text: &str, scope: &Scope, place: &Place) -> Result<std::ops::Range<i64>, Diagnostic> {
    let refuse = |why: String, help: String| Diagnostic::error(Code::E0105, why).at(place.clone(), "here").help(help);
    let (from, to, whole) = match (text.split_once("..="), text.split_once("..")) {
        (Some((a, b)), _) => (a, b, 1),
        (None, Some((a, b))) => (a, b, 0),
        (None, None) => {
            return Err(refuse(format!("`{}` is not a range", printable(text)), "write `1..=4` (with its end) or `0..4` (without)".into()));
        }
    };
    let bound = |t: &str| match evaluate(t, scope) {
        Ok(Value::Int(n)) => Ok(n),
        Ok(other) => {
            Err(refuse(format!("a range goes over whole numbers, but `{}` is {other}", printable(t)), "write whole numbers".into()))
        }
        Err((message, help)) => Err(refuse(message, help)),
    };
    let (from, to) = (bound(from)?, bound(to)?);
    let end = to.checked_add(whole).filter(|end| end.saturating_sub(from) <= MOST);
    let end = end.ok_or_else(|| refuse(format!("the range from {from} to {to} is longer than {MOST}"), "use a shorter one".into()))?;
    Ok(from..end)
}

/// A node of one turn, and whether it is there.
fn one(
    n: &NodeText,
    locals: Vec<(String, Value)>,
    scope: &Scope,
    budget: &mut Budget,
    found: &mut Diagnostics,
) -> Result<(NodeText, bool), Diagnostic> {
    let mut there = true;
    let mut node = NodeText { id: fill(&n.id, scope, &n.id_place)?, locals, entries: vec![], ..n.clone() };
    if !is_name(&node.id) || node.id.chars().count() > NAME {
        return Err(Diagnostic::error(Code::E0109, format!("`{}` cannot be a name", printable(&node.id)))
            .at(n.id_place.clone(), "becomes that")
            .help("a name has letters, digits and `_`, begins with a letter, and is at most 64 long"));
    }
    for e in &n.entries {
        match e.key.as_str() {
            "for" => {}
            "when" => there = condition(&e.value, scope)?,
            _ => {
                let mut e = e.clone();
                replace(&mut e.value, scope, budget, found)?;
                budget.take(Limit::Characters, e.value.weight(), &n.id_place, found);
                node.entries.push(e);
            }
        }
    }
    Ok((node, there))
}

fn condition(t: &Tree, scope: &Scope) -> Result<bool, Diagnostic> {
    let value = match &t.kind {
        Kind::Bool(b) => return Ok(*b),
        Kind::Str(s) => evaluate(s, scope).map_err(|(m, h)| Diagnostic::error(Code::E0105, m).at(t.place.clone(), "here").help(h))?,
        _ => {
            return Err(Diagnostic::error(Code::E0104, format!("a condition is expected, but {} is given", t.what()))
                .at(t.place.clone(), "here")
                .help("write `true`, `false` or an expression, as in \"anchors > 0\""));
        }
    };
    match value {
        Value::Bool(b) => Ok(b),
        other => Err(Diagnostic::error(Code::E0105, format!("a condition is `true` or `false`, but this is {other}"))
            .at(t.place.clone(), "here")
            .help("compare it, as in \"anchors > 0\"")),
    }
}

/// Fills in the `{...}` of a text, or of the texts of a list, where a range makes several of one.
fn replace(t: &mut Tree, scope: &Scope, budget: &mut Budget, found: &mut Diagnostics) -> Result<(), Diagnostic> {
    match &mut t.kind {
        Kind::Str(s) if s.contains('{') => *s = fill(s, scope, &t.place)?,
        Kind::List(items) => {
            let mut all = vec![];
            for item in items.drain(..) {
                match &item.kind {
                    Kind::Str(s) if s.contains('{') => {
                        for text in several(s, scope, &item.place)? {
                            if !budget.take(Limit::Connections, 1, &item.place, found) {
                                break;
                            }
                            all.push(Tree { kind: Kind::Str(text?), place: item.place.clone() });
                        }
                    }
                    _ => all.push(item),
                }
            }
            *items = all;
        }
        _ => {}
    }
    Ok(())
}

/// `enc{1..=3}` is `enc1`, `enc2`, `enc3`.
fn several<'s>(
    text: &'s str,
    scope: &Scope,
    place: &'s Place,
) -> Result<impl Iterator<Item = Result<String, Diagnostic>> + use<'s>, Diagnostic> {
    let Some((before, inside, after)) = braces(text, place)?.filter(|(_, inside, _)| inside.contains("..")) else {
        return Ok(Turns::One(std::iter::once(fill(text, scope, place))));
    };
    let after = fill(after, scope, place)?;
    Ok(Turns::Many(range_of(inside, scope, place)?.map(move |i| short(format!("{before}{i}{after}"), place))))
}

/// One text, or one for each turn of a range.
enum Turns<A, B> {
    One(A),
    Many(B),
}

impl<T, A: Iterator<Item = T>, B: Iterator<Item = T>> Iterator for Turns<A, B> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Turns::One(a) => a.next(),
            Turns::Many(b) => b.next(),
        }
    }
}

fn short(text: String, place: &Place) -> Result<String, Diagnostic> {
    at_most(LONGEST, text.len(), "characters of a text with its `{...}` filled in", place)?;
    Ok(text)
}

fn fill(text: &str, scope: &Scope, place: &Place) -> Result<String, Diagnostic> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, inside, after)) = braces(rest, place)? {
        let value = evaluate(inside, scope).map_err(|(m, h)| Diagnostic::error(Code::E0105, m).at(place.clone(), "here").help(h))?;
        out = short(format!("{out}{before}{value}"), place)?;
        rest = after;
    }
    short(out + rest, place)
}

fn braces<'s>(text: &'s str, place: &Place) -> Result<Option<(&'s str, &'s str, &'s str)>, Diagnostic> {
    let Some((before, rest)) = text.split_once('{') else { return Ok(None) };
    let (inside, after) = rest
        .split_once('}')
        .ok_or_else(|| Diagnostic::error(Code::E0105, "a `}` is missing").at(place.clone(), "here").help("write `enc{i}`"))?;
    Ok(Some((before, inside, after)))
}
