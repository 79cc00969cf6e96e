//! Operations that no output needs are left out. Inputs of the graph stay: they are what a caller gives.

use super::Optimised;
use super::rewrite::{Change, rewrite};
use crate::ir::{Fault, Value};

pub fn run(o: Optimised) -> Result<Optimised, Fault> {
    let g = &o.program.graph;
    let outputs: Vec<Value> = g.outputs.iter().map(|(_, v)| *v).collect();
    let mut needed = g.reaching(&outputs);
    g.values().filter(|v| g.inputs(*v).is_empty()).for_each(|v| needed[v.0] = true);
    if needed.iter().all(|n| *n) {
        return Ok(o);
    }
    rewrite(&o, |v| if needed[v.0] { Change::Keep } else { Change::Leave })
}
