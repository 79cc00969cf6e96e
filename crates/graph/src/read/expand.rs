//! Nodes that stand for none or many: `when`, `for`, and `{...}` in names.
//!
//! `"enc{i}": Stage(for: "i in 1..=4", x: "pool{i - 1} | stem", out: "width * 2 ^ (i - 1)")` is four nodes;
//! `"lspm": LSPM(when: "lspm", x: "stem")` is one or none; `features: ["enc{1..=4}"]` names four.

use std::borrow::Cow;

use super::budget::{Budget, Limit, NAME, at_most};
use super::expr::{evaluate, is_name, names};
use super::graph::{NodeText, Reference};
use super::tree::{Kind, Tree};
use super::scope::Scope;
use super::value::Value;
use crate::text::{Code, Diagnostic, Diagnostics, Place, printable};

/// A range may be this long.
const MOST: i64 = 100_000;

/// A text with its `{...}` filled in may be this long.
const LONGEST: usize = 256;

/// The nodes of a scope as they are with its parameters.
#[derive(Debug)]
pub struct Opened<'t> {
    pub nodes: Cow<'t, [NodeText]>,
    /// Those that a condition leaves out.
    pub absent: Vec<Absent>,
    pub loops: Vec<Loop>,
}

/// A node that is not there though it is written.
#[derive(Clone, Debug)]
pub struct Absent {
    pub id: String,
    /// What leaves it out, after its name: `was dropped`, ``is switched off by `when: "deep"` ``.
    pub why: String,
    pub place: Place,
}

impl Absent {
    /// That a variant's `drop` names it at `place`.
    pub fn dropped(id: &str, place: &Place) -> Self {
        Self { id: id.to_owned(), why: "was dropped".into(), place: place.clone() }
    }
}

/// The nodes that an entry with `{...}` in its name stands for.
#[derive(Clone, Debug)]
pub struct Loop {
    /// What their names have before and after the first and last `{...}`.
    pub before: String,
    pub after: String,
    /// The first and the last of them.
    pub ends: Option<(String, String)>,
    /// Whether the turns of the loop are known.
    pub sound: bool,
    pub place: Place,
}

impl Loop {
    fn new(n: &NodeText) -> Self {
        let before = n.id.split('{').next().unwrap_or_default().to_owned();
        let after = n.id.rsplit('}').next().filter(|_| n.id.contains('}')).unwrap_or_default().to_owned();
        Self { before, after, ends: None, sound: true, place: n.id_place.clone() }
    }

    /// Whether a name could be that of one of its turns.
    pub fn could_be(&self, name: &str) -> bool {
        let inside = name.strip_prefix(self.before.as_str()).and_then(|rest| rest.strip_suffix(self.after.as_str()));
        inside.is_some_and(|i| i.starts_with(|c: char| c.is_ascii_digit()) && i.ends_with(|c: char| c.is_ascii_digit()))
    }

    /// In words, which nodes it makes: "the loop makes `seg1` to `seg4`".
    pub fn told(&self) -> String {
        match &self.ends {
            None => format!("the loop makes no node `{}...{}`", printable(&self.before), printable(&self.after)),
            Some((one, other)) if one == other => format!("the loop makes `{one}` alone"),
            Some((first, last)) => format!("the loop makes `{first}` to `{last}`"),
        }
    }
}

/// The nodes of a scope as they are with these parameters.
pub fn expand<'t>(nodes: &'t [NodeText], scope: &Scope, found: &mut Diagnostics) -> Opened<'t> {
    opened(nodes, scope, &mut Budget::default(), found)
}

