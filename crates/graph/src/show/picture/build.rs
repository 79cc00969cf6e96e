//! A program as a picture's items and wires.
//!
//! May use `compile`, `ir`, `op`. The op graph says what flows and what it costs; what was written adds names of ports and fields.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::label;
use super::model::{Item, Kind, Mark, Out, Picture, Sum, Wire};
use super::written::{Field, Written, written};
use crate::compile::Program;
use crate::ir::{Fact, Fault, Operator, Value};

impl Picture {
    /// Of a program; `set` are the changes from outside, for the title.
    ///
    /// # Errors
    /// When a count is beyond 64 bits.
    pub fn new(program: &Program, set: &[String]) -> Result<Self, Fault> {
        let cost = |v| program.graph.cost(v).map(|c| Sum { params: c.params, macs: c.macs, activations: c.written });
        let mut d = Drawing {
            p: program,
            picture: Self {
                name: program.name.clone(),
                set: set.to_vec(),
                params: program.params.iter().map(|(n, v)| (n.clone(), v.to_string())).collect(),
                ..Self::default()
            },
            maker: vec![None; program.graph.len()],
            words: written(program),
            lines: HashMap::new(),
            costs: program.graph.values().map(cost).collect::<Result<_, _>>()?,
        };
        d.picture.total = d.sum(0..program.graph.len());
        d.items();
        d.weights();
        d.outputs();
        d.wires();
        Ok(d.picture)
    }
}

struct Drawing<'p> {
    p: &'p Program,
    picture: Picture,
    /// The item that makes each value.
    maker: Vec<Option<usize>>,
    words: HashMap<String, Written>,
    /// Where the lines of each source begin.
    lines: HashMap<String, Vec<usize>>,
    costs: Vec<Sum>,
}

