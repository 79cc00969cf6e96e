//! An operation that is in no list, run as the operations that it stands for; its weights are views of its own, so their gradients are too.
//!
//! Part of `net`; may use `op`.

use burn::tensor::Tensor;

use super::{Forward, Weights};
use crate::ir::{Expanded, Fact, Operator};
use crate::op::Op;

/// The output for inputs `[N, C, D, H, W]`.
pub fn expanded(op: &dyn Operator, weights: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
    let fact = |t: &Tensor<5>| {
        let [n, c, size @ ..] = t.dims();
        Fact::new(n, c, size)
    };
    let facts: Vec<Fact> = x.iter().map(fact).collect();
    let Some(expansion) = op.expand(&facts) else { unreachable!("it was asked for when the network was made") };
    let mut made: Vec<Tensor<5>> = Vec::with_capacity(expansion.nodes.len());
    let value = |made: &[Tensor<5>], e: &Expanded| match e {
        Expanded::Input(i) => x[*i].clone(),
        Expanded::Node(k) => made[*k].clone(),
    };
    for node in &expansion.nodes {
        let views: Vec<_> = node.weights.iter().filter_map(|(name, view)| Some((*name, weights.view(view)?, view.dims.clone()))).collect();
        let own = Weights { all: &[], views: &views, buffers: &[], ..*weights };
        let inputs = node.inputs.iter().map(|e| value(&made, e)).collect();
        made.push(Op::from(node.op.clone()).forward(&own, inputs));
    }
    value(&made, &expansion.output)
}