/// The same for one scope of many, which share a budget.
pub fn opened<'t>(nodes: &'t [NodeText], scope: &Scope, budget: &mut Budget, found: &mut Diagnostics) -> Opened<'t> {
    let mut out = Opened { nodes: Cow::Borrowed(nodes), absent: vec![], loops: vec![] };
    if nodes.iter().all(plain) {
        if !nodes.iter().all(|n| counted(n, budget, found)) {
            out.nodes = Cow::Borrowed(&[]);
        }
        return out;
    }
    let mut all = vec![];
    'nodes: for n in nodes {
        if plain(n) {
            if !counted(n, budget, found) {
                break;
            }
            all.push(n.clone());
            continue;
        }
        let mut made = Loop::new(n);
        let turns = match turns(n, scope) {
            Ok(turns) => turns,
            Err((name, d)) => {
                // Looked at once, with a variable of which nothing is known.
                budget.fault(&n.id_place);
                found.push(d);
                made.sound = false;
                let braces = n.id.split('{').skip(1).filter_map(|part| part.split('}').next());
                let used = braces.flat_map(names).filter(|w| !scope.contains_key(*w)).map(str::to_owned);
                vec![used.chain(name).map(|name| (name, Value::Unknown)).collect()]
            }
        };
        for locals in turns {
            if !counted(n, budget, found) {
                break 'nodes;
            }
            let scope = with(scope, &locals);
            let (node, off) = one(n, locals, &scope, budget, found);
            made.sound &= !node.faulty;
            let id = node.id.clone();
            made.ends = Some(made.ends.take().map_or((id.clone(), id.clone()), |(first, _)| (first, id.clone())));
            match off {
                None => all.push(node),
                Some(condition) => {
                    out.absent.push(Absent { id, why: format!("is switched off by `when: {condition}`"), place: condition.place.clone() })
                }
            }
        }
        if n.id.contains('{') {
            out.loops.push(made);
        }
    }
    out.nodes = Cow::Owned(all);
    out
}

/// Takes a node from the budget.
fn counted(n: &NodeText, budget: &mut Budget, found: &mut Diagnostics) -> bool {
    budget.take(Limit::Nodes, 1, &n.id_place, found) && budget.take(Limit::Characters, n.weight, &n.id_place, found)
}

