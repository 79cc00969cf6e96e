//! Intensities to a scale that networks are trained on.
//!
//! Depends on nothing of this crate. MRI has no unit: each channel of each case is brought to its own scale.

use ndarray::{Array4, ArrayView3, Axis};
use serde::{Deserialize, Serialize};

/// How a channel is brought to its scale, and which voxels set it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Normalise {
    /// Mean 0 and standard deviation 1 over all voxels.
    #[default]
    ZScore,
    /// The same over those that are not 0 in their channel; the others stay 0 (images whose background was cut away).
    ZScoreNonZero,
    /// Clipped to two percentiles of all voxels of the channel, which become 0 and 1.
    Percentiles { low: f64, high: f64 },
    /// Clipped to two intensities, then brought to mean 0 and deviation 1 with those of the data set: for CT, whose intensities have a unit.
    Window { low: f64, high: f64, mean: f64, deviation: f64 },
}

impl Normalise {
    /// Says what is wrong with its numbers, if anything.
    pub fn fault(self) -> Option<String> {
        match self {
            Self::ZScore | Self::ZScoreNonZero => None,
            Self::Percentiles { low, high } => {
                let good = 0.0 <= low && low < high && high <= 100.0;
                (!good).then(|| format!("percentiles go from 0 to 100 and the lower one comes first, not {low} and {high}"))
            }
            Self::Window { low, high, mean, deviation } => {
                if [low, high, mean, deviation].iter().any(|v| !v.is_finite()) || low >= high {
                    Some(format!("a window has two numbers, the lower one first, not {low} and {high}"))
                } else {
                    (deviation <= 0.0).then(|| format!("a deviation is above 0, not {deviation}"))
                }
            }
        }
    }

    /// Normalises each channel of `[C, D, H, W]`.
    pub fn apply(self, image: &mut Array4<f32>) {
        for mut channel in image.axis_iter_mut(Axis(0)) {
            let scale = self.scale(channel.view());
            channel.mapv_inplace(|v| scale.of_value(v));
        }
    }

    /// What brings a channel to its scale. Sums go through the voxels in the order of the view's axes.
    pub fn scale(self, channel: ArrayView3<'_, f32>) -> IntensityScale {
        match self {
            Self::ZScore => IntensityScale::of(channel, false),
            Self::ZScoreNonZero => IntensityScale::of(channel, true),
            Self::Percentiles { low, high } => {
                let mut all: Vec<f32> = channel.iter().copied().collect();
                let [low, high] = [low, high].map(|p| percentile(&mut all, p));
                let factor = if high > low { 1.0 / (f64::from(high) - f64::from(low)) } else { 0.0 };
                IntensityScale { clip: Some((low, high)), mean: f64::from(low), factor, zero_stays: false }
            }
            Self::Window { low, high, mean, deviation } => {
                IntensityScale { clip: Some((low as f32, high as f32)), mean, factor: 1.0 / deviation, zero_stays: false }
            }
        }
    }
}

/// A percentile, linear between the two nearest values, as NumPy has it; 0 of nothing. The values are put into another order.
pub fn percentile(values: &mut [f32], percent: f64) -> f32 {
    let Some(last) = values.len().checked_sub(1) else { return 0.0 };
    let at = last as f64 * (percent / 100.0).clamp(0.0, 1.0);
    let (_, low, above) = values.select_nth_unstable_by(at.floor() as usize, f32::total_cmp);
    let low = f64::from(*low);
    // Of those above, the smallest is the next in order.
    let next = above.iter().copied().min_by(f32::total_cmp).map_or(low, f64::from);
    (low + (next - low) * at.fract()) as f32
}

/// The intensities of a channel on the scale of a network: `(v - mean) * factor`, of `v` within the clip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntensityScale {
    clip: Option<(f32, f32)>,
    mean: f64,
    factor: f64,
    /// Whether 0 stays 0.
    zero_stays: bool,
}

