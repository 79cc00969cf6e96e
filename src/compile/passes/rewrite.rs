//! A graph made anew from another: nodes kept, exchanged, left out or bypassed, with names, rows and outputs following.

use std::collections::HashMap;

use crate::compile::{Program, Row};
use crate::ir::{Fault, Graph, Value};
use crate::op::Op;

/// What becomes of a node. Values are those of the graph before.
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
}

/// Asks `decide` of each node in order and builds the graph that comes of it.
///
/// # Errors
/// A fault when a change does not fit.
pub fn rewrite(program: &Program, mut decide: impl FnMut(Value) -> Change) -> Result<Program, Fault> {
    let old = &program.graph;
    let mut new: Graph<Op> = Graph::default();
    let mut now: Vec<Option<Value>> = vec![None; old.len()];
    let mut altered = vec![false; old.len()];
    let mut starts = Vec::with_capacity(old.len() + 1);
    // Who holds the weights of a node: itself, or the first that is left of those that use them.
    let mut holders: HashMap<Value, Value> = HashMap::new();
    for v in old.values() {
        starts.push(new.len());
        let n = old.node(v);
        let (op, inputs) = match decide(v) {
            Change::Leave => continue,
            Change::Same(w) => {
                now[v.0] = now[w.0];
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
            now[v.0] = Some(new.input(n.path.clone(), op, n.fact));
            continue;
        }
        let inputs: Vec<Value> = inputs.iter().filter_map(|i| now[i.0]).collect();
        let owner = n.shares.unwrap_or(v);
        let w = match holders.get(&owner).filter(|_| n.shares.is_some()) {
            Some(holder) => new.add_shared(n.path.clone(), op, &inputs, *holder)?,
            // The weights keep their name, even where the node that gave it to them has gone.
            None => new.add(old.node(owner).path.clone(), op, &inputs)?,
        };
        holders.entry(owner).or_insert(w);
        now[v.0] = Some(w);
    }
    starts.push(new.len());
    let named =
        |all: &[(String, Value)]| -> Vec<(String, Value)> { all.iter().filter_map(|(n, v)| Some((n.clone(), now[v.0]?))).collect() };
    new.outputs = named(&old.outputs);
    new.taps = old.taps.iter().filter(|(_, v)| !altered[v.0]).filter_map(|(n, v)| Some((n.clone(), now[v.0]?))).collect();
    let row = |r: &Row| Some(Row { values: starts[r.values.start]..starts[r.values.end], output: now[r.output.0]?, ..r.clone() });
    let rows = program.rows.iter().filter_map(row).collect();
    let inputs = named(&program.inputs);
    Ok(program.with_graph(new, rows, inputs))
}

/// How often each value is read, an output counting as one reader.
pub fn readers(graph: &Graph<Op>) -> Vec<usize> {
    let mut all = vec![0; graph.len()];
    graph.values().for_each(|v| graph.inputs(v).iter().for_each(|i| all[i.0] += 1));
    graph.outputs.iter().for_each(|(_, v)| all[v.0] += 1);
    all
}
