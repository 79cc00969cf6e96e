//! Voxels made fewer and intensities made bytes.
//!
//! May use `grid` beside its parent. Arrays are `[D, H, W]`, blocks of voxels too.

use ndarray::{Array3, ArrayView3, s};

use super::super::grid::Grid;

/// How many voxels along D, H, W become one, so that at most `most` are left: the finest axis is made coarser first.
pub(super) fn factors(size: [usize; 3], spacing: [f64; 3], most: u64) -> [usize; 3] {
    let mut by = [1; 3];
    let count = |by: [usize; 3]| (0..3).map(|a| size[a].div_ceil(by[a]) as u64).fold(1, u64::saturating_mul);
    while count(by) > most.max(1) {
        let step = |a: usize| spacing[a] * by[a] as f64;
        let open = (0..3).filter(|a| by[*a] < size[*a]);
        // Of axes alike, the one with the most voxels.
        let Some(axis) = open.min_by(|a, b| step(*a).total_cmp(&step(*b)).then(size[*b].cmp(&size[*a]))) else { break };
        by[axis] += 1;
    }
    by
}

/// The grid of blocks, each at its middle.
pub(super) fn reduced(grid: &Grid, by: [usize; 3]) -> Grid {
    let size = [0, 1, 2].map(|a| grid.size[a].div_ceil(by[a]));
    let origin = grid.world(by.map(|n| (n as f64 - 1.0) / 2.0));
    let mut affine = grid.affine;
    for (r, row) in affine.iter_mut().enumerate().take(3) {
        (0..3).for_each(|c| row[c] *= by[2 - c] as f64);
        row[3] = origin[r];
    }
    Grid { size, affine }
}

/// Each block of an array; those at the end may be smaller.
fn blocks<T: Clone, R>(array: ArrayView3<'_, T>, by: [usize; 3], of: impl Fn(ArrayView3<'_, T>) -> R) -> Array3<R> {
    let size: [usize; 3] = array.dim().into();
    let to = |at: usize, a: usize| ((at + 1) * by[a]).min(size[a]);
    Array3::from_shape_fn([0, 1, 2].map(|a| size[a].div_ceil(by[a])), |(d, h, w)| {
        of(array.slice(s![d * by[0]..to(d, 0), h * by[1]..to(h, 1), w * by[2]..to(w, 2)]))
    })
}

/// The mean of each block.
pub(super) fn means(image: ArrayView3<'_, f32>, by: [usize; 3]) -> Array3<f32> {
    if by == [1; 3] {
        return image.to_owned();
    }
    blocks(image, by, |block| (block.iter().map(|v| f64::from(*v)).sum::<f64>() / block.len().max(1) as f64) as f32)
}

/// What most voxels of each block have; of equals the highest, so that the background yields.
pub(super) fn modes(labels: ArrayView3<'_, u8>, by: [usize; 3]) -> Array3<u8> {
    if by == [1; 3] {
        return labels.to_owned();
    }
    blocks(labels, by, |block| {
        let mut counts = [0usize; 256];
        block.iter().for_each(|l| counts[usize::from(*l)] += 1);
        (0..=255u8).max_by_key(|l| counts[usize::from(*l)]).unwrap_or(0)
    })
}

/// Intensities as bytes: `low + step * byte`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Levels {
    pub low: f64,
    pub step: f64,
    /// The bytes that are black and white at first.
    pub window: [u8; 2],
    /// Whether bytes say the intensities as they are.
    pub exact: bool,
}

impl Levels {
    /// Whole numbers that fit are kept; else bytes reach from the 0.05th to the 99.95th percentile.
    pub fn of(image: &Array3<f32>) -> Self {
        // A sample is enough for percentiles, but not for the ends.
        let (min, max) = image.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(f64::from(*v)), h.max(f64::from(*v))));
        let mut sample: Vec<f64> = image.iter().step_by((image.len() / 500_000).max(1)).map(|v| f64::from(*v)).collect();
        sample.sort_by(f64::total_cmp);
        let at = |v: &[f64], part: f64| v.get((part * v.len().saturating_sub(1) as f64).round() as usize).copied().unwrap_or(0.0);
        let exact = max - min <= 255.0 && min.abs() < 1e6 && image.iter().all(|v| v.fract() == 0.0);
        let (low, high) = if exact { (min, min + 255.0) } else { (at(&sample, 0.0005), at(&sample, 0.9995)) };
        // Of one shade, or nearly: all that there is.
        let (low, high) = if high > low { (low, high) } else { (min, max.max(min + min.abs().max(1.0))) };
        let mut levels = Self { low, step: (high - low) / 255.0, window: [0, 255], exact };
        // Where much is exactly 0 it is the outside, and says nothing of the window.
        let outside = sample.iter().filter(|v| **v == 0.0).count() * 20 > sample.len();
        let inside: Vec<f64> = sample.iter().copied().filter(|v| !(outside && *v == 0.0)).collect();
        let ends = [at(&inside, 0.005), at(&inside, 0.995)].map(|v| levels.level(v));
        if ends[1] > ends[0] {
            levels.window = ends;
        }
        levels
    }

    /// The nearest byte of an intensity.
    pub fn level(&self, v: f64) -> u8 {
        // `as` keeps to the ends.
        ((v - self.low) / self.step).round() as u8
    }
}
