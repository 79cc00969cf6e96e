//! From wired nodes to operations: composites open up, blocks draw themselves, faults find their places.

use std::collections::HashMap;

use super::body::Body;
use super::program::Row;
use super::wire::{Surroundings, Wired, wire};
use crate::block::{Builder, Connected};
use crate::ir::{Fault, Graph, Value};
use crate::op::Op;
use crate::read::budget::{Budget, Limit};
use crate::read::{Absent, Composite, NodeText, Opened, Reference, Scope, Words, filled, opened};
use crate::text::{Code, Diagnostic, Diagnostics, Place, Severity};

/// The values of a scope's names: a node's outputs by port, without a value where it could not be lowered.
type Values = HashMap<String, Vec<(String, Option<Value>)>>;

/// What flows into an input of a scope.
#[derive(Clone, Debug)]
pub enum Flow {
    Value(Value),
    /// Nothing, and why.
    Nothing(Absent),
    /// What could not be made, because of an error that was told.
    Unknown,
}

/// What lowering a graph builds up.
pub struct Lowering<'t> {
    pub graph: Graph<Op>,
    pub rows: Vec<Row>,
    pub found: Diagnostics,
    budget: Budget,
    composites: HashMap<&'t str, &'t Composite>,
    all_blocks: bool,
    dropped: Vec<Absent>,
    dead: Option<Severity>,
}

/// A scope to be lowered.
pub struct Inside<'s, 't> {
    pub nodes: &'t [NodeText],
    pub outputs: &'t [(String, Reference)],
    pub params: &'s Scope,
    /// Where words that are values of parameters were given.
    pub words: &'s Words,
    /// The scope's inputs and what flows in.
    pub inputs: HashMap<String, Flow>,
    /// Whether the names of all nodes and inputs, and of all outputs, could be read.
    pub whole: (bool, bool),
    /// The path before its nodes' names, empty for the graph.
    pub prefix: &'s str,
    /// The composites around it.
    pub within: &'s [&'t str],
    /// The nodes in which these stand.
    pub used: &'s [Place],
}

impl<'t> Lowering<'t> {
    /// `all_blocks`: whether all composites could be read. `dead`: how bad a node is that reaches no output.
    pub fn new(composites: &'t [Composite], all_blocks: bool, dropped: &'t [(String, Place)], dead: Option<Severity>) -> Self {
        Self {
            graph: Graph::default(),
            rows: vec![],
            found: Diagnostics::default(),
            budget: Budget::default(),
            composites: composites.iter().map(|c| (c.name.as_str(), c)).collect(),
            all_blocks,
            dropped: dropped.iter().map(|(name, place)| Absent::dropped(name, place)).collect(),
            dead,
        }
    }

    /// Lowers a scope and gives the values of its outputs, by name; `None` for what could not be made, because of an error that was told.
    pub fn scope(&mut self, s: Inside<'_, 't>) -> Vec<(String, Option<Value>)> {
        if self.budget.spent() {
            return vec![];
        }
        let nothing = |f: &Flow| if let Flow::Nothing(absent) = f { Some(absent.clone()) } else { None };
        let known: HashMap<String, Option<Absent>> = s.inputs.iter().map(|(n, f)| (n.clone(), nothing(f))).collect();
        let dropped = if s.within.is_empty() { std::mem::take(&mut self.dropped) } else { vec![] };
        let Opened { nodes, absent, loops } = opened(s.nodes, s.params, &mut self.budget, &mut self.found);
        if self.budget.spent() {
            return vec![];
        }
        let composites = std::mem::take(&mut self.composites);
        let mut outputs = filled(s.outputs, s.params, &mut self.found);
        let around = Surroundings {
            composites: &composites,
            all_blocks: self.all_blocks,
            params: s.params,
            words: s.words,
            inputs: &known,
            absent: &dropped.into_iter().chain(absent).map(|a| (a.id.clone(), a)).collect(),
            loops: &loops,
            whole: s.whole,
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
            let x: Vec<_> = w.inputs.iter().map(|(port, r)| (port.as_str(), r, find(r, &values, &s.inputs))).collect();
            let out = self.node(&w, path, &x, &s);
            values.insert(w.text.id.clone(), out);
        }
        outputs.iter().map(|(name, r)| (name.clone(), find(r, &values, &s.inputs))).collect()
    }

