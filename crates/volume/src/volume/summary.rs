//! What the voxels of a volume say of it: range, mean, labels.
//!
//! May use `nifti` beside it.

use std::collections::BTreeMap;

use ndarray::{ArrayView3, Axis, Slice, Zip};
use serde::Serialize;

use super::nifti::Volume;

/// A volume with more values than this is no label map.
const MOST_LABELS: usize = 256;
/// Up to here `f32` has every whole number.
const EXACT: f32 = 16_777_216.0;
/// Nor is one where a value has fewer voxels than this on average.
const FEWEST_VOXELS: usize = 16;
/// With so many values it is one, however they are strewn. With more, along every axis at least half of the neighbours are alike, as those within a
/// structure are and those of an image, even of one with 256 shades, are not.
const FEW_VALUES: usize = 16;

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
    /// them, each with 16 voxels and more on average; more than a few of them only where they lie in pieces.
    pub fn label_counts(&self) -> Option<BTreeMap<u32, u64>> {
        if self.data.dim().0 != 1 {
            return None;
        }
        let map = self.data.index_axis(Axis(0), 0);
        let all = counts(map).filter(|all| all.len() * FEWEST_VOXELS <= self.data.len())?;
        (all.len() <= FEW_VALUES || (0..3).all(|axis| in_pieces(map, Axis(axis)))).then_some(all)
    }
}

/// Whether at least half of the neighbours along an axis are alike; two that are both 0 do not count, since a background is alike in images too.
fn in_pieces(data: ArrayView3<'_, f32>, axis: Axis) -> bool {
    let last = data.len_of(axis).saturating_sub(1);
    let (mut alike, mut all) = (0u64, 0u64);
    let (before, after) = (data.slice_axis(axis, Slice::from(..last)), data.slice_axis(axis, Slice::from(data.len_of(axis) - last..)));
    Zip::from(before).and(after).for_each(|a, b| {
        let seen = *a != 0.0 || *b != 0.0;
        all += u64::from(seen);
        alike += u64::from(seen && a == b);
    });
    2 * alike >= all
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
    use crate::volume::Header;
    use ndarray::{Array3, Array4};

    #[test]
    fn by_hand() {
        let s = VoxelSummary::of([1.0, 2.0, 0.0, f32::NAN, f32::INFINITY, 5.0].into_iter());
        assert_eq!((s.voxels, s.min, s.max, s.mean, s.non_zero, s.nan, s.infinite), (6, 0.0, 5.0, 2.0, 5, 1, 1));
        assert!((s.deviation - 3.5f64.sqrt()).abs() < 1e-12);
        let s = VoxelSummary::of([f32::NAN].into_iter());
        assert_eq!((s.min, s.max, s.mean, s.deviation), (0.0, 0.0, 0.0, 0.0));
    }

    fn volume(at: impl Fn(usize, usize, usize) -> u32) -> Volume {
        let size = [48, 40, 44];
        let data = Array4::from_shape_fn((1, size[0], size[1], size[2]), |(_, d, h, w)| at(d, h, w) as f32);
        let header = Header::plain(size, 1, [1.0; 3]);
        let affine = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
        Volume { affine, spacing: [1.0; 3], data, header }
    }

    #[test]
    fn label_maps_are_told_from_images_of_eight_bits() {
        let labels = |v: &Volume| v.label_counts().map(|all| all.len());
        // 118 structures in pieces of 6 x 5 x 4 voxels, in a background.
        let parcels = |d: usize, h: usize, w: usize| (((d / 6) * 8 + h / 5) * 11 + w / 4) as u32 % 119;
        assert_eq!(labels(&volume(|d, h, w| if d < 6 { 0 } else { parcels(d, h, w) })), Some(119));
        // Few values, strewn: a mask is a map whatever it looks like.
        let noise = |d: usize, h: usize, w: usize| {
            let n = ((d * 40 + h) * 44 + w) as u32;
            (n.wrapping_mul(2_654_435_761) ^ n.wrapping_mul(40_503)) >> 7
        };
        assert_eq!(labels(&volume(|d, h, w| noise(d, h, w) % 2)), Some(2));
        // Images: noise, a gradient along one axis, a smooth blob, each with and without a background of zeros.
        let blob = |d: usize, h: usize, w: usize| {
            let r = [d as f64 - 24.0, h as f64 - 20.0, w as f64 - 22.0].iter().map(|v| v * v).sum::<f64>();
            (220.0 * (-r / 400.0).exp()) as u32
        };
        let images: [&dyn Fn(usize, usize, usize) -> u32; 4] =
            [&|d, h, w| noise(d, h, w) % 256, &|d, _, _| 5 * d as u32, &|d, h, w| blob(d, h, w) + noise(d, h, w) % 6, &blob];
        for (n, image) in images.into_iter().enumerate() {
            assert_eq!(labels(&volume(image)), None, "{n}");
            assert_eq!(labels(&volume(|d, h, w| if h < 25 { 0 } else { image(d, h, w) })), None, "{n} in a background");
        }
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
