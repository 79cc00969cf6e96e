//! Class weights.
//!
//! Part of `train::loss`.

use super::label_scheme::LabelScheme;

/// `n_c^-a`, made to sum to 1 (to 0 for no voxels at all), from the voxels of each channel.
///
/// A class without voxels weighs 0: the other channels of the softmax cover it. A region without voxels weighs as the rarest that
/// has some, since no other channel penalises false positives of it; where no region has any they weigh alike.
pub fn inverse(counts: &[u64], exponent: f64, label_scheme: &LabelScheme) -> Vec<f64> {
    let mut raw: Vec<f64> = counts.iter().map(|&c| if c == 0 { 0.0 } else { (c as f64).powf(-exponent) }).collect();
    if matches!(label_scheme, LabelScheme::Regions(_)) {
        let most = raw.iter().copied().fold(0.0, f64::max);
        let absent = if most > 0.0 { most } else { 1.0 };
        raw.iter_mut().filter(|w| **w == 0.0).for_each(|w| *w = absent);
    }
    normalised(&raw)
}

/// Weights that sum to 1.
pub fn normalised(raw: &[f64]) -> Vec<f64> {
    let sum = raw.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    raw.iter().map(|w| w / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_is_absent_weighs_nothing_and_a_region_as_the_rarest() {
        assert_eq!(inverse(&[90, 30, 0], 1.0, &LabelScheme::Classes(3)), [0.25, 0.75, 0.0]);
        let regions = LabelScheme::Regions(vec![vec![1, 2], vec![1], vec![2]]);
        let w = inverse(&[30, 10, 0], 1.0, &regions);
        assert!(w.iter().zip([1.0, 3.0, 3.0]).all(|(w, want)| (7.0 * w - want).abs() < 1e-12), "{w:?}");
        assert_eq!(inverse(&[0, 0], 1.0, &LabelScheme::Regions(vec![vec![1], vec![2]])), [0.5, 0.5]);
        assert_eq!(inverse(&[0, 0], 1.0, &LabelScheme::Classes(2)), [0.0, 0.0]);
        assert_eq!(inverse(&[9, 1], 0.0, &LabelScheme::Classes(2)), [0.5, 0.5]);
    }
}
