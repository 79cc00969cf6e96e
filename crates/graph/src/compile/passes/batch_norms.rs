//! Batch norms by running statistics are a scale and a shift of each channel: `a = w / sqrt(var + eps)`, `b = bias - mean a`. They go into
//! the weights of the convolution before them, where nothing else reads it, and are an operation of their own elsewhere.

use super::linear::{is_dense, is_map, list, weights, widened};
use super::rewrite::{Change, Made, Source, readers, rewrite};
use super::{Optimised, Refit};
use crate::ir::Fault;
use crate::op::{ChannelAffine, Op};

pub fn run(o: Optimised) -> Result<Optimised, Fault> {
    let g = &o.program.graph;
    let readers = readers(g);
    let mut shared = vec![false; g.len()];
    g.values().filter_map(|v| g.node(v).shares).for_each(|owner| shared[owner.0] = true);
    if !g.values().any(|v| matches!(g.node(v).op, Op::BatchNorm(_))) {
        return Ok(o);
    }
    rewrite(&o, |v| {
        let (Op::BatchNorm(norm), [x]) = (&g.node(v).op, g.inputs(v)) else { return Change::Keep };
        let path = &g.node(g.node(v).shares.unwrap_or(v)).path;
        let of = |name: &str| o.refits.of(&format!("{path}.{name}"));
        let channels = g.fact(v).channels;
        let rsqrt = Refit::Rsqrt { of: Box::new(of("running_var")), eps: norm.eps };
        let scale = if norm.affine { of("weight").rows(rsqrt) } else { rsqrt };
        let shift = of("running_mean").rows(scale.clone()).affine(-1.0, 0.0);
        let shift = if norm.affine { Refit::Sum(vec![of("bias"), shift]) } else { shift };
        let before = &g.node(*x).op;
        let free = readers[x.0] == 1 && !shared[x.0] && g.node(*x).shares.is_none();
        let made = match before {
            Op::Conv3d(_) | Op::ConvTranspose3d(_) if free && (is_map(before) || is_dense(before) || matches!(before, Op::Conv3d(_))) => {
                let (weight, bias) = weights(&o, *x);
                let weight = match before {
                    Op::ConvTranspose3d(_) => weight.columns(scale.clone()),
                    _ => weight.rows(scale.clone()),
                };
                let bias = match bias {
                    Some(bias) => Refit::Sum(vec![bias.rows(scale), shift]),
                    None => shift,
                };
                let op = widened(before, channels, true);
                let inputs = g.inputs(*x).iter().map(|i| Source::Old(*i)).collect();
                Made { path: g.node(*x).path.clone(), op, inputs, weights: list(weight, Some(bias)) }
            }
            _ => Made {
                path: g.node(v).path.clone(),
                op: ChannelAffine::FULL.into(),
                inputs: vec![Source::Old(*x)],
                weights: list(scale, Some(shift)),
            },
        };
        Change::Build(vec![made])
    })
    .and_then(super::dead::run)
}
