//! Operations that are equal, take equal values and hold equal weights are one. (No value depends on no input, so there is
//! nothing to compute beforehand.)

use std::collections::HashMap;

use super::rewrite::{Change, rewrite};
use super::{Optimised, Refit, dead};
use crate::ir::{Fault, Operator, Value};

pub fn run(o: Optimised) -> Result<Optimised, Fault> {
    let g = &o.program.graph;
    let mut first: HashMap<(String, Vec<Value>), Value> = HashMap::new();
    // For each value the first that is its equal.
    let mut of: Vec<Value> = g.values().collect();
    for v in g.values().filter(|v| !g.inputs(*v).is_empty() && g.node(*v).op.is_pure()) {
        let n = g.node(v);
        let mut inputs: Vec<Value> = n.inputs.iter().map(|i| of[i.0]).collect();
        if n.op.commutes() {
            inputs.sort();
        }
        let path = &g.node(n.shares.unwrap_or(v)).path;
        let weights = [n.op.weights(&g.input_facts(v)), n.op.buffers(&g.input_facts(v))].concat();
        let held: Vec<Refit> = weights.iter().map(|w| o.refits.of(&format!("{path}.{}", w.name))).collect();
        of[v.0] = *first.entry((format!("{:?} {held:?}", n.op), inputs)).or_insert(v);
    }
    if g.values().all(|v| of[v.0] == v) {
        return Ok(o);
    }
    dead::run(rewrite(&o, |v| if of[v.0] == v { Change::Keep } else { Change::Same(of[v.0]) })?)
}
