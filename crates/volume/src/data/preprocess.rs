//! Preprocessing, from the voxels of a file to those that a network gets: crop, intensity normalisation, resampling.
//!
//! May use `text`, `volume`. Training and prediction go through the same functions, in the same order, as nnU-Net has it: the box of what is
//! not 0 is cut out, intensities are brought to their scale on the file's own voxels, and then to the spacing.

use ndarray::{Array4, ArrayView3, ArrayView4, Axis, Slice};
use serde::{Deserialize, Serialize};

use super::spacing::Spacing;
use crate::text::{Code, Diagnostic};
use crate::volume::{BUDGET, Grid, IntensityScale, Normalise, Orientation, respaced};

/// A spacing that differs by less, relative to the wanted one, is the wanted one.
const SAME_SPACING: f64 = 1e-3;

/// How images are prepared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preprocess {
    /// How intensities are brought to the scale of the network.
    pub normalise: Normalise,
    /// The axis order in which the network sees volumes: D, H, W are its k, j, i.
    #[serde(skip_serializing_if = "Orientation::is_ras")]
    pub orientation: Orientation,
    /// The spacing in mm, along D, H, W of that order, to which images are brought; without it they keep their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spacing: Option<Spacing>,
    /// Whether the planes around the image that are 0 in all channels are cut away.
    pub crop: bool,
    /// What voxels become that hold NaN or infinity; without it, an image with such voxels is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nan: Option<f64>,
}

/// A box of voxels along D, H, W.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first voxel.
    pub start: [usize; 3],
    pub size: [usize; 3],
}

impl Extent {
    /// All of a volume.
    pub fn whole(size: [usize; 3]) -> Self {
        Self { start: [0; 3], size }
    }

    /// The part of a volume `[D, H, W]`.
    pub fn of<'a, T>(&self, mut volume: ndarray::ArrayViewMut3<'a, T>) -> ndarray::ArrayViewMut3<'a, T> {
        for axis in 0..3 {
            volume.slice_axis_inplace(Axis(axis), self.range(axis));
        }
        volume
    }

    /// The part of a volume `[D, H, W]`, to read.
    pub fn seen<'a, T>(&self, mut volume: ArrayView3<'a, T>) -> ArrayView3<'a, T> {
        for axis in 0..3 {
            volume.slice_axis_inplace(Axis(axis), self.range(axis));
        }
        volume
    }

    /// The part of a grid.
    pub fn grid(&self, whole: &Grid) -> Grid {
        let mut affine = whole.affine;
        let origin = whole.world(self.start.map(|v| v as f64));
        affine.iter_mut().zip(origin).for_each(|(row, o)| row[3] = o);
        Grid { size: self.size, affine }
    }

    fn range(&self, axis: usize) -> Slice {
        Slice::from(self.start[axis]..self.start[axis] + self.size[axis])
    }
}

impl Preprocess {
    /// Says what is wrong with the numbers, if anything: (field, reason).
    pub fn fault(&self) -> Option<(&'static str, String)> {
        if self.spacing.is_some_and(|s| !s.is_sound()) {
            return Some(("spacing", "a spacing is three lengths in mm above 0, along D, H, W, or `keep` for one".into()));
        }
        if self.nan.is_some_and(|v| !(v as f32).is_finite()) {
            return Some(("nan", "what NaN and infinity become is a finite number, as 0".into()));
        }
        self.normalise.fault().map(|why| ("normalise", why))
    }

