//! A fixed scale and shift after an operation that ends in an affine function of its own goes into that one's weights:
//! `s (w x + b) + t = (s w) x + (s b + t)`. Only where nothing else reads the value between, and no other operation uses the
//! weights. A bias is added where there was none and the shift is not 0.

use super::Optimised;
use super::rewrite::{Change, readers, rewrite};
use crate::ir::{Fault, Operator, Value};
use crate::op::{Op, ScaleShift};

pub fn run(mut o: Optimised) -> Result<Optimised, Fault> {
    let g = &o.program.graph;
    let readers = readers(g);
    let mut shared = vec![false; g.len()];
    g.values().filter_map(|v| g.node(v).shares).for_each(|owner| shared[owner.0] = true);
    // For each value that takes a scale in: its operation afterwards. For each scale that goes: what takes it in.
    let (mut takes, mut goes) = (vec![None; g.len()], vec![None::<Value>; g.len()]);
    for v in g.values() {
        let (Op::ScaleShift(s), [x]) = (&g.node(v).op, g.inputs(v)) else { continue };
        let free = readers[x.0] == 1 && !shared[x.0] && g.node(*x).shares.is_none();
        if free && let Some(op) = taking(&g.node(*x).op, s) {
            let (path, facts) = (&g.node(*x).path, g.input_facts(*x));
            let before = g.node(*x).op.weights(&facts);
            for w in op.weights(&facts) {
                let had = before.iter().any(|b| b.name == w.name);
                let shift = if w.name == "bias" { s.shift } else { 0.0 };
                o.refits.then(format!("{path}.{}", w.name), had, &w.dims, s.scale, shift);
            }
            takes[x.0] = Some(op);
            goes[v.0] = Some(*x);
        }
    }
    if goes.iter().all(Option::is_none) {
        return Ok(o);
    }
    rewrite(&o, |v| match (takes[v.0].take(), goes[v.0]) {
        (_, Some(x)) => Change::Same(x),
        (Some(op), _) => Change::Alter(op),
        _ => Change::Keep,
    })
}

/// The operation with room for the scale and the shift, if it ends in an affine function of learned numbers.
fn taking(op: &Op, s: &ScaleShift) -> Option<Op> {
    let bias = s.shift != 0.0;
    if !(s.scale.is_finite() && s.shift.is_finite()) {
        return None;
    }
    let mut op = op.clone();
    match &mut op {
        Op::Conv3d(c) => c.bias |= bias,
        Op::ConvTranspose3d(c) => c.bias |= bias,
        Op::Linear(l) => l.bias |= bias,
        Op::GroupNorm(_) => {}
        _ => return None,
    }
    Some(op)
}
