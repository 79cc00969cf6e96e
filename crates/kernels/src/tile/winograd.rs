//! Winograd's form of dense convolutions of kernel 3: F(2, 3) in depth, F(4, 3) or F(2, 3) in height (Lavin and Gray 2016). Of two
//! planes by four rows of outputs, 24 products by rows of transformed input in place of 72; along the width the three taps stay as
//! they are, so no lanes change places. The rounding is a few times that of the direct sum.

use rayon::prelude::*;

use super::combine::{Combine, blocks, places};
use super::lanes::{Isa, Lanes};
use super::stage::{ConvWindow, Matrix};

/// Two rows from four.
pub(super) const TWO: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
/// Four rows from six.
pub(super) const FOUR: [[f64; 3]; 6] = [
    [0.25, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// The transformed kernels for blocks of two planes by the rows that `high` is for: 4 frequencies in depth by those of `high`, each
/// `[channel, kW]` by output; `weight(output, channel, kd, kh, kw)`.
pub(super) fn transform(
    high: &[[f64; 3]],
    inputs: usize,
    outputs: usize,
    isa: Isa,
    weight: impl Fn(usize, usize, usize, usize, usize) -> f32 + Sync,
) -> Vec<Matrix> {
    let one = |deep: &[f64; 3]| {
        let mut packed: Vec<Vec<f32>> = high.iter().map(|_| Vec::with_capacity(inputs * 3 * places(outputs, isa))).collect();
        let blocks = blocks(outputs, isa).flat_map(|(first, b)| (0..inputs * 3).flat_map(move |k| (first..first + b).map(move |o| (k, o))));
        for (k, o) in blocks {
            // First along the depth, then along the height.
            let row = |h: usize| (0..3).map(|d| deep[d] * f64::from(weight(o, k / 3, d, h, k % 3))).sum::<f64>();
            let rows = if o < outputs { [row(0), row(1), row(2)] } else { [0.0; 3] };
            for (packed, high) in packed.iter_mut().zip(high) {
                packed.push((high[0] * rows[0] + high[1] * rows[1] + high[2] * rows[2]) as f32);
            }
        }
        packed.into_iter().map(|packed| Matrix { inputs: inputs * 3, outputs, packed, bias: vec![] }).collect::<Vec<_>>()
    };
    let all: Vec<Vec<Matrix>> = if inputs * outputs < ALONE { TWO.iter().map(one).collect() } else { TWO.par_iter().map(one).collect() };
    all.into_iter().flatten().collect()
}

/// From so many channels by channels on, all threads transform.
const ALONE: usize = 256;

/// Two planes by two or four rows of outputs.
pub struct WinogradBlock<'a> {
    /// The four input planes at the first channel, the first row, `lead` columns before the first tap: a place
    /// where vectors are aligned.
    pub planes: [*const f32; 4],
    pub lead: usize,
    /// Columns from tap to tap.
    pub dilation: usize,
    pub src_channel: usize,
    pub src_row: usize,
    pub channels: usize,
    pub matrices: &'a [Matrix],
    pub bias: &'a [f32],
    /// The two output planes at the first row.
    pub dst: [*mut f32; 2],
    pub dst_channel: usize,
    pub dst_row: usize,
    pub width: usize,
    /// Room for [`room`] floats.
    pub room: *mut f32,
    pub isa: Isa,
}

/// Columns of a row of transformed input: `lead` before the first tap, and those between the taps.
fn row(lead: usize, width: usize, dilation: usize, lanes: usize) -> usize {
    (lead + width + 2 * dilation).next_multiple_of(lanes) + lanes
}

/// The most times the step between taps that the convolution may reach before the first column.
pub const REACH: usize = 4;

/// Columns before the first one at which vectors are aligned and all taps have begun.
pub fn start(window: &ConvWindow, lanes: usize) -> usize {
    window.padding[2].next_multiple_of(lanes)
}

/// Floats that a block needs: transformed input of one frequency in depth, and all products.
pub fn room(channels: usize, outputs: usize, width: usize, window: &ConvWindow, lanes: usize) -> usize {
    (6 * channels + 24 * outputs) * row(start(window, lanes), width, window.dilation[2], lanes) + 64
}

impl WinogradBlock<'_> {
    /// One frequency in depth after the other, so that what is in use stays near.
    ///
    /// # Safety
    /// The planes have two rows more than the outputs, of `lead + width + 2 * dilation` columns in whole vectors, for each channel; the outputs
    /// are this call's own.
    #[inline(always)]
    pub unsafe fn run<L: Lanes>(self, offsets: &mut Vec<isize>) {
        // SAFETY: the caller's.
        unsafe { if self.matrices.len() == 24 { self.high::<L, 6>(offsets) } else { self.high::<L, 4>(offsets) } }
    }

    /// With `F` frequencies in height.
    #[inline(always)]
    unsafe fn high<L: Lanes, const F: usize>(self, offsets: &mut Vec<isize>) {
        let row = row(self.lead, self.width, self.dilation, L::N);
        let (lead, dilation) = (self.lead, self.dilation);
        offsets.clear();
        offsets.extend((0..self.channels).flat_map(|c| (0..3).map(move |k| (c * row + lead + k * dilation) as isize)));
        let v = self.room;
        // SAFETY: the caller's; rooms are as long as `room` says.
        unsafe {
            let m = v.add(F * self.channels * row);
            self.spread::<L, F, false>(v, row, 0, 2);
            self.products::<L, F>(v, m, row, 0, offsets);
            self.spread::<L, F, true>(v, row, 1, 2);
            self.products::<L, F>(v, m, row, 1, offsets);
            self.spread::<L, F, false>(v, row, 2, 1);
            self.products::<L, F>(v, m, row, 2, offsets);
            self.spread::<L, F, false>(v, row, 1, 3);
            self.products::<L, F>(v, m, row, 3, offsets);
            self.gather::<L, F>(m, row);
        }
    }

    /// The rows of plane `a` plus or minus plane `b`, transformed in height.
    #[inline(always)]
    unsafe fn spread<L: Lanes, const F: usize, const PLUS: bool>(&self, v: *mut f32, row: usize, a: usize, b: usize) {
        // SAFETY: see `run`.
        unsafe {
            let step = self.channels * row;
            for c in 0..self.channels {
                let (a, b) = (self.planes[a].add(c * self.src_channel), self.planes[b].add(c * self.src_channel));
                let v = v.add(c * row);
                let mut at = 0;
                while at < self.lead + self.width + 2 * self.dilation {
                    macro_rules! x {
                        ($h:literal) => {{
                            let (a, b) = (L::load(a.add($h * self.src_row + at)), L::load(b.add($h * self.src_row + at)));
                            if PLUS { a.add(b) } else { a.sub(b) }
                        }};
                    }
                    let (x0, x1, x2, x3) = (x!(0), x!(1), x!(2), x!(3));
                    let to = v.add(at);
                    if F == 4 {
                        x0.sub(x2).store(to);
                        x1.add(x2).store(to.add(step));
                        x2.sub(x1).store(to.add(2 * step));
                        x1.sub(x3).store(to.add(3 * step));
                    } else {
                        let (x4, x5) = (x!(4), x!(5));
                        let (two, four, five) = (L::splat(2.0), L::splat(-4.0), L::splat(-5.0));
                        let (even, odd) = (x2.mul_add(four, x4), x1.mul_add(four, x3));
                        x2.mul_add(five, x0.mul_add(L::splat(4.0), x4)).store(to);
                        even.add(odd).store(to.add(step));
                        even.sub(odd).store(to.add(2 * step));
                        let (even, odd) = (x4.sub(x2), x3.sub(x1).mul(two));
                        even.add(odd).store(to.add(3 * step));
                        even.sub(odd).store(to.add(4 * step));
                        x3.mul_add(five, x1.mul_add(L::splat(4.0), x5)).store(to.add(5 * step));
                    }
                    at += L::N;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn products<L: Lanes, const F: usize>(&self, v: *const f32, m: *mut f32, row: usize, depth: usize, offsets: &[isize]) {
        for h in 0..F {
            let matrix = &self.matrices[depth * F + h];
            let combine = Combine {
                src: v.wrapping_add(h * self.channels * row),
                src_row: row,
                offsets: offsets.as_ptr(),
                inputs: matrix.inputs,
                packed: matrix.packed.as_ptr(),
                bias: std::ptr::null(),
                outputs: matrix.outputs,
                dst: m.wrapping_add((depth * F + h) * matrix.outputs * row),
                dst_channel: row,
                dst_row: row,
                rows: 1,
                // Whole vectors: there is room behind.
                width: self.width.next_multiple_of(L::N),
                isa: self.isa,
            };
            // SAFETY: see `run`.
            unsafe { combine.run::<L>() };
        }
    }

    /// Transforms the products back: of those of each frequency in depth come four or two rows by the transform in height; the first
    /// plane is the sum of frequencies 0, 1 and 2, the second that of 1, -2 and -3.
    #[inline(always)]
    unsafe fn gather<L: Lanes, const F: usize>(&self, m: *const f32, row: usize) {
        let outputs = self.matrices.first().map_or(0, |m| m.outputs);
        let step = outputs * row;
        // SAFETY: see `run`.
        unsafe {
            for o in 0..outputs {
                let bias = L::splat(self.bias.get(o).copied().unwrap_or(0.0));
                let m = m.add(o * row);
                let to = self.dst.map(|d| d.add(o * self.dst_channel));
                let mut at = 0;
                while at < self.width {
                    let n = (self.width - at).min(L::N);
                    let s = [high::<L, F>(m.add(at), step), high::<L, F>(m.add(F * step + at), step)];
                    let mut y = [[bias; 4]; 2];
                    for r in 0..F - 2 {
                        y[0][r] = s[0][r].add(s[1][r]).add(bias);
                        y[1][r] = s[1][r].add(bias);
                    }
                    let s = high::<L, F>(m.add(2 * F * step + at), step);
                    for r in 0..F - 2 {
                        y[0][r].add(s[r]).store_part(to[0].add(r * self.dst_row + at), n);
                        y[1][r] = y[1][r].sub(s[r]);
                    }
                    let s = high::<L, F>(m.add(3 * F * step + at), step);
                    for r in 0..F - 2 {
                        y[1][r].sub(s[r]).store_part(to[1].add(r * self.dst_row + at), n);
                    }
                    at += L::N;
                }
            }
        }
    }
}

/// The rows (two or four) of `F` frequencies in height, which lie `step` apart.
///
/// # Safety
/// A vector at each.
#[inline(always)]
unsafe fn high<L: Lanes, const F: usize>(m: *const f32, step: usize) -> [L; 4] {
    // SAFETY: the caller's.
    unsafe {
        let (x0, x1, x2, x3) = (L::load(m), L::load(m.add(step)), L::load(m.add(2 * step)), L::load(m.add(3 * step)));
        if F == 4 {
            return [x0.add(x1).add(x2), x1.sub(x2).sub(x3), x0, x0];
        }
        let (x4, x5) = (L::load(m.add(4 * step)), L::load(m.add(5 * step)));
        let (s, d, p, q) = (x1.add(x2), x1.sub(x2), x3.add(x4), x3.sub(x4));
        [x0.add(s).add(p), q.mul_add(L::splat(2.0), d), p.mul_add(L::splat(4.0), s), q.mul_add(L::splat(8.0), d).add(x5)]
    }
}

trait StorePart: Lanes {
    /// # Safety
    /// See [`Lanes`].
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, n: usize) {
        // SAFETY: the caller's.
        unsafe { if n == Self::N { self.store(to) } else { self.store_head(to, n) } }
    }
}

impl<L: Lanes> StorePart for L {}
