//! Volumes brought to another number of voxels over the same lengths.
//!
//! Part of `infer::pipeline`; depends on nothing of this crate. Of n voxels that become m, voxel j lies at (j + 1/2) n / m - 1/2 of the old ones.

use ndarray::{Array3, ArrayView3, Axis};
use rayon::prelude::*;

use super::step::ResizeRule;

/// A Gaussian is cut off after so many of its deviations.
const TRUNCATE: f64 = 4.0;

/// Up to two voxels along an axis, each with its weight.
type Taps = [(usize, f64); 2];

/// The nearest voxels of a volume `[D, H, W]` of numbers or labels, where the centres of `size` D, H, W new ones lie.
pub fn nearest<T: Copy + Default + Send + Sync>(volume: ArrayView3<'_, T>, size: [usize; 3]) -> Array3<T> {
    let (d, h, w) = volume.dim();
    let [zs, ys, xs] = [0, 1, 2].map(|a| {
        let old = [d, h, w][a];
        // In float32, as PyTorch has it.
        let scale = old as f32 / size[a] as f32;
        (0..size[a]).map(|j| (((j as f32 + 0.5) * scale).floor() as usize).min(old.saturating_sub(1))).collect::<Vec<_>>()
    });
    let mut out = Array3::from_elem(size, T::default());
    if volume.is_empty() {
        return out;
    }
    let planes: Vec<_> = out.axis_iter_mut(Axis(0)).zip(zs).collect();
    planes.into_par_iter().for_each(|(mut plane, z)| {
        for (mut row, y) in plane.rows_mut().into_iter().zip(&ys) {
            row.iter_mut().zip(&xs).for_each(|(to, x)| *to = volume[[z, *y, *x]]);
        }
    });
    out
}

/// A volume `[D, H, W]` brought to `size` D, H, W by a rule.
pub fn resize(volume: ArrayView3<'_, f32>, size: [usize; 3], by: ResizeRule) -> Array3<f32> {
    let old: [usize; 3] = volume.dim().into();
    match by {
        ResizeRule::Nearest => nearest(volume, size),
        ResizeRule::Linear => between(&volume.as_standard_layout().into_owned(), size, |at, n| {
            let at = at.clamp(0.0, n.saturating_sub(1) as f64);
            let low = at.floor() as usize;
            [(low, 1.0 - at.fract()), ((low + 1).min(n.saturating_sub(1)), at.fract())]
        }),
        ResizeRule::Smooth => {
            let mut smooth = volume.as_standard_layout().into_owned();
            for axis in 0..3 {
                let deviation = (old[axis] as f64 / size[axis] as f64 - 1.0) / 2.0;
                if deviation > 0.0 {
                    smooth = smoothed(&smooth, axis, deviation);
                }
            }
            between(&smooth, size, |at, n| {
                let low = at.floor();
                // Beyond the edge there are zeros.
                let tap = |v: f64, weight: f64| if (0.0..n as f64).contains(&v) { (v as usize, weight) } else { (0, 0.0) };
                [tap(low, low + 1.0 - at), tap(low + 1.0, at - low)]
            })
        }
    }
}

/// Each new voxel from the eight old ones that `taps` gives for its places.
fn between(volume: &Array3<f32>, size: [usize; 3], taps: impl Fn(f64, usize) -> Taps) -> Array3<f32> {
    let mut out = Array3::zeros(size);
    let (d, h, w) = volume.dim();
    let Some(data) = volume.as_slice().filter(|data| !data.is_empty()) else { return out };
    let [zs, ys, xs] = [0, 1, 2].map(|a| {
        let old = [d, h, w][a];
        let place = |j: usize| (j as f64 + 0.5) * (old as f64 / size[a] as f64) - 0.5;
        (0..size[a]).map(|j| taps(place(j), old)).collect::<Vec<Taps>>()
    });
    let planes: Vec<_> = out.axis_iter_mut(Axis(0)).zip(zs).collect();
    planes.into_par_iter().for_each(|(mut plane, z)| {
        for (mut row, y) in plane.rows_mut().into_iter().zip(&ys) {
            for (to, x) in row.iter_mut().zip(&xs) {
                let along = |at: usize| x.iter().map(|(x, weight)| f64::from(data[at + x]) * weight).sum::<f64>();
                let across = |z: usize| y.iter().map(|(y, weight)| along((z * h + y) * w) * weight).sum::<f64>();
                *to = z.iter().map(|(z, weight)| across(*z) * weight).sum::<f64>() as f32;
            }
        }
    });
    out
}

