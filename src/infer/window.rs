//! A network that knows one patch size, applied to a volume of any size: padding, overlapping windows, Gaussian weights.
//!
//! Part of `infer`; knows arrays and a function of patches, not the network.

use ndarray::{Array3, Array4, ArrayView3, ArrayView4, Axis, Slice, s};

use crate::text::Result;

/// How the windows lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// `[D, H, W]` of a window. A volume that is smaller along an axis is padded to it.
    pub patch: [usize; 3],
    /// The part of a window that the next one along an axis covers at least, `0 <= overlap < 1`.
    pub overlap: f64,
}

/// The first voxels of the windows along an axis of `size >= patch` voxels, evenly spread, from 0 to `size - patch`.
pub fn starts(size: usize, patch: usize, overlap: f64) -> Vec<usize> {
    let room = size.saturating_sub(patch);
    if room == 0 {
        return vec![0];
    }
    let step = (patch as f64 * (1.0 - overlap.clamp(0.0, 0.999))).max(1.0);
    let gaps = (room as f64 / step).ceil() as usize;
    (0..=gaps).map(|i| (i as f64 * room as f64 / gaps as f64).round() as usize).collect()
}

/// A Gaussian along an axis, 1 in the middle, with a standard deviation of an eighth of the patch.
fn bell(patch: usize) -> Vec<f32> {
    let middle = (patch as f64 - 1.0) / 2.0;
    let sigma = patch as f64 / 8.0;
    (0..patch).map(|i| (-0.5 * ((i as f64 - middle) / sigma).powi(2)).exp() as f32).collect()
}

fn weights([d, h, w]: [usize; 3]) -> Array3<f32> {
    let (a, b, c) = (bell(d), bell(h), bell(w));
    Array3::from_shape_fn((d, h, w), |(z, y, x)| a[z] * b[y] * c[x])
}

/// Pads every axis that is shorter than `size` with zeros, half before and half after.
fn pad(image: ArrayView4<f32>, size: [usize; 3]) -> (Array4<f32>, [usize; 3]) {
    let (c, d, h, w) = image.dim();
    let own = [d, h, w];
    let full: [usize; 3] = std::array::from_fn(|i| own[i].max(size[i]));
    let before: [usize; 3] = std::array::from_fn(|i| (full[i] - own[i]) / 2);
    let mut out = Array4::zeros((c, full[0], full[1], full[2]));
    let [z, y, x] = before;
    out.slice_mut(s![.., z..z + d, y..y + h, x..x + w]).assign(&image);
    (out, before)
}

/// Class probabilities `[K, D, H, W]` of an image `[C, D, H, W]`, of its own size.
///
/// `forward` gives the probabilities `[K, d, h, w]` of one patch `[C, d, h, w]`. Where windows overlap, their answers are
/// averaged, each voxel weighted by how near it is to the middle of the window (there the network sees most around it).
/// Beside the image this holds `K + 1` volumes of f32.
///
/// # Errors
/// What `forward` refuses.
pub fn slide(
    image: ArrayView4<f32>,
    window: &Window,
    classes: usize,
    mut forward: impl FnMut(ArrayView4<f32>) -> Result<Array4<f32>>,
) -> Result<Array4<f32>> {
    let (_, d, h, w) = image.dim();
    let (padded, [z, y, x]) = pad(image, window.patch);
    let own = s![.., z..z + d, y..y + h, x..x + w];
    let full = [padded.dim().1, padded.dim().2, padded.dim().3];
    if full == window.patch {
        return Ok(forward(padded.view())?.slice(own).to_owned());
    }

    let weights = weights(window.patch);
    let mut sum = Array4::<f32>::zeros((classes, full[0], full[1], full[2]));
    let mut norm = Array3::<f32>::zeros((full[0], full[1], full[2]));
    let along: [Vec<usize>; 3] = std::array::from_fn(|i| starts(full[i], window.patch[i], window.overlap));
    for &z in &along[0] {
        for &y in &along[1] {
            for &x in &along[2] {
                let start = [0, z, y, x];
                let probabilities = forward(cut(padded.view(), start, window.patch))?;
                let [d, h, w] = window.patch;
                let mut here = sum.slice_mut(s![.., z..z + d, y..y + h, x..x + w]);
                for (mut total, p) in here.axis_iter_mut(Axis(0)).zip(probabilities.axis_iter(Axis(0))) {
                    ndarray::Zip::from(&mut total).and(p).and(&weights).for_each(|t, &p, &w| *t += p * w);
                }
                norm.slice_mut(s![z..z + d, y..y + h, x..x + w]).zip_mut_with(&weights, |n, &w| *n += w);
            }
        }
    }
    for mut class in sum.axis_iter_mut(Axis(0)) {
        class.zip_mut_with(&norm, |p, &n| *p /= n);
    }
    Ok(sum.slice(own).to_owned())
}

