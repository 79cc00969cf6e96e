//! Nodes that stand for none or many: `when`, `for`, `chain`, and `{...}` in names.
//!
//! `"enc{i}": Stage(for: "i in 1..=4", x: "pool{i - 1} | stem", out: "width * 2 ^ (i - 1)")` is four nodes, and with `chain` in place of `for`
//! each takes the one before; `"lspm": LSPM(when: "lspm", x: "stem")` is one or none; `features: ["enc{1..=4}"]` names four.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::budget::{Budget, Limit, NAME};
use super::expr::{evaluate, is_name, names};
use super::fill::{filled_parts, replace};
use super::graph::{Changes, Dropped, NodeText, OutputText};
use super::hold::{held, hold};
use super::parameter::uses;
use super::reference::Reference;
use super::scope::Scope;
use super::tree::{Entry, Kind, Tree};
use super::turns::{Absent, Header, Last, Loop, Turn, headers, holes, no_loop, turns, variables};
use super::value::Value;
use crate::text::{Code, Diagnostic, Diagnostics, Place, printable, suggestion};

/// The nodes of a scope as they are with its parameters.
#[derive(Debug)]
pub struct Opened<'t> {
    pub nodes: Cow<'t, [NodeText]>,
    /// Those that a condition leaves out.
    pub absent: Vec<Absent>,
    pub loops: Vec<Loop>,
    /// What `{last}` stands for, by what stands before and after it.
    pub lasts: HashMap<(String, String), Last>,
}

/// The nodes of a scope as they are with these parameters.
pub fn expand<'t>(nodes: &'t [NodeText], changes: &Changes, scope: &Scope, found: &mut Diagnostics) -> Opened<'t> {
    opened(nodes, changes, scope, &mut Budget::default(), found)
}

/// The same for one scope of many, which share a budget.
pub fn opened<'t>(nodes: &'t [NodeText], changes: &Changes, scope: &Scope, budget: &mut Budget, found: &mut Diagnostics) -> Opened<'t> {
    let mut out = Opened { nodes: Cow::Borrowed(nodes), absent: vec![], loops: vec![], lasts: HashMap::new() };
    out.absent.extend(changes.dropped.iter().filter(|d| d.entry).map(|d| Absent::dropped(&d.name, &d.place)));
    if nodes.iter().all(|n| plain(n, scope)) {
        if !nodes.iter().all(|n| counted(n, budget, found)) {
            out.nodes = Cow::Borrowed(&[]);
        }
        unused(changes, &Seen::new(changes), &out, found);
        return out;
    }
    let mut all = vec![];
    let mut seen = Seen::new(changes);
    for n in nodes {
        if plain(n, scope) {
            if !counted(n, budget, found) {
                break;
            }
            if seen.first(n, &[], found) {
                all.push(n.clone());
            }
            continue;
        }
        if !entry(n, changes, scope, &mut seen, &mut all, &mut out, budget, found) {
            break;
        }
    }
    unused(changes, &seen, &out, found);
    out.nodes = Cow::Owned(all);
    out
}

/// The nodes of one entry; `false` when the budget is spent.
#[allow(clippy::too_many_arguments)]
fn entry(
    n: &NodeText,
    changes: &Changes,
    scope: &Scope,
    seen: &mut Seen,
    all: &mut Vec<NodeText>,
    out: &mut Opened,
    budget: &mut Budget,
    found: &mut Diagnostics,
) -> bool {
    let mut made = Loop::new(n);
    let header = match headers(n) {
        Ok(header) => header,
        Err(d) => {
            found.push(d);
            made.sound = false;
            budget.fault(&n.id_place);
            // Looked at once, with variables of which nothing is known.
            Some(Header { variables: vec![], chain: None })
        }
    };
    let mut every = vec![];
    match &header {
        None => every.push(vec![]),
        Some(header) if header.variables.is_empty() => every.push(vec![]),
        Some(header) => {
            if let Err(d) = turns(n, header, scope, budget, found, &mut every) {
                budget.fault(&n.id_place);
                found.push(d);
                made.sound = false;
            }
            made.sound &= !(scope.varies() && header.variables.iter().any(|(_, list)| !uses(list).is_empty()));
        }
    }
    if header.is_none()
        && let Some(d) = no_loop(n, scope)
    {
        found.push(d);
        made.sound = false;
    }
    if !made.sound {
        let used = holes(&n.id).flat_map(names);
        let more = used.filter(|w| !scope.contains_key(*w)).map(str::to_owned).chain(variables(n));
        every = vec![more.map(|w| (w, Value::Unknown)).collect()];
    }
    let chain = header.as_ref().and_then(|h| h.chain.clone());
    let mut before: Option<String> = None;
    for locals in every {
        if !counted(n, budget, found) {
            return false;
        }
        let inner = with(scope, &locals);
        let Turn { mut node, parts, mut off } = one(n, locals, changes, seen, &inner, budget, found);
        made.sound &= !node.faulty;
        let id = node.id.clone();
        made.ends = Some(made.ends.take().map_or((id.clone(), id.clone()), |(first, _)| (first, id.clone())));
        let over = header.is_some() && seen.over.contains(id.as_str());
        if let Some(d) = seen.dropped.get(id.as_str()).filter(|_| !over) {
            seen.used.insert(id.clone());
            off = Some(Absent::dropped(&id, &d.place));
        }
        let there = off.is_none() || over;
        if header.is_some() {
            for (k, _) in parts.iter().enumerate().skip(1).step_by(2) {
                let last = out.lasts.entry((parts[..k].concat(), parts[k + 1..].concat())).or_default();
                last.turn(&id, if there { None } else { off.clone() }, &n.id_place);
            }
        }
        if let (Some(place), Some(before)) = (&chain, &before)
            && !over
        {
            let x = Tree { kind: Kind::Str(before.clone()), place: place.clone() };
            match node.entries.iter_mut().find(|e| e.key == "x") {
                Some(e) => e.value = x,
                None => node.entries.push(Entry { key: "x".into(), key_place: place.clone(), value: x }),
            }
        }
        node.chained = chain.clone();
        if there {
            before = Some(id);
        }
        match off {
            _ if over => {}
            None => {
                if seen.first(&node, &node.locals, found) {
                    all.push(node);
                }
            }
            Some(absent) => out.absent.push(absent),
        }
    }
    if let (Some(header), None) = (&header, &before) {
        empty(n, header, scope, out);
    }
    if header.is_some() || !made.sound {
        out.loops.push(made);
    }
    true
}