/// References with their `{...}` filled in; those that cannot be are [`Reference::unread`].
pub fn filled(outputs: &[(String, Reference)], scope: &Scope, found: &mut Diagnostics) -> Vec<(String, Reference)> {
    let each = outputs.iter().map(|(name, r)| {
        if !r.text.contains('{') {
            return (name.clone(), r.clone());
        }
        let text = found.keep(fill(&r.text, scope, &r.place));
        (name.clone(), text.map_or_else(|| Reference::unread(&r.place), |text| Reference::parse(&text, r.place.clone())))
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

/// The values of the loop's variable, one set a turn; one empty set without a loop. An error comes with the variable, if it has a name.
#[allow(clippy::type_complexity)]
fn turns(n: &NodeText, scope: &Scope) -> Result<Vec<Vec<(String, Value)>>, (Option<String>, Diagnostic)> {
    let Some(e) = n.entries.iter().find(|e| e.key == "for") else { return Ok(vec![vec![]]) };
    let refuse = |why: String| Diagnostic::error(Code::E0105, why).at(e.value.place.clone(), "here").help("write `for: \"i in 1..=4\"`");
    let Kind::Str(text) = &e.value.kind else {
        return Err((None, refuse(format!("a loop is a text, but {} is given", e.value.what())).echo(e.value.kind == Kind::Fault)));
    };
    let (name, range) = text.split_once(" in ").ok_or_else(|| (None, refuse(format!("`{}` is not a loop", printable(text)))))?;
    let name = name.trim();
    if !is_name(name) {
        return Err((None, refuse(format!("`{}` cannot be a name", printable(name)))));
    }
    let fault = |d| (Some(name.to_owned()), d);
    if !n.id.contains('{') {
        return Err(fault(
            Diagnostic::error(Code::E0109, format!("every turn of the loop would be called `{}`", printable(&n.id)))
                .at(n.id_place.clone(), "here")
                .help(format!("put the variable into the name: \"{}{{{name}}}\"", n.id)),
        ));
    }
    let all = range_of(range, scope, &e.value.place).map_err(fault)?;
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
        Err(wrong) => Err(wrong.at(place)),
    };
    let (from, to) = (bound(from)?, bound(to)?);
    let end = to.checked_add(whole).filter(|end| end.saturating_sub(from) <= MOST);
    let end = end.ok_or_else(|| refuse(format!("the range from {from} to {to} is longer than {MOST}"), "use a shorter one".into()))?;
    Ok(from..end)
}

/// A node of one turn, and the condition that leaves it out.
fn one<'t>(
    n: &'t NodeText,
    locals: Vec<(String, Value)>,
    scope: &Scope,
    budget: &mut Budget,
    found: &mut Diagnostics,
) -> (NodeText, Option<&'t Tree>) {
    let mut off = None;
    let mut node = NodeText { locals, entries: vec![], ..n.clone() };
    let id = fill(&n.id, scope, &n.id_place).and_then(|id| match is_name(&id) && id.chars().count() <= NAME {
        true => Ok(id),
        false => Err(Diagnostic::error(Code::E0109, format!("`{}` cannot be a name", printable(&id)))
            .at(n.id_place.clone(), "becomes that")
            .help("a name has letters, digits and `_`, begins with a letter, and is at most 64 long")),
    });
    match id {
        Ok(id) => node.id = id,
        // A name that was refused where it is written keeps what is in it.
        Err(d) if n.faulty && !n.id.contains('{') => found.push(d.echo(true)),
        Err(d) => {
            found.push(d);
            node.faulty = true;
        }
    }
    for e in &n.entries {
        match e.key.as_str() {
            "for" => {}
            "when" => match condition(&e.value, scope) {
                Ok(true) => {}
                Ok(false) => off = Some(&e.value),
                Err(d) => found.push(d),
            },
            _ => {
                let mut e = e.clone();
                replace(&mut e.value, scope, budget, found);
                budget.take(Limit::Characters, e.value.weight(), &n.id_place, found);
                node.entries.push(e);
            }
        }
    }
    if node.faulty {
        budget.fault(&n.id_place);
    }
    (node, off)
}

fn condition(t: &Tree, scope: &Scope) -> Result<bool, Diagnostic> {
    let value = match &t.kind {
        Kind::Bool(b) => return Ok(*b),
        Kind::Str(s) => evaluate(s, scope).map_err(|w| w.at(&t.place))?,
        _ => {
            return Err(Diagnostic::error(Code::E0104, format!("a condition is expected, but {} is given", t.what()))
                .at(t.place.clone(), "here")
                .help("write `true`, `false` or an expression, as in \"anchors > 0\"")
                .echo(t.kind == Kind::Fault));
        }
    };
    match value {
        Value::Bool(b) => Ok(b),
        other => Err(Diagnostic::error(Code::E0105, format!("a condition is `true` or `false`, but this is {other}"))
            .at(t.place.clone(), "here")
            .help("compare it, as in \"anchors > 0\"")),
    }
}

/// Fills in the `{...}` of a text, or of the texts of a list, where a range makes several of one. What cannot be filled is told and becomes
/// [`Kind::Fault`].
fn replace(t: &mut Tree, scope: &Scope, budget: &mut Budget, found: &mut Diagnostics) {
    let fault = |place: &Place| Tree { kind: Kind::Fault, place: place.clone() };
    match &mut t.kind {
        Kind::Str(s) if s.contains('{') => match fill(s, scope, &t.place) {
            Ok(text) => *s = text,
            Err(d) => {
                found.push(d);
                t.kind = Kind::Fault;
            }
        },
        Kind::List(items) => {
            let mut all = vec![];
            for item in items.drain(..) {
                match &item.kind {
                    Kind::Str(s) if s.contains('{') => {
                        let Some(texts) = found.keep(several(s, scope, &item.place)) else {
                            all.push(fault(&item.place));
                            continue;
                        };
                        for text in texts {
                            if !budget.take(Limit::Connections, 1, &item.place, found) {
                                break;
                            }
                            let kind = found.keep(text).map_or(Kind::Fault, Kind::Str);
                            all.push(Tree { kind, place: item.place.clone() });
                        }
                    }
                    _ => all.push(item),
                }
            }
            *items = all;
        }
        _ => {}
    }
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
        let value = evaluate(inside, scope).map_err(|w| w.at(place))?;
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
