//! Operations that work number by number and feed only each other run as one sweep, without a volume between them: `silu(x) * w + y`
//! is read once and written once. The graph stays as it is; its schedule says what runs together.
//!
//! An operation joins the one that reads it when it has the same shape and all its readers are of that sweep. A sweep runs where
//! its last operation stood: what it reads has been there by then, and what it gives was not needed before.

use super::Optimised;
use crate::compile::memory::{Schedule, Step};
use crate::ir::{Access, Fault, Operator, Value};

pub fn run(mut o: Optimised) -> Result<Optimised, Fault> {
    let g = &o.program.graph;
    let alone = |v: Value| g.node(v).op.access() != Access::Elementwise;
    let mut output = vec![false; g.len()];
    g.outputs.iter().for_each(|(_, v)| output[v.0] = true);
    // The sweep of each value's readers, by its last operation; `None` before any, and again where they differ.
    let mut reader: Vec<Option<Option<Value>>> = vec![None; g.len()];
    let mut sweep: Vec<Value> = g.values().collect();
    for v in (0..g.len()).rev().map(Value) {
        if let Some(Some(root)) = reader[v.0]
            && !alone(v)
            && !output[v.0]
            && g.fact(v) == g.fact(root)
        {
            sweep[v.0] = root;
        }
        let root = (!alone(v)).then_some(sweep[v.0]);
        for i in g.inputs(v) {
            reader[i.0] = Some(match reader[i.0] {
                None => root,
                Some(other) if other == root => root,
                Some(_) => None,
            });
        }
    }
    let mut before: Vec<Vec<Value>> = vec![vec![]; g.len()];
    let mut steps = vec![];
    for v in g.values() {
        match sweep[v.0] {
            root if root == v => steps.push(Step::new(std::mem::take(&mut before[v.0]), v)),
            root => before[root.0].push(v),
        }
    }
    o.schedule = Schedule { steps };
    Ok(o)
}
