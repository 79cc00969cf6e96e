//! An array brought to another size as nnU-Net does it: `skimage.transform.resize` with edges that go on, and slices by themselves where they are
//! thick.
//!
//! Part of `infer::nnunet`; may use `volume`. An array of n voxels becomes one of m over the same length, so voxel j lies at
//! (j + 1/2) n / m - 1/2 of the old one. The cubic spline is that of `scipy.ndimage.zoom(mode="nearest", grid_mode=True)`: the line is made
//! longer by copies of its edge before its coefficients are taken, and no place is held within the line, so that beyond the middle of the
//! outermost voxel the spline swings; what leaves the range of the input is brought back to it.

use ndarray::{Array3, ArrayView3, Axis};
use rayon::prelude::*;

use super::plan::Resampling;
use crate::volume::spline_weights;

/// Spacings that differ by a larger factor make slices thick.
const THICK: f64 = 3.0;
/// Copies of the edge on each side of a line before its coefficients are taken, in scipy.
const EDGE: usize = 12;
/// The pole of the cubic B-spline's filter, sqrt(3) - 2.
const POLE: f64 = -0.267_949_192_431_122_7;

/// Voxels after which the far end of a line weighs nothing in float64.
const HORIZON: usize = 40;

/// Voxels of an array of spacing `old` when it is brought to `new`; halves go to the even number, and none is lost altogether.
pub fn target(size: [usize; 3], old: [f64; 3], new: [f64; 3]) -> [usize; 3] {
    // A spacing is above 0, and a number beyond 64 bits becomes the largest there is.
    [0, 1, 2].map(|a| ((old[a] / new[a] * size[a] as f64).round_ties_even() as usize).max(1))
}

/// The axis that is resampled by itself, from the spacing at hand and the one to come: that of the coarser one, where it is alone.
pub fn separate_axis(current: [f64; 3], new: [f64; 3], forced: Option<bool>) -> Option<usize> {
    let most = |s: [f64; 3]| s.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let thick = |s: [f64; 3]| most(s) / s.into_iter().fold(f64::INFINITY, f64::min) > THICK;
    let decides = match forced {
        Some(false) => return None,
        Some(true) => current,
        None if thick(current) => current,
        None if thick(new) => new,
        None => return None,
    };
    let largest: Vec<usize> = (0..3).filter(|a| most(decides) / decides[*a] == 1.0).collect();
    // Of two or three that are equal none is the thick one.
    if let [axis] = largest[..] { Some(axis) } else { None }
}

/// Where voxel `j` of `new` lies among `old`.
fn place(old: usize, new: usize, j: usize) -> f64 {
    (j as f64 + 0.5) * (old as f64 / new as f64) - 0.5
}

/// The voxel that is nearest to the place of voxel `j`; of two the later one.
pub(super) fn nearest(old: usize, new: usize, j: usize) -> usize {
    ((place(old, new, j) + 0.5).floor().max(0.0) as usize).min(old.saturating_sub(1))
}

/// The voxels before and after the place of voxel `j`, which is held within the line, and how far it is from the first.
pub(super) fn between(old: usize, new: usize, j: usize) -> (usize, usize, f64) {
    let last = old.saturating_sub(1);
    let at = place(old, new, j).clamp(0.0, last as f64);
    let low = (at.floor() as usize).min(last);
    (low, (low + 1).min(last), at - low as f64)
}

/// An array at another size; `across` is the axis that is resampled by itself. An array that has that size is given back.
pub fn resized(array: Array3<f32>, size: [usize; 3], across: Option<usize>, by: &Resampling) -> Array3<f32> {
    let old: [usize; 3] = array.dim().into();
    if old == size {
        return array;
    }
    let range = |part: ArrayView3<'_, f32>| part.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    // Each slice is an image of its own where slices are thick.
    let ranges: Vec<(f32, f32)> = match across {
        Some(axis) => array.axis_iter(Axis(axis)).map(|slice| range(slice.insert_axis(Axis(axis)))).collect(),
        None => vec![range(array.view())],
    };
    let mut out = array;
    for axis in (0..3).filter(|axis| across != Some(*axis) && old[*axis] != size[*axis]) {
        out = along(&out, axis, size[axis], by.order == 3);
    }
    match across {
        Some(axis) => {
            for (mut slice, (low, high)) in out.axis_iter_mut(Axis(axis)).zip(ranges) {
                slice.mapv_inplace(|v| v.max(low).min(high));
            }
            if old[axis] == size[axis] { out } else { slices(&out, axis, size[axis], by.order_across) }
        }
        None => {
            ranges.first().into_iter().for_each(|(low, high)| out.mapv_inplace(|v| v.max(*low).min(*high)));
            out
        }
    }
}

