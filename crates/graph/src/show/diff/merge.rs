//! One picture of two graphs: what both have, what was added and what was removed, each item and wire with its mark.
//!
//! May use `compare`, `show::picture`. Items of both are one when their paths are the same; the second graph's shapes and costs are shown.

use std::collections::{HashMap, HashSet};

use super::compare::{Comparison, NodeChange, Status, weave};
use crate::show::picture::{Item, Kind, Mark, Out, Picture, Wire};

/// The picture of both, and which items are open: those inside which something is written differently.
pub fn merge(a: &Picture, b: &Picture, c: &Comparison) -> (Picture, Vec<bool>) {
    let told: HashMap<&str, &NodeChange> = c.nodes.iter().map(|n| (n.path.as_str(), n)).collect();
    let picture = Picture { name: c.graphs[0].clone(), versus: Some(c.graphs[1].clone()), total: b.total, ..Picture::default() };
    let mut m = Merge { a, b, told, picture, to: [vec![None; a.items.len()], vec![None; b.items.len()]] };
    m.scope(None, None, None);
    m.outputs();
    m.wires();
    let holds: HashSet<&str> = c.nodes.iter().filter_map(|n| Some(n.path.rsplit_once('.')?.0)).collect();
    let open =
        m.picture.items.iter().map(|i| i.kind == Kind::Composite && !i.children.is_empty() && holds.contains(i.path.as_str())).collect();
    (m.picture, open)
}

struct Merge<'p> {
    a: &'p Picture,
    b: &'p Picture,
    told: HashMap<&'p str, &'p NodeChange>,
    picture: Picture,
    /// Where each side's items have come to.
    to: [Vec<Option<usize>>; 2],
}

