//! Who feeds whom in one scope (the graph, or the inside of a composite): names and ports resolved, rings and dead nodes refused.

use std::collections::{HashMap, HashSet};

use petgraph::stable_graph::NodeIndex;

use super::order::{BlockGraph, dead, order, rings};
use crate::block::{Arity, Spec};
use crate::read::budget::{Budget, Limit, NESTING};
use crate::read::{Composite, Entry, NodeText, Reference, Scope, fields, value, with};
use crate::text::{Code, Diagnostic, Diagnostics, Place, Severity, nearest, printable, suggestion};

/// So many nodes of a ring are named.
const RING: usize = 100;

/// What a node is.
pub enum Body<'t> {
    Block(Spec),
    /// A composite with the values of its parameters.
    Composite(&'t Composite, Scope),
}

/// A node whose block is known and whose connections exist.
pub struct Wired<'n, 't> {
    pub text: &'n NodeText,
    pub body: Body<'t>,
    /// Each connection with its port; none where an optional input of the composite around it is not connected.
    pub inputs: Vec<(String, Reference)>,
}

/// What a scope's names mean.
pub struct Surroundings<'a, 't> {
    pub composites: &'a HashMap<&'t str, &'t Composite>,
    pub params: &'a Scope,
    /// Inputs of the scope; `false` when nothing is connected from outside.
    pub inputs: &'a HashMap<String, bool>,
    /// Nodes that were left out by a variant.
    pub dropped: &'a HashSet<String>,
    /// Composites that this scope stands in, from the outside in.
    pub within: &'a [&'t str],
    /// How bad a node is that reaches no output; unless it is an error, such nodes are left out.
    pub dead: Option<Severity>,
}

/// Resolves the nodes of a scope and gives those that are sound in an order that can be lowered; the rest is in `found`.
pub fn wire<'n, 't>(
    nodes: &'n [NodeText],
    outputs: &mut [(String, Reference)],
    around: &Surroundings<'_, 't>,
    budget: &mut Budget,
    found: &mut Diagnostics,
) -> Vec<Wired<'n, 't>> {
    let index: HashMap<&str, usize> = nodes.iter().enumerate().map(|(i, n)| (n.id.as_str(), i)).collect();
    for n in nodes {
        if around.inputs.contains_key(&n.id) {
            let d = Diagnostic::error(Code::E0103, format!("`{}` is already the name of an input", printable(&n.id)));
            found.push(d.at(n.id_place.clone(), "a node of that name").help("rename the node"));
        }
    }
    let there = |node: &str| index.contains_key(node) || around.inputs.get(node) == Some(&true);
    outputs.iter_mut().for_each(|(_, r)| settle(r, &there));
    let mut bodies: Vec<Option<Wired>> = Vec::with_capacity(nodes.len());
    for n in nodes {
        let body = body(n, around, budget, found);
        if body.is_none() {
            budget.fault();
        }
        if budget.spent() {
            return vec![];
        }
        bodies.push(body);
    }
    bodies.iter_mut().flatten().for_each(|w| w.inputs.iter_mut().for_each(|(_, r)| settle(r, &there)));
    let ports: Vec<Option<Vec<String>>> = bodies.iter().map(|b| b.as_ref().map(|w| outputs_of(&w.body))).collect();

    let known = |r: &Reference, budget: &mut Budget, found: &mut Diagnostics| -> Option<Option<usize>> {
        let at = resolve(r, nodes, &index, &ports, around, budget, found);
        if at.is_none() {
            budget.fault();
        }
        at
    };
    // The node that a reference names, or most likely means.
    let meant = |r: &Reference, budget: &Budget| {
        let near = || index.get(nearest(&r.node, index.keys().copied().filter(|_| budget.suggests(index.len())))?);
        index.get(r.node.as_str()).or_else(near).copied()
    };
    let mut graph = BlockGraph::with_capacity(nodes.len(), nodes.len());
    (0..nodes.len()).for_each(|i| {
        graph.add_node(i);
    });
    // What a faulty node is connected to counts as used: its own error is enough.
    let mut used: Vec<usize> = vec![];
    for (i, slot) in bodies.iter_mut().enumerate() {
        if budget.spent() {
            return vec![];
        }
        let Some(w) = slot else {
            let ports = ports_of(&nodes[i].block, around);
            for e in &nodes[i].entries {
                for r in Reference::all(&e.value).unwrap_or_default() {
                    if ports.contains(&e.key.as_str()) && known(&r, budget, found).is_none() {
                        used.extend(meant(&r, budget));
                    }
                    used.extend(index.get(r.node.as_str()));
                }
            }
            used.push(i);
            continue;
        };
        let mut sound = true;
        w.inputs.retain(|(_, r)| match known(r, budget, found) {
            Some(Some(from)) => {
                graph.add_edge(NodeIndex::new(from), NodeIndex::new(i), ());
                true
            }
            Some(None) => connected(r, around),
            None => {
                used.extend(meant(r, budget));
                sound = false;
                false
            }
        });
        if sound {
            arity(w, found);
        } else {
            used.push(i);
            *slot = None;
        }
    }

    for ring in rings(&graph) {
        let mut d = Diagnostic::error(Code::E0205, format!("these nodes feed each other in a ring: {}", way(&ring, nodes)));
        for (k, i) in ring.iter().enumerate().take(8) {
            let n = &nodes[*i];
            let next = &nodes[ring[(k + 1) % ring.len()]];
            let text = format!("`{}` feeds `{}`", n.id, next.id);
            d = if k == 0 { d.at(n.id_place.clone(), text) } else { d.also(n.id_place.clone(), text) };
        }
        found.push(d.help("a network has no loops: take one of these connections from an earlier node"));
        used.extend(ring);
    }

    let ends: Vec<Option<usize>> = outputs.iter().filter_map(|(_, r)| known(r, budget, found)).collect();
    if !ends.is_empty() {
        let ends: Vec<usize> = ends.into_iter().flatten().collect();
        for i in dead(&graph, &[ends, used].concat()) {
            if bodies[i].take().is_some()
                && let Some(severity) = around.dead
            {
                let n = &nodes[i];
                let d = Diagnostic { severity, ..Diagnostic::error(Code::E0206, format!("`{}` reaches no output", n.id)) };
                found.push(d.at(n.id_place.clone(), "nothing that counts uses it").help("connect it, or remove it"));
            }
        }
    }
    order(&graph).into_iter().filter_map(|i| bodies[i].take()).collect()
}

