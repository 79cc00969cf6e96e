//! The inner loop of the dense convolutions: every output of a block of channels is a sum over channels and taps of a padded
//! volume. A tap is an offset into that volume, so kernels, strides and dilations of any kind, and the data gradient (a
//! convolution of the output's gradient for each phase of the stride) are all the same loop.

use super::lanes::{Lanes, SimdKernel, WIDEST};

/// Output channels of a block, held in registers together.
pub const BLOCK: usize = 4;

/// Weights in the order in which the loop reads them: `[blocks, channels, taps, BLOCK]`, zeros where the last block has no
/// channel. `weight` gives that of an output channel, an input channel and a tap.
pub fn pack(outputs: usize, channels: usize, taps: usize, weight: impl Fn(usize, usize, usize) -> f32) -> Vec<f32> {
    let mut packed = Vec::with_capacity(outputs.div_ceil(BLOCK) * channels * taps * BLOCK);
    for first in (0..outputs).step_by(BLOCK) {
        for channel in 0..channels {
            for tap in 0..taps {
                for output in first..first + BLOCK {
                    packed.push(if output < outputs { weight(output, channel, tap) } else { 0.0 });
                }
            }
        }
    }
    packed
}

/// The loop over `rows` of `width` outputs.
pub struct ConvRows<'a> {
    /// The padded volume at the first tap of the first output; steps between channels, output planes and output rows.
    pub source: *const f32,
    pub channel: usize,
    pub source_plane: usize,
    pub source_row: usize,
    pub channels: usize,
    pub taps: &'a [usize],
    /// See [`pack`].
    pub weights: &'a [f32],
    /// One value per output channel, or empty.
    pub bias: &'a [f32],
    /// The first output; steps between channels, planes, rows and neighbours.
    pub out: *mut f32,
    pub outputs: usize,
    pub out_channel: usize,
    pub out_plane: usize,
    pub out_row: usize,
    pub out_step: usize,
    /// Planes, rows and columns.
    pub size: [usize; 3],
}

impl SimdKernel for ConvRows<'_> {
    type Out = ();

    /// Touches `channels` channels of the source from each output's place on, up to its last tap and to whole vectors of the
    /// row; writes `size` outputs of `outputs` channels.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let [planes, rows, width] = self.size;
        let blocks = self.outputs.div_ceil(BLOCK);
        let mut block = 0;
        while block < blocks {
            // Narrow rows fill the units with two blocks instead of two vectors.
            let pair = width <= L::N && block + 1 < blocks;
            let first = block * BLOCK;
            let live = (self.outputs - first).min(if pair { 2 * BLOCK } else { BLOCK });
            for plane in 0..planes {
                for row in 0..rows {
                    // SAFETY: the places stay inside what the job's maker vouches for.
                    unsafe {
                        let source = self.source.add(plane * self.source_plane + row * self.source_row);
                        let out = self.out.add(first * self.out_channel + plane * self.out_plane + row * self.out_row);
                        let weights = self.weights.as_ptr().add(block * self.block_weights());
                        let mut at = 0;
                        while at < width {
                            let left = width - at;
                            let tile = Tile { source: source.add(at), weights, first, live, out: out.add(at * self.out_step) };
                            // Four vectors go by two and two: a single one leaves the units waiting for its sums.
                            at += match left.div_ceil(L::N) {
                                1 if pair => self.tile::<L, { 2 * BLOCK }, 1>(tile, left),
                                1 => self.tile::<L, BLOCK, 1>(tile, left),
                                2 | 4 => self.tile::<L, BLOCK, 2>(tile, left),
                                _ => self.tile::<L, BLOCK, 3>(tile, left),
                            };
                        }
                    }
                }
            }
            block += if pair { 2 } else { 1 };
        }
    }
}

struct Tile {
    source: *const f32,
    weights: *const f32,
    first: usize,
    live: usize,
    out: *mut f32,
}

