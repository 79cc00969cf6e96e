//! Who feeds whom in one scope (the graph, or the inside of a composite): names and ports resolved, rings and dead nodes refused.
//!
//! What is wrong with a node is told once; whatever takes its value is looked at as far as that can be done without it.

use std::collections::{HashMap, HashSet};

use petgraph::stable_graph::NodeIndex;

use super::body::{Body, body};
use super::order::{BlockGraph, Link, dead, fed, feeding, only_asks, order, rings};
use super::ports::{Lack, arity, chained};
use super::resolve::{Lasts, Names, Source, settle};
use crate::read::budget::Budget;
use crate::read::{
    Absent, Composite, GraphText, LAST, Loop, NodeQuestion, NodeText, OutputText, Reference, Scope, Value, Words, evaluate, with,
};
use crate::text::{Code, Diagnostic, Diagnostics, Place, Severity, a_few, nearest, printable};

/// So many nodes of a ring are named.
const RING: usize = 100;

/// And so many that feed one that reaches no output.
const FEW: usize = 8;

/// A node with what is known of its block and its connections.
pub struct Wired<'n, 't> {
    pub text: &'n NodeText,
    pub body: Body<'t>,
    /// Each connection with its port; none where nothing is there to be connected.
    pub inputs: Vec<(String, Reference)>,
    /// What its fields ask of other nodes and of inputs.
    pub asks: Vec<Ask>,
    /// Ports whose connection has an error.
    pub unclear: Vec<String>,
    /// Whether nothing is wrong with it; else something was told, and it has no value.
    pub sound: bool,
}

/// What a field of a node asks of another.
pub struct Ask {
    pub question: NodeQuestion,
    /// As it is written: `enc{s - 1} | x`, its braces filled in.
    pub text: String,
    pub of: Reference,
    pub state: State,
}

/// Whether there is something to ask of.
pub enum State {
    There,
    Absent(Absent),
    /// What was told.
    Unclear,
}

/// What a scope's names mean.
#[derive(Clone, Copy)]
pub struct Surroundings<'a, 't> {
    pub composites: &'a HashMap<&'t str, &'t Composite>,
    /// Whether all composites could be read.
    pub all_blocks: bool,
    pub params: &'a Scope,
    /// The parameters of the graph.
    pub globals: &'a Scope,
    /// Where words that are values of parameters were given.
    pub words: &'a Words,
    /// Inputs of the scope; why nothing flows in, where that is so.
    pub inputs: &'a HashMap<String, Option<Absent>>,
    /// Nodes that a variant or a condition left out.
    pub absent: &'a HashMap<String, Absent>,
    pub loops: &'a [Loop],
    /// What `{last}` stands for.
    pub lasts: &'a Lasts,
    /// Whether the names of all nodes and inputs, and of all outputs, could be read.
    pub whole: (bool, bool),
    /// Composites that this scope stands in, from the outside in.
    pub within: &'a [&'t str],
    /// The graph, whose nodes and inputs a composite does not see.
    pub graph: &'t GraphText,
    /// Whether no error was told of the graph's text, and none of this scope: only then it can be said that something is used by nobody.
    pub clean: bool,
    /// How bad a node is that reaches no output; unless it is an error, such nodes are left out.
    pub dead: Option<Severity>,
}

