//! Arrays on one grid as they look on another: images linear between voxels, labels by the nearest voxel or by the class that weighs most.
//!
//! May use `affine`, `grid` beside it. Voxels are aligned by the affines, centre to centre. Nothing but the result takes memory: each voxel of it
//! is computed from the eight around its place. Where axes are parallel, the places along each axis are computed once.

mod cubic;

pub use cubic::{respaced, spline_weights, thick};

use ndarray::{Array3, ArrayView3, ArrayViewMut3, Axis};
use rayon::prelude::*;

use super::affine::{after, inverse};
use super::grid::Grid;

/// Places that differ by less, in voxels, are one: affines in float32 are no better.
const SAME: f64 = 1e-4;

/// How a label between voxels is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelInterpolation {
    /// The label of the nearest voxel.
    Nearest,
    /// The label that weighs most when each is interpolated linearly by itself; of equals the smallest. Edges are smoother.
    #[default]
    Linear,
}

/// An image `[D, H, W]` on another grid, linear between voxels. Within half a voxel beyond its edge the edge goes on; farther out it is 0.
///
/// `image` has `from.size` voxels.
pub fn resample(image: ArrayView3<'_, f32>, from: &Grid, onto: &Grid) -> Array3<f32> {
    let mut out = Array3::zeros(onto.size);
    fill(image, from, onto, out.view_mut());
    out
}

/// [`resample`] into an array of `onto.size`.
pub(super) fn fill(image: ArrayView3<'_, f32>, from: &Grid, onto: &Grid, to: ArrayViewMut3<'_, f32>) {
    let image = image.as_standard_layout();
    let (Some(data), [_, h, w]) = (image.as_slice(), from.size) else { return };
    each(from, onto, to, |[z, y, x]| {
        let row = |z: usize, y: usize| {
            let start = (z * h + y) * w;
            mix(data[start + x.low], data[start + x.high], x.t)
        };
        let plane = |z: usize| if y.t == 0.0 { row(z, y.low) } else { mix(row(z, y.low), row(z, y.high), y.t) };
        if z.t == 0.0 { plane(z.low) } else { mix(plane(z.low), plane(z.high), z.t) }
    });
}

/// `a` alone at 0, so that a voxel which is met comes out as it is and a NaN beside it does not matter.
fn mix(a: f32, b: f32, t: f32) -> f32 {
    if t == 0.0 { a } else { a + (b - a) * t }
}

/// A label map `[D, H, W]` on another grid; 0 where it does not reach.
///
/// `labels` has `from.size` voxels.
pub fn resample_labels(labels: ArrayView3<'_, u8>, from: &Grid, onto: &Grid, between: LabelInterpolation) -> Array3<u8> {
    let labels = labels.as_standard_layout();
    let mut out = Array3::zeros(onto.size);
    let (Some(data), [_, h, w]) = (labels.as_slice(), from.size) else { return out };
    let at = |z: usize, y: usize, x: usize| data[(z * h + y) * w + x];
    match between {
        LabelInterpolation::Nearest => each(from, onto, out.view_mut(), |taps| {
            let [z, y, x] = taps.map(|t| if t.t > 0.5 { t.high } else { t.low });
            at(z, y, x)
        }),
        LabelInterpolation::Linear => each(from, onto, out.view_mut(), |taps| {
            let [z, y, x] = taps;
            let mut around = [(0u8, 0f32); 8];
            for (n, place) in around.iter_mut().enumerate() {
                let pick = |t: Tap, bit: usize| if n >> bit & 1 == 1 { (t.high, t.t) } else { (t.low, 1.0 - t.t) };
                let ((z, wz), (y, wy), (x, wx)) = (pick(z, 2), pick(y, 1), pick(x, 0));
                *place = (at(z, y, x), wz * wy * wx);
            }
            heaviest(&around)
        }),
    }
    out
}

/// The label with the largest sum of weights; of equals the smallest.
pub fn heaviest(around: &[(u8, f32); 8]) -> u8 {
    let first = around[0].0;
    if around.iter().all(|(label, _)| *label == first) {
        return first;
    }
    let weight = |of: u8| around.iter().filter(|(label, _)| *label == of).map(|(_, w)| w).sum::<f32>();
    let mut best = (first, weight(first));
    for (label, _) in &around[1..] {
        let found = (*label, weight(*label));
        // Sums in another order differ by rounding: that decides nothing.
        if found.1 > best.1 + 1e-6 || (found.1 > best.1 - 1e-6 && found.0 < best.0) {
            best = found;
        }
    }
    best.0
}

/// Two voxels along an axis and how far the place is from the first to the second, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tap {
    low: usize,
    high: usize,
    t: f32,
}

/// The tap at a place of an axis of `n` voxels, unless it is outside.
fn tap(at: f64, n: usize) -> Option<Tap> {
    let last = n.checked_sub(1)? as f64;
    // The comparison is false for NaN too.
    if !(at >= -0.5 - SAME && at <= last + 0.5 + SAME) {
        return None;
    }
    let at = if (at - at.round()).abs() < SAME { at.round() } else { at }.clamp(0.0, last);
    let low = at.floor();
    Some(Tap { low: low as usize, high: (low as usize + 1).min(n - 1), t: (at - low) as f32 })
}

/// Fills every voxel by the taps of its place; a default where there are none.
fn each<T: Send + Default>(from: &Grid, onto: &Grid, mut to: ArrayViewMut3<'_, T>, value: impl Fn([Tap; 3]) -> T + Sync) {
    // Along D, H, W of the old grid: what a step along D, H, W of the new one adds, and the place of its first voxel.
    let by_ijk = after(&inverse(&from.affine), &onto.affine);
    let ways: [[f64; 4]; 3] = [2, 1, 0].map(|r: usize| [by_ijk[r][2], by_ijk[r][1], by_ijk[r][0], by_ijk[r][3]]);
    let place = |way: &[f64; 4], at: [usize; 3]| (0..3).map(|c| way[c] * at[c] as f64).sum::<f64>() + way[3];
    // The one new axis that each old axis depends on, if nothing else moves it by as much as `SAME`.
    let lead = ways.map(|way| (0..3).max_by(|p, q| way[*p].abs().total_cmp(&way[*q].abs())).unwrap_or(0));
    let drift = |way: &[f64; 4], lead: usize| {
        (0..3).filter(|c| *c != lead).map(|c| way[c].abs() * onto.size[c].saturating_sub(1) as f64).sum::<f64>()
    };
    let parallel = ways.iter().zip(lead).all(|(way, lead)| drift(way, lead) < SAME);
    let tables: [Vec<Option<Tap>>; 3] = [0, 1, 2].map(|a| {
        let along = if parallel { onto.size[lead[a]] } else { 0 };
        (0..along)
            .map(|n| {
                let mut at = [0; 3];
                at[lead[a]] = n;
                tap(place(&ways[a], at), from.size[a])
            })
            .collect()
    });
    let planes: Vec<_> = to.axis_iter_mut(Axis(0)).enumerate().collect();
    planes.into_par_iter().for_each(|(d, mut plane)| {
        for ((h, w), to) in plane.indexed_iter_mut() {
            let at = [d, h, w];
            let taps = if parallel {
                [0, 1, 2].map(|a| tables[a][at[lead[a]]])
            } else {
                [0, 1, 2].map(|a| tap(place(&ways[a], at), from.size[a]))
            };
            *to = match taps {
                [Some(z), Some(y), Some(x)] => value([z, y, x]),
                _ => T::default(),
            };
        }
    });
}

#[cfg(test)]
mod tests;
