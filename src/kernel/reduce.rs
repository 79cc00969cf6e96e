//! Sums over volumes, the same for any number of threads: fixed blocks, each in vectors, added in `f64` in order.

use super::buffer::{InputBuffer, collect, tensor};
use super::lanes::{Isa, Lanes, SimdKernel, run};
use burn::backend::flex::FlexTensor;
use std::ops::Range;

/// Floats of a block.
pub const BLOCK: usize = 1 << 14;

/// For every row of `len` floats, the sums of what `f` gives for its blocks; `f` gets the row and the block's place among all
/// rows.
pub fn row_sums<const K: usize>(rows: usize, len: usize, f: impl Fn(usize, Range<usize>) -> [f64; K] + Sync + Send) -> Vec<[f64; K]> {
    let chunks = len.div_ceil(BLOCK);
    let parts = collect(rows * chunks, rows * len, |task| {
        let (row, first) = (task / chunks, task % chunks * BLOCK);
        f(row, row * len + first..row * len + (first + BLOCK).min(len))
    });
    let add = |total: [f64; K], part: &[f64; K]| std::array::from_fn(|k| total[k] + part[k]);
    (0..rows).map(|row| parts[row * chunks..(row + 1) * chunks].iter().fold([0.0; K], add)).collect()
}

/// `[C]`: the sum of every channel of `x [N, C, D, H, W]` over the rest.
pub fn channel_sums(x: FlexTensor) -> FlexTensor {
    let x = InputBuffer::new(x);
    let [n, c, d, h, w] = x.dims();
    // SAFETY: the job reads its slice only.
    let sums = row_sums(n * c, d * h * w, |_, block| [unsafe { run(Isa::widest(), SliceSum(&x.data()[block])) }]);
    tensor((0..c).map(|i| (0..n).map(|b| sums[b * c + i][0]).sum::<f64>() as f32).collect(), &[c])
}

/// The sum of a slice of at most about [`BLOCK`] floats.
pub struct SliceSum<'a>(pub &'a [f32]);

impl SimdKernel for SliceSum<'_> {
    type Out = f64;
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> f64 {
        // SAFETY: whole vectors and a head, all inside the slice.
        unsafe {
            let mut sums = [L::splat(0.0); 4];
            let (p, n) = (self.0.as_ptr(), self.0.len());
            let mut i = 0;
            while i + 4 * L::N <= n {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.add(L::load(p.add(i + v * L::N)));
                }
                i += 4 * L::N;
            }
            while i < n {
                sums[0] = sums[0].add(L::load_head(p.add(i), (n - i).min(L::N)));
                i += L::N;
            }
            f64::from(sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum())
        }
    }
}

/// How a weight gradient is cut into tasks: by samples and places where there are many, since every part is a whole set of
/// weights to add up; by output channels where that leaves few.
pub struct WorkSplit {
    samples: usize,
    places: usize,
    /// Places (planes or voxels) of a part, and parts of a sample.
    step: usize,
    parts: usize,
    outputs: usize,
    block: usize,
}

/// Tasks that keep a large machine busy.
const TASKS: usize = 32;

impl WorkSplit {
    /// For `places` of `size` voxels each; at least about 4096 voxels go into a part.
    pub fn planes(samples: usize, places: usize, size: usize, outputs: usize) -> Self {
        let parts = (places * size / 4096).clamp(1, 16).min(places.max(1));
        let step = places.div_ceil(parts).max(1);
        let parts = places.div_ceil(step);
        let blocks = TASKS.div_ceil((samples * parts).max(1));
        // Sixteen outputs pay for the copy of the source that every task makes.
        let block = outputs.div_ceil(blocks).next_multiple_of(16);
        WorkSplit { samples, places, step, parts, outputs, block }
    }

    pub fn new(samples: usize, voxels: usize, outputs: usize) -> Self {
        WorkSplit::planes(samples, voxels, 1, outputs)
    }

    /// `[outputs, len]`: sums of what `f(sample, places, outputs, total)` adds to its outputs' part, in a fixed order.
    pub fn sum(&self, len: usize, work: usize, f: impl Fn(usize, Range<usize>, Range<usize>, &mut [f64]) + Sync + Send) -> Vec<f32> {
        let blocks = self.outputs.div_ceil(self.block.max(1));
        let cuts = self.samples * self.parts;
        let totals = collect(cuts * blocks, work, |task| {
            let (block, sample, part) = (task / cuts, task % cuts / self.parts, task % self.parts);
            let outputs = block * self.block..((block + 1) * self.block).min(self.outputs);
            let places = part * self.step..((part + 1) * self.step).min(self.places);
            let mut total = vec![0f64; outputs.len() * len];
            f(sample, places, outputs, &mut total);
            total
        });
        let mut result = Vec::with_capacity(self.outputs * len);
        for totals in totals.chunks(cuts.max(1)) {
            let mut sum = totals[0].clone();
            for total in &totals[1..] {
                sum.iter_mut().zip(total).for_each(|(s, t)| *s += t);
            }
            result.extend(sum.into_iter().map(|v| v as f32));
        }
        result
    }
}