impl ConvRows<'_> {
    fn block_weights(&self) -> usize {
        self.channels * self.taps.len() * BLOCK
    }

    /// `B` channels of `V` vectors; says how many columns it covered.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const B: usize, const V: usize>(&self, tile: Tile, left: usize) -> usize {
        // SAFETY: see `run`.
        unsafe {
            let mut sums = [[L::splat(0.0); V]; B];
            // Loops of constant length with a test inside, here and below: the sums then never leave their registers.
            for (b, sums) in sums.iter_mut().enumerate() {
                if b < tile.live && !self.bias.is_empty() {
                    *sums = [L::splat(self.bias[tile.first + b]); V];
                }
            }
            let (mut weight, next) = (tile.weights, self.block_weights());
            for c in 0..self.channels {
                let source = tile.source.add(c * self.channel);
                if B == BLOCK {
                    // Offsets lie within one allocation, so they are no larger than a signed one can be.
                    let vectors: [*const f32; V] = std::array::from_fn(|v| source.add(v * L::N));
                    L::products(&mut sums, &vectors, self.taps.as_ptr().cast(), weight, self.taps.len());
                    weight = weight.add(BLOCK * self.taps.len());
                    continue;
                }
                // Two blocks, whose weights lie apart.
                for &tap in self.taps {
                    let x: [L; V] = std::array::from_fn(|v| L::load(source.add(tap + v * L::N)));
                    for (b, sums) in sums.iter_mut().enumerate() {
                        let w = L::splat(*weight.add(b / BLOCK * next + b % BLOCK));
                        for v in 0..V {
                            sums[v] = x[v].mul_add(w, sums[v]);
                        }
                    }
                    weight = weight.add(BLOCK);
                }
            }
            for (b, sums) in sums.iter().enumerate() {
                if b < tile.live {
                    for (v, sum) in sums.iter().enumerate() {
                        let n = left.saturating_sub(v * L::N).min(L::N);
                        self.put(*sum, tile.out.add(b * self.out_channel + v * L::N * self.out_step), n);
                    }
                }
            }
            V * L::N
        }
    }

    /// Writes the first `n` lanes.
    #[inline(always)]
    unsafe fn put<L: Lanes>(&self, sum: L, out: *mut f32, n: usize) {
        // SAFETY: see `run`.
        unsafe {
            if self.out_step == 1 && n == L::N {
                sum.store(out);
            } else {
                let mut t = [0f32; WIDEST];
                sum.store(t.as_mut_ptr());
                for (i, t) in t.iter().enumerate().take(n) {
                    *out.add(i * self.out_step) = *t;
                }
            }
        }
    }
}

/// Sums over a block of rows of the products of the output's gradient and the source at every tap: the weight gradient.
pub struct GradWeightRows<'a> {
    /// As in [`ConvRows`].
    pub source: *const f32,
    pub channel: usize,
    pub source_plane: usize,
    pub source_row: usize,
    pub channels: usize,
    pub taps: &'a [usize],
    /// The output's gradient in rows padded with zeros to whole vectors; steps between channels, planes and rows.
    pub grad: *const f32,
    pub outputs: usize,
    pub grad_channel: usize,
    pub grad_plane: usize,
    pub grad_row: usize,
    pub size: [usize; 3],
    /// `[outputs, channels, taps]`, added to.
    pub total: &'a mut [f64],
}

/// Taps whose sums are held in registers together.
const TAPS: usize = 3;
/// Floats of one gradient block that a first-level cache holds beside the source.
const HOT: usize = 4096;

impl SimdKernel for GradWeightRows<'_> {
    type Out = ();

    /// Reads as [`ConvRows`] does, and `size` places (the width in whole vectors) of `outputs` channels of the gradient.
    #[inline(always)]
    unsafe fn run<L: Lanes>(mut self) {
        let [planes, rows, width] = self.size;
        let block_rows = (HOT / (BLOCK * width.next_multiple_of(L::N)).max(1)).clamp(1, rows.max(1));
        for plane in 0..planes {
            for row in (0..rows).step_by(block_rows) {
                let count = block_rows.min(rows - row);
                for first in (0..self.outputs).step_by(BLOCK) {
                    for c in 0..self.channels {
                        for tap in (0..self.taps.len()).step_by(TAPS) {
                            // SAFETY: the places stay inside what the job's maker vouches for.
                            unsafe {
                                let source = self.source.add(c * self.channel + plane * self.source_plane + row * self.source_row);
                                let grad = self.grad.add(first * self.grad_channel + plane * self.grad_plane + row * self.grad_row);
                                let place = Place { source, grad, first, c, tap, count };
                                if self.outputs - first == 1 { self.block::<L, 1>(place) } else { self.block::<L, BLOCK>(place) }
                            }
                        }
                    }
                }
            }
        }
    }
}

struct Place {
    source: *const f32,
    grad: *const f32,
    first: usize,
    c: usize,
    tap: usize,
    count: usize,
}

impl GradWeightRows<'_> {
    #[inline(always)]
    unsafe fn block<L: Lanes, const B: usize>(&mut self, p: Place) {
        // Missing channels and taps of the last group read those of the first; their sums are dropped.
        let live = (self.outputs - p.first).min(B);
        let taps: [usize; TAPS] = std::array::from_fn(|t| self.taps[if p.tap + t < self.taps.len() { p.tap + t } else { p.tap }]);
        let channels: [usize; B] = std::array::from_fn(|b| if b < live { b * self.grad_channel } else { 0 });
        // SAFETY: see `run`.
        unsafe {
            let mut sums = [[L::splat(0.0); TAPS]; B];
            for row in 0..p.count {
                let (source, grad) = (p.source.add(row * self.source_row), p.grad.add(row * self.grad_row));
                let x = std::array::from_fn(|t| source.add(taps[t]));
                let y = std::array::from_fn(|b| grad.add(channels[b]));
                L::correlations(&mut sums, &x, &y, self.size[2].div_ceil(L::N));
            }
            for (b, sums) in sums.iter().enumerate() {
                let total = ((p.first + b) * self.channels + p.c) * self.taps.len() + p.tap;
                for (t, sum) in sums.iter().enumerate() {
                    if b < live && p.tap + t < self.taps.len() {
                        self.total[total + t] += f64::from(sum.sum());
                    }
                }
            }
        }
    }
}
