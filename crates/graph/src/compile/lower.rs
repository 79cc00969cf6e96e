//! From wired nodes to operations: composites open up, blocks draw themselves, faults find their places.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::answers::{asked, inputs};
use super::body::{Body, Target, read_now, with_outside};
use super::flow::{Connection, Flow, FlowOutput, FlowValues, find, flat, flows, picked, several_for};
use super::program::Row;
use super::wire::{Surroundings, Wired, wire};
use crate::block::{Builder, Connected};
use crate::ir::{Fault, Graph, Value};
use crate::op::Op;
use crate::read::budget::{Budget, Limit};
use crate::read::{
    Absent, Changes, Composite, GraphText, NodeText, Opened, OutputText, Reference, Scope, Words, filled, opened, required, value,
};
use crate::text::{Code, Diagnostic, Diagnostics, Place, Severity};

/// What lowering a graph builds up.
pub struct Lowering<'t> {
    pub graph: Graph<Op>,
    pub rows: Vec<Row>,
    pub found: Diagnostics,
    budget: Budget,
    composites: Rc<HashMap<&'t str, &'t Composite>>,
    /// Those that were looked into.
    seen: HashSet<&'t str>,
    all_blocks: bool,
    dead: Option<Severity>,
    text: &'t GraphText,
    /// Whether no error was told of the graph's text.
    clean: bool,
    /// Whether the graph is in two dimensions.
    pub flat: bool,
}

/// A scope to be lowered.
pub struct Inside<'s, 't> {
    pub nodes: &'t [NodeText],
    pub outputs: &'t [OutputText],
    pub changes: &'t Changes,
    pub params: &'s Scope,
    /// The parameters of the graph.
    pub globals: &'s Scope,
    /// Where words that are values of parameters were given.
    pub words: &'s Words,
    /// The scope's inputs and what flows in.
    pub inputs: HashMap<String, Flow>,
    /// Their names, in order.
    pub names: &'s [String],
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
    /// `all_blocks`: whether all composites could be read. `clean`: whether no error was told so far. `dead`: how bad a node is that
    /// reaches no output.
    pub fn new(text: &'t GraphText, all_blocks: bool, clean: bool, dead: Option<Severity>, flat: bool) -> Self {
        Self {
            graph: Graph::default(),
            rows: vec![],
            found: Diagnostics::default(),
            budget: Budget::default(),
            composites: Rc::new(text.blocks.iter().map(|c| (c.name.as_str(), c)).collect()),
            seen: HashSet::new(),
            all_blocks,
            dead,
            text,
            clean,
            flat,
        }
    }

    /// Lowers a scope and gives the values of its outputs, by name.
    pub fn scope(&mut self, s: Inside<'_, 't>) -> Vec<(String, FlowOutput)> {
        if self.budget.spent() {
            return vec![];
        }
        let told = self.found.errors();
        let nothing = |f: &Flow| if let Flow::Nothing(absent) = f { Some(absent.clone()) } else { None };
        let known: HashMap<String, Option<Absent>> = s.inputs.iter().map(|(n, f)| (n.clone(), nothing(f))).collect();
        let params = s.params.answering(inputs(&s.inputs, &self.graph), Some(s.names.to_vec()));
        let Opened { mut nodes, absent, loops, lasts } = opened(s.nodes, s.changes, &params, &mut self.budget, &mut self.found);
        if self.budget.spent() {
            return vec![];
        }
        let composites = self.composites.clone();
        if nodes.iter().any(|n| n.shares.is_some()) {
            super::shares::fields(nodes.to_mut(), &composites);
        }
        let mut outputs = filled(s.outputs, &params, &mut self.budget, &mut self.found);
        let empty = lasts.iter().filter_map(|((before, after), l)| {
            let place = l.place.as_ref().filter(|_| l.id.is_none() && l.absent.is_none())?;
            let id = format!("{before}{}{after}", crate::read::LAST);
            Some(Absent { id, why: "stands for no node, as its loop has no turn".into(), place: place.clone() })
        });
        let around = Surroundings {
            composites: &composites,
            all_blocks: self.all_blocks,
            params: &params,
            globals: s.globals,
            words: s.words,
            inputs: &known,
            absent: &empty.chain(absent).map(|a| (a.id.clone(), a)).collect(),
            loops: &loops,
            lasts: &lasts,
            whole: s.whole,
            within: s.within,
            graph: self.text,
            clean: self.clean && self.found.errors() == told,
            dead: self.dead,
        };
        let wired = wire(&nodes, &mut outputs, &around, &mut self.budget, &mut self.found);

        let mut values = FlowValues::with_capacity(wired.len());
        for w in wired {
            if self.budget.spent() {
                break;
            }
            let w = self.ready(w, &values, &s, &around);
            let path = if s.prefix.is_empty() { w.text.id.clone() } else { format!("{}.{}", s.prefix, w.text.id) };
            let (w, x) = self.connections(w, &values, &s.inputs);
            let x: Vec<Connection> = x.iter().map(|(k, v)| (w.inputs[*k].0.as_str(), &w.inputs[*k].1, *v)).collect();
            let out = self.node(&w, path, &x, &s);
            values.insert(w.text.id.clone(), out);
        }
        outputs.iter().map(|o| (o.name.clone(), self.output(o, &values, &s.inputs))).collect()
    }