/// Resolves the nodes of a scope and gives them in an order in which they can be lowered, those that cannot be last; what is wrong is in
/// `found`.
pub fn wire<'n, 't>(
    nodes: &'n [NodeText],
    outputs: &mut [OutputText],
    around: &Surroundings<'_, 't>,
    budget: &mut Budget,
    found: &mut Diagnostics,
) -> Vec<Wired<'n, 't>> {
    let told = found.errors();
    let index: HashMap<&str, usize> = nodes.iter().enumerate().map(|(i, n)| (n.id.as_str(), i)).collect();
    for n in nodes {
        if around.inputs.contains_key(&n.id) {
            let d = Diagnostic::error(Code::E0103, format!("`{}` is already the name of an input", printable(&n.id)));
            found.push(d.at(n.id_place.clone(), "a node of that name").help("rename the node"));
        }
    }
    // What a loop may make whose turns are not known is taken, so that nothing else is in its place.
    let there = |node: &str| {
        index.contains_key(node) || matches!(around.inputs.get(node), Some(None)) || around.loops.iter().any(|l| l.unclear(node))
    };
    for r in outputs.iter_mut().flat_map(|o| &mut o.from) {
        never(r, &index, around, found);
        settle(r, &there, around.lasts);
        entry(r, around.params, found);
    }
    let mut all: Vec<Wired> = Vec::with_capacity(nodes.len());
    for n in nodes {
        let mut w = body(n, around, budget, found);
        if !w.sound {
            budget.fault(&n.block_place);
        }
        if budget.spent() {
            return vec![];
        }
        let scope = with(around.params, &n.locals);
        for (_, r) in &mut w.inputs {
            never(r, &index, around, found);
            settle(r, &there, around.lasts);
            entry(r, &scope, found);
        }
        w.asks.iter_mut().for_each(|a| settle(&mut a.of, &there, around.lasts));
        chained(&w, found);
        all.push(w);
    }
    let ports: Vec<Option<Vec<String>>> = all.iter().map(|w| w.body.outputs()).collect();
    let mut names = Names { nodes, index: &index, ports: &ports, around, budget, found };

    let mut graph = BlockGraph::with_capacity(nodes.len(), nodes.len());
    (0..nodes.len()).for_each(|i| {
        graph.add_node(i);
    });
    for (i, w) in all.iter_mut().enumerate() {
        if names.budget.spent() {
            return vec![];
        }
        let mut lacks: Vec<Lack> = vec![];
        let (unclear, sound) = (&mut w.unclear, &mut w.sound);
        w.inputs.retain(|(port, r)| match names.source(r) {
            Source::Node(from) => {
                graph.add_edge(NodeIndex::new(from), NodeIndex::new(i), Link::Feeds);
                true
            }
            Source::Input => true,
            Source::Absent(absent) => {
                lacks.push(Lack { port: port.clone(), absent: absent.clone() });
                false
            }
            Source::Unclear => {
                unclear.push(port.clone());
                *sound = false;
                false
            }
        });
        // It follows the node whose weights it uses.
        if let Some(r) = &w.text.shares
            && let Some(from) = index.get(r.node.as_str())
        {
            graph.add_edge(NodeIndex::new(*from), NodeIndex::new(i), Link::Asked);
        }
        for ask in &mut w.asks {
            match names.source(&ask.of) {
                Source::Node(from) => {
                    graph.add_edge(NodeIndex::new(from), NodeIndex::new(i), Link::Asked);
                }
                Source::Input => {}
                Source::Absent(absent) => ask.state = State::Absent(absent.clone()),
                Source::Unclear => ask.state = State::Unclear,
            }
        }
        w.sound &= arity(w, &lacks, &names.known(), names.found);
    }

    for ring in rings(&graph) {
        let asks = |k: usize| only_asks(&graph, ring[k], ring[(k + 1) % ring.len()]);
        let way = way(&ring, nodes);
        let mut d = match (0..ring.len()).find(|k| asks(*k)) {
            None => Diagnostic::error(Code::E0205, format!("these nodes feed each other in a ring: {way}")),
            Some(k) => {
                let (of, from) = (&nodes[ring[k]].id, &nodes[ring[(k + 1) % ring.len()]].id);
                Diagnostic::error(
                    Code::E0205,
                    format!("these nodes wait for each other in a ring: {way}, as `{from}` asks for the channels of `{of}`"),
                )
            }
        };
        for (k, i) in ring.iter().enumerate().take(8) {
            let n = &nodes[*i];
            let next = &nodes[ring[(k + 1) % ring.len()]];
            let text = match asks(k) {
                true => format!("`{}` asks for the channels of `{}`", next.id, n.id),
                false => format!("`{}` feeds `{}`", n.id, next.id),
            };
            d = if k == 0 { d.at(n.id_place.clone(), text) } else { d.also(n.id_place.clone(), text) };
        }
        names.found.push(d.help("a network has no loops: take one of these connections from an earlier node"));
    }

    let mut ends: Vec<usize> = vec![];
    let mut sound = all.iter().all(|w| w.sound && !w.text.faulty);
    for o in outputs.iter_mut() {
        let (name, list) = (o.name.as_str(), o.list);
        o.from.retain(|r| match names.source(r) {
            Source::Node(i) => {
                ends.push(i);
                true
            }
            Source::Input => true,
            // What is left out leaves a list.
            Source::Absent(_) if list => false,
            Source::Absent(absent) => {
                let d = lost(name, r, absent, around.within);
                names.found.push(d);
                true
            }
            Source::Unclear => {
                sound = false;
                true
            }
        });
    }
    let mut left_out = vec![false; nodes.len()];
    // What is wrong may be what keeps a node from its output.
    if !outputs.is_empty() && sound && around.whole.1 && around.clean && names.found.errors() == told {
        let dead = dead(&graph, &ends);
        // Errors in a node that is refused anyway are told along with it.
        dead.iter().for_each(|i| left_out[*i] = around.dead != Some(Severity::Error));
        if let Some(severity) = around.dead {
            unused(nodes, &graph, &dead, severity, names.found);
        }
    }
    let mut slots: Vec<Option<Wired>> = all.into_iter().map(Some).collect();
    let mut ordered: Vec<Wired> = order(&graph).into_iter().filter(|i| !left_out[*i]).filter_map(|i| slots[i].take()).collect();
    let behind_rings = slots.into_iter().enumerate().filter(|(i, _)| !left_out[*i]).filter_map(|(_, w)| w);
    ordered.extend(behind_rings.map(|w| Wired { sound: false, ..w }));
    ordered
}