/// What `{last}` of a repeat without turns stands for: a chain for what it begins with, another for nothing.
fn empty(n: &NodeText, header: &Header, scope: &Scope, out: &mut Opened) {
    let x = header.chain.as_ref().and_then(|_| n.entries.iter().find(|e| e.key == "x")).map(|e| &e.value);
    let start = x.and_then(|t| {
        let mut t = t.clone();
        // What uses a variable of the loop has no value without a turn.
        replace(&mut t, scope, &mut Budget::default(), &mut Diagnostics::default());
        Reference::read(&t).ok()
    });
    let (before, after) = (n.id.split('{').next().unwrap_or_default(), n.id.rsplit('}').next().unwrap_or_default());
    let holes = n.id.matches('{').count();
    let keys: Vec<(String, String)> = out.lasts.iter().filter(|(_, l)| l.of(n)).map(|(k, _)| k.clone()).collect();
    for key in keys.into_iter().chain((holes == 1).then(|| (before.to_owned(), after.to_owned()))) {
        let last = out.lasts.entry(key).or_default();
        if last.id.is_none() {
            last.start = start.clone();
            last.place.get_or_insert_with(|| n.id_place.clone());
        }
    }
}

/// Takes a node from the budget.
fn counted(n: &NodeText, budget: &mut Budget, found: &mut Diagnostics) -> bool {
    budget.take(Limit::Nodes, 1, &n.id_place, found) && budget.take(Limit::Characters, n.weight, &n.id_place, found)
}

/// The names of nodes that have come up, and what is to become of some of them.
struct Seen<'c> {
    ids: HashMap<String, (Place, Vec<(String, Value)>)>,
    over: HashSet<&'c str>,
    dropped: HashMap<&'c str, &'c Dropped>,
    turns: HashMap<&'c str, Vec<&'c Entry>>,
    /// Names of changes that were used.
    used: HashSet<String>,
}

impl<'c> Seen<'c> {
    fn new(changes: &'c Changes) -> Self {
        let mut turns: HashMap<&str, Vec<&Entry>> = HashMap::new();
        changes.turns.iter().for_each(|(node, e)| turns.entry(node).or_default().push(e));
        Self {
            ids: HashMap::new(),
            over: changes.over.iter().map(String::as_str).collect(),
            dropped: changes.dropped.iter().filter(|d| !d.entry).map(|d| (d.name.as_str(), d)).collect(),
            turns,
            used: HashSet::new(),
        }
    }

    /// Whether this is the first node of its name; else that is told.
    fn first(&mut self, n: &NodeText, locals: &[(String, Value)], found: &mut Diagnostics) -> bool {
        let told = |locals: &[(String, Value)]| locals.iter().map(|(n, v)| format!("{n} = {v}")).collect::<Vec<_>>().join(", ");
        match self.ids.get(&n.id) {
            None => {
                self.ids.insert(n.id.clone(), (n.id_place.clone(), locals.to_vec()));
                true
            }
            Some(_) if n.faulty => true,
            Some((place, others)) => {
                let both = *place == n.id_place;
                let message = match both {
                    true => format!("`{}` is the name of both turns {} and {}", printable(&n.id), told(others), told(locals)),
                    false => format!("`{}` is the name of two nodes", printable(&n.id)),
                };
                let d = Diagnostic::error(Code::E0103, message).at(n.id_place.clone(), "here");
                let d = if both { d } else { d.also(place.clone(), "and here") };
                let help = if both { "put a letter or `_` between the numbers of the name" } else { "rename one of them" };
                found.push(d.help(help).echo(locals.iter().any(|(_, v)| v.unknown())));
                false
            }
        }
    }
}