fn cut(image: ArrayView4<'_, f32>, start: [usize; 4], patch: [usize; 3]) -> ArrayView4<'_, f32> {
    let mut view = image;
    for axis in 0..3 {
        let from = start[axis + 1];
        view.slice_axis_inplace(Axis(axis + 1), Slice::from(from..from + patch[axis]));
    }
    view
}

/// The class of the greatest probability of every voxel; the first of several.
pub fn argmax(probabilities: ArrayView4<f32>) -> Array3<u8> {
    let (classes, d, h, w) = probabilities.dim();
    let mut best = Array3::<u8>::zeros((d, h, w));
    let mut most = Array3::<f32>::from_elem((d, h, w), f32::NEG_INFINITY);
    for class in 0..classes.min(256) {
        let p: ArrayView3<f32> = probabilities.index_axis(Axis(0), class);
        ndarray::Zip::from(&mut best).and(&mut most).and(p).for_each(|b, m, &p| {
            if p > *m {
                *m = p;
                *b = class as u8;
            }
        });
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_reach_both_ends_with_the_overlap_asked_for() {
        assert_eq!(starts(10, 10, 0.5), [0]);
        assert_eq!(starts(11, 10, 0.5), [0, 1]);
        assert_eq!(starts(20, 10, 0.5), [0, 5, 10]);
        assert_eq!(starts(20, 10, 0.0), [0, 10]);
        for size in 8..60 {
            for patch in 1..=8 {
                for overlap in [0.0, 0.3, 0.5, 0.99] {
                    let s = starts(size, patch, overlap);
                    assert_eq!((s[0], s[s.len() - 1]), (0, size - patch));
                    let most = (patch as f64 * (1.0 - overlap)).max(1.0).ceil() as usize;
                    assert!(s.windows(2).all(|p| p[1] > p[0] && p[1] - p[0] <= most), "{size} {patch} {overlap} {s:?}");
                }
            }
        }
    }

    /// Two "classes" that are pointwise functions of the two channels: windows must not change them.
    fn pointwise(x: ArrayView4<f32>) -> Result<Array4<f32>> {
        let mut y = x.to_owned();
        y.index_axis_mut(Axis(0), 0).mapv_inplace(|v| v * 0.5);
        Ok(y)
    }

    #[test]
    fn a_pointwise_network_is_not_changed_by_windows_or_padding() {
        for size in [(5, 9, 7), (4, 4, 4), (3, 2, 1), (12, 3, 8), (1, 17, 4)] {
            let image = Array4::from_shape_fn((2, size.0, size.1, size.2), |(c, z, y, x)| (c * 1000 + z * 100 + y * 10 + x) as f32);
            for overlap in [0.0, 0.5, 0.9] {
                let mut count = 0;
                let window = Window { patch: [4, 4, 4], overlap };
                let out = slide(image.view(), &window, 2, |p| {
                    count += 1;
                    assert_eq!(p.dim(), (2, 4, 4, 4));
                    pointwise(p)
                })
                .unwrap();
                assert_eq!(out.dim(), image.dim());
                let want = pointwise(image.view()).unwrap();
                assert!(out.iter().zip(&want).all(|(a, b)| (a - b).abs() <= 1e-4 * b.abs()), "{size:?} {overlap}");
                assert!(count >= 1);
            }
        }
    }

    #[test]
    fn the_middle_of_a_window_counts_most() {
        // Two windows of 8 over 12 voxels; the first says 0, the second 1.
        let image = Array4::<f32>::zeros((1, 8, 8, 12));
        let mut said = -1.0;
        let out = slide(image.view(), &Window { patch: [8, 8, 8], overlap: 0.5 }, 1, |p| {
            said += 1.0;
            Ok(Array4::from_elem((1, p.dim().1, p.dim().2, p.dim().3), said))
        })
        .unwrap();
        let line: Vec<f32> = out.slice(s![0, 4, 4, ..]).to_vec();
        assert_eq!(&line[..4], [0.0; 4]);
        assert_eq!(&line[8..], [1.0; 4]);
        // Voxel 4 is half a voxel right of the middle of the first window and at the second's first voxel: sigma is 1.
        let (near, far) = ((-0.125f64).exp(), (-0.5 * 3.5f64 * 3.5).exp());
        assert!((f64::from(line[4]) - far / (near + far)).abs() < 1e-6);
        assert!(line.windows(2).all(|p| p[0] <= p[1]));
    }

    #[test]
    fn argmax_takes_the_first_of_equals() {
        let p =
            Array4::from_shape_vec((3, 1, 1, 4), vec![0.5, 0.2, 0.3, f32::NAN, 0.5, 0.6, 0.3, f32::NAN, 0.0, 0.2, 0.4, f32::NAN]).unwrap();
        assert_eq!(argmax(p.view()).into_raw_vec_and_offset().0, [0, 1, 2, 0]);
    }
}
