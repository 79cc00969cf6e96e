//! An image on a finer or coarser grid along the same axes, by cubic B-splines that go through every voxel.
//!
//! May use `grid` and `resample` around it. Each axis is done by itself. Across thick slices a spline would swing between slices that show
//! different anatomy, so there the mean of the two nearest is taken, by distance: the rule and its threshold are those of nnU-Net, which
//! copies the nearest slice instead.
//!
//! The spline is that of M. Unser, "Splines: a perfect fit for signal and image processing", IEEE Signal Processing Magazine 16 (1999): the
//! image is first brought to coefficients by a recursive filter with mirrored ends, then each place is the sum of four of them.

use ndarray::{Array3, ArrayViewMut1, Axis};
use rayon::prelude::*;

use crate::volume::Grid;

/// Slices thicker than this many times the finest spacing are thick.
const THICK: f64 = 3.0;
/// The pole of the cubic B-spline's filter, sqrt(3) - 2.
const POLE: f64 = -0.267_949_192_431_122_7;
/// Voxels after which the mirrored end of a line weighs nothing in f32.
const HORIZON: usize = 20;

/// The image `[D, H, W]` on `onto`, which must have its axes and its centre (see [`Grid::resampled`]). Up to half a voxel beyond the edge the
/// edge goes on. A voxel that does not move keeps its value within rounding.
pub fn respaced(mut image: Array3<f32>, from: &Grid, onto: &Grid) -> Array3<f32> {
    let thick = thick(from).or(thick(onto));
    for axis in 0..3 {
        let (old, new) = (from.size[axis], onto.size[axis]);
        let step = onto.spacing()[axis] / from.spacing()[axis];
        // Of the first new voxel, in old ones; both grids have one centre.
        let first = (old as f64 - 1.0 - (new as f64 - 1.0) * step) / 2.0;
        if old == new && (step - 1.0).abs() < 1e-6 {
            continue;
        }
        let places: Vec<f64> = (0..new).map(|n| (first + n as f64 * step).clamp(0.0, (old - 1) as f64)).collect();
        image = along(&image, axis, &places, thick != Some(axis));
    }
    image
}

/// The axis along which slices are thick, if one is.
pub fn thick(grid: &Grid) -> Option<usize> {
    let spacing = grid.spacing();
    let finest = spacing.iter().copied().fold(f64::INFINITY, f64::min);
    let coarsest = (0..3).max_by(|a, b| spacing[*a].total_cmp(&spacing[*b]))?;
    (spacing[coarsest] > THICK * finest).then_some(coarsest)
}

/// Four voxels of a line and their weights.
type Taps = ([usize; 4], [f32; 4]);

/// One axis resampled: `places` in voxels of that axis.
fn along(image: &Array3<f32>, axis: usize, places: &[f64], cubic: bool) -> Array3<f32> {
    let old = image.len_of(Axis(axis));
    let taps: Vec<Taps> = places.iter().map(|at| if cubic { spline(*at, old) } else { line(*at, old) }).collect();
    let mut size = image.raw_dim();
    size[axis] = places.len();
    let mut out = Array3::zeros(size);
    // Planes across another axis than the one at work: each is whole, and they are independent.
    let across = Axis(usize::from(axis == 0));
    let planes: Vec<_> = out.axis_iter_mut(across).zip(image.axis_iter(across)).collect();
    planes.into_par_iter().for_each(|(mut to, from)| {
        // The axis at work within a plane: the first where it comes first in the volume.
        let own = Axis(usize::from(axis == 2));
        let mut held = vec![0f32; old];
        for (mut to, from) in to.lanes_mut(own).into_iter().zip(from.lanes(own)) {
            held.iter_mut().zip(from).for_each(|(h, v)| *h = *v);
            if cubic {
                coefficients(&mut held);
            }
            fill(&mut to, &held, &taps);
        }
    });
    out
}

