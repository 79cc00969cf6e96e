//! What the voxels of a volume say of it: range, mean, labels.
//!
//! May use `nifti` beside it.

use std::collections::BTreeMap;

use ndarray::ArrayView3;
use serde::Serialize;

use super::nifti::Volume;

/// A volume with more values than this is no label map.
const MOST_LABELS: usize = 256;
/// Up to here `f32` has every whole number.
const EXACT: f32 = 16_777_216.0;
/// Nor is one where a value has fewer voxels than this on average.
const FEWEST_VOXELS: usize = 16;

/// Of the voxels of one channel or of all. Numbers are of the finite ones.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VoxelSummary {
    pub voxels: u64,
    /// 0 where no voxel is finite.
    pub min: f64,
    pub max: f64,
    pub mean: f64,
    /// Standard deviation, of the population.
    pub deviation: f64,
    /// Voxels that are not 0, those that are not finite included.
    pub non_zero: u64,
    pub nan: u64,
    pub infinite: u64,
}

impl VoxelSummary {
    /// Of numbers.
    pub fn of(values: impl Iterator<Item = f32> + Clone) -> Self {
        let mut s =
            Self { voxels: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, mean: 0.0, deviation: 0.0, non_zero: 0, nan: 0, infinite: 0 };
        let mut sum = 0.0;
        for v in values.clone() {
            s.voxels += 1;
            s.non_zero += u64::from(v != 0.0);
            if v.is_finite() {
                let v = f64::from(v);
                (s.min, s.max, sum) = (s.min.min(v), s.max.max(v), sum + v);
            } else {
                s.nan += u64::from(v.is_nan());
                s.infinite += u64::from(v.is_infinite());
            }
        }
        let finite = s.voxels - s.nan - s.infinite;
        if finite == 0 {
            return Self { min: 0.0, max: 0.0, ..s };
        }
        s.mean = sum / finite as f64;
        // A second pass: a sum of squares would lose a small spread around a large mean.
        let squares: f64 = values.filter(|v| v.is_finite()).map(|v| (f64::from(v) - s.mean).powi(2)).sum();
        s.deviation = (squares / finite as f64).sqrt();
        s
    }
}

impl Volume {
    /// Of all voxels.
    pub fn summary(&self) -> VoxelSummary {
        VoxelSummary::of(self.data.iter().copied())
    }

    /// Voxels of each value, if it looks like a label map: one channel, whole numbers from 0 on, at most 256 of
    /// them, each with 16 voxels and more on average.
    pub fn label_counts(&self) -> Option<BTreeMap<u32, u64>> {
        if self.data.dim().0 != 1 {
            return None;
        }
        counts(self.data.index_axis(ndarray::Axis(0), 0)).filter(|all| all.len() * FEWEST_VOXELS <= self.data.len())
    }
}

fn counts(data: ArrayView3<'_, f32>) -> Option<BTreeMap<u32, u64>> {
    let mut all = BTreeMap::new();
    let mut run: Option<(f32, u64)> = None;
    for v in data {
        // Labels come in runs: the map is asked once for each.
        match &mut run {
            Some((value, n)) if value == v => *n += 1,
            _ => {
                add(&mut all, run.replace((*v, 1)))?;
            }
        }
    }
    add(&mut all, run)?;
    Some(all)
}

fn add(all: &mut BTreeMap<u32, u64>, run: Option<(f32, u64)>) -> Option<()> {
    let Some((value, n)) = run else { return Some(()) };
    if value.fract() != 0.0 || !(0.0..=EXACT).contains(&value) {
        return None;
    }
    *all.entry(value as u32).or_default() += n;
    (all.len() <= MOST_LABELS).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn by_hand() {
        let s = VoxelSummary::of([1.0, 2.0, 0.0, f32::NAN, f32::INFINITY, 5.0].into_iter());
        assert_eq!((s.voxels, s.min, s.max, s.mean, s.non_zero, s.nan, s.infinite), (6, 0.0, 5.0, 2.0, 5, 1, 1));
        assert!((s.deviation - 3.5f64.sqrt()).abs() < 1e-12);
        let s = VoxelSummary::of([f32::NAN].into_iter());
        assert_eq!((s.min, s.max, s.mean, s.deviation), (0.0, 0.0, 0.0, 0.0));
    }

    #[test]
    fn labels_are_counted_and_intensities_are_none() {
        let of = |v: Vec<f32>| counts(Array3::from_shape_vec((1, 1, v.len()), v).unwrap().view());
        assert_eq!(of(vec![0.0, 0.0, 4.0, 0.0, 300.0, 70000.0]), Some(BTreeMap::from([(0, 3), (4, 1), (300, 1), (70000, 1)])));
        for other in [vec![0.5], vec![-1.0], vec![f32::NAN], vec![2e7], (0..257).map(|v| v as f32).collect()] {
            assert_eq!(of(other), None);
        }
    }
}
