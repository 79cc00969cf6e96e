//! The backward pass of a block of queries: its logits are made again, block by block of keys.
//!
//! Part of `attention`.

use super::simd::Flows;
use super::{HeadBlock, KEYS, linear, row};
use crate::lanes;
use crate::tile::pack;

/// What flows back from a block of queries, and where to.
#[derive(Debug)]
pub struct HeadGradients<'a> {
    /// Outputs and their gradients, `[e, queries]`.
    pub out: &'a [f32],
    pub from: &'a [f32],
    /// Of each query, the logarithm of the sum of its exponentials, as [`HeadBlock::attend`] gave it.
    pub logs: &'a [f32],
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
        assert!(g.out.len() == e * queries && g.from.len() == e * queries && g.logs.len() == queries && g.q.len() == d * queries);
        assert!(g.k.len() == d * keys && g.v.len() == e * keys);
        let row = row(keys, isa);
        let mut logits = vec![0.0f32; queries * row];
        let mut flows = vec![0.0f32; queries * row];
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
            self.combined(self.v, start, n, &from, row, &mut flows);
            flows.chunks_exact_mut(row).for_each(|own| own[n..].fill(0.0));
            let both = Flows { logits: &mut logits, gradients: &mut flows, row, width, logs: g.logs, means: &means };
            // SAFETY: rows of so many queries, each of whole vectors.
            unsafe { lanes::run(isa, both) };
            for (shares, packed, channels, to) in [(&logits, &by_query_v, e, &mut *g.v), (&flows, &by_query_k, d, &mut *g.k)] {
                // SAFETY: a row for each query, and room for each channel.
                unsafe { linear(shares, &rows, packed, channels, row, n, &mut more, isa) };
                for (to, more) in to.chunks_exact_mut(keys).zip(more.chunks_exact(row)) {
                    to[start..start + n].iter_mut().zip(more).for_each(|(to, more)| *to += more);
                }
            }
            self.sums(self.k, start, n, &flows, row, None, g.q);
            flows.chunks_exact(row).enumerate().for_each(|(i, own)| seen(i, start, &own[..n]));
        }
    }
}
