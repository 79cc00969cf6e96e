//! The changes from one picture to another, node by node.
//!
//! May use `show::picture`. Nodes are the same when they stand at the same path. Composites that are written alike inside stay folded.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use crate::show::picture::{Item, Kind, Picture, Sum};

/// What became of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Added,
    Removed,
    /// It is written differently: its block, a field, or what it is connected to.
    Changed,
    /// Something inside it is.
    Inside,
    /// It is written alike but has another shape or cost, because of others.
    Affected,
}

/// A field before and after; nothing where it is not written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    pub name: String,
    pub old: Option<String>,
    pub new: Option<String>,
}

impl FieldChange {
    /// `out: 8 → 16`
    pub fn sentence(&self) -> String {
        let or = |s: &Option<String>| s.clone().unwrap_or_else(|| "not given".into());
        format!("{}: {} → {}", self.name, or(&self.old), or(&self.new))
    }
}

/// What an input is connected to, before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputChange {
    pub port: String,
    pub old: Vec<String>,
    pub new: Vec<String>,
}

impl InputChange {
    /// `x: lspm.features → stem`
    pub fn sentence(&self) -> String {
        let or = |s: &[String]| if s.is_empty() { "nothing".into() } else { s.join(", ") };
        let port = if self.port.is_empty() { "input" } else { &self.port };
        format!("{port}: {} → {}", or(&self.old), or(&self.new))
    }
}

/// Before and after.
pub type Pair<T> = [T; 2];

/// A node that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeChange {
    pub path: String,
    pub status: Status,
    /// 0 for a node of the graph.
    pub depth: usize,
    /// The block, before and after; one of them is empty for a node that was added or removed.
    pub block: Pair<String>,
    pub output: Pair<String>,
    pub fields: Vec<FieldChange>,
    pub inputs: Vec<InputChange>,
    pub params: Pair<u64>,
    pub macs: Pair<u64>,
    /// Bytes of its values, float32, batch 1.
    pub activations: Pair<u64>,
    /// The node inside which the same changes were listed already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
    /// Fields inside that have other values than there, by their paths from this node on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub but: Vec<FieldChange>,
}

/// Costs before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub params: Pair<u64>,
    pub macs: Pair<u64>,
    pub activations: Pair<u64>,
}

/// All changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub graphs: Pair<String>,
    /// Whether nothing differs: no node, no connection, no shape, no count.
    pub equal: bool,
    /// Parameters of the graph whose values differ.
    pub params: Vec<FieldChange>,
    pub nodes: Vec<NodeChange>,
    pub total: Totals,
}

/// Compares two pictures.
pub fn compare(a: &Picture, b: &Picture) -> Comparison {
    let mut c = Compare { a: Side::new(a), b: Side::new(b), nodes: vec![], told: HashMap::new() };
    c.scope(None, None, 0);
    let total = Totals {
        params: [a.total.params, b.total.params],
        macs: [a.total.macs, b.total.macs],
        activations: [a.total.activations, b.total.activations],
    };
    let params = changes(&a.params, &b.params);
    let title = |p: &Picture| if p.set.is_empty() { p.name.clone() } else { format!("{} {}", p.name, p.set.join(" ")) };
    Comparison { graphs: [title(a), title(b)], equal: c.nodes.is_empty(), params, nodes: c.nodes, total }
}

/// The names that stand on either side with different values.
fn changes(a: &[(String, String)], b: &[(String, String)]) -> Vec<FieldChange> {
    let find = |all: &[(String, String)], name: &str| all.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let names = a.iter().chain(b.iter().filter(|(n, _)| a.iter().all(|(m, _)| m != n))).map(|(n, _)| n);
    let each = names.map(|n| FieldChange { name: n.clone(), old: find(a, n), new: find(b, n) });
    each.filter(|c| c.old != c.new).collect()
}

struct Side<'p> {
    p: &'p Picture,
    /// For each item a text of everything written inside it, names relative to it.
    inside: Vec<String>,
}

impl<'p> Side<'p> {
    fn new(p: &'p Picture) -> Self {
        let mut parts: Vec<Vec<String>> = vec![vec![]; p.items.len()];
        let mut inside = vec![String::new(); p.items.len()];
        // Children stand after their parents; their order does not count.
        for (i, item) in p.items.iter().enumerate().rev().filter(|(_, i)| i.kind != Kind::Operation) {
            let mut own = std::mem::take(&mut parts[i]);
            own.sort();
            inside[i] = own.concat();
            if let Some(up) = item.parent {
                parts[up].push(format!("{}: {}{:?}{:?}{{{}}}", item.name, item.block, written(item), connections(item), inside[i]));
            }
        }
        Self { p, inside }
    }

    fn children(&self, of: Option<usize>) -> Vec<usize> {
        let all = of.map_or(&self.p.roots, |i| &self.p.items[i].children);
        all.iter().copied().filter(|i| self.p.items[*i].kind != Kind::Operation).collect()
    }
}

fn written(item: &Item) -> BTreeMap<&str, &str> {
    item.fields.iter().map(|f| (f.name.as_str(), f.text.as_str())).collect()
}

fn values(item: &Item) -> Vec<(String, String)> {
    let say = |f: &crate::show::picture::Field| if f.value.is_empty() { f.text.clone() } else { f.value.clone() };
    item.fields.iter().map(|f| (f.name.clone(), say(f))).collect()
}

struct Compare<'p> {
    a: Side<'p>,
    b: Side<'p>,
    nodes: Vec<NodeChange>,
    /// What was listed inside a composite, by its text before and after: the first node that has it, and the fields that differ inside.
    told: HashMap<(String, String), (String, Vec<FieldChange>)>,
}