    /// The box of an image's channels, all of one size, that is kept: that of what is not 0 in one of them, or all of it.
    pub fn extent(&self, channels: &[ArrayView3<'_, f32>]) -> Extent {
        let size = channels.first().map_or([0; 3], |c| c.dim().into());
        let whole = Extent::whole(size);
        if !self.crop {
            return whole;
        }
        let filled = |axis: usize, at: usize| channels.iter().any(|c| c.index_axis(Axis(axis), at).iter().any(|v| *v != 0.0));
        let mut kept = whole;
        for (axis, count) in size.into_iter().enumerate() {
            // Nothing anywhere: there is nothing to crop to.
            let Some(first) = (0..count).find(|at| filled(axis, *at)) else { return whole };
            let last = (first..count).rev().find(|at| filled(axis, *at)).unwrap_or(first);
            (kept.start[axis], kept.size[axis]) = (first, last + 1 - first);
        }
        kept
    }

    /// The grid of the wanted spacing over a grid in the network's axis order; `None` where it has that spacing. An axis of one voxel keeps its
    /// own: that is no distance between anything.
    ///
    /// # Errors
    /// E0702 when one channel on it would need more than [`BUDGET`] bytes.
    pub fn grid(&self, own: &Grid) -> Result<Option<Grid>, Diagnostic> {
        let steps = own.spacing();
        let near = |wanted: &[f64; 3]| wanted.iter().zip(steps).all(|(w, s)| (s / w - 1.0).abs() <= SAME_SPACING);
        let wanted = self.spacing.map(|spacing| {
            let wanted = spacing.of(steps);
            [0, 1, 2].map(|a| if own.size[a] == 1 { steps[a] } else { wanted[a] })
        });
        let Some(wanted) = wanted.filter(|wanted| !near(wanted)) else { return Ok(None) };
        let grid = own.resampled(wanted);
        let voxels = grid.size.iter().fold(1u64, |n, d| n.saturating_mul(*d as u64));
        if voxels <= BUDGET / 4 {
            return Ok(Some(grid));
        }
        let shown = wanted.map(|s| s.to_string()).join(" x ");
        let message = format!("at the spacing of {shown} mm the image has {voxels} voxels, and they need more than {} MiB", BUDGET >> 20);
        Err(Diagnostic::error(Code::E0702, message).help("crop the image, or look whether its spacing is right"))
    }

    /// What brings each channel, cropped, to its scale.
    pub fn scales(&self, channels: &[ArrayView3<'_, f32>]) -> Vec<IntensityScale> {
        channels.iter().map(|c| self.normalise.scale(*c)).collect()
    }

    /// Channels that lie on `own`, in the network's axis order and cropped, on their scales and on `onto`: `[C, D, H, W]`.
    pub fn image(&self, channels: &[ArrayView3<'_, f32>], scales: &[IntensityScale], own: &Grid, onto: &Grid) -> Array4<f32> {
        let [d, h, w] = onto.size;
        let mut image = Array4::zeros((channels.len(), d, h, w));
        for ((channel, scale), mut to) in channels.iter().zip(scales).zip(image.axis_iter_mut(Axis(0))) {
            if own == onto {
                to.zip_mut_with(channel, |to, v| *to = scale.of_value(*v));
            } else {
                to.assign(&respaced(channel.mapv(|v| scale.of_value(v)), own, onto));
            }
        }
        image
    }
}

/// The channels of `[C, D, H, W]`.
pub fn channels<'a>(image: ArrayView4<'a, f32>) -> Vec<ArrayView3<'a, f32>> {
    (0..image.dim().0).map(|c| image.index_axis_move(Axis(0), c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(size: [usize; 3], [d, h, w]: [f64; 3]) -> Grid {
        Grid { size, affine: [[w, 0.0, 0.0, 5.0], [0.0, h, 0.0, -3.0], [0.0, 0.0, d, 1.0], [0.0, 0.0, 0.0, 1.0]] }
    }

    #[test]
    fn the_box_holds_what_is_not_zero_in_any_channel() {
        let mut image = Array4::<f32>::zeros((2, 6, 7, 8));
        (image[[0, 2, 3, 4]], image[[1, 4, 3, 1]]) = (1.0, -2.0);
        let crop = Preprocess { crop: true, ..Preprocess::default() };
        let found = crop.extent(&channels(image.view()));
        assert_eq!(found, Extent { start: [2, 3, 1], size: [3, 1, 4] });
        assert_eq!(found.seen(image.index_axis(Axis(0), 0))[[0, 0, 3]], 1.0);
        let whole = grid([6, 7, 8], [3.0, 2.0, 1.0]);
        assert_eq!(found.grid(&whole).world([0.0; 3]), whole.world([2.0, 3.0, 1.0]));
        assert_eq!(Preprocess::default().extent(&channels(image.view())), Extent::whole([6, 7, 8]));
        let nothing = Array4::<f32>::zeros((2, 6, 7, 8));
        assert_eq!(crop.extent(&channels(nothing.view())), Extent::whole([6, 7, 8]));
    }

    #[test]
    fn zeros_of_the_background_are_on_no_scale_after_resampling_either() {
        // Zero outside, 10 to 13 within: the scale is that of the file's own voxels.
        let image = Array4::from_shape_fn((1, 8, 8, 8), |(_, z, y, x)| if x < 3 { 0.0 } else { 10.0 + ((z + y + x) % 4) as f32 });
        let own = grid([8; 3], [1.0; 3]);
        let p = Preprocess { normalise: Normalise::ZScoreNonZero, spacing: Some([0.5; 3].into()), crop: true, ..Preprocess::default() };
        let at = p.extent(&channels(image.view()));
        assert_eq!(at.size, [8, 8, 5]);
        let cut = at.grid(&own);
        let onto = p.grid(&cut).unwrap().unwrap();
        assert_eq!(onto.size, [16, 16, 10]);
        let seen: Vec<_> = channels(image.view()).into_iter().map(|c| at.seen(c)).collect();
        let made = p.image(&seen, &p.scales(&seen), &cut, &onto);
        let mean = made.iter().map(|v| f64::from(*v)).sum::<f64>() / made.len() as f64;
        assert!(mean.abs() < 0.02 && made.iter().all(|v| v.abs() < 3.0), "{mean}");
        assert_eq!(p.grid(&onto).unwrap(), None);
    }

    #[test]
    fn an_axis_may_stay_as_it_is() {
        let p = Preprocess { spacing: Some(Spacing([None, Some(1.0), Some(1.0)])), ..Preprocess::default() };
        let own = grid([7, 10, 20], [9.0, 2.0, 0.5]);
        let onto = p.grid(&own).unwrap().unwrap();
        assert_eq!(onto.size, [7, 20, 10]);
        assert!(onto.spacing().iter().zip([9.0, 1.0, 1.0]).all(|(s, want)| (s - want).abs() < 1e-9), "{:?}", onto.spacing());
        assert_eq!(p.grid(&grid([7, 10, 20], [3.3, 1.0, 1.0])).unwrap(), None);
        // Every slice is that slice at the new spacing, mixed with no other.
        let image = Array4::from_shape_fn((1, 7, 10, 20), |(_, z, _, _)| (z * z) as f32);
        let seen = channels(image.view());
        let made = p.image(&seen, &p.scales(&seen), &own, &onto);
        assert!(made.indexed_iter().all(|((_, z, _, _), v)| (*v - made[[0, z, 0, 0]]).abs() < 1e-4));
        let scales = p.scales(&seen);
        let want = |z: usize| scales[0].of_value((z * z) as f32);
        assert!((0..7).all(|z| (made[[0, z, 0, 0]] - want(z)).abs() < 1e-4), "{:?}", made.slice(ndarray::s![0, .., 0, 0]));
    }

    #[test]
    fn numbers_that_cannot_be_are_named() {
        for spacing in [[0.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, f64::NAN]] {
            assert_eq!(Preprocess { spacing: Some(spacing.into()), ..Preprocess::default() }.fault().unwrap().0, "spacing");
        }
        assert!(Preprocess { spacing: Some([1.0; 3].into()), ..Preprocess::default() }.fault().is_none());
        let fine = Preprocess { spacing: Some([1e-3; 3].into()), ..Preprocess::default() };
        assert_eq!(fine.grid(&grid([100; 3], [1.0; 3])).unwrap_err().code, Code::E0702);
        assert_eq!(Preprocess { nan: Some(f64::INFINITY), ..Preprocess::default() }.fault().unwrap().0, "nan");
    }

    #[test]
    fn an_axis_of_one_voxel_keeps_its_spacing() {
        // A picture of one plane, which its maker calls 999 mm thick.
        let slice = grid([1, 24, 26], [999.0, 2.0, 1.0]);
        let to = |spacing: [f64; 3]| Preprocess { spacing: Some(spacing.into()), ..Preprocess::default() }.grid(&slice).unwrap();
        let made = to([1.0; 3]).unwrap();
        assert_eq!((made.size, made.spacing()), ([1, 48, 26], [999.0, 1.0, 1.0]));
        assert_eq!(to([1.0, 2.0, 1.0]), None);
    }
}
