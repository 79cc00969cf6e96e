//! Which operations are linear maps of the channels, and the expressions of their weights when one takes in another.

use super::{Optimised, Refit};
use crate::ir::{Triple, Value};
use crate::op::{Conv3d, Op};

/// Whether an operation maps the channels of each voxel and nothing else: its weight is `[out, in]`, with ones after it for a
/// convolution, and there may be a bias.
pub fn is_map(op: &Op) -> bool {
    match op {
        Op::Linear(_) => true,
        Op::Conv3d(c) => c.is_pointwise(),
        _ => false,
    }
}

/// A map of each voxel to `out` channels.
pub fn pointwise(out: usize, bias: bool) -> Conv3d {
    Conv3d::new(out, Triple::all(1)).bias(bias)
}

/// A convolution of all channels with a kernel of its own: what can take in the map after it.
pub fn is_dense(op: &Op) -> bool {
    match op {
        Op::Conv3d(c) => c.groups == 1 && !is_map(op),
        Op::ConvTranspose3d(c) => c.groups == 1,
        _ => false,
    }
}

/// A dense convolution or a map to another width, with or without a bias.
pub fn widened(op: &Op, out: usize, bias: bool) -> Op {
    let mut op = op.clone();
    match &mut op {
        Op::Conv3d(c) => (c.out, c.bias) = (out, bias),
        Op::ConvTranspose3d(c) => (c.out, c.bias) = (out, bias),
        Op::Linear(l) => (l.out, l.bias) = (out, bias),
        _ => unreachable!("only convolutions and linear layers are widened"),
    }
    op
}

/// A node's weight and, if it has one, its bias, as expressions over trained weights.
pub fn weights(o: &Optimised, v: Value) -> (Refit, Option<Refit>) {
    let g = &o.program.graph;
    let path = &g.node(g.node(v).shares.unwrap_or(v)).path;
    let bias = match &g.node(v).op {
        Op::Conv3d(c) => c.bias,
        Op::ConvTranspose3d(c) => c.bias,
        Op::Linear(l) => l.bias,
        _ => false,
    };
    (o.refits.of(&format!("{path}.weight")), bias.then(|| o.refits.of(&format!("{path}.bias"))))
}

/// The weight of `op` followed by the map `map [out, m]`.
pub fn followed(op: &Op, weight: Refit, map: Refit) -> Refit {
    match op {
        Op::ConvTranspose3d(_) => weight.inner(Refit::Transposed(Box::new(map))),
        _ => map.times(weight),
    }
}

/// The list of weights that an operation holds.
pub fn list(weight: Refit, bias: Option<Refit>) -> Vec<(&'static str, Refit)> {
    std::iter::once(("weight", weight)).chain(bias.map(|b| ("bias", b))).collect()
}