impl Merge<'_> {
    /// The children of an item of either side, or of both.
    fn scope(&mut self, a: Option<usize>, b: Option<usize>, into: Option<usize>) {
        let children = |p: &Picture, of: Option<usize>, there: bool| -> Vec<usize> {
            match of {
                Some(i) => p.items[i].children.clone(),
                None if there => p.roots.clone(),
                None => vec![],
            }
        };
        let top = into.is_none();
        let (all_a, all_b) = (children(self.a, a, top), children(self.b, b, top));
        // Operations may have the path of the node that holds them, so kinds are told apart.
        let key = |i: &Item| format!("{}{}", i.path, if i.kind == Kind::Operation { " op" } else { "" });
        let named = |p: &Picture, all: &[usize]| -> HashMap<String, usize> { all.iter().map(|i| (key(&p.items[*i]), *i)).collect() };
        let (in_a, in_b) = (named(self.a, &all_a), named(self.b, &all_b));
        let keys = |p: &Picture, all: &[usize]| -> Vec<String> { all.iter().map(|i| key(&p.items[*i])).collect() };
        for k in weave(&keys(self.a, &all_a), &keys(self.b, &all_b)) {
            let (ia, ib) = (in_a.get(&k).copied(), in_b.get(&k).copied());
            let Some(source) = ib.map(|i| &self.b.items[i]).or(ia.map(|i| &self.a.items[i])) else { continue };
            let mut item = Item { children: vec![], parent: into, outputs: vec![], ..source.clone() };
            let change = self.told.get(item.path.as_str()).copied().filter(|_| item.kind != Kind::Operation);
            item.mark = match (ia, ib, change.map(|c| c.status)) {
                (None, Some(_), _) => Mark::Added,
                (Some(_), None, _) => Mark::Removed,
                (.., Some(Status::Changed)) => Mark::Changed,
                _ => Mark::Same,
            };
            item.notes = change.map(notes).unwrap_or_default();
            let at = self.picture.items.len();
            match into {
                Some(up) => self.picture.items[up].children.push(at),
                None => self.picture.roots.push(at),
            }
            self.picture.items.push(item);
            if let Some(i) = ia {
                self.to[0][i] = Some(at);
            }
            if let Some(i) = ib {
                self.to[1][i] = Some(at);
            }
            self.scope(ia, ib, Some(at));
        }
    }

    /// Outputs name the items that make them, so they can be carried over only when all items have their place.
    fn outputs(&mut self) {
        for (side, p) in [(0, self.a), (1, self.b)] {
            for (i, item) in p.items.iter().enumerate() {
                let Some(at) = self.to[side][i] else { continue };
                for o in &item.outputs {
                    let Some(from) = self.to[side][o.from] else { continue };
                    let all = &mut self.picture.items[at].outputs;
                    match all.iter_mut().find(|q| q.from == from || q.port == o.port && side == 1) {
                        Some(q) => *q = Out { from, ..o.clone() },
                        None => all.push(Out { from, ..o.clone() }),
                    }
                }
            }
        }
    }

    fn wires(&mut self) {
        let ends = |side: usize, w: &Wire| Some((self.leaf(self.to[side][w.from]?, false), self.leaf(self.to[side][w.to]?, true)));
        let of = |side: usize, p: &Picture| -> Vec<(usize, usize, String)> {
            p.wires.iter().filter_map(|w| ends(side, w).map(|(f, t)| (f, t, w.port.clone()))).filter(|(f, t, _)| f != t).collect()
        };
        let (all_a, all_b) = (of(0, self.a), of(1, self.b));
        // Wires inside a node that both have are the second graph's; between nodes they are compared by the nodes.
        let node = |i: usize| if self.picture.items[i].kind == Kind::Operation { self.picture.items[i].parent.unwrap_or(i) } else { i };
        let between = |(f, t, port): &(usize, usize, String)| (node(*f), node(*t), port.clone());
        let (in_a, in_b): (HashSet<_>, HashSet<_>) = (all_a.iter().map(between).collect(), all_b.iter().map(between).collect());
        let mut wires: Vec<Wire> = vec![];
        let mut seen = HashSet::new();
        for (from, to, port) in &all_b {
            let inner = node(*from) == node(*to);
            let new = if inner {
                self.picture.items[node(*from)].mark == Mark::Added
            } else {
                !in_a.contains(&(node(*from), node(*to), port.clone()))
            };
            if seen.insert((*from, *to)) {
                wires.push(Wire { from: *from, to: *to, port: port.clone(), mark: if new { Mark::Added } else { Mark::Same } });
            }
        }
        for (from, to, port) in &all_a {
            let inner = node(*from) == node(*to);
            let gone = if inner {
                self.picture.items[node(*from)].mark == Mark::Removed
            } else {
                !in_b.contains(&(node(*from), node(*to), port.clone()))
            };
            if gone && seen.insert((*from, *to)) {
                wires.push(Wire { from: *from, to: *to, port: port.clone(), mark: Mark::Removed });
            }
        }
        self.picture.wires = wires;
    }

    /// An item without items in it: the first or the last inside one that the other graph had not opened.
    fn leaf(&self, mut i: usize, first: bool) -> usize {
        while let Some(next) = if first { self.picture.items[i].children.first() } else { self.picture.items[i].children.last() } {
            i = *next;
        }
        i
    }
}

/// What has changed, a sentence each.
fn notes(c: &NodeChange) -> Vec<String> {
    let mut all = vec![];
    match c.status {
        Status::Added => all.push("added".to_owned()),
        Status::Removed => all.push("removed".to_owned()),
        Status::Inside => all.push("changed inside".to_owned()),
        Status::Affected => all.push("other shapes or counts, because of others".to_owned()),
        Status::Changed => {}
    }
    let both = !matches!(c.status, Status::Added | Status::Removed);
    if both && c.block[0] != c.block[1] {
        all.push(format!("block: {} → {}", c.block[0], c.block[1]));
    }
    all.extend(c.fields.iter().map(super::FieldChange::sentence));
    all.extend(c.inputs.iter().map(super::InputChange::sentence));
    if both {
        if c.output[0] != c.output[1] {
            all.push(format!("output: {} → {}", c.output[0], c.output[1]));
        }
        for (name, pair) in [("parameters", c.params), ("MACs", c.macs), ("activation bytes", c.activations)] {
            if pair[0] != pair[1] {
                all.push(format!("{name}: {}", super::text::numbers(pair, crate::text::thousands)));
            }
        }
    }
    all
}