/// A ring as its nodes one after the other; of a very long one the ends.
fn way(ring: &[usize], nodes: &[NodeText]) -> String {
    let name = |i: &usize| format!("`{}`", nodes[*i].id);
    let (first, last) = match ring.len() {
        0..=RING => (ring, &ring[..1]),
        n => (&ring[..RING / 2], &ring[n - RING / 2..]),
    };
    let mut names: Vec<String> = first.iter().map(name).collect();
    if ring.len() > RING {
        names.push(format!("{} more", ring.len() - RING));
        names.extend(last.iter().chain(&ring[..1]).map(name));
    } else {
        names.extend(last.iter().map(name));
    }
    names.join(" -> ")
}

/// The inputs of a block or composite, if it is known.
fn ports_of<'a>(block: &str, around: &Surroundings<'a, '_>) -> Vec<&'a str> {
    match (around.composites.get(block), Spec::LIST.iter().find(|e| e.name == block)) {
        (Some(c), _) => c.inputs.iter().map(|p| p.name.as_str()).collect(),
        (None, Some(e)) => e.inputs.iter().map(|p| p.name).collect(),
        (None, None) => vec![],
    }
}

/// Of a reference with alternatives, keeps the first that is there.
fn settle(r: &mut Reference, there: &dyn Fn(&str) -> bool) {
    if r.others.is_empty() || there(&r.node) {
        return;
    }
    let chosen = r.others.iter().position(|(n, _)| there(n)).unwrap_or(r.others.len() - 1);
    (r.node, r.port) = r.others.swap_remove(chosen);
}

/// Whether a reference to an input of the scope carries a value.
fn connected(r: &Reference, around: &Surroundings<'_, '_>) -> bool {
    around.inputs.get(&r.node).copied().unwrap_or(false)
}

