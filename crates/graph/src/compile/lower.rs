//! From wired nodes to operations: composites open up, blocks draw themselves, faults find their places.

use std::collections::{HashMap, HashSet};

use super::program::Row;
use super::wire::{Body, Surroundings, Wired, wire};
use crate::block::{Builder, Connected};
use crate::ir::{Fault, Graph, Value};
use crate::op::Op;
use crate::read::budget::{Budget, Limit};
use crate::read::{Composite, NodeText, Reference, Scope, filled, opened};
use crate::text::{Code, Diagnostic, Diagnostics, Place, Severity};

/// The values of a scope's names: a node's outputs by port, or nothing where it could not be lowered.
type Values = HashMap<String, Vec<(String, Value)>>;

/// What lowering a graph builds up.
pub struct Lowering<'t> {
    pub graph: Graph<Op>,
    pub rows: Vec<Row>,
    pub found: Diagnostics,
    budget: Budget,
    composites: HashMap<&'t str, &'t Composite>,
    dropped: HashSet<String>,
    dead: Option<Severity>,
}

/// A scope to be lowered.
pub struct Inside<'s, 't> {
    pub nodes: &'t [NodeText],
    pub outputs: &'t [(String, Reference)],
    pub params: &'s Scope,
    /// The scope's inputs and what flows in.
    pub inputs: HashMap<String, Option<Value>>,
    /// The path before its nodes' names, empty for the graph.
    pub prefix: &'s str,
    /// The composites around it.
    pub within: &'s [&'t str],
    /// The nodes in which these stand.
    pub used: &'s [Place],
}

impl<'t> Lowering<'t> {
    /// `dead`: how bad a node is that reaches no output.
    pub fn new(composites: &'t [Composite], dropped: &'t [(String, Place)], dead: Option<Severity>) -> Self {
        Self {
            graph: Graph::default(),
            rows: vec![],
            found: Diagnostics::default(),
            budget: Budget::default(),
            composites: composites.iter().map(|c| (c.name.as_str(), c)).collect(),
            dropped: dropped.iter().map(|(n, _)| n.clone()).collect(),
            dead,
        }
    }

    /// Lowers a scope and gives the values of its outputs, by name; `None` for what could not be made.
    pub fn scope(&mut self, s: Inside<'_, 't>) -> Vec<(String, Option<Value>)> {
        if self.budget.spent() {
            return vec![];
        }
        let known: HashMap<String, bool> = s.inputs.iter().map(|(n, v)| (n.clone(), v.is_some())).collect();
        let composites = std::mem::take(&mut self.composites);
        let mut dropped = if s.within.is_empty() { std::mem::take(&mut self.dropped) } else { HashSet::new() };
        let (nodes, absent) = opened(s.nodes, s.params, &mut self.budget, &mut self.found);
        if self.budget.spent() {
            self.composites = composites;
            return vec![];
        }
        dropped.extend(absent);
        let mut outputs = filled(s.outputs, s.params, &mut self.found);
        let around = Surroundings {
            composites: &composites,
            params: s.params,
            inputs: &known,
            dropped: &dropped,
            within: s.within,
            dead: self.dead,
        };
        let wired = wire(&nodes, &mut outputs, &around, &mut self.budget, &mut self.found);
        self.composites = composites;

        let mut values = Values::with_capacity(wired.len());
        for w in wired {
            if self.budget.spent() {
                break;
            }
            let path = if s.prefix.is_empty() { w.text.id.clone() } else { format!("{}.{}", s.prefix, w.text.id) };
            let mut x = vec![];
            let mut whole = true;
            for (port, r) in &w.inputs {
                match find(r, &values, &s.inputs) {
                    Some(v) => x.push((port.as_str(), r, v)),
                    None => whole = false,
                }
            }
            if !whole {
                continue;
            }
            if let Some(out) = self.node(&w, path, &x, &s) {
                values.insert(w.text.id.clone(), out);
            }
        }
        outputs.iter().map(|(name, r)| (name.clone(), find(r, &values, &s.inputs))).collect()
    }