impl Drawing<'_> {
    fn sum(&self, range: Range<usize>) -> Sum {
        let each = self.costs.get(range).unwrap_or_default();
        each.iter().fold(Sum::default(), |s, c| Sum {
            params: s.params.saturating_add(c.params),
            macs: s.macs.saturating_add(c.macs),
            activations: s.activations.saturating_add(c.activations),
        })
    }

    fn facts(&mut self, item: usize, fact: Fact) {
        let i = &mut self.picture.items[item];
        i.voxels = fact.voxels().unwrap_or(u64::MAX);
        i.vector = fact.is_vector();
    }

    fn items(&mut self) {
        for (name, v) in &self.p.inputs {
            let i = self.picture.push(Item { cost: self.sum(v.0..v.0 + 1), ..Item::new(name, "input", Kind::Input, None) });
            self.facts(i, self.p.graph.fact(*v));
            self.maker[v.0] = Some(i);
        }
        let mut around: Vec<usize> = vec![];
        let rows = &self.p.rows;
        for (r, row) in rows.iter().enumerate() {
            around.truncate(row.depth);
            let inside = rows.get(r + 1).is_some_and(|next| next.depth > row.depth);
            let words = self.words.get(&row.path);
            let composite = inside || words.is_some_and(|w| w.composite);
            let kind = if composite { Kind::Composite } else { Kind::Block };
            let mut item = Item::new(&row.path, &row.block, kind, around.last().copied());
            item.fields = words.map(|w| w.fields.clone()).unwrap_or_default();
            item.inputs = words.map(|w| w.inputs.iter().map(|g| (g.port.clone(), g.said.clone())).collect()).unwrap_or_default();
            item.cost = self.sum(row.values.clone());
            item.place = Some(self.place(&row.place));
            let i = self.picture.push(item);
            self.facts(i, self.p.graph.fact(row.output));
            around.push(i);
            if !composite {
                self.operations(row.values.clone(), Some(i), &row.path);
            }
        }
        // Operations that belong to no node: those of a graph made by hand.
        for v in 0..self.maker.len() {
            if self.maker[v].is_none() {
                self.operation(Value(v), None, "");
            }
        }
    }

    fn operations(&mut self, values: Range<usize>, block: Option<usize>, path: &str) {
        if values.len() == 1 {
            self.maker[values.start] = block;
            return;
        }
        for v in values {
            self.operation(Value(v), block, path);
        }
    }

    fn operation(&mut self, v: Value, block: Option<usize>, path: &str) {
        let n = self.p.graph.node(v);
        let mut item = Item::new(&n.path, n.op.kind(), Kind::Operation, block);
        item.name =
            n.path.strip_prefix(path).map(|s| s.trim_start_matches('.')).filter(|s| !s.is_empty()).unwrap_or(n.op.kind()).to_owned();
        item.cost = self.costs[v.0];
        let spec = ron::to_string(&n.op).unwrap_or_default();
        item.fields = vec![Field { name: "operation".into(), text: spec, value: String::new() }];
        let i = self.picture.push(item);
        self.facts(i, n.fact);
        self.maker[v.0] = Some(i);
    }

    fn place(&mut self, place: &crate::text::Place) -> (String, usize) {
        let name = &place.source.name;
        if !self.lines.contains_key(name) {
            let text = &place.source.text;
            let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
            self.lines.insert(name.clone(), starts);
        }
        let line = self.lines[name].partition_point(|s| *s <= place.span.start);
        (name.clone(), line)
    }

    fn weights(&mut self) {
        for (v, name, w) in self.p.graph.weights() {
            if let Some(i) = self.maker[v.0] {
                self.picture.items[i].weights.push((name, w.dims));
            }
        }
        for v in self.p.graph.values() {
            let n = self.p.graph.node(v);
            if let (Some(owner), Some(i)) = (n.shares, self.maker[v.0]) {
                self.picture.items[i].shares = Some(self.p.graph.node(owner).path.clone());
            }
        }
    }

    /// Which values leave an item, under which names.
    fn outputs(&mut self) {
        let rows: HashMap<&str, usize> =
            self.picture.items.iter().enumerate().filter(|(_, i)| i.kind != Kind::Operation).map(|(n, i)| (i.path.as_str(), n)).collect();
        let mut all: Vec<(usize, Out)> = vec![];
        let mut single = vec![false; self.picture.items.len()];
        for (tap, v) in &self.p.graph.taps {
            let own = rows.get(tap.as_str()).copied().filter(|i| !std::mem::replace(&mut single[*i], true));
            let found = own.map(|i| (i, "")).or_else(|| tap.rsplit_once('.').and_then(|(path, port)| Some((*rows.get(path)?, port))));
            if let Some((i, port)) = found {
                // A node that passes its input on makes nothing; the value is drawn as coming from it all the same.
                let item = &self.picture.items[i];
                let passes = item.children.is_empty() && self.maker[v.0] != Some(i);
                let Some(from) = (if passes { Some(i) } else { self.maker[v.0] }) else { continue };
                all.push((i, Out { port: port.to_owned(), from, shape: label::shape(&self.p.graph.fact(*v)) }));
            }
        }
        for (i, out) in all {
            self.picture.items[i].outputs.push(out);
        }
        for (v, maker) in self.maker.iter().enumerate() {
            let Some(i) = *maker else { continue };
            if self.picture.items[i].outputs.is_empty() {
                let shape = label::shape(&self.p.graph.fact(Value(v)));
                self.picture.items[i].outputs.push(Out { port: String::new(), from: i, shape });
            }
        }
    }

    fn wires(&mut self) {
        let rows: HashMap<&str, usize> =
            self.picture.items.iter().enumerate().filter(|(_, i)| i.kind != Kind::Operation).map(|(n, i)| (i.path.as_str(), n)).collect();
        let values: HashMap<&str, Value> = self.p.graph.taps.iter().map(|(t, v)| (t.as_str(), *v)).collect();
        let passes = |i: usize, items: &[Item]| matches!(items[i].kind, Kind::Block | Kind::Composite) && items[i].children.is_empty();
        let mut wires = vec![];
        let mut seen = HashSet::new();
        let mut add = |from: usize, to: usize, port: &str| {
            if from != to && seen.insert((from, to)) {
                wires.push(Wire { from, to, port: port.to_owned(), mark: Mark::Same });
            }
        };
        for row in &self.p.rows {
            let Some(&item) = rows.get(row.path.as_str()) else { continue };
            if self.picture.items[item].kind == Kind::Composite && !self.picture.items[item].children.is_empty() {
                continue;
            }
            // For each value that flows in: its port, and the node that passes it on without making it.
            let mut named: HashMap<usize, (&str, Option<usize>)> = HashMap::new();
            for given in self.words.get(&row.path).map(|w| w.inputs.as_slice()).unwrap_or_default() {
                let (port, Some((path, out))) = (&given.port, &given.from) else { continue };
                let tap = if out.is_empty() { path.clone() } else { format!("{path}.{out}") };
                let value = values.get(tap.as_str()).copied().or_else(|| self.p.inputs.iter().find(|(n, _)| n == path).map(|(_, v)| *v));
                let Some(v) = value else { continue };
                let by = rows.get(path.as_str()).copied().filter(|i| passes(*i, &self.picture.items) && self.maker[v.0] != Some(*i));
                named.insert(v.0, (port, by));
                if row.values.is_empty() && v == row.output {
                    add(by.or(self.maker[v.0]).unwrap_or(item), item, port);
                }
            }
            if row.values.is_empty() && !named.contains_key(&row.output.0) {
                add(self.maker[row.output.0].unwrap_or(item), item, "");
            }
            for v in row.values.clone() {
                let Some(to) = self.maker[v] else { continue };
                for u in self.p.graph.inputs(Value(v)).iter().copied() {
                    let (port, by) = named.get(&u.0).copied().unwrap_or(("", None));
                    let inside = row.values.contains(&u.0);
                    if let Some(from) = by.or(self.maker[u.0]) {
                        add(from, to, if inside { "" } else { port });
                    }
                }
            }
        }
        if self.p.rows.is_empty() {
            for v in self.p.graph.values() {
                for u in self.p.graph.inputs(v).iter().copied() {
                    if let (Some(from), Some(to)) = (self.maker[u.0], self.maker[v.0]) {
                        add(from, to, "");
                    }
                }
            }
        }
        for (name, v) in &self.p.graph.outputs {
            let fact = self.p.graph.fact(*v);
            let out = self.picture.push(Item { outputs: vec![], ..Item::new(name, "output", Kind::Output, None) });
            self.facts(out, fact);
            self.picture.items[out].fields = vec![Field { name: "shape".into(), text: label::shape(&fact), value: String::new() }];
            if let Some(from) = self.maker[v.0] {
                add(from, out, "");
            }
        }
        self.picture.wires = wires;
    }
}
