//! Operations that no output needs are left out. Inputs of the graph stay: they are what a caller gives.

use super::Optimised;
use super::rewrite::{Change, rewrite};
use crate::ir::{Fault, Value};

pub fn run(o: Optimised) -> Result<Optimised, Fault> {
    let g = &o.program.graph;
    let mut needed = vec![false; g.len()];
    g.outputs.iter().for_each(|(_, v)| needed[v.0] = true);
    for v in (0..g.len()).rev().map(Value) {
        if needed[v.0] {
            g.inputs(v).iter().for_each(|i| needed[i.0] = true);
        } else if g.inputs(v).is_empty() {
            needed[v.0] = true;
        }
    }
    if needed.iter().all(|n| *n) {
        return Ok(o);
    }
    let program = rewrite(&o.program, |v| if needed[v.0] { Change::Keep } else { Change::Leave })?;
    Ok(o.with(program))
}
