//! What goes over the vectors of a block: exponentials, their sums, and sums of products of rows.
//!
//! Part of `attention`.

use crate::lanes::{Lanes, SimdKernel};
use crate::tile::Combine;

/// A linear combination of rows.
pub(super) struct Product(pub Combine);

impl SimdKernel for Product {
    type Out = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe { self.0.run::<L>() }
    }
}

/// Logits in, exponentials of what they are below the largest so far out.
pub(super) struct BlockSoftmax<'a> {
    /// `[queries, row]`, of which `width` in whole vectors.
    pub logits: &'a mut [f32],
    pub row: usize,
    pub width: usize,
    pub largest: &'a mut [f32],
    pub total: &'a mut [f32],
    /// What sums up to here are to be scaled by.
    pub before: &'a mut [f32],
}

impl SimdKernel for BlockSoftmax<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        for (i, row) in self.logits.chunks_exact_mut(self.row).enumerate() {
            let row = row[..self.width].as_mut_ptr();
            // SAFETY: whole vectors of this row.
            unsafe {
                let mut top = L::splat(f32::NEG_INFINITY);
                let mut at = 0;
                while at < self.width {
                    top = top.max(L::load(row.add(at)));
                    at += L::N;
                }
                let mut lanes = [f32::NEG_INFINITY; crate::lanes::WIDEST];
                top.store(lanes.as_mut_ptr());
                let top = lanes[..L::N].iter().copied().fold(self.largest[i], f32::max);
                self.before[i] = if top == self.largest[i] { 1.0 } else { (self.largest[i] - top).exp() };
                self.largest[i] = top;
                let (top, mut sum) = (L::splat(top), L::splat(0.0));
                at = 0;
                while at < self.width {
                    let e = L::load(row.add(at)).sub(top).exp();
                    e.store(row.add(at));
                    sum = sum.add(e);
                    at += L::N;
                }
                self.total[i] = self.total[i] * self.before[i] + sum.sum();
            }
        }
    }
}

/// Logits in, attention weights `exp(logit - log-sum-exp)` out; and from the gradients of the weights those of the logits.
pub(super) struct SoftmaxGradient<'a> {
    /// `[queries, row]`: logits, then attention weights.
    pub logits: &'a mut [f32],
    /// `[queries, row]`: gradients of the attention weights, then of the logits.
    pub gradients: &'a mut [f32],
    pub row: usize,
    pub width: usize,
    /// The log-sum-exp of each query's logits.
    pub log_sum_exp: &'a [f32],
    /// Of each query, the sum of its outputs times their gradients.
    pub means: &'a [f32],
}

impl SimdKernel for SoftmaxGradient<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let rows = self.logits.chunks_exact_mut(self.row).zip(self.gradients.chunks_exact_mut(self.row));
        for (i, (logits, gradients)) in rows.enumerate() {
            let (p, g) = (logits[..self.width].as_mut_ptr(), gradients[..self.width].as_mut_ptr());
            // SAFETY: whole vectors of these rows.
            unsafe {
                let (log, mean) = (L::splat(self.log_sum_exp[i]), L::splat(self.means[i]));
                let mut at = 0;
                while at < self.width {
                    let share = L::load(p.add(at)).sub(log).exp();
                    share.store(p.add(at));
                    L::load(g.add(at)).sub(mean).mul(share).store(g.add(at));
                    at += L::N;
                }
            }
        }
    }
}

/// `out[c, i] = before[i] * out[c, i] + sum over j of x[c, j] * by[i, j]`.
pub(super) struct Sums<'a> {
    pub x: &'a [f32],
    pub x_row: usize,
    pub channels: usize,
    /// Zeros from `n` on, to the end of a vector.
    pub by: &'a [f32],
    pub by_row: usize,
    pub queries: usize,
    pub n: usize,
    /// 1 where there are none.
    pub before: Option<&'a [f32]>,
    pub out: &'a mut [f32],
}

impl SimdKernel for Sums<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(mut self) {
        // Sums, vectors of both sides: within the registers.
        let (most_c, most_q) = if L::REGISTERS == 32 { (4, 4) } else { (2, 4) };
        let mut c = 0;
        while c < self.channels {
            let nc = 1usize << (self.channels - c).min(most_c).ilog2();
            let mut i = 0;
            while i < self.queries {
                let nq = 1usize << (self.queries - i).min(most_q).ilog2();
                // SAFETY: the caller's.
                unsafe {
                    match (nq, nc) {
                        (4, 4) => self.block::<L, 4, 4>(c, i),
                        (4, 2) => self.block::<L, 4, 2>(c, i),
                        (4, _) => self.block::<L, 4, 1>(c, i),
                        (2, 4) => self.block::<L, 2, 4>(c, i),
                        (2, 2) => self.block::<L, 2, 2>(c, i),
                        (2, _) => self.block::<L, 2, 1>(c, i),
                        (_, 4) => self.block::<L, 1, 4>(c, i),
                        (_, 2) => self.block::<L, 1, 2>(c, i),
                        _ => self.block::<L, 1, 1>(c, i),
                    }
                }
                i += nq;
            }
            c += nc;
        }
    }
}

impl Sums<'_> {
    /// `B` queries by `P` channels.
    ///
    /// # Safety
    /// See `HeadBlock::sums`.
    #[inline(always)]
    unsafe fn block<L: Lanes, const B: usize, const P: usize>(&mut self, c: usize, i: usize) {
        // SAFETY: the caller's.
        unsafe {
            let x: [*const f32; P] = std::array::from_fn(|p| self.x.as_ptr().add((c + p) * self.x_row));
            let by: [*const f32; B] = std::array::from_fn(|b| self.by.as_ptr().add((i + b) * self.by_row));
            let mut sums = [[L::splat(0.0); P]; B];
            let (full, tail) = (self.n / L::N, self.n % L::N);
            L::correlations(&mut sums, &x, &by, full);
            if tail > 0 {
                let x: [L; P] = std::array::from_fn(|p| L::load_head(x[p].add(full * L::N), tail));
                for (b, sums) in sums.iter_mut().enumerate() {
                    let by = L::load_head(by[b].add(full * L::N), tail);
                    for p in 0..P {
                        sums[p] = x[p].mul_add(by, sums[p]);
                    }
                }
            }
            for (b, sums) in sums.iter().enumerate() {
                let before = self.before.map_or(1.0, |all| all[i + b]);
                for (p, sum) in sums.iter().enumerate() {
                    let to = &mut self.out[(c + p) * self.queries + i + b];
                    *to = *to * before + sum.sum();
                }
            }
        }
    }
}