fn fill(to: &mut ArrayViewMut1<'_, f32>, held: &[f32], taps: &[Taps]) {
    for (to, (at, weight)) in to.iter_mut().zip(taps) {
        *to = (0..4).map(|n| held[at[n]] * weight[n]).sum();
    }
}

/// The two voxels around a place.
fn line(at: f64, count: usize) -> Taps {
    let low = (at.floor() as usize).min(count - 1);
    let t = (at - low as f64) as f32;
    ([low, (low + 1).min(count - 1), low, low], [1.0 - t, t, 0.0, 0.0])
}

/// The four coefficients around a place; beyond the ends they are mirrored at the last voxel.
fn spline(at: f64, count: usize) -> Taps {
    let low = at.floor();
    let t = at - low;
    let mirrored = |n: i64| {
        let last = count as i64 - 1;
        if last == 0 {
            return 0;
        }
        let n = n.rem_euclid(2 * last);
        n.min(2 * last - n) as usize
    };
    ([-1, 0, 1, 2].map(|n| mirrored(low as i64 + n)), spline_weights(t).map(|w| w as f32))
}

/// What the four coefficients around a place weigh, `t` from the second of them to the third; they sum to 1.
pub fn spline_weights(t: f64) -> [f64; 4] {
    let (cube, u) = (|v: f64| v * v * v, 1.0 - t);
    [cube(u), 3.0 * cube(t) - 6.0 * t * t + 4.0, 3.0 * cube(u) - 6.0 * u * u + 4.0, cube(t)].map(|w| w / 6.0)
}