/// A volume smoothed along one axis by a Gaussian, with zeros around it.
fn smoothed(volume: &Array3<f32>, axis: usize, deviation: f64) -> Array3<f32> {
    let reach = (TRUNCATE * deviation + 0.5) as usize;
    let bell: Vec<f64> = (0..=2 * reach).map(|i| (-0.5 * ((i as f64 - reach as f64) / deviation).powi(2)).exp()).collect();
    let sum: f64 = bell.iter().sum();
    let mut out = Array3::zeros(volume.dim());
    let (d, h, w) = volume.dim();
    let Some(data) = volume.as_slice().filter(|data| !data.is_empty()) else { return out };
    let (count, step) = [(d, h * w), (h, w), (w, 1)][axis];
    let planes: Vec<_> = out.axis_iter_mut(Axis(0)).enumerate().collect();
    planes.into_par_iter().for_each(|(z, mut plane)| {
        for ((y, x), to) in plane.indexed_iter_mut() {
            let at = (z * h + y) * w + x;
            let own = [z, y, x][axis];
            // The voxels along the axis that the bell covers, and their first weight.
            let (first, last) = (own.saturating_sub(reach), (own + reach).min(count - 1));
            let weights = &bell[first + reach - own..];
            let line = (first..=last).map(|n| f64::from(data[at + n * step - own * step]));
            *to = (line.zip(weights).map(|(v, weight)| v * weight).sum::<f64>() / sum) as f32;
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[f32]) -> Array3<f32> {
        Array3::from_shape_vec((1, 1, values.len()), values.to_vec()).unwrap()
    }

    fn on(values: &[f32], n: usize, by: ResizeRule) -> Vec<f32> {
        resize(line(values).view(), [1, 1, n], by).into_raw_vec_and_offset().0
    }

    #[test]
    fn the_three_rules_give_what_their_originals_give() {
        // torch: F.interpolate(mode="nearest-exact").
        assert_eq!(on(&[0.0, 1.0, 2.0, 3.0, 4.0], 3, ResizeRule::Nearest), [0.0, 2.0, 4.0]);
        assert_eq!(on(&[0.0, 1.0, 2.0], 5, ResizeRule::Nearest), [0.0, 0.0, 1.0, 2.0, 2.0]);
        // torch: F.interpolate(mode="linear").
        assert_eq!(on(&[0.0, 4.0], 4, ResizeRule::Linear), [0.0, 1.0, 3.0, 4.0]);
        // skimage.transform.resize(order=1, mode="constant", anti_aliasing=True): zeros around.
        assert_eq!(on(&[4.0, 4.0], 4, ResizeRule::Smooth), [3.0, 4.0, 4.0, 3.0]);
        let near = |got: Vec<f32>, want: &[f32]| assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?}");
        // Deviation 1/2: weights 0.78656, 0.10647 and 0.00026 beside; then means of pairs.
        let bell = [(-8.0f64).exp(), (-2.0f64).exp(), 1.0];
        let sum = 2.0 * (bell[0] + bell[1]) + 1.0;
        let [far, next, own] = bell.map(|v| v / sum);
        near(on(&[1.0, 0.0, 0.0, 0.0], 2, ResizeRule::Smooth), &[(own + next) as f32 / 2.0, far as f32 / 2.0]);
    }

    #[test]
    fn axes_are_brought_to_their_own_sizes() {
        let volume = Array3::from_shape_fn((4, 6, 2), |(z, y, x)| (100 * z + 10 * y + x) as f32);
        for by in [ResizeRule::Nearest, ResizeRule::Linear, ResizeRule::Smooth] {
            assert_eq!(resize(volume.view(), [4, 6, 2], by), volume, "the size stays: {by:?}");
        }
        let out = resize(volume.view(), [2, 3, 4], ResizeRule::Linear);
        // Means of pairs along D and H; along W the ends go on.
        assert_eq!(out.slice(ndarray::s![0, 0, ..]).to_vec(), [55.0, 55.25, 55.75, 56.0]);
        assert_eq!(out[[1, 2, 0]], 255.0 + 40.0);
    }
}
