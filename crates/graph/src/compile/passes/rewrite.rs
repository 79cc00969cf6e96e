//! A graph made anew from another: nodes kept, exchanged, left out, bypassed or built of several, with names, rows and outputs
//! following.

use std::collections::{HashMap, HashSet};

use super::{Optimised, Refit};
use crate::compile::Row;
use crate::ir::{Fact, Fault, Graph, Operator, Value};
use crate::op::Op;

/// What becomes of a node. FlowValues are those of the graph before.
pub enum Change {
    Keep,
    /// Nobody needs it.
    Leave,
    /// Another operation gives the same value.
    Exchange(Op, Vec<Value>),
    /// Another operation in its place gives another value: no name of the user's stands for it any more.
    Alter(Op),
    /// An earlier value is its equal.
    Same(Value),
    /// Several operations, the last of which gives the same value. There is at least one.
    Build(Vec<Made>),
}

/// A new operation.
#[derive(Clone, Debug)]
pub struct Made {
    /// Where it stands; a number is added when another has that path.
    pub path: String,
    pub op: Op,
    pub inputs: Vec<Source>,
    /// Its weights, in the operation's order, as expressions over trained ones.
    pub weights: Vec<(&'static str, Refit)>,
}

/// What a new operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A value of the graph before.
    Old(Value),
    /// That of another new operation of the same node, by its place among them.
    New(usize),
}

/// Asks `decide` of each node in order and builds the graph that comes of it. A new operation that is the equal of one that is
/// there is that one; new weights that are equal expressions are shared.
///
/// # Errors
/// A fault when a change does not fit.
pub fn rewrite(o: &Optimised, mut decide: impl FnMut(Value) -> Change) -> Result<Optimised, Fault> {
    let program = &o.program;
    let old = &program.graph;
    let mut new = Growing::new(o);
    let mut now: Vec<Option<Value>> = vec![None; old.len()];
    let mut altered = vec![false; old.len()];
    let mut starts = Vec::with_capacity(old.len() + 1);
    // Who holds the weights of a node: itself, or the first that is left of those that use them.
    let mut holders: HashMap<Value, Value> = HashMap::new();
    for v in old.values() {
        starts.push(new.graph.len());
        let n = old.node(v);
        let (op, inputs) = match decide(v) {
            Change::Leave => continue,
            Change::Same(w) => {
                now[v.0] = now[w.0];
                continue;
            }
            Change::Build(all) => {
                now[v.0] = new.build(all, &now)?;
                continue;
            }
            Change::Keep => (n.op.clone(), old.inputs(v).to_vec()),
            Change::Exchange(op, inputs) => (op, inputs),
            Change::Alter(op) => {
                altered[v.0] = true;
                (op, old.inputs(v).to_vec())
            }
        };
        if old.inputs(v).is_empty() {
            now[v.0] = Some(new.graph.input(n.path.clone(), op, n.fact));
            continue;
        }
        let inputs: Vec<Value> = inputs.iter().filter_map(|i| now[i.0]).collect();
        let owner = n.shares.unwrap_or(v);
        let w = match holders.get(&owner).copied().or_else(|| new.equal(&old.node(owner).path, &op, &inputs)) {
            Some(holder) => new.graph.add_shared(n.path.clone(), op, &inputs, holder)?,
            // The weights keep their name, even where the node that gave it to them has gone.
            None => new.graph.add(old.node(owner).path.clone(), op, &inputs)?,
        };
        let holder = new.graph.node(w).shares.unwrap_or(w);
        holders.entry(owner).or_insert(holder);
        new.kept.push(w);
        now[v.0] = Some(w);
    }
    starts.push(new.graph.len());
    let named =
        |all: &[(String, Value)]| -> Vec<(String, Value)> { all.iter().filter_map(|(n, v)| Some((n.clone(), now[v.0]?))).collect() };
    new.graph.outputs = named(&old.outputs);
    new.graph.taps = old.taps.iter().filter(|(_, v)| !altered[v.0]).filter_map(|(n, v)| Some((n.clone(), now[v.0]?))).collect();
    let row = |r: &Row| Some(Row { values: starts[r.values.start]..starts[r.values.end], output: now[r.output.0]?, ..r.clone() });
    let rows = program.rows.iter().filter_map(row).collect();
    let inputs = named(&program.inputs);
    let mut out = Optimised { refits: new.refits, ..Optimised::new(&program.with_graph(new.graph, rows, inputs)) };
    let left: HashSet<String> = out.program.graph.weights().into_iter().map(|(_, name, _)| name).collect();
    out.refits.0.retain(|name, _| left.contains(name));
    Ok(out)
}

/// The graph that is being made, and what new operations may have in common with those that are there.
struct Growing {
    graph: Graph<Op>,
    refits: super::Refits,
    paths: HashSet<String>,
    /// The next number to try after a path.
    next: HashMap<String, usize>,
    /// Operations without weights of their own, or with new ones, by what they are and take.
    there: HashMap<String, Value>,
    /// Who holds new weights, by the operation and their expressions.
    holders: HashMap<String, Value>,
    /// Nodes that were kept and are not in these two yet: they are only asked when something is built.
    kept: Vec<Value>,
}

