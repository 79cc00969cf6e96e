//! How the logits of overlapping tiles are averaged: a Gaussian weight for each voxel of a tile, and sums in float32, or in float16 as nnU-Net
//! has them.
//!
//! Part of `infer::nnunet`; depends on nothing of this crate.

use half::f16;
use ndarray::{Array3, Array4, ArrayView3, ArrayView4, ArrayViewMut3, Axis, s};
use rayon::prelude::*;

/// The weight in the middle of a tile.
const MOST: f64 = 10.0;

/// The weights `[D, H, W]` of a tile's voxels: a Gaussian around voxel n / 2 of each axis with a deviation of n / 8, cut where scipy cuts
/// its kernel, with the greatest weight 10, rounded to float16. Where nothing is left the least weight that is.
pub fn gaussian(patch: [usize; 3]) -> Array3<f32> {
    let [d, h, w] = patch.map(bell);
    let most = [&d, &h, &w].map(|axis| axis.iter().copied().fold(0.0, f64::max)).into_iter().product::<f64>() / MOST;
    let mut all = Array3::from_shape_fn(patch, |(z, y, x)| f16::from_f64(d[z] * h[y] * w[x] / most).to_f32());
    let least = all.iter().copied().filter(|v| *v > 0.0).fold(f32::INFINITY, f32::min);
    all.mapv_inplace(|v| if v == 0.0 { least } else { v });
    all
}

/// `scipy.ndimage.gaussian_filter1d` of a line that is 1 at voxel n / 2 and 0 elsewhere.
fn bell(count: usize) -> Vec<f64> {
    let deviation = count as f64 / 8.0;
    let reach = (4.0 * deviation + 0.5) as i64;
    let weight = |at: i64| (-0.5 * (at * at) as f64 / (deviation * deviation)).exp();
    let sum: f64 = (-reach..=reach).map(weight).sum();
    let middle = (count / 2) as i64;
    (0..count as i64).map(|n| n - middle).map(|at| if at.abs() <= reach { weight(at) / sum } else { 0.0 }).collect()
}

/// A number that sums are kept in.
pub trait BlendCell: Copy + Send + Sync + std::fmt::Debug {
    const ZERO: Self;
    /// Rounded to the nearest.
    fn of(v: f32) -> Self;
    fn get(self) -> f32;
}

impl BlendCell for f32 {
    const ZERO: Self = 0.0;
    fn of(v: f32) -> Self {
        v
    }
    fn get(self) -> f32 {
        self
    }
}

impl BlendCell for f16 {
    const ZERO: Self = f16::ZERO;
    fn of(v: f32) -> Self {
        f16::from_f32(v)
    }
    fn get(self) -> f32 {
        self.to_f32()
    }
}

/// A part of a tile that lies on the volume: its first voxel in the tile, in the slab, and how many, along each axis.
pub type TilePart = [(usize, usize, usize); 3];

/// Weighted sums of logits over some planes of a volume.
pub trait Blend {
    /// Adds what the set of weights `set` said of a tile, `[K, d, h, w]`.
    fn add(&mut self, set: usize, part: TilePart, said: ArrayView4<f32>);
    /// Adds the weights of a tile: once, whatever the number of sets.
    fn count(&mut self, part: TilePart);
    /// The mean logits `[K, n, H, W]` of the first planes, which are then dropped; those behind move up.
    fn finish(&mut self, planes: usize) -> Array4<f32>;
}

/// [`Blend`] in numbers of one type.
#[derive(Debug)]
pub struct Sums<T> {
    weights: Array3<f32>,
    /// One for each set of weights where every sum is rounded, else one for all.
    sums: Vec<Array4<T>>,
    counts: Array3<T>,
    sets: usize,
}

impl<T: BlendCell> Sums<T> {
    /// For tiles of a size on planes `[D, H, W]`; `apart` where each set of weights has a sum of its own.
    pub fn new(patch: [usize; 3], channels: usize, [d, h, w]: [usize; 3], sets: usize, apart: bool) -> Self {
        let sums = (0..if apart { sets } else { 1 }).map(|_| Array4::from_elem((channels, d, h, w), T::ZERO)).collect();
        Self { weights: gaussian(patch), sums, counts: Array3::from_elem((d, h, w), T::ZERO), sets }
    }
}

/// `to[i] = to[i] + value(i)` over a part of the slab, row by row.
fn rows<T: BlendCell>(mut to: ArrayViewMut3<T>, weights: ArrayView3<f32>, said: Option<ArrayView3<f32>>) {
    let rows = to.rows_mut().into_iter().zip(weights.rows());
    match said {
        Some(said) => {
            for ((to, weights), said) in rows.zip(said.rows()) {
                to.into_iter().zip(weights).zip(said).for_each(|((to, w), v)| *to = T::of(to.get() + v * w));
            }
        }
        None => {
            for (to, weights) in rows {
                to.into_iter().zip(weights).for_each(|(to, w)| *to = T::of(to.get() + w));
            }
        }
    }
}

impl<T: BlendCell> Blend for Sums<T> {
    fn add(&mut self, set: usize, part: TilePart, said: ArrayView4<f32>) {
        let [(z0, z, d), (y0, y, h), (x0, x, w)] = part;
        let weights = self.weights.slice(s![z0..z0 + d, y0..y0 + h, x0..x0 + w]);
        let own = set.min(self.sums.len() - 1);
        let mut here = self.sums[own].slice_mut(s![.., z..z + d, y..y + h, x..x + w]);
        let said = said.slice_move(s![.., z0..z0 + d, y0..y0 + h, x0..x0 + w]);
        let classes: Vec<_> = here.axis_iter_mut(Axis(0)).zip(said.axis_iter(Axis(0))).collect();
        classes.into_par_iter().for_each(|(to, said)| rows(to, weights, Some(said)));
    }

    fn count(&mut self, part: TilePart) {
        let [(z0, z, d), (y0, y, h), (x0, x, w)] = part;
        let weights = self.weights.slice(s![z0..z0 + d, y0..y0 + h, x0..x0 + w]);
        rows(self.counts.slice_mut(s![z..z + d, y..y + h, x..x + w]), weights, None);
    }

    fn finish(&mut self, planes: usize) -> Array4<f32> {
        let (classes, _, h, w) = self.sums[0].dim();
        let mut out = Array4::zeros((classes, planes, h, w));
        for sum in &self.sums {
            let all: Vec<_> = out.axis_iter_mut(Axis(0)).zip(sum.axis_iter(Axis(0))).collect();
            all.into_par_iter().for_each(|(to, sum)| {
                let counted = sum.iter().zip(&self.counts);
                to.into_iter().zip(counted).for_each(|(to, (sum, count))| *to = T::of(*to + T::of(sum.get() / count.get()).get()).get());
            });
        }
        if self.sets > 1 {
            let sets = self.sets as f32;
            out.mapv_inplace(|v| T::of(v / sets).get());
        }
        let plane = h * w;
        for sum in &mut self.sums {
            sum.axis_iter_mut(Axis(0)).for_each(|mut class| up(class.as_slice_mut(), planes * plane));
        }
        up(self.counts.as_slice_mut(), planes * plane);
        out
    }
}

/// Drops the first numbers and moves the others up. The arrays are made in standard layout, so each class is one slice.
fn up<T: BlendCell>(numbers: Option<&mut [T]>, first: usize) {
    if let Some(numbers) = numbers {
        numbers.copy_within(first.., 0);
        let rest = numbers.len() - first;
        numbers[rest..].fill(T::ZERO);
    }
}
