//! The length of each axis of each value, for every size that a program takes at once.
//!
//! The first input's axis is `m k`, with the multiple `m` that the program asks for and any `k` from 1 on. Strides that divide
//! keep lengths of the form `per k + plus`; what does not is unknown, but still equal to itself.

use crate::compile::Program;
use crate::ir::{Length, Operator};

/// Lengths of depth, height and width of every value.
pub fn lengths(program: &Program) -> Vec<[Length; 3]> {
    let g = &program.graph;
    let multiple = program.multiple();
    let mut all: Vec<[Length; 3]> = Vec::with_capacity(g.len());
    for v in g.values() {
        let x: Vec<[Length; 3]> = g.inputs(v).iter().map(|i| all[i.0]).collect();
        let axis = |a: usize| -> Length {
            let unknown = Length::Unknown(3 * v.0 + a);
            if !g.inputs(v).is_empty() {
                let along: Vec<Length> = x.iter().map(|l| l[a]).collect();
                return g.node(v).op.length(&along, a).unwrap_or(unknown);
            }
            if program.follows(v) {
                return Length::Line { per: multiple[a] as i128, plus: 0 };
            }
            // An input with a size of its own; what is made of none has a length of its own.
            let input = program.inputs.iter().any(|(_, i)| *i == v);
            if input { Length::Line { per: 0, plus: g.fact(v).size[a] as i128 } } else { unknown }
        };
        let l = [axis(0), axis(1), axis(2)];
        all.push(l);
    }
    all
}