/// The line's B-spline coefficients, in place.
fn coefficients(line: &mut [f32]) {
    let count = line.len();
    if count < 2 {
        return;
    }
    let mut c: Vec<f64> = line.iter().map(|v| f64::from(*v) * 6.0).collect();
    // The causal filter begins with the sum over the mirrored line before it.
    let mut start = 0.0;
    if count > HORIZON {
        let mut power = 1.0;
        for v in c.iter().take(HORIZON) {
            start += v * power;
            power *= POLE;
        }
    } else {
        let period = 2 * (count - 1);
        for n in 0..period {
            start += c[n.min(period - n)] * POLE.powi(n as i32);
        }
        start /= 1.0 - POLE.powi(period as i32);
    }
    c[0] = start;
    for n in 1..count {
        c[n] += POLE * c[n - 1];
    }
    c[count - 1] = POLE / (POLE * POLE - 1.0) * (c[count - 1] + POLE * c[count - 2]);
    for n in (0..count - 1).rev() {
        c[n] = POLE * (c[n + 1] - c[n]);
    }
    line.iter_mut().zip(c).for_each(|(to, v)| *to = v as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(size: [usize; 3], [d, h, w]: [f64; 3]) -> Grid {
        Grid { size, affine: [[w, 0.0, 0.0, 5.0], [0.0, h, 0.0, -3.0], [0.0, 0.0, d, 0.0], [0.0, 0.0, 0.0, 1.0]] }
    }

    fn wave([d, h, w]: [usize; 3]) -> Array3<f32> {
        Array3::from_shape_fn((d, h, w), |(z, y, x)| ((z * 7 + y * 3 + x * x) % 11) as f32 - 4.0)
    }

    /// scipy 1.17.1: `c = spline_filter1d(LINE, 3, mode="mirror")`, then `map_coordinates(c, [places], order=3, mode="mirror",
    /// prefilter=False)` at `clip((13 - 1 - 18 * 0.7) / 2 + 0.7 * arange(19), 0, 12)`.
    const LINE: [f32; 13] = [0.0, 3.0, -2.0, 7.0, 7.0, 1.0, 12.0, -5.0, 0.0, 4.0, 4.0, 9.0, -1.0];
    const EXPECTED: [f32; 19] = [
        0.0, 1.232055, 2.699433, -1.709644, 1.605525, 8.352544, 7.748829, 1.348281, 4.586838, 12.0, -0.008742, -5.667973, 0.891267,
        3.976686, 3.267072, 5.344721, 9.315317, 2.035637, -1.0,
    ];

    #[test]
    fn a_line_is_that_of_scipy() {
        let from = grid([1, 1, LINE.len()], [1.0; 3]);
        let onto = from.resampled([1.0, 1.0, 0.7]);
        let image = Array3::from_shape_vec((1, 1, LINE.len()), LINE.to_vec()).unwrap();
        let there = respaced(image.clone(), &from, &onto);
        assert_eq!(there.len(), EXPECTED.len());
        for (a, b) in there.iter().zip(EXPECTED) {
            assert!((a - b).abs() < 2e-5, "{a} {b}");
        }
    }

    #[test]
    fn a_grid_that_is_met_keeps_its_voxels() {
        let from = grid([9, 8, 31], [1.0, 1.0, 0.5]);
        let image = wave(from.size);
        assert_eq!(respaced(image.clone(), &from, &from), image);
        // Every third voxel of a grid three times as fine is an old one.
        let fine = respaced(image.clone(), &from, &from.resampled([1.0 / 3.0, 1.0, 0.5]));
        assert_eq!(fine.dim().0, 27);
        for (z, plane) in image.axis_iter(Axis(0)).enumerate() {
            let met = fine.index_axis(Axis(0), 3 * z + 1);
            assert!(plane.iter().zip(met).all(|(a, b)| (a - b).abs() < 1e-5), "{z}");
        }
    }

    #[test]
    fn smooth_things_stay_what_they_are() {
        // A cubic spline gives a parabola back, away from the ends.
        let from = grid([40, 3, 3], [1.0; 3]);
        let onto = from.resampled([0.6, 1.0, 1.0]);
        let parabola = |z: f64| (0.1 * z * z - 2.0 * z + 3.0) as f32;
        let image = Array3::from_shape_fn((40, 3, 3), |(z, ..)| parabola(z as f64));
        let there = respaced(image.clone(), &from, &onto);
        let middle = |n: usize| (n as f64 - 1.0) / 2.0;
        for (z, plane) in there.axis_iter(Axis(0)).enumerate().filter(|(z, _)| (15..there.dim().0 - 15).contains(z)) {
            let at = (z as f64 - middle(there.dim().0)) * 0.6 + middle(40);
            assert!(plane.iter().all(|v| (v - parabola(at)).abs() < 1e-3), "{z}");
        }
        let flat = Array3::from_elem((4, 5, 6), 7.5f32);
        let from = grid([4, 5, 6], [2.0, 1.0, 1.0]);
        assert!(respaced(flat.clone(), &from, &from.resampled([0.9, 1.3, 0.4])).iter().all(|v| (v - 7.5).abs() < 1e-5));
    }

    #[test]
    fn thick_slices_are_mixed_by_distance() {
        let from = grid([3, 4, 4], [10.0, 1.5, 1.5]);
        assert_eq!((thick(&from), thick(&grid([3; 3], [3.0, 1.0, 1.0])), thick(&grid([3; 3], [1.0, 4.0, 1.0]))), (Some(0), None, Some(1)));
        let image = Array3::from_shape_fn((3, 4, 4), |(z, ..)| [0.0, 100.0, 0.0][z]);
        let onto = from.resampled([5.0, 1.5, 1.5]);
        let there = respaced(image.clone(), &from, &onto);
        let line: Vec<f32> = there.axis_iter(Axis(0)).map(|p| p[[1, 2]]).collect();
        assert_eq!(line, [0.0, 25.0, 75.0, 75.0, 25.0, 0.0]);
    }

    #[test]
    fn single_voxels_and_short_lines_do_not_break() {
        for size in [[1, 1, 1], [2, 1, 3], [1, 4, 2]] {
            let from = grid(size, [1.0, 2.0, 1.5]);
            for spacing in [[0.3, 0.5, 0.4], [5.0, 5.0, 5.0]] {
                let there = respaced(wave(size), &from, &from.resampled(spacing));
                assert!(there.iter().all(|v| v.is_finite() && v.abs() < 20.0), "{size:?} {spacing:?}");
            }
        }
    }
}
