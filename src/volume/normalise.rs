//! Intensities to zero mean and unit deviation.
//!
//! Depends on nothing of this crate. MRI has no unit: each channel of each case is brought to its own scale.

use ndarray::{Array4, ArrayView3, Axis};
use serde::{Deserialize, Serialize};

/// Which voxels set the scale of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Normalise {
    /// All of them.
    #[default]
    ZScore,
    /// Those that are not 0 in their channel; the others stay 0 (images whose background was cut away).
    ZScoreNonZero,
}

impl Normalise {
    /// Normalises each channel of `[C, D, H, W]`.
    pub fn apply(self, image: &mut Array4<f32>) {
        z_score(image, self == Self::ZScoreNonZero);
    }

    /// What brings a channel to mean 0 and standard deviation 1. Sums go through the voxels in the order of the view's axes.
    pub fn scale(self, channel: ArrayView3<'_, f32>) -> Scale {
        Scale::of(channel, self == Self::ZScoreNonZero)
    }
}

/// Brings each channel of `[C, D, H, W]` to mean 0 and standard deviation 1, over all voxels or over those that are not 0.
///
/// A channel without spread (a constant) becomes 0.
pub fn z_score(image: &mut Array4<f32>, non_zero_only: bool) {
    for mut channel in image.axis_iter_mut(Axis(0)) {
        let scale = Scale::of(channel.view(), non_zero_only);
        channel.mapv_inplace(|v| scale.of_value(v));
    }
}

/// The intensities of a channel on the scale of a network: `(v - mean) * factor`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    mean: f64,
    factor: f64,
    /// Whether 0 stays 0.
    zero_stays: bool,
}

impl Scale {
    /// Leaves every value as it is.
    pub const IDENTITY: Self = Self { mean: 0.0, factor: 1.0, zero_stays: true };

    fn of(channel: ArrayView3<'_, f32>, non_zero_only: bool) -> Self {
        let counts = |v: f32| !non_zero_only || v != 0.0;
        let (mut n, mut sum) = (0u64, 0f64);
        for v in channel.iter().copied().filter(|v| counts(*v)) {
            n += 1;
            sum += f64::from(v);
        }
        let mean = sum / n.max(1) as f64;
        // Two passes: with a mean far from 0, a sum of squares would lose the spread.
        let squares: f64 = channel.iter().copied().filter(|v| counts(*v)).map(|v| (f64::from(v) - mean).powi(2)).sum();
        let deviation = (squares / n.max(1) as f64).sqrt();
        // Rounding alone leaves about this much on a constant channel.
        let factor = if deviation > 1e-7 * mean.abs() && deviation > 0.0 { 1.0 / deviation } else { 0.0 };
        Self { mean, factor, zero_stays: non_zero_only }
    }

    /// A value on the scale.
    pub fn of_value(&self, v: f32) -> f32 {
        if self.zero_stays && v == 0.0 { 0.0 } else { ((f64::from(v) - self.mean) * self.factor) as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(v: &[f32]) -> (f64, f64) {
        let m = v.iter().map(|x| f64::from(*x)).sum::<f64>() / v.len() as f64;
        (m, (v.iter().map(|x| (f64::from(*x) - m).powi(2)).sum::<f64>() / v.len() as f64).sqrt())
    }

    #[test]
    fn each_channel_has_its_own_scale() {
        let mut image =
            Array4::from_shape_fn((2, 2, 3, 4), |(c, d, h, w)| if c == 0 { (d * 12 + h * 4 + w) as f32 } else { 1e6 + w as f32 });
        z_score(&mut image, false);
        for channel in image.axis_iter(Axis(0)) {
            let (m, s) = moments(channel.as_slice().unwrap());
            assert!(m.abs() < 1e-6 && (s - 1.0).abs() < 1e-6, "{m} {s}");
        }
    }

    #[test]
    fn zeros_stay_out_when_asked() {
        let mut image = Array4::from_shape_vec((1, 1, 1, 4), vec![0.0, 1.0, 3.0, 0.0]).unwrap();
        z_score(&mut image, true);
        assert_eq!(image.as_slice().unwrap(), [0.0, -1.0, 1.0, 0.0]);
    }

    #[test]
    fn constants_become_zero() {
        for value in [0.0, 7.0, 1e6 / 3.0] {
            for non_zero in [false, true] {
                let mut image = Array4::from_elem((1, 3, 3, 3), value);
                z_score(&mut image, non_zero);
                assert!(image.iter().all(|v| *v == 0.0), "{value}");
            }
        }
    }
}