impl Growing {
    fn new(o: &Optimised) -> Self {
        let g = &o.program.graph;
        // No new weight may have the name of a trained one, whose node may have gone.
        let weighted = o.refits.0.values().flat_map(Refit::names).filter_map(|n| Some(n.rsplit_once('.')?.0.to_owned()));
        Self {
            graph: Graph::default(),
            refits: o.refits.clone(),
            paths: g.values().map(|v| g.node(v).path.clone()).chain(weighted).collect(),
            next: HashMap::new(),
            there: HashMap::new(),
            holders: HashMap::new(),
            kept: vec![],
        }
    }

    /// Who holds weights that are equal to the new ones at `path`.
    fn equal(&mut self, path: &str, op: &Op, inputs: &[Value]) -> Option<Value> {
        let facts: Vec<Fact> = inputs.iter().map(|i| self.graph.fact(*i)).collect();
        let names: Vec<String> = op.weights(&facts).iter().map(|w| format!("{path}.{}", w.name)).collect();
        if !names.iter().any(|n| self.refits.0.contains_key(n)) {
            return None;
        }
        self.catch_up();
        let weights: Vec<(&str, Refit)> = op.weights(&facts).iter().zip(&names).map(|(w, n)| (w.name, self.refits.of(n))).collect();
        self.holders.get(&keys(op, inputs, &weights).1).copied()
    }

    /// Knows all nodes that were kept so far.
    fn catch_up(&mut self) {
        std::mem::take(&mut self.kept).into_iter().for_each(|v| self.meet(v));
    }

    fn meet(&mut self, v: Value) {
        let n = self.graph.node(v);
        let all = n.op.weights(&self.graph.input_facts(v));
        let owner = n.shares.unwrap_or(v);
        let path = &self.graph.node(owner).path;
        let weights: Vec<(&str, Refit)> = all.iter().map(|w| (w.name, self.refits.of(&format!("{path}.{}", w.name)))).collect();
        let (whole, own) = keys(&n.op, &n.inputs, &weights);
        self.there.entry(whole).or_insert(v);
        if !weights.is_empty() {
            self.holders.entry(own).or_insert(owner);
        }
    }

    /// Adds new operations after each other and gives the last.
    fn build(&mut self, all: Vec<Made>, now: &[Option<Value>]) -> Result<Option<Value>, Fault> {
        self.catch_up();
        let mut made: Vec<Value> = Vec::with_capacity(all.len());
        for m in all {
            let source = |s: &Source| match s {
                Source::Old(v) => now[v.0],
                Source::New(i) => made.get(*i).copied(),
            };
            let inputs: Vec<Value> = m.inputs.iter().filter_map(source).collect();
            let (whole, own) = keys(&m.op, &inputs, &m.weights);
            if let Some(v) = self.there.get(&whole) {
                made.push(*v);
                continue;
            }
            let path = self.fresh(m.path);
            let v = match self.holders.get(&own).filter(|_| !m.weights.is_empty()) {
                Some(holder) => self.graph.add_shared(path, m.op, &inputs, *holder)?,
                None => {
                    m.weights.into_iter().for_each(|(name, r)| {
                        self.refits.0.insert(format!("{path}.{name}"), r);
                    });
                    self.graph.add(path, m.op, &inputs)?
                }
            };
            self.there.insert(whole, v);
            self.holders.entry(own).or_insert(v);
            made.push(v);
        }
        Ok(made.pop())
    }

    fn fresh(&mut self, path: String) -> String {
        let mut name = path.clone();
        let next = self.next.entry(path.clone()).or_insert(2);
        while !self.paths.insert(name.clone()) {
            name = format!("{path}.{next}");
            *next += 1;
        }
        name
    }
}

/// Two texts: what an operation is, takes and holds; and what it is and holds.
fn keys(op: &Op, inputs: &[Value], weights: &[(&str, Refit)]) -> (String, String) {
    let own = format!("{op:?} {weights:?}");
    (format!("{inputs:?} {own}"), own)
}

/// How often each value is read, an output counting as one reader.
pub fn readers(graph: &Graph<Op>) -> Vec<usize> {
    let mut all = vec![0; graph.len()];
    graph.values().for_each(|v| graph.inputs(v).iter().for_each(|i| all[i.0] += 1));
    graph.outputs.iter().for_each(|(_, v)| all[v.0] += 1);
    all
}

/// Maps may follow each other so often before they are left as they are.
const ROUNDS: usize = 32;

/// Takes one step after another until one finds nothing to change.
///
/// # Errors
/// Those of the steps.
pub fn again(mut o: Optimised, step: impl Fn(&Optimised) -> Result<Option<Optimised>, Fault>) -> Result<Optimised, Fault> {
    for _ in 0..ROUNDS {
        let Some(next) = step(&o)? else { break };
        o = next;
    }
    Ok(o)
}