/// Slices taken or mixed along an axis.
fn slices(array: &Array3<f32>, axis: usize, new: usize, order: u8) -> Array3<f32> {
    let old = array.len_of(Axis(axis));
    let mut size = array.raw_dim();
    size[axis] = new;
    let mut out = Array3::zeros(size);
    for (j, mut to) in out.axis_iter_mut(Axis(axis)).enumerate() {
        if order == 0 {
            to.assign(&array.index_axis(Axis(axis), nearest(old, new, j)));
            continue;
        }
        let (low, high, t) = between(old, new, j);
        let (a, b) = (array.index_axis(Axis(axis), low), array.index_axis(Axis(axis), high));
        ndarray::Zip::from(&mut to).and(&a).and(&b).for_each(|to, a, b| *to = mixed(f64::from(*a), f64::from(*b), t) as f32);
    }
    out
}

fn mixed(a: f64, b: f64, t: f64) -> f64 {
    a * (1.0 - t) + b * t
}

/// One axis at another size, line by line in float64.
fn along(array: &Array3<f32>, axis: usize, new: usize, cubic: bool) -> Array3<f32> {
    let old = array.len_of(Axis(axis));
    let mut size = array.raw_dim();
    size[axis] = new;
    let mut out = Array3::zeros(size);
    let taps: Vec<(usize, [f64; 4])> = (0..new)
        .map(|j| {
            if !cubic {
                let (low, high, t) = between(old, new, j);
                // The second voxel is the next one, or weighs nothing.
                return (low, [1.0 - t, if high > low { t } else { 0.0 }, 0.0, 0.0]);
            }
            let at = place(old, new, j) + EDGE as f64;
            (at.floor() as usize - 1, spline_weights(at - at.floor()))
        })
        .collect();
    // Planes across another axis than the one at work: each is whole, and they are independent.
    let apart = Axis(usize::from(axis == 0));
    let own = Axis(usize::from(axis == 2));
    let planes: Vec<_> = out.axis_iter_mut(apart).zip(array.axis_iter(apart)).collect();
    planes.into_par_iter().for_each(|(mut to, from)| {
        let edge = if cubic { EDGE } else { 0 };
        // Room for the taps that weigh nothing behind the last voxel.
        let mut line = vec![0f64; old + 2 * edge + 4];
        for (mut to, from) in to.lanes_mut(own).into_iter().zip(from.lanes(own)) {
            line[edge..].iter_mut().zip(from).for_each(|(to, v)| *to = f64::from(*v));
            if cubic {
                let (first, last) = (line[edge], line[edge + old - 1]);
                line[..edge].fill(first);
                line[edge + old..old + 2 * edge].fill(last);
                coefficients(&mut line[..old + 2 * edge]);
            }
            for (to, (at, weights)) in to.iter_mut().zip(&taps) {
                *to = line[*at..at + 4].iter().zip(weights).map(|(v, w)| v * w).sum::<f64>() as f32;
            }
        }
    });
    out
}

/// The cubic B-spline's coefficients of a line, in place. Its ends are mirrored; they lie so far off that it does not matter how.
fn coefficients(line: &mut [f64]) {
    let count = line.len();
    line.iter_mut().for_each(|v| *v *= 6.0);
    let (mut first, mut power) = (0.0, 1.0);
    for v in line.iter().take(HORIZON) {
        first += v * power;
        power *= POLE;
    }
    line[0] = first;
    for n in 1..count {
        line[n] += POLE * line[n - 1];
    }
    line[count - 1] = POLE / (POLE * POLE - 1.0) * (line[count - 1] + POLE * line[count - 2]);
    for n in (0..count - 1).rev() {
        line[n] = POLE * (line[n + 1] - line[n]);
    }
}
