//! The values by the softmax of the logits.
//!
//! Part of `exec::attention`.

use rayon::prelude::*;

use super::{Layout, Learned, blocks, columns, head, seen};
use crate::exec::TensorView;
use crate::kernel::attention::HeadBlock;
use crate::kernel::lanes::Isa;
use crate::op::Attention;

/// What attention gives.
#[derive(Clone, Debug, Default)]
pub struct Attended {
    /// `[N, h e, ..]`
    pub out: Vec<f32>,
    /// The log-sum-exp of each query's logits, `[N, heads, windows, tokens]`: what the backward pass needs. Empty where nobody
    /// asks for it.
    pub log_sum_exp: Vec<f32>,
}

/// `q`, `k` and `v` as the operation takes them, which `infer` has accepted.
pub fn forward(a: &Attention, learned: Learned, x: [TensorView; 3], log_sum_exp: bool) -> Attended {
    let layout = Layout::new(a, learned, &x);
    let [q, k, v] = x;
    let (d, e, heads, parts) = (layout.d, layout.e, a.heads, layout.parts());
    let isa = Isa::widest();
    let task = |i: usize| {
        let (n, h, p) = (i / parts / heads, i / parts % heads, i % parts);
        let part = layout.voxels(p);
        let tokens = part.len();
        let own = part.of(head(&q, n, h, d), layout.own, layout.factor(h));
        let (keys, values) = (seen(head(&k, n, h, d), layout.seen, part), seen(head(&v, n, h, e), layout.seen, part));
        let (mut out, mut sums) = (vec![0.0; e * tokens], vec![0.0; if log_sum_exp { tokens } else { 0 }]);
        for block in blocks(tokens) {
            let (first, count) = block;
            let own = columns(&own, tokens, block);
            let all = HeadBlock::new(count, keys.len() / d, [&own, &keys, &values], isa);
            let mut y = vec![0.0; e * count];
            let add = |i: usize, key: usize, logits: &mut [f32]| layout.add(h, p, first + i, key, logits);
            all.attend(add, &mut y, log_sum_exp.then(|| &mut sums[first..first + count]));
            for (to, y) in out.chunks_exact_mut(tokens).zip(y.chunks_exact(count)) {
                to[first..first + count].copy_from_slice(y);
            }
        }
        (out, sums)
    };
    let batch = q.fact.batch;
    let done: Vec<(Vec<f32>, Vec<f32>)> = (0..batch * heads * parts).into_par_iter().map(task).collect();
    let mut out = vec![0.0; batch * heads * e * layout.own];
    out.par_chunks_mut((e * layout.own).max(1)).enumerate().for_each(|(i, to)| {
        for (p, (y, _)) in done[i * parts..(i + 1) * parts].iter().enumerate() {
            layout.voxels(p).put(y, to, layout.own);
        }
    });
    Attended { out, log_sum_exp: done.into_iter().flat_map(|(_, log_sum_exp)| log_sum_exp).collect() }
}