/// Changes that name a turn which is not there.
fn unused(changes: &Changes, seen: &Seen, out: &Opened, found: &mut Diagnostics) {
    if changes.dropped.is_empty() && changes.turns.is_empty() {
        return;
    }
    let ids = || seen.ids.keys().map(String::as_str);
    let help = |name: &str| out.loops.iter().find(|l| l.could_be(name)).map_or_else(|| suggestion(name, ids(), "nodes"), Loop::told);
    let sound = out.loops.iter().all(|l| l.sound);
    for d in changes.dropped.iter().filter(|d| !d.entry && !seen.used.contains(&d.name)) {
        let e = Diagnostic::error(Code::E0202, format!("there is no node `{}` to drop", printable(&d.name)));
        found.push(e.at(d.place.clone(), "dropped here").help(help(&d.name)).echo(!sound));
    }
    for (node, e) in changes.turns.iter().filter(|(node, _)| !seen.used.contains(node)) {
        let d = Diagnostic::error(Code::E0207, format!("there is no node `{}` to set", printable(node)));
        found.push(d.at(e.key_place.clone(), "set here").help(help(node)).echo(!sound));
    }
}

/// Outputs with their `{...}` filled in; what cannot be is [`Reference::unread`].
pub fn filled(outputs: &[OutputText], scope: &Scope, budget: &mut Budget, found: &mut Diagnostics) -> Vec<OutputText> {
    let each = outputs.iter().map(|o| {
        if o.from.iter().all(|r| !r.text.contains('{')) {
            return o.clone();
        }
        let text = |r: &Reference| Tree { kind: if r.faulty { Kind::Fault } else { Kind::Str(r.text.clone()) }, place: r.place.clone() };
        let mut tree = Tree { kind: Kind::List(o.from.iter().map(text).collect()), place: o.place.clone() };
        if !o.list
            && let Some(r) = o.from.first()
        {
            tree = text(r);
        }
        replace(&mut tree, scope, budget, found);
        OutputText { from: Reference::all(&tree, &mut Diagnostics::default()), ..o.clone() }
    });
    each.collect()
}

/// A scope with some names added.
pub fn with<'s>(scope: &'s Scope, locals: &[(String, Value)]) -> Cow<'s, Scope> {
    if locals.is_empty() {
        return Cow::Borrowed(scope);
    }
    Cow::Owned(scope.in_turn(locals))
}

/// Whether a node stands for itself as it is written.
fn plain(n: &NodeText, scope: &Scope) -> bool {
    let special = |t: &Tree| matches!(&t.kind, Kind::Str(s) if s.contains('{'));
    !n.id.contains('{')
        && !held(n, scope)
        && n.entries.iter().all(|e| {
            !matches!(e.key.as_str(), "for" | "chain" | "when" | "shares")
                && match &e.value.kind {
                    Kind::List(items) => !items.iter().any(special),
                    _ => !special(&e.value),
                }
        })
}

/// A node of one turn, and what leaves it out.
fn one(
    n: &NodeText,
    locals: Vec<(String, Value)>,
    changes: &Changes,
    seen: &mut Seen,
    scope: &Scope,
    budget: &mut Budget,
    found: &mut Diagnostics,
) -> Turn {
    let mut off = None;
    let mut node = NodeText { locals, entries: vec![], ..n.clone() };
    let parts = filled_parts(&n.id, scope, &n.id_place);
    let id = parts.clone().map(|p| p.concat()).and_then(|id| match is_name(&id) && id.chars().count() <= NAME {
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
    let set = if changes.turns.is_empty() { None } else { seen.turns.get(node.id.as_str()) };
    let set: &[&Entry] = set.map_or(&[], Vec::as_slice);
    if !set.is_empty() {
        seen.used.insert(node.id.clone());
    }
    let own = n.entries.iter().filter(|e| set.iter().all(|s| s.key != e.key));
    for e in own.chain(set.iter().copied()) {
        match e.key.as_str() {
            "for" | "chain" => {}
            "shares" => {
                let mut t = e.value.clone();
                replace(&mut t, scope, budget, found);
                node.shares = found.keep(Reference::read(&t)).filter(|r| r.text != node.id);
            }
            "when" => match condition(&e.value, scope) {
                Ok(true) => {}
                Ok(false) => {
                    off = Some(Absent {
                        id: node.id.clone(),
                        why: format!("is switched off by `when: {}`", e.value),
                        place: e.value.place.clone(),
                    })
                }
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
    if held(n, scope) {
        hold(&mut node, scope, budget, found);
    }
    if node.faulty {
        budget.fault(&n.id_place);
    }
    Turn { node, parts: parts.unwrap_or_default(), off }
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
        // With other values of the parameters it may hold.
        Value::Bool(false) if scope.varies() && !uses(t).is_empty() => Ok(true),
        Value::Bool(b) => Ok(b),
        other => Err(Diagnostic::error(Code::E0105, format!("a condition is `true` or `false`, but this is {other}"))
            .at(t.place.clone(), "here")
            .help("compare it, as in \"anchors > 0\"")),
    }
}
