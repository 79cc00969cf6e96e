//! A convolution with standardised kernels is one whose weights are standardised once.

use super::linear::list;
use super::rewrite::{Change, Made, Source, rewrite};
use super::{Optimised, Refit};
use crate::ir::Fault;
use crate::op::Op;

pub fn run(o: Optimised) -> Result<Optimised, Fault> {
    let g = &o.program.graph;
    if !g.values().any(|v| matches!(g.node(v).op, Op::StandardisedConv3d(_))) {
        return Ok(o);
    }
    rewrite(&o, |v| {
        let (Op::StandardisedConv3d(s), [x]) = (&g.node(v).op, g.inputs(v)) else { return Change::Keep };
        let path = &g.node(g.node(v).shares.unwrap_or(v)).path;
        let of = |name: &str| o.refits.of(&format!("{path}.{name}"));
        let weight = Refit::Standardised { of: Box::new(of("weight")), eps: s.eps };
        Change::Build(vec![Made {
            path: g.node(v).path.clone(),
            op: s.conv.clone().into(),
            inputs: vec![Source::Old(*x)],
            weights: list(weight, s.conv.bias.then(|| of("bias"))),
        }])
    })
}
