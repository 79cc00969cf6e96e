//! Attention of a block of queries to all keys of its head, by blocks of keys: the matrix of all pairs is never in memory.
//!
//! A block of logits is made, its exponentials are summed beside those before it, and what was summed so far is scaled where a larger logit
//! turns up (Milakov and Gimelshein 2018, Dao et al. 2022). The backward pass makes the blocks again. Uses `lanes`, and of `tile` the linear
//! combinations of rows.

mod backward;
mod simd;

pub use backward::HeadGradients;

use simd::{BlockSoftmax, Product, Sums};

use crate::lanes::{self, Isa};
use crate::tile::{Combine, pack};

/// Queries that are best taken at once: their logits by a block of keys stay in the second-level cache.
pub const QUERIES: usize = 64;
/// Keys of a block; a multiple of the lanes of every instruction set.
const KEYS: usize = 512;

/// A block of queries of one head and everything that it attends to. All rows are channels, `[channels, tokens]`.
#[derive(Clone, Copy, Debug)]
pub struct HeadBlock<'a> {
    pub queries: usize,
    pub keys: usize,
    /// `[d, queries]`, times the factor of the logits.
    pub q: &'a [f32],
    /// `[d, keys]`
    pub k: &'a [f32],
    /// `[e, keys]`
    pub v: &'a [f32],
    pub isa: Isa,
}

/// Floats between the rows of a block of keys.
fn row(keys: usize, isa: Isa) -> usize {
    keys.min(KEYS).next_multiple_of(isa.lanes())
}

impl<'a> HeadBlock<'a> {
    /// # Panics
    /// Where the lengths do not go together: a mistake of the caller.
    pub fn new(queries: usize, keys: usize, [q, k, v]: [&'a [f32]; 3], isa: Isa) -> Self {
        let isa = isa.available();
        let whole = |x: &[f32], tokens: usize| tokens > 0 && x.len().is_multiple_of(tokens);
        assert!(whole(q, queries) && whole(k, keys) && whole(v, keys), "whole channels");
        assert_eq!(q.len() / queries, k.len() / keys, "as many channels of queries and keys");
        Self { queries, keys, q, k, v, isa }
    }

    fn d(&self) -> usize {
        self.q.len() / self.queries
    }

    fn e(&self) -> usize {
        self.v.len() / self.keys
    }

    /// `out [e, queries]`: the values by the softmax of the logits. `add` is given a query of the block, a key and the logits from that key on, and
    /// adds what is to be added. `log_sum_exp`, where wanted, gets the log-sum-exp of each query's logits.
    ///
    /// # Panics
    /// Where `out` or `log_sum_exp` have another length.
    pub fn attend(&self, mut add: impl FnMut(usize, usize, &mut [f32]), out: &mut [f32], log_sum_exp: Option<&mut [f32]>) {
        assert_eq!(out.len(), self.e() * self.queries);
        let row = row(self.keys, self.isa);
        let mut logits = vec![0.0f32; self.queries * row];
        let packed = self.packed();
        let (mut largest, mut total, mut before) =
            (vec![f32::NEG_INFINITY; self.queries], vec![0.0f32; self.queries], vec![0.0f32; self.queries]);
        out.fill(0.0);
        for start in (0..self.keys).step_by(KEYS) {
            let n = self.logits(&packed, start, row, &mut logits, &mut add);
            let width = n.next_multiple_of(self.isa.lanes());
            let softmax = BlockSoftmax { logits: &mut logits, row, width, largest: &mut largest, total: &mut total, before: &mut before };
            // SAFETY: rows of so many queries, each of whole vectors.
            unsafe { lanes::run(self.isa, softmax) };
            self.sums(self.v, start, n, &logits, row, Some(&before), out);
        }
        for (i, total) in total.iter().enumerate() {
            let share = 1.0 / total;
            out.iter_mut().skip(i).step_by(self.queries).for_each(|v| *v *= share);
        }
        if let Some(log_sum_exp) = log_sum_exp {
            assert_eq!(log_sum_exp.len(), self.queries);
            log_sum_exp.iter_mut().zip(largest.iter().zip(&total)).for_each(|(to, (largest, total))| *to = largest + total.ln());
        }
    }

    fn packed(&self) -> Vec<f32> {
        pack(self.d(), self.queries, self.isa, |c, i| self.q[c * self.queries + i])
    }

    /// Logits of the block of keys from `start` on, `[queries, row]`, those behind its end minus infinity; gives the number of its keys.
    fn logits(&self, packed: &[f32], start: usize, row: usize, to: &mut [f32], add: &mut impl FnMut(usize, usize, &mut [f32])) -> usize {
        let n = (self.keys - start).min(KEYS);
        self.combined(self.k, start, n, packed, row, to);
        for (i, own) in to.chunks_exact_mut(row).enumerate() {
            add(i, start, &mut own[..n]);
            own[n..].fill(f32::NEG_INFINITY);
        }
        n
    }

    /// `to[i] = sum over channels c of packed[c, i] * x[c]`, of `n` tokens of `x [channels, keys]` from `start` on, for each query `i`.
    fn combined(&self, x: &[f32], start: usize, n: usize, packed: &[f32], row: usize, to: &mut [f32]) {
        let offsets: Vec<isize> = (0..x.len() / self.keys).map(|c| (c * self.keys + start) as isize).collect();
        assert!(start + n <= self.keys && n <= row && to.len() >= self.queries * row);
        // SAFETY: every row of `x` has the tokens, every row of `to` the room.
        unsafe { linear(x, &offsets, packed, self.queries, row, n, to, self.isa) };
    }

    /// `out[c, i] = before[i] * out[c, i] + sum over tokens j of x[c, start + j] * by[i, j]`, of rows `x [channels, keys]`.
    #[allow(clippy::too_many_arguments)]
    fn sums(&self, x: &[f32], start: usize, n: usize, by: &[f32], row: usize, before: Option<&[f32]>, out: &mut [f32]) {
        let channels = x.len() / self.keys;
        assert!(start + n <= self.keys && out.len() >= channels * self.queries && by.len() >= self.queries * row);
        let sums = Sums { x: &x[start..], x_row: self.keys, channels, by, by_row: row, queries: self.queries, n, before, out };
        // SAFETY: rows as long as was just seen; `by` is whole vectors long.
        unsafe { lanes::run(self.isa, sums) };
    }
}

/// Linear combinations of rows of `x` at `offsets`: `to[o] = sum over k of packed[k, o] * row k`, of `n` numbers each.
///
/// # Safety
/// From each offset on `x` has `n` numbers; `to` has `outputs` rows.
#[allow(clippy::too_many_arguments)]
unsafe fn linear(x: &[f32], offsets: &[isize], packed: &[f32], outputs: usize, row: usize, n: usize, to: &mut [f32], isa: Isa) {
    let all = Combine {
        src: x.as_ptr(),
        src_row: 0,
        offsets: offsets.as_ptr(),
        inputs: offsets.len(),
        packed: packed.as_ptr(),
        bias: std::ptr::null(),
        outputs,
        dst: to.as_mut_ptr(),
        dst_channel: row,
        dst_row: row,
        rows: 1,
        width: n,
        isa,
    };
    // SAFETY: the caller's.
    unsafe { lanes::run(isa, Product(all)) };
}

#[cfg(test)]
mod tests;