/// The node behind a reference; `Some(None)` for an input of the scope or a dropped node, `None` when there is no such thing.
fn resolve(
    r: &Reference,
    nodes: &[NodeText],
    index: &HashMap<&str, usize>,
    ports: &[Option<Vec<String>>],
    around: &Surroundings<'_, '_>,
    budget: &Budget,
    found: &mut Diagnostics,
) -> Option<Option<usize>> {
    if around.inputs.contains_key(&r.node) && r.port.is_none() || around.dropped.contains(&r.node) {
        return Some(None);
    }
    let Some(&i) = index.get(r.node.as_str()) else {
        let mut d = Diagnostic::error(Code::E0202, format!("there is no node `{}`", printable(&r.node))).at(r.place.clone(), "named here");
        if budget.suggests(nodes.len()) {
            let names = nodes.iter().map(|n| n.id.as_str()).chain(around.inputs.keys().map(String::as_str));
            let mut names: Vec<&str> = names.collect();
            names.sort_unstable();
            d = d.help(suggestion(&r.node, names.iter().copied(), "nodes"));
        }
        found.push(d);
        return None;
    };
    let known = ports[i].as_ref()?;
    let port = r.port.as_deref().unwrap_or("");
    if known.iter().any(|k| k == port) && r.port.as_deref() != Some("") {
        return Some(Some(i));
    }
    let (message, help) = match (r.port.as_deref(), known.as_slice()) {
        (Some(p), [only]) if only.is_empty() => {
            (format!("`{}` has one output, which has no name; `{}` is not there", r.node, printable(p)), format!("write \"{}\"", r.node))
        }
        (Some(p), _) => {
            (format!("`{}` has no output `{}`", r.node, printable(p)), suggestion(p, known.iter().map(String::as_str), "outputs"))
        }
        (None, _) => {
            let all: Vec<String> = known.iter().map(|k| format!("\"{}.{k}\"", r.node)).collect();
            (format!("`{}` has several outputs", r.node), format!("say which: {}", all.join(", ")))
        }
    };
    found.push(
        Diagnostic::error(Code::E0203, message).at(r.place.clone(), "named here").also(nodes[i].id_place.clone(), "this node").help(help),
    );
    None
}

fn outputs_of(body: &Body) -> Vec<String> {
    match body {
        Body::Block(s) => s.outputs(),
        Body::Composite(c, _) => c.outputs.iter().map(|(n, _)| n.clone()).collect(),
    }
}

fn body<'n, 't>(n: &'n NodeText, around: &Surroundings<'_, 't>, budget: &mut Budget, found: &mut Diagnostics) -> Option<Wired<'n, 't>> {
    if let Some(c) = around.composites.get(n.block.as_str()) {
        let read = budget.take(Limit::Characters, c.weight, &n.block_place, found);
        return read.then(|| composite(n, c, around, found))?;
    }
    let Some(entry) = Spec::LIST.iter().find(|e| e.name == n.block) else {
        let names: Vec<&str> = Spec::LIST.iter().map(|e| e.name).chain(around.composites.keys().copied()).collect();
        let d =
            Diagnostic::error(Code::E0201, format!("there is no block `{}`", printable(&n.block))).at(n.block_place.clone(), "used here");
        found.push(d.help(suggestion(&n.block, names.iter().copied(), "blocks")));
        return None;
    };
    let (connections, rest): (Vec<&Entry>, Vec<&Entry>) = n.entries.iter().partition(|e| entry.inputs.iter().any(|p| p.name == e.key));
    let inputs = references(&connections, found);
    let spec = match Spec::read(&n.block, fields(rest, &with(around.params, &n.locals)))? {
        Ok(spec) => spec,
        Err(refusal) => {
            let mut d = refusal.diagnostic(&n.block_place);
            if d.code == Code::E0107 {
                let ports: Vec<String> = entry.inputs.iter().map(|p| format!("`{}`", p.name)).collect();
                d = d.help(format!("inputs of `{}`: {}", n.block, ports.join(", ")));
            }
            found.push(d);
            return None;
        }
    };
    Some(Wired { text: n, body: Body::Block(spec), inputs: inputs? })
}

