//! Images brought to the one grid and scale that programs in FreeSurfer's tradition work on: 256 voxels of 1 mm along each axis, LIA, whole
//! numbers from 0 to 255.
//!
//! May use `affine`, `grid` beside it. The rules are niimath's (`-conform -odt char`; BSD-2), which took them from FastSurfer's `conform.py`
//! with another upper bound: intensities are scaled first, on the image's own voxels, and resampled then, all in float32.

use ndarray::{Array3, ArrayView3, Axis};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::affine::{Affine, inverse};
use super::grid::Grid;

/// Voxels along each axis.
const VOXELS: usize = 256;
/// The part of the voxels that are not 0 which lies below the intensity that becomes 255.
const BELOW: f64 = 0.98f32 as f64;
/// Bins of the histogram by which that intensity is found.
const BINS: usize = 1000;
/// Negative intensities of less than this part of the voxels are rounding of what made the image, and become 0.
const NEGATIVE: f64 = 0.02;
/// The intensity that it becomes.
const MOST: f32 = 255.0;

impl Grid {
    /// Whether it has 256^3 voxels of 1 mm in LIA: an image on it is taken to be conformed, wherever its centre lies.
    pub fn is_conformed(&self) -> bool {
        let near = self.spacing().iter().all(|s| (s - 1.0).abs() < 1e-3);
        near && self.size == [VOXELS; 3] && self.orientation() == self.conformed().orientation()
    }

    /// The grid of 256^3 voxels of 1 mm in LIA around the same centre. As FreeSurfer has it, the centre of n voxels is voxel n / 2.
    pub fn conformed(&self) -> Self {
        let [d, h, w] = self.size.map(|n| n as f64 / 2.0);
        let middle = self.world([d, h, w]);
        let half = VOXELS as f64 / 2.0;
        // i to the left, j to the feet, k to the front; numbers as float32 has them.
        let [x, y, z] = [middle[0] + half, middle[1] - half, middle[2] + half].map(|v| f64::from(v as f32));
        let affine = [[-1.0, 0.0, 0.0, x], [0.0, 0.0, 1.0, y], [0.0, -1.0, 0.0, z], [0.0, 0.0, 0.0, 1.0]];
        Self { size: [VOXELS; 3], affine }
    }
}

/// An image `[D, H, W]` that lies on `grid`, on [`Grid::conformed`]: whole numbers from 0 to 255, linear between voxels. Where it does not
/// reach stands its least intensity.
pub fn conform(image: ArrayView3<'_, f32>, grid: &Grid) -> Array3<f32> {
    let scaled = scaled(image);
    let size = grid.size;
    let least = scaled.iter().copied().fold(f32::INFINITY, f32::min);
    let mut out = Array3::from_elem([VOXELS; 3], if least.is_finite() { whole(least) } else { 0.0 });
    let Some(data) = scaled.as_slice() else { return out };
    let [along_i, along_j, along_k] = places(&grid.affine, &grid.conformed().affine);
    let [d, h, w] = size;
    let planes: Vec<_> = out.axis_iter_mut(Axis(0)).enumerate().collect();
    planes.into_par_iter().for_each(|(z, mut plane)| {
        for (y, mut row) in plane.rows_mut().into_iter().enumerate() {
            let [i, j, k] = [along_i, along_j, along_k].map(|way| way[1] * y as f32 + way[2] * z as f32 + way[3]);
            for (x, to) in row.iter_mut().enumerate() {
                let x = x as f32;
                let taps = [(x * along_i[0] + i, w), (x * along_j[0] + j, h), (x * along_k[0] + k, d)].map(|(at, n)| tap(at, n));
                let [Some((i, u)), Some((j, v)), Some((k, t))] = taps else { continue };
                let pair = |j: usize, i: usize| {
                    let at = (k * h + j) * w + i;
                    data[at] * (1.0 - t) + data[at + h * w] * t
                };
                let side = |i: usize| pair(j, i) * (1.0 - v) + pair(j + 1, i) * v;
                *to = whole(side(i) * (1.0 - u) + side(i + 1) * u);
            }
        }
    });
    out
}

/// The nearest whole number; halves go up.
fn whole(v: f32) -> f32 {
    (f64::from(v) + 0.5).floor() as f32
}

/// The voxel before a place on an axis of `n` voxels and how far the place is from it, if there is one after it too.
fn tap(at: f32, n: usize) -> Option<(usize, f32)> {
    let low = at.floor();
    // False for NaN too.
    (low >= 0.0 && low + 1.0 < n as f32).then_some((low as usize, at - low))
}

/// Along i, j, k of the image: what a step along i, j, k of the conformed grid adds, and the place of its first voxel. Matrices are rounded to
/// float32 one by one, as they are there.
fn places(image: &Affine, conformed: &Affine) -> [[f32; 4]; 3] {
    let single = |a: &Affine| a.map(|row| row.map(|v| f64::from(v as f32)));
    let back = single(&inverse(&single(conformed)));
    let image = single(image);
    let product: Affine = std::array::from_fn(|r| {
        std::array::from_fn(|c| f64::from((0..4).fold(0f32, |sum, n| sum + back[r][n] as f32 * image[n][c] as f32)))
    });
    let ways = inverse(&product);
    [0, 1, 2].map(|r: usize| ways[r].map(|v| v as f32))
}