    /// Reads the fields of a node that had to wait for what they ask.
    fn ready<'n>(&mut self, mut w: Wired<'n, 't>, values: &FlowValues, s: &Inside<'_, 't>, around: &Surroundings<'_, 't>) -> Wired<'n, 't> {
        let Body::Later(target, _) = w.body else { return w };
        let answers = w.asks.iter().map(|a| ((a.question, a.text.clone()), asked(a, find(&a.of, values, &s.inputs), &self.graph)));
        let outer = around.params.knowing(answers);
        let inside = match target {
            Target::Block(_) => Scope::new(),
            Target::Composite(c) => {
                let names: Vec<String> = c.inputs.iter().map(|p| p.name.clone()).collect();
                let mut silent = Diagnostics::default();
                let x = flat(&w, values, &s.inputs, &mut silent).0;
                let x: Vec<Connection> = x.iter().map(|(k, v)| (w.inputs[*k].0.as_str(), &w.inputs[*k].1, *v)).collect();
                Scope::new().answering(inputs(&flows(c, &w, "", &x), &self.graph), Some(names))
            }
        };
        let around = Surroundings { params: &outer, ..*around };
        let (body, sound) = read_now(w.text, target, &around, &inside, &mut self.found);
        if !sound {
            self.budget.fault(&w.text.block_place);
        }
        w.sound &= sound;
        w.body = body;
        w
    }

    /// The connections of a node value by value, lists opened; what does not fit is told.
    fn connections<'n>(
        &mut self,
        mut w: Wired<'n, 't>,
        values: &FlowValues,
        inputs: &HashMap<String, Flow>,
    ) -> (Wired<'n, 't>, Vec<(usize, Option<Value>)>) {
        let (x, fits) = flat(&w, values, inputs, &mut self.found);
        w.sound &= fits;
        (w, x)
    }

    /// The value of an output.
    fn output(&mut self, o: &OutputText, values: &FlowValues, inputs: &HashMap<String, Flow>) -> FlowOutput {
        if !o.list {
            let Some(r) = o.from.first() else { return FlowOutput::One(None) };
            return match picked(r, values, inputs, &mut self.found) {
                FlowOutput::Many(all) if all.len() == 1 => FlowOutput::One(all[0]),
                FlowOutput::Many(all) => {
                    let d = several_for(&r.text, all.len(), "an output takes one value");
                    self.found.push(d.at(r.place.clone(), "here"));
                    FlowOutput::One(None)
                }
                one => one,
            };
        }
        let mut all = vec![];
        for r in &o.from {
            match picked(r, values, inputs, &mut self.found) {
                FlowOutput::One(v) => all.push(v),
                FlowOutput::Many(more) => all.extend(more),
            }
        }
        FlowOutput::Many(all)
    }

    /// Looks into the composites that no node uses, with inputs of which nothing is known and parameters of which the kind alone counts. What
    /// only follows from that is not told. `imported`: whether names that are not known may be those of the graph that a composite was written for.
    pub fn unopened(&mut self, params: &Scope, words: &Words, imported: &dyn Fn(&Place) -> bool) {
        let (rows, dead) = (self.rows.len(), self.dead.take());
        let params = &params.varying();
        for c in &self.text.blocks {
            if self.budget.spent() || self.seen.contains(c.name.as_str()) {
                continue;
            }
            let before = std::mem::take(&mut self.found);
            let flows: HashMap<String, Flow> = c.inputs.iter().map(|p| (p.name.clone(), Flow::Unknown)).collect();
            let names: Vec<String> = c.inputs.iter().map(|p| p.name.clone()).collect();
            let mut scope = params.answering(inputs(&flows, &self.graph), Some(names.clone()));
            if imported(&c.place) {
                scope.insert(crate::read::OPEN.to_owned(), crate::read::Value::Unknown);
            }
            for p in &c.params {
                let known = if required(&p.value) { None } else { self.found.keep(value(&p.value, &scope)) };
                scope.insert(p.name.clone(), known.unwrap_or(crate::read::Value::Unknown));
            }
            self.seen.insert(&c.name);
            let within = [c.name.as_str()];
            self.scope(Inside {
                nodes: &c.nodes,
                outputs: &c.outputs,
                changes: &c.changes,
                params: &scope,
                globals: params,
                words,
                inputs: flows,
                names: &names,
                whole: (c.names, c.whole),
                prefix: &c.name,
                within: &within,
                used: &[],
            });
            let new = std::mem::replace(&mut self.found, before);
            self.found.0.extend(new.0.into_iter().filter(|d| !d.echo && !excluded(d)));
        }
        self.rows.truncate(rows);
        self.dead = dead;
    }

    /// The outputs of a node; none where they are not known.
    fn node(&mut self, w: &Wired<'_, 't>, path: String, x: &[Connection], s: &Inside<'_, 't>) -> Vec<(String, FlowOutput)> {
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
            Body::Block(Ok(spec), entry) if w.sound => {
                let Some(x) = x.iter().map(|(port, r, v)| Some((*port, *r, (*v)?))).collect::<Option<Vec<_>>>() else { return vec![] };
                let mut connected = Connected::default();
                x.iter().for_each(|(port, _, v)| connected.connect(port, *v));
                match spec.lower(&mut Builder::new(&mut self.graph, path.clone()).flat(self.flat), &connected) {
                    Ok(values) if entry.list => vec![(String::new(), FlowOutput::Many(values.into_iter().map(Some).collect()))],
                    Ok(values) => spec.outputs().into_iter().zip(values.into_iter().map(|v| FlowOutput::One(Some(v)))).collect(),
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
        for (port, out) in &out {
            let tap = if port.is_empty() { path.clone() } else { format!("{path}.{port}") };
            match out {
                FlowOutput::One(Some(v)) => self.graph.taps.push((tap, *v)),
                FlowOutput::One(None) => {}
                FlowOutput::Many(all) => {
                    self.graph.taps.extend(all.iter().enumerate().filter_map(|(i, v)| Some((format!("{tap}[{i}]"), (*v)?))));
                }
            }
        }
        let first_value = out.first().and_then(|(_, out)| match out {
            FlowOutput::One(v) => *v,
            FlowOutput::Many(all) => all.first().copied().flatten(),
        });
        if let Some(v) = first_value {
            self.rows[row].output = v;
        }
        self.rows[row].values = first..self.graph.len();
        if let Some(owner) = &w.text.shares {
            self.share(w, owner, row, s);
        }
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
        x: &[Connection],
        s: &Inside<'_, 't>,
    ) -> Vec<(String, FlowOutput)> {
        let inputs = flows(c, w, path, x);
        let names: Vec<String> = c.inputs.iter().map(|p| p.name.clone()).collect();
        let within: Vec<&str> = s.within.iter().copied().chain([c.name.as_str()]).collect();
        let used: Vec<Place> = s.used.iter().cloned().chain([w.text.id_place.clone()]).collect();
        self.seen.insert(&c.name);
        self.scope(Inside {
            nodes: &c.nodes,
            outputs: &c.outputs,
            changes: &c.changes,
            params,
            globals: s.globals,
            words,
            inputs,
            names: &names,
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
        let d = Diagnostic::error(fault.code, fault.message).at(place.clone(), format!("in `{path}` ({})", w.text.block));
        let mut d = with_outside(d, entry, s.params);
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

/// Whether an error of a composite whose conditions are not known may be one of nodes that are never there together.
fn excluded(d: &Diagnostic) -> bool {
    match d.code {
        Code::E0103 => d.message.contains("is the name of"),
        Code::E0204 => d.message.contains("values are connected"),
        _ => false,
    }
}