/// E0206: nodes that reach no output. Those that only feed such nodes are named along with them.
fn unused(nodes: &[NodeText], graph: &BlockGraph, dead: &[usize], severity: Severity, found: &mut Diagnostics) {
    let mut waiting: Vec<usize> = dead.iter().copied().filter(|i| fed(graph, *i).next().is_none()).collect();
    let mut told = vec![false; nodes.len()];
    let is_dead: HashSet<usize> = dead.iter().copied().collect();
    waiting.iter().for_each(|i| told[*i] = true);
    for i in std::mem::take(&mut waiting) {
        // All that leads to it and to nothing else that is told already.
        let (mut behind, mut open) = (vec![], vec![i]);
        while let Some(at) = open.pop() {
            for from in feeding(graph, at).filter(|from| is_dead.contains(from)) {
                if !std::mem::replace(&mut told[from], true) {
                    behind.push(from);
                    open.push(from);
                }
            }
        }
        behind.sort_unstable();
        let n = &nodes[i];
        let d = Diagnostic { severity, ..Diagnostic::error(Code::E0206, format!("`{}` reaches no output", n.id)) };
        let ids: Vec<&str> = behind.iter().map(|i| nodes[*i].id.as_str()).collect();
        let help = match ids.len() {
            0 => "connect it, or remove it".to_owned(),
            _ => format!("connect it, or remove it with what feeds it alone: {}", a_few(&ids, FEW)),
        };
        found.push(d.at(n.id_place.clone(), "nothing that counts uses it").help(help));
    }
}

/// W0103: alternatives that no node or input can ever be.
fn never(r: &Reference, index: &HashMap<&str, usize>, around: &Surroundings, found: &mut Diagnostics) {
    if r.others.is_empty() || r.faulty || !around.whole.0 {
        return;
    }
    let known = |n: &str| index.contains_key(n) || around.inputs.contains_key(n) || around.absent.contains_key(n);
    let fits = |n: &str| around.loops.iter().any(|l| !l.sound || l.fits(n));
    let names = r.names();
    // Where none is there, that is an error of its own.
    if !names.iter().any(|n| known(&n.node) || n.node.contains(LAST)) {
        return;
    }
    for name in names.iter().map(|n| n.node.as_str()) {
        if !known(name) && !name.contains(LAST) && !fits(name) {
            let d = Diagnostic::warning(Code::W0103, format!("there is never a node or an input `{}` to take here", printable(name)));
            let all = index.keys().copied().chain(around.inputs.keys().map(String::as_str));
            let mut all: Vec<&str> = all.chain(around.loops.iter().map(|l| l.before.as_str())).collect();
            all.sort_unstable();
            let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
            let near = nearest(name, all.iter().copied()).or_else(|| nearest(stem, all.iter().copied()));
            let help = near.map_or_else(|| "remove it, or name a node that is there".to_owned(), |n| format!("did you mean `{n}`?"));
            found.push(d.at(r.place.clone(), "this alternative").help(help));
        }
    }
}

/// Finds out which of a list a reference takes.
fn entry(r: &mut Reference, scope: &Scope, found: &mut Diagnostics) {
    let Some(text) = r.entry.as_ref().filter(|_| !r.faulty) else { return };
    match evaluate(text, scope) {
        Ok(Value::Int(i)) if i >= 0 => r.at = usize::try_from(i).ok(),
        Ok(other) => {
            r.faulty = true;
            let (node, text) = (printable(&r.node).to_string(), printable(text).to_string());
            let message = format!("an entry of `{node}` is asked for by `{text}`, which is {other}");
            let help = match other {
                Value::List(_) => format!("several entries are several names of a list: [\"{node}[{{{text}}}]\"]"),
                _ => "entries are counted from 0".to_owned(),
            };
            found.push(Diagnostic::error(Code::E0203, message).at(r.place.clone(), "here").help(help));
        }
        Err(wrong) => {
            r.faulty = true;
            found.push(wrong.at(&r.place));
        }
    }
}

/// That an output takes the value of a node that is not there.
fn lost(name: &str, r: &Reference, absent: &Absent, within: &[&str]) -> Diagnostic {
    let output = match (name, within.last()) {
        ("", Some(block)) => format!("the output of `{block}`"),
        (name, Some(block)) => format!("the output `{}` of `{block}`", printable(name)),
        (name, None) => format!("the output `{}`", printable(name)),
    };
    let several = !Reference::parse(&r.text, r.place.clone()).others.is_empty();
    let (message, help) = match several {
        false => (
            format!("{output} takes `{}`, which {}", printable(&r.node), told(absent)),
            "take it from a node that is there, or name several with `|`, of which the first that is there is taken",
        ),
        true => (
            format!("{output} takes one of `{}`, of which none is there: `{}` {}", printable(&r.text), printable(&r.node), told(absent)),
            "add one that is there in any case, or leave out what needs it as well",
        ),
    };
    Diagnostic::error(Code::E0204, message).at(r.place.clone(), "here").also(absent.place.clone(), "by this").help(help)
}

/// Why a node is not there, and where that is said.
pub(super) fn told(absent: &Absent) -> String {
    let Place { source, span } = &absent.place;
    format!("{} at {}:{}", absent.why, source.name, source.line_column(span.start).0)
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