    fn node(
        &mut self,
        w: &Wired<'_, 't>,
        path: String,
        x: &[(&str, &Reference, Value)],
        s: &Inside<'_, 't>,
    ) -> Option<Vec<(String, Value)>> {
        let first = self.graph.len();
        let row = self.rows.len();
        self.rows.push(Row {
            path: path.clone(),
            block: w.text.block.clone(),
            depth: s.within.len(),
            values: first..first,
            output: Value(0),
            place: w.text.id_place.clone(),
        });
        let out: Option<Vec<(String, Value)>> = match &w.body {
            Body::Block(spec) => {
                let mut connected = Connected::default();
                x.iter().for_each(|(port, _, v)| connected.connect(port, *v));
                match spec.lower(&mut Builder::new(&mut self.graph, path.clone()), &connected) {
                    Ok(values) => Some(spec.outputs().into_iter().zip(values).collect()),
                    Err(fault) => {
                        let d = self.placed(fault, w, &path, x, s);
                        self.found.push(d);
                        self.budget.fault();
                        None
                    }
                }
            }
            Body::Composite(c, params) => {
                let inputs = c.inputs.iter().map(|p| (p.name.clone(), x.iter().find(|(n, ..)| *n == p.name).map(|(_, _, v)| *v)));
                let within: Vec<&str> = s.within.iter().copied().chain([c.name.as_str()]).collect();
                let used: Vec<Place> = s.used.iter().cloned().chain([w.text.id_place.clone()]).collect();
                let inside = Inside {
                    nodes: &c.nodes,
                    outputs: &c.outputs,
                    params,
                    inputs: inputs.collect(),
                    prefix: &path,
                    within: &within,
                    used: &used,
                };
                self.scope(inside).into_iter().map(|(n, v)| Some((n, v?))).collect()
            }
        };
        let out = out?;
        if matches!(w.body, Body::Block(_)) {
            self.budget.take(Limit::Operations, self.graph.len() - first, &w.text.id_place, &mut self.found);
        }
        for (port, v) in &out {
            let tap = if port.is_empty() { path.clone() } else { format!("{path}.{port}") };
            self.graph.taps.push((tap, *v));
        }
        if let Some((_, v)) = out.first() {
            self.rows[row].output = *v;
        }
        self.rows[row].values = first..self.graph.len();
        Some(out)
    }

    /// A fault as a diagnostic: at the field or connection that it names, with the shapes of what flows in.
    fn placed(&self, fault: Fault, w: &Wired, path: &str, x: &[(&str, &Reference, Value)], s: &Inside) -> Diagnostic {
        let entry = fault.field.and_then(|f| w.text.entries.iter().find(|e| e.key == f));
        let shapes = matches!(fault.code, Code::E0301 | Code::E0302);
        // Where the connections are labelled with their shapes, the block is what does not take them.
        let entry = entry.filter(|e| !(shapes && x.iter().any(|(port, ..)| *port == e.key)));
        let place = entry.map_or(&w.text.block_place, |e| &e.value.place);
        let mut d = Diagnostic::error(fault.code, fault.message).at(place.clone(), format!("in `{path}` ({})", w.text.block));
        if shapes {
            for (_, r, v) in x {
                d = d.also(r.place.clone(), format!("this is {}", self.graph.fact(*v)));
            }
        }
        if let Some(used) = s.used.first() {
            d = d.also(used.clone(), "in this node");
        }
        match fault.help {
            Some(h) => d.help(h),
            None => d,
        }
    }
}

fn find(r: &Reference, values: &Values, inputs: &HashMap<String, Option<Value>>) -> Option<Value> {
    if r.port.is_none()
        && let Some(v) = inputs.get(&r.node)
    {
        return *v;
    }
    let port = r.port.as_deref().unwrap_or("");
    values.get(&r.node)?.iter().find(|(p, _)| p == port).map(|(_, v)| *v)
}