fn composite<'n, 't>(n: &'n NodeText, c: &'t Composite, around: &Surroundings<'_, 't>, found: &mut Diagnostics) -> Option<Wired<'n, 't>> {
    if around.within.contains(&c.name.as_str()) {
        let path: Vec<&str> = around.within.iter().copied().chain([c.name.as_str()]).collect();
        let d = Diagnostic::error(Code::E0208, format!("the composite `{}` contains itself: {}", c.name, path.join(" -> ")));
        found.push(
            d.at(n.block_place.clone(), "used here")
                .also(c.place.clone(), "defined here")
                .help("a composite uses other blocks than itself"),
        );
        return None;
    }
    if around.within.len() >= NESTING {
        let d = Diagnostic::error(Code::E0501, format!("composites stand in one another more than {NESTING} deep"));
        found.push(
            d.at(n.block_place.clone(), "used here")
                .also(c.place.clone(), "defined here")
                .help("use composites side by side, or put the nodes of one into another"),
        );
        return None;
    }
    let mut params = around.params.clone();
    let mut sound = true;
    for p in &c.params {
        let given = n.entries.iter().find(|e| e.key == p.name);
        let required = p.value.name() == Some("Required");
        match (given, required) {
            (None, true) => {
                let d = Diagnostic::error(Code::E0106, format!("`{}` needs the parameter `{}`", c.name, p.name));
                found.push(
                    d.at(n.block_place.clone(), "used here").also(p.place.clone(), "required here").help(format!("add `{}: ...`", p.name)),
                );
                sound = false;
            }
            (given, _) => {
                let tree = given.map_or(&p.value, |e| &e.value);
                let outer = with(around.params, &n.locals);
                match value(tree, if given.is_some() { &outer } else { &params }) {
                    Ok(value) => {
                        params.insert(p.name.clone(), value);
                    }
                    Err(d) => {
                        found.push(d);
                        sound = false;
                    }
                }
            }
        }
    }
    let (connections, rest): (Vec<&Entry>, Vec<&Entry>) = n.entries.iter().partition(|e| c.inputs.iter().any(|p| p.name == e.key));
    for e in rest.iter().filter(|e| c.params.iter().all(|p| p.name != e.key)) {
        let names: Vec<&str> = c.inputs.iter().map(|p| p.name.as_str()).chain(c.params.iter().map(|p| p.name.as_str())).collect();
        let d = Diagnostic::error(Code::E0107, format!("`{}` has no input or parameter `{}`", c.name, printable(&e.key)));
        found.push(d.at(e.key_place.clone(), "here").also(c.place.clone(), "defined here").help(suggestion(
            &e.key,
            names.iter().copied(),
            "inputs and parameters",
        )));
        sound = false;
    }
    let inputs = references(&connections, found)?;
    sound.then_some(Wired { text: n, body: Body::Composite(c, params), inputs })
}

fn references(entries: &[&Entry], found: &mut Diagnostics) -> Option<Vec<(String, Reference)>> {
    let mut all = vec![];
    let mut sound = true;
    for e in entries {
        match Reference::all(&e.value) {
            Ok(refs) => all.extend(refs.into_iter().map(|r| (e.key.clone(), r))),
            Err(d) => {
                found.0.extend(d.0);
                sound = false;
            }
        }
    }
    sound.then_some(all)
}

/// Checks how many values each port got.
fn arity(w: &Wired, found: &mut Diagnostics) {
    let ports: Vec<(&str, Arity, Option<&Place>)> = match &w.body {
        Body::Block(s) => s.inputs().iter().map(|p| (p.name, p.arity, None)).collect(),
        Body::Composite(c, _) => {
            let arity = |optional| if optional { Arity::Optional } else { Arity::One };
            c.inputs.iter().map(|p| (p.name.as_str(), arity(p.optional), Some(&p.place))).collect()
        }
    };
    for (name, arity, defined) in ports {
        let given: Vec<&Reference> = w.inputs.iter().filter(|(p, _)| p == name).map(|(_, r)| r).collect();
        let message = match (arity, given.len()) {
            (Arity::One, 0) | (Arity::Many, 0) => format!("nothing is connected to the input `{name}` of `{}`", w.text.id),
            (Arity::One | Arity::Optional, n) if n > 1 => {
                format!("{n} values are connected to the input `{name}` of `{}`, which takes one", w.text.id)
            }
            _ => continue,
        };
        let place = given.get(1).map_or(&w.text.block_place, |r| &r.place);
        let mut d = Diagnostic::error(Code::E0204, message).at(place.clone(), "here");
        if let Some(p) = defined {
            d = d.also(p.clone(), "this input");
        }
        found.push(d.help(if given.is_empty() {
            format!("add `{name}: \"...\"`")
        } else {
            "connect one, or put a `Concat` or `Add` between".into()
        }));
    }
}