/// The children of both in one order: what is only in the first stands before the next that both have.
pub(super) fn weave(a: &[String], b: &[String]) -> Vec<String> {
    let in_a: HashMap<&String, usize> = a.iter().enumerate().map(|(i, n)| (n, i)).collect();
    let in_b: HashSet<&String> = b.iter().collect();
    let mut out = vec![];
    let mut next = 0;
    for n in b {
        if let Some(&i) = in_a.get(n) {
            while next <= i {
                if !in_b.contains(&a[next]) {
                    out.push(a[next].clone());
                }
                next += 1;
            }
        }
        out.push(n.clone());
    }
    out.extend(a.iter().skip(next).filter(|n| !in_b.contains(n)).cloned());
    out
}

impl Compare<'_> {
    /// Lists the changes of a scope; gives the fields that differ in it, by their paths from it on.
    fn scope(&mut self, a: Option<usize>, b: Option<usize>, depth: usize) -> Vec<FieldChange> {
        let (in_a, in_b) = (self.a.children(a), self.b.children(b));
        let (pa, pb) = (self.a.p, self.b.p);
        let at_a: HashMap<&str, usize> = in_a.iter().map(|i| (pa.items[*i].path.as_str(), *i)).collect();
        let at_b: HashMap<&str, usize> = in_b.iter().map(|i| (pb.items[*i].path.as_str(), *i)).collect();
        let paths = |p: &'_ [Item], all: &[usize]| -> Vec<String> { all.iter().map(|i| p[*i].path.clone()).collect() };
        let all = weave(&paths(&pa.items, &in_a), &paths(&pb.items, &in_b));
        all.iter().flat_map(|path| self.node(path, at_a.get(path.as_str()).copied(), at_b.get(path.as_str()).copied(), depth)).collect()
    }

    /// Lists the changes of a node; gives the fields that differ in it and inside of it, by their paths from the scope around it on.
    fn node(&mut self, path: &str, a: Option<usize>, b: Option<usize>, depth: usize) -> Vec<FieldChange> {
        let (pa, pb) = (self.a.p, self.b.p);
        let (ia, ib) = (a.map(|i| &pa.items[i]), b.map(|i| &pb.items[i]));
        let of = |i: Option<&Item>, f: fn(&Item) -> String| i.map(f).unwrap_or_default();
        let cost = |f: fn(&Sum) -> u64| [ia.map_or(0, |i| f(&i.cost)), ib.map_or(0, |i| f(&i.cost))];
        let mut change = NodeChange {
            path: path.to_owned(),
            status: Status::Affected,
            depth,
            block: [of(ia, |i| i.block.clone()), of(ib, |i| i.block.clone())],
            output: [of(ia, shapes), of(ib, shapes)],
            fields: vec![],
            inputs: vec![],
            params: cost(|c| c.params),
            macs: cost(|c| c.macs),
            activations: cost(|c| c.activations),
            same_as: None,
            but: vec![],
        };
        let (Some(a), Some(b), Some(ia), Some(ib)) = (a, b, ia, ib) else {
            change.status = if b.is_some() { Status::Added } else { Status::Removed };
            self.nodes.push(change);
            return vec![];
        };
        let (na, nb) = (connections(ia), connections(ib));
        for port in na.keys().chain(nb.keys().filter(|k| !na.contains_key(*k))) {
            let of = |all: &BTreeMap<&str, Vec<String>>| all.get(port).cloned().unwrap_or_default();
            let (old, new) = (of(&na), of(&nb));
            if old != new {
                change.inputs.push(InputChange { port: (*port).to_owned(), old, new });
            }
        }
        change.fields = changes(&values(ia), &values(ib));
        let alike = self.a.inside[a] == self.b.inside[b];
        let own = ia.block != ib.block || written(ia) != written(ib) || !change.inputs.is_empty() || !change.fields.is_empty();
        let consequence = change.output[0] != change.output[1] || ia.cost != ib.cost;
        if !own && alike && !consequence {
            return vec![];
        }
        change.status = match (own, alike) {
            (true, _) => Status::Changed,
            (false, false) => Status::Inside,
            (false, true) => Status::Affected,
        };
        let name = path.rsplit('.').next().unwrap_or(path);
        let below = |f: &FieldChange| FieldChange { name: format!("{name}.{}", f.name), ..f.clone() };
        let mut all: Vec<FieldChange> = change.fields.iter().map(below).collect();
        let at = self.nodes.len();
        self.nodes.push(change);
        if alike {
            return all;
        }
        let inside = self.scope(Some(a), Some(b), depth + 1);
        all.extend(inside.iter().map(below));
        let key = (self.a.inside[a].clone(), self.b.inside[b].clone());
        match self.told.get(&key) {
            None => _ = self.told.insert(key, (path.to_owned(), inside)),
            Some((first, fields)) => {
                self.nodes.truncate(at + 1);
                self.nodes[at].same_as = Some(first.clone());
                self.nodes[at].but = inside.into_iter().filter(|f| !fields.contains(f)).collect();
            }
        }
        all
    }
}

fn connections(i: &Item) -> BTreeMap<&str, Vec<String>> {
    let mut all: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    i.inputs.iter().for_each(|(port, said)| all.entry(port).or_default().push(said.clone()));
    all
}

fn shapes(i: &Item) -> String {
    if i.kind == Kind::Output {
        return i.fields.first().map(|f| f.text.clone()).unwrap_or_default();
    }
    let each = i.outputs.iter().map(|o| if o.port.is_empty() { o.shape.clone() } else { format!("{} {}", o.port, o.shape) });
    each.collect::<Vec<_>>().join(", ")
}
