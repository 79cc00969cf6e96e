//! Between planar volumes `[C, D, H, W]` and rows whose channels lie innermost: `[C / N, row, column, N]` for vectors of `N` lanes. So a
//! tile's columns need no shuffles, and any width fills the vectors.

use super::lanes::{Lanes, SimdKernel, WIDEST};

/// Swaps vectors and lanes of the first `N` vectors.
///
/// # Safety
/// See [`Lanes`].
#[inline(always)]
pub unsafe fn transpose<L: Lanes>(v: &mut [L; WIDEST]) {
    // Each turn rotates the bits of a number's place, those of its vector and those of its lane as one word, by one.
    let mut turn = 1;
    while turn < L::N {
        let old = *v;
        for i in 0..L::N / 2 {
            // SAFETY: no pointers.
            (v[2 * i], v[2 * i + 1]) = unsafe { old[i].interleave(old[i + L::N / 2]) };
        }
        turn *= 2;
    }
}

/// Rows from one that is read to one that is asked for.
const AHEAD: usize = 3;

/// Copies rows of a planar volume, or sums or differences of two rows each, to where channels lie innermost.
pub struct PackRows<'a> {
    /// Of each row the first channel's in one or two places; zeros where both are null.
    pub rows: &'a [[*const f32; 2]],
    /// Whether the second is subtracted.
    pub minus: bool,
    /// Floats between channels, and how many there are; zeros fill the last vector.
    pub channel: usize,
    pub channels: usize,
    /// Columns of a row, and of a packed row, which begins with `left` zeros and ends with zeros.
    pub width: usize,
    pub left: usize,
    pub columns: usize,
    pub to: *mut f32,
    /// Floats between vectors of channels.
    pub chunk: usize,
}

impl SimdKernel for PackRows<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's: rows of `width` columns for every channel; room for all packed rows.
        unsafe {
            let zero = L::splat(0.0);
            // A row may begin before the volume or end before its end.
            let left = self.left.min(self.columns);
            let live = self.width.min(self.columns - left);
            for first in (0..self.channels).step_by(L::N) {
                let count = (self.channels - first).min(L::N);
                for (i, [a, b]) in self.rows.iter().enumerate() {
                    let to = self.to.add(first / L::N * self.chunk + i * self.columns * L::N);
                    if a.is_null() && b.is_null() {
                        for column in 0..self.columns {
                            zero.store(to.add(column * L::N));
                        }
                        continue;
                    }
                    for column in (0..left).chain(left + live..self.columns) {
                        zero.store(to.add(column * L::N));
                    }
                    let mut at = 0;
                    while at < live {
                        let n = (live - at).min(L::N);
                        // Channels lie too far apart for the processor to see that they are read one row after the other.
                        for p in self.rows.get(i + AHEAD).into_iter().flatten().filter(|p| !p.is_null()) {
                            for c in 0..count {
                                L::prefetch(p.wrapping_add((first + c) * self.channel + at));
                            }
                        }
                        let mut v = [zero; WIDEST];
                        for (c, v) in v.iter_mut().enumerate().take(L::N) {
                            if c < count {
                                let from = (first + c) * self.channel + at;
                                let load = |p: *const f32| {
                                    if p.is_null() {
                                        zero
                                    } else if n == L::N {
                                        L::load(p.add(from))
                                    } else {
                                        L::load_head(p.add(from), n)
                                    }
                                };
                                *v = load(*a);
                                if !b.is_null() {
                                    *v = if self.minus { v.sub(load(*b)) } else { v.add(load(*b)) };
                                }
                            }
                        }
                        transpose(&mut v);
                        for (j, v) in v.iter().enumerate().take(L::N) {
                            if j < n {
                                v.store(to.add((left + at + j) * L::N));
                            }
                        }
                        at += L::N;
                    }
                }
            }
        }
    }
}

/// Copies rows whose channels lie innermost back into planes.
pub struct UnpackRows<'a> {
    /// Each row's first column, and where its first channel's goes.
    pub rows: &'a [(*const f32, *mut f32)],
    /// Floats between vectors of channels of the source.
    pub block: usize,
    pub channels: usize,
    pub width: usize,
    /// Floats between channels and between columns of the planes.
    pub channel: usize,
    pub step: usize,
    /// One number a channel, or none.
    pub bias: &'a [f32],
}

impl SimdKernel for UnpackRows<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's: rows of `width` columns on both sides, those of the planes this call's own.
        unsafe {
            for first in (0..self.channels).step_by(L::N) {
                let count = (self.channels - first).min(L::N);
                for (from, to) in self.rows {
                    let (from, to) = (from.add(first / L::N * self.block), to.add(first * self.channel));
                    let mut at = 0;
                    while at < self.width {
                        let n = (self.width - at).min(L::N);
                        let mut v = [L::splat(0.0); WIDEST];
                        for (j, v) in v.iter_mut().enumerate().take(L::N) {
                            if j < n {
                                *v = L::load(from.add((at + j) * L::N));
                            }
                        }
                        transpose(&mut v);
                        for (c, v) in v.iter().enumerate().take(L::N) {
                            if c < count {
                                let v = if self.bias.is_empty() { *v } else { v.add(L::splat(self.bias[first + c])) };
                                let to = to.add(c * self.channel + at * self.step);
                                if self.step != 1 {
                                    let mut row = [0f32; WIDEST];
                                    v.store(row.as_mut_ptr());
                                    for (j, x) in row.iter().enumerate().take(n) {
                                        *to.add(j * self.step) = *x;
                                    }
                                } else if n == L::N {
                                    v.store(to);
                                } else {
                                    v.store_head(to, n);
                                }
                            }
                        }
                        at += L::N;
                    }
                }
            }
        }
    }
}