/// Intensities from 0 to 255: the least becomes 0 (0 itself, where few voxels are below it), and 255 what [`BELOW`] of the voxels that are not 0
/// lie below.
fn scaled(image: ArrayView3<'_, f32>) -> Array3<f32> {
    let mut out = image.as_standard_layout().into_owned();
    let (mut least, most) = out.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    if least < 0.0 && (out.iter().filter(|v| **v < 0.0).count() as f64) < NEGATIVE * out.len() as f64 {
        least = 0.0;
    }
    if least >= most {
        // One intensity, or none.
        out.mapv_inplace(|v| (v - least).clamp(0.0, MOST));
        return out;
    }
    let bin = (most - least) * (1.0 / BINS as f32);
    let mut histogram = [0usize; BINS];
    let mut something = 0usize;
    for v in &out {
        something += usize::from(v.abs() >= 1e-15);
        histogram[(((v - least) / bin) as usize).min(BINS - 1)] += 1;
    }
    let wanted = out.len() - ((1.0 - BELOW) * something as f64) as usize;
    let mut below = histogram[0];
    let upper = histogram[1..].iter().take_while(|count| {
        below += **count;
        below < wanted
    });
    let high = upper.count() as f32 * bin + least;
    let scale = if high > least { MOST / (high - least) } else { 1.0 };
    out.mapv_inplace(|v| (scale * (v - least)).clamp(0.0, MOST));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Orientation;

    #[test]
    fn a_conformed_image_stays_where_it_is_and_others_meet_it() {
        // Voxels of 2 mm whose intensities run along the patient's axes, in some axis orders: each gives the same image.
        let size = [20usize, 24, 28];
        let affine = [[2.0, 0.0, 0.0, -20.5], [0.0, 2.0, 0.0, 7.0], [0.0, 0.0, 2.0, 3.25], [0.0, 0.0, 0.0, 1.0]];
        let grid = Grid { size, affine };
        let image = Array3::from_shape_fn(size, |(z, y, x)| (3 * z + 2 * y + x) as f32);
        let first = conform(image.view(), &grid);
        let on = grid.conformed();
        assert_eq!((on.size, on.orientation().to_string().as_str(), on.spacing()), ([256; 3], "LIA", [1.0; 3]));
        // The voxel at half the size along each axis is voxel 128.
        let middle = grid.world([10.0, 12.0, 14.0]);
        assert_eq!(on.world([128.0; 3]), middle);
        // 0 to 125: 2 % of 13,439 voxels are not below the intensity that becomes 255.
        let mut all: Vec<f32> = image.iter().copied().collect();
        all.sort_by(f32::total_cmp);
        let high = all[all.len() - 269];
        let want = |v: f32| (v * 255.0 / high).clamp(0.0, 255.0);
        assert!((first[[128, 128, 128]] - want(image[[10, 12, 14]])).abs() <= 1.5, "{}", first[[128, 128, 128]]);
        assert_eq!(first.iter().copied().fold(0.0, f32::max), 255.0);
        assert_eq!(first[[0, 0, 0]], 0.0);
        for order in Orientation::all().step_by(17) {
            let turned = crate::volume::reorient(image.view(), grid.orientation(), order);
            let own = grid.reoriented(order);
            let again = conform(turned.view(), &own);
            // The middle of an axis with an even number of voxels lies on another voxel when the axis is turned: the image moves with it.
            let moved = own.conformed();
            let at = |v: [usize; 3]| {
                let place = moved.world(v.map(|n| n as f64));
                [on.affine[0][3] - place[0], on.affine[2][3] - place[2], place[1] - on.affine[1][3]].map(|v| v.round() as usize)
            };
            for v in [[128, 128, 128], [120, 131, 125], [135, 120, 128]] {
                let [i, j, k] = at(v);
                assert!((again[v] - first[[k, j, i]]).abs() <= 1.0, "{order} at {v:?}");
            }
        }
        assert!(on.is_conformed() && !grid.is_conformed() && !on.reoriented(Orientation::RAS).is_conformed());
        // Conformed again, intensities are spread a little more.
        let twice = conform(first.view(), &on);
        let factor = twice[[128, 128, 128]] / first[[128, 128, 128]];
        assert!((1.0..1.1).contains(&factor) && twice[[0, 0, 0]] == 0.0, "{factor}");
    }

    #[test]
    fn few_negative_intensities_become_0_and_many_are_spread() {
        let mut image = Array3::from_shape_fn((10, 10, 10), |(z, ..)| z as f32);
        image[[0, 0, 0]] = -5.0;
        // The greatest lie in the last of the bins, before which there are 998 beside the first.
        let high = 998.0 * 9.0 / BINS as f32;
        assert!((scaled(image.view())[[4, 4, 4]] - 4.0 * MOST / high).abs() < 1e-3);
        image.slice_mut(ndarray::s![0, .., ..]).fill(-5.0);
        let all = scaled(image.view());
        assert!(all[[0, 0, 0]] == 0.0 && (all[[1, 1, 1]] - 6.0 * MOST / 14.0).abs() < 1.0, "{}", all[[1, 1, 1]]);
    }

    #[test]
    fn one_intensity_and_none_are_no_fault() {
        let grid =
            Grid { size: [3, 3, 3], affine: [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]] };
        assert!(conform(Array3::from_elem((3, 3, 3), 7.0).view(), &grid).iter().all(|v| *v == 0.0));
        let none = Grid { size: [0, 3, 3], ..grid };
        assert_eq!(conform(Array3::zeros((0, 3, 3)).view(), &none).dim(), (256, 256, 256));
    }
}