impl IntensityScale {
    /// Leaves every value as it is.
    pub const IDENTITY: Self = Self { clip: None, mean: 0.0, factor: 1.0, zero_stays: true };

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
        Self { clip: None, mean, factor, zero_stays: non_zero_only }
    }

    /// Whether a channel with these least and largest intensities is one number on the scale.
    pub fn is_flat(&self, low: f32, high: f32) -> bool {
        self.factor == 0.0 || self.of_value(low) == self.of_value(high)
    }

    /// A value on the scale.
    pub fn of_value(&self, v: f32) -> f32 {
        if self.zero_stays && v == 0.0 {
            return 0.0;
        }
        let v = self.clip.map_or(v, |(low, high)| v.clamp(low, high));
        ((f64::from(v) - self.mean) * self.factor) as f32
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
        Normalise::ZScore.apply(&mut image);
        for channel in image.axis_iter(Axis(0)) {
            let (m, s) = moments(channel.as_slice().unwrap());
            assert!(m.abs() < 1e-6 && (s - 1.0).abs() < 1e-6, "{m} {s}");
        }
    }

    #[test]
    fn zeros_stay_out_when_asked() {
        let mut image = Array4::from_shape_vec((1, 1, 1, 4), vec![0.0, 1.0, 3.0, 0.0]).unwrap();
        Normalise::ZScoreNonZero.apply(&mut image);
        assert_eq!(image.as_slice().unwrap(), [0.0, -1.0, 1.0, 0.0]);
    }

    #[test]
    fn constants_become_zero() {
        for value in [0.0, 7.0, 1e6 / 3.0] {
            for by in [Normalise::ZScore, Normalise::ZScoreNonZero, Normalise::Percentiles { low: 0.5, high: 99.5 }] {
                let mut image = Array4::from_elem((1, 3, 3, 3), value);
                by.apply(&mut image);
                assert!(image.iter().all(|v| *v == 0.0), "{value}");
            }
        }
    }

    // Expected: numpy.percentile([3, 1, 4, 1, 5, 9, 2, 6], [0, 10, 50, 99.5, 100]).
    #[test]
    fn percentiles_are_those_of_numpy() {
        let of = |p| percentile(&mut [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0], p);
        let want = [1.0, 1.0, 3.5, 8.895, 9.0];
        assert!([0.0, 10.0, 50.0, 99.5, 100.0].map(of).iter().zip(want).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6));
        assert_eq!((percentile(&mut [], 50.0), percentile(&mut [2.0], 99.0)), (0.0, 2.0));
    }

    #[test]
    fn what_is_clipped_ends_where_it_should() {
        let ramp = || Array4::from_shape_fn((1, 1, 1, 101), |(.., w)| w as f32 * 10.0);
        let mut image = ramp();
        Normalise::Percentiles { low: 10.0, high: 90.0 }.apply(&mut image);
        let at = |image: &Array4<f32>, w| image[[0, 0, 0, w]];
        assert_eq!([0, 10, 50, 90, 100].map(|w| at(&image, w)), [0.0, 0.0, 0.5, 1.0, 1.0]);
        let mut image = ramp();
        Normalise::Window { low: 100.0, high: 500.0, mean: 300.0, deviation: 50.0 }.apply(&mut image);
        assert_eq!([0, 30, 35, 100].map(|w| at(&image, w)), [-4.0, 0.0, 1.0, 4.0]);
        let scale = |by: Normalise| by.scale(ramp().index_axis_move(Axis(0), 0).view());
        let window = |low, high| scale(Normalise::Window { low, high, mean: 0.0, deviation: 1.0 }).is_flat(0.0, 1000.0);
        assert!(window(2000.0, 3000.0) && window(-9.0, 0.0) && !window(500.0, 3000.0));
        assert!(!scale(Normalise::ZScore).is_flat(0.0, 1000.0));
    }

    #[test]
    fn numbers_that_cannot_be_are_told() {
        for (low, high) in [(-1.0, 99.0), (99.0, 1.0), (0.0, 101.0), (f64::NAN, 99.0)] {
            assert!(Normalise::Percentiles { low, high }.fault().unwrap().contains("percentiles"));
        }
        assert!(Normalise::Window { low: 1.0, high: 0.0, mean: 0.0, deviation: 1.0 }.fault().unwrap().contains("window"));
        assert!(Normalise::Window { low: 0.0, high: 1.0, mean: 0.0, deviation: 0.0 }.fault().unwrap().contains("deviation"));
        assert!(Normalise::ZScore.fault().is_none());
    }
}
