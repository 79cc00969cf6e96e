//! The backward pass of a block of queries: its logits are made again, block by block of keys.
//!
//! Part of `attention`.

use super::simd::SoftmaxGradient;
use super::{HeadBlock, KEYS, linear, row};
use crate::lanes;
use crate::tile::pack;

/// The gradient of a block's output, and where those of its inputs go.
#[derive(Debug)]
pub struct HeadGradients<'a> {
    /// Outputs and their gradients, `[e, queries]`.
    pub out: &'a [f32],
    pub from: &'a [f32],
    /// The log-sum-exp of each query's logits, as [`HeadBlock::attend`] gave it.
    pub log_sum_exp: &'a [f32],
    /// Gets the gradient of `q` as it was given, times its factor: `[d, queries]`.
    pub q: &'a mut [f32],
    /// To these the block's part is added: `[d, keys]` and `[e, keys]`.
    pub k: &'a mut [f32],
    pub v: &'a mut [f32],
}

impl HeadBlock<'_> {
    /// The gradients of queries, keys and values. `add` is that of the forward pass; `seen` is given a query, a key and the gradients of the logits
    /// from that key on.
    ///
    /// # Panics
    /// Where lengths do not go together.
    pub fn gradients(&self, g: HeadGradients, mut add: impl FnMut(usize, usize, &mut [f32]), mut seen: impl FnMut(usize, usize, &[f32])) {
        let (queries, keys, isa) = (self.queries, self.keys, self.isa);
        let (d, e) = (self.d(), self.e());
        assert!(g.out.len() == e * queries && g.from.len() == e * queries && g.log_sum_exp.len() == queries && g.q.len() == d * queries);
        assert!(g.k.len() == d * keys && g.v.len() == e * keys);
        let row = row(keys, isa);
        let mut logits = vec![0.0f32; queries * row];
        let mut gradients = vec![0.0f32; queries * row];
        let mut more = vec![0.0f32; d.max(e) * row];
        let mean = |i: usize| (0..e).map(|c| g.out[c * queries + i] * g.from[c * queries + i]).sum::<f32>();
        let means: Vec<f32> = (0..queries).map(mean).collect();
        let packed = self.packed();
        let from = pack(e, queries, isa, |c, i| g.from[c * queries + i]);
        let by_query_v = pack(queries, e, isa, |i, c| g.from[c * queries + i]);
        let by_query_k = pack(queries, d, isa, |i, c| self.q[c * queries + i]);
        let rows: Vec<isize> = (0..queries).map(|i| (i * row) as isize).collect();
        g.q.fill(0.0);
        for start in (0..keys).step_by(KEYS) {
            let n = self.logits(&packed, start, row, &mut logits, &mut add);
            let width = n.next_multiple_of(isa.lanes());
            self.combined(self.v, start, n, &from, row, &mut gradients);
            gradients.chunks_exact_mut(row).for_each(|own| own[n..].fill(0.0));
            let both =
                SoftmaxGradient { logits: &mut logits, gradients: &mut gradients, row, width, log_sum_exp: g.log_sum_exp, means: &means };
            // SAFETY: rows of so many queries, each of whole vectors.
            unsafe { lanes::run(isa, both) };
            for (shares, packed, channels, to) in [(&logits, &by_query_v, e, &mut *g.v), (&gradients, &by_query_k, d, &mut *g.k)] {
                // SAFETY: a row for each query, and room for each channel.
                unsafe { linear(shares, &rows, packed, channels, row, n, &mut more, isa) };
                for (to, more) in to.chunks_exact_mut(keys).zip(more.chunks_exact(row)) {
                    to[start..start + n].iter_mut().zip(more).for_each(|(to, more)| *to += more);
                }
            }
            self.sums(self.k, start, n, &gradients, row, None, g.q);
            gradients.chunks_exact(row).enumerate().for_each(|(i, own)| seen(i, start, &own[..n]));
        }
    }
}
