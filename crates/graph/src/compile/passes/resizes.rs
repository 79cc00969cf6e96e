//! A resize to the size that its input has already is left out, where the sizes are equal for every input that the program takes
//! and not only at the size that it was compiled for.

use super::Optimised;
use super::lengths::lengths;
use super::rewrite::{Change, rewrite};
use crate::ir::Fault;
use crate::op::Op;

pub fn run(o: Optimised) -> Result<Optimised, Fault> {
    let g = &o.program.graph;
    if !g.values().any(|v| matches!(g.node(v).op, Op::Resize(_))) {
        return Ok(o);
    }
    let lengths = lengths(&o.program);
    let idle = |v| match (&g.node(v).op, g.inputs(v)) {
        (Op::Resize(_), [x, ..]) if lengths[v.0] == lengths[x.0] => Some(*x),
        _ => None,
    };
    rewrite(&o, |v| idle(v).map_or(Change::Keep, Change::Same))
}
