//! A case in memory, ready to be cut into patches.
//!
//! May use `volume`, and `taken` beside it.

use ndarray::{Array3, Array4};

use super::taken::LostClass;

/// A case: normalised intensities and their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub id: String,
    /// `[C, D, H, W]`, normalised per channel.
    pub image: Array4<f32>,
    /// `[D, H, W]`: class indices, 0 is the background.
    pub label: Array3<u8>,
    /// Distance between voxels in mm, along D, H, W.
    pub spacing: [f64; 3],
    /// Classes that its label file has and `label` has not: preparation has lost them.
    pub lost: Vec<LostClass>,
    /// Flat positions of the voxels of each foreground class that is present (at most [`Sample::KEPT`] of each, evenly spread).
    pub(super) foreground: Vec<Vec<u32>>,
    /// Of each channel, over the voxels that are not 0: a background that was cut away has no part in it.
    pub(super) scales: Vec<Scale>,
}

/// Mean and standard deviation of intensities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub mean: f64,
    pub deviation: f64,
}

impl Scale {
    /// 0 and 0 where there are none.
    pub fn of(values: impl Iterator<Item = f32>) -> Self {
        let (mut n, mut sum, mut squares) = (0usize, 0.0, 0.0);
        // About the first value, so that nothing is lost where the mean is far from 0.
        let mut first = None;
        for v in values {
            let v = f64::from(v) - *first.get_or_insert(f64::from(v));
            (n, sum, squares) = (n + 1, sum + v, squares + v * v);
        }
        let mean = sum / n.max(1) as f64;
        let variance = (squares / n.max(1) as f64 - mean * mean).max(0.0);
        Self { mean: first.unwrap_or(0.0) + mean, deviation: variance.sqrt() }
    }
}

impl Sample {
    /// Positions kept per class.
    pub const KEPT: usize = 4096;

    /// Puts a case together of which nothing is lost. The label must have the image's D, H, W (the loader has checked it).
    pub fn new(id: impl Into<String>, image: Array4<f32>, label: Array3<u8>, spacing: [f64; 3]) -> Self {
        let foreground = foreground(&label);
        let scales = image.outer_iter().map(|channel| Scale::of(channel.iter().copied().filter(|v| *v != 0.0))).collect();
        Self { id: id.into(), image, label, spacing, lost: vec![], foreground, scales }
    }

    /// D, H, W.
    pub fn size(&self) -> [usize; 3] {
        self.label.dim().into()
    }

    /// Voxels of each class, 0 to `classes - 1`.
    pub fn histogram(&self, classes: usize) -> Vec<u64> {
        let mut all = [0u64; 256];
        self.label.iter().for_each(|l| all[usize::from(*l)] += 1);
        all.into_iter().take(classes).collect()
    }
}

/// Kept once, so that a patch with foreground costs no search.
fn foreground(label: &Array3<u8>) -> Vec<Vec<u32>> {
    let mut total = [0usize; 256];
    label.iter().for_each(|l| total[usize::from(*l)] += 1);
    let mut found: Vec<Vec<u32>> = vec![vec![]; 256];
    let mut seen = [0usize; 256];
    for (at, l) in label.iter().enumerate().filter(|(_, l)| **l > 0) {
        let l = usize::from(*l);
        // Voxel number `seen` is kept when it crosses the next of KEPT even steps.
        if total[l] <= Sample::KEPT || seen[l] * Sample::KEPT / total[l] >= found[l].len() {
            found[l].push(at as u32);
        }
        seen[l] += 1;
    }
    found.retain(|f| !f.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreground_is_found_and_thinned() {
        let label = Array3::from_shape_fn((20, 40, 40), |(d, h, w)| u8::from(d > 5) + u8::from(d == 19 && h == 3 && w == 7));
        let s = Sample::new("x", Array4::zeros((1, 20, 40, 40)), label, [1.0; 3]);
        assert_eq!(s.foreground.len(), 2);
        assert_eq!(s.foreground[0].len(), Sample::KEPT);
        assert!(s.foreground[0].iter().all(|i| s.label.as_slice().unwrap()[*i as usize] == 1));
        assert!(*s.foreground[0].last().unwrap() as usize > 19 * 1600, "spread to the end");
        assert_eq!(s.foreground[1], [19 * 1600 + 3 * 40 + 7]);
        assert_eq!(s.histogram(3), [6 * 1600, 14 * 1600 - 1, 1]);
        assert_eq!(s.scales, [Scale { mean: 0.0, deviation: 0.0 }]);
    }

    #[test]
    fn the_scale_is_that_of_what_is_not_zero() {
        let image = Array4::from_shape_fn((2, 2, 2, 4), |(c, z, _, x)| if z == 0 { 0.0 } else { [1e4, 0.0][c] + [1.0, 3.0][x % 2] });
        let s = Sample::new("x", image, Array3::zeros((2, 2, 4)), [1.0; 3]);
        assert_eq!(s.scales, [Scale { mean: 10002.0, deviation: 1.0 }, Scale { mean: 2.0, deviation: 1.0 }]);
    }
}
