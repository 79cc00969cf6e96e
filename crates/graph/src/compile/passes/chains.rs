//! Fixed scales and shifts: one of another is one, and one that changes nothing is none.

use super::Optimised;
use super::dead;
use super::rewrite::{Change, rewrite};
use crate::ir::{Fault, Value};
use crate::op::{Op, ScaleShift};

pub fn run(o: Optimised) -> Result<Optimised, Fault> {
    let g = &o.program.graph;
    // For each value the one that it is a fixed function of, with the scale and the shift.
    let mut of: Vec<(Value, f64, f64)> = g.values().map(|v| (v, 1.0, 0.0)).collect();
    let mut changed = false;
    for v in g.values() {
        if let (Op::ScaleShift(ScaleShift { scale, shift }), [x]) = (&g.node(v).op, g.inputs(v)) {
            let (root, a, b) = of[x.0];
            let (a, b) = (a * scale, b * scale + shift);
            // What leaves the range of numbers on the way is left as it was written.
            of[v.0] = if a.is_finite() && b.is_finite() { (root, a, b) } else { (*x, *scale, *shift) };
            changed |= of[v.0].0 != *x || (*scale, *shift) == (1.0, 0.0);
        }
    }
    if !changed {
        return Ok(o);
    }
    dead::run(rewrite(&o, |v| match of[v.0] {
        (root, ..) if root == v => Change::Keep,
        (root, 1.0, 0.0) => Change::Same(root),
        (root, scale, shift) => Change::Exchange(ScaleShift { scale, shift }.into(), vec![root]),
    })?)
}