    /// The outputs of a node; none where they are not known.
    fn node(
        &mut self,
        w: &Wired<'_, 't>,
        path: String,
        x: &[(&str, &Reference, Option<Value>)],
        s: &Inside<'_, 't>,
    ) -> Vec<(String, Option<Value>)> {
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
        let out = match &w.body {
            Body::Block(Ok(spec), _) if w.sound => {
                let Some(x) = x.iter().map(|(port, r, v)| Some((*port, *r, (*v)?))).collect::<Option<Vec<_>>>() else { return vec![] };
                let mut connected = Connected::default();
                x.iter().for_each(|(port, _, v)| connected.connect(port, *v));
                match spec.lower(&mut Builder::new(&mut self.graph, path.clone()), &connected) {
                    Ok(values) => spec.outputs().into_iter().zip(values.into_iter().map(Some)).collect(),
                    Err(fault) => {
                        let d = self.placed(fault, w, &path, &x, s);
                        self.found.push(d);
                        self.budget.fault(&w.text.block_place);
                        return vec![];
                    }
                }
            }
            Body::Composite(c, params, words, _) => {
                let out = self.composite(c, params, words, w, &path, x, s);
                if !w.sound {
                    return vec![];
                }
                out
            }
            _ => return vec![],
        };
        if matches!(w.body, Body::Block(..)) {
            self.budget.take(Limit::Operations, self.graph.len() - first, &w.text.id_place, &mut self.found);
        }
        for (port, v) in out.iter().filter_map(|(port, v)| Some((port, (*v)?))) {
            let tap = if port.is_empty() { path.clone() } else { format!("{path}.{port}") };
            self.graph.taps.push((tap, v));
        }
        if let Some((_, Some(v))) = out.first() {
            self.rows[row].output = *v;
        }
        self.rows[row].values = first..self.graph.len();
        out
    }

    /// The outputs of a composite. One that has an error outside is looked into all the same, as far as that can be done.
    #[allow(clippy::too_many_arguments)]
    fn composite(
        &mut self,
        c: &'t Composite,
        params: &Scope,
        words: &Words,
        w: &Wired<'_, 't>,
        path: &str,
        x: &[(&str, &Reference, Option<Value>)],
        s: &Inside<'_, 't>,
    ) -> Vec<(String, Option<Value>)> {
        let flow = |port: &str| match x.iter().find(|(n, ..)| *n == port) {
            Some((.., Some(v))) => Flow::Value(*v),
            Some(_) => Flow::Unknown,
            None if w.unclear.iter().any(|p| p == port) => Flow::Unknown,
            None => match c.inputs.iter().find(|p| p.name == port) {
                Some(p) if p.optional => {
                    let why = format!("is an optional input that `{path}` does not connect");
                    Flow::Nothing(Absent { id: port.to_owned(), why, place: p.place.clone() })
                }
                _ => Flow::Unknown,
            },
        };
        let inputs = c.inputs.iter().map(|p| (p.name.clone(), flow(&p.name))).collect();
        let within: Vec<&str> = s.within.iter().copied().chain([c.name.as_str()]).collect();
        let used: Vec<Place> = s.used.iter().cloned().chain([w.text.id_place.clone()]).collect();
        self.scope(Inside {
            nodes: &c.nodes,
            outputs: &c.outputs,
            params,
            words,
            inputs,
            whole: (c.names, c.whole),
            prefix: path,
            within: &within,
            used: &used,
        })
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
            d = d.within(used.clone());
        }
        match fault.help {
            Some(h) => d.help(h),
            None => d,
        }
    }
}

/// The value of a reference, if it could be made.
fn find(r: &Reference, values: &Values, inputs: &HashMap<String, Flow>) -> Option<Value> {
    if r.port.is_none()
        && let Some(flow) = inputs.get(&r.node)
    {
        return if let Flow::Value(v) = flow { Some(*v) } else { None };
    }
    let port = r.port.as_deref().unwrap_or("");
    values.get(&r.node)?.iter().find(|(p, _)| p == port)?.1
}
