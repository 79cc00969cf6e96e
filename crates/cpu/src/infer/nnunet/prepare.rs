//! From the voxels of a file to what the network sees: transposed, cropped to what is not 0, normalised, resampled.
//!
//! Part of `infer::nnunet`; may use `data`, `volume`. nnU-Net normalises before it resamples, in float32.

use ndarray::{Array3, Array4, ArrayBase, ArrayView3, Axis, Ix3, RawData};

use super::plan::{Nnunet, Scheme};
use super::resample::{resized, separate_axis, target};
use crate::data::{Extent, Preprocess};
use crate::text::{Code, Diagnostic, Result};
use crate::volume::{BUDGET, Grid, Header, Orientation, fill_holes, turned};

/// No deviation and no range is taken to be less.
const LEAST: f32 = 1e-8;

/// How the axes of a file become those of the network.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    from: Orientation,
    to: Orientation,
    transpose: [usize; 3],
}

impl Layout {
    /// For an image that lies on a grid.
    pub fn new(n: &Nnunet, grid: &Grid) -> Self {
        let from = grid.orientation();
        Self { from, to: if n.reader.reorients() { Orientation::RAS } else { from }, transpose: n.transpose }
    }

    /// An array `[D, H, W]` of the file, or a view of one, along the network's axes. Nothing is copied.
    pub fn view<S: RawData>(&self, array: ArrayBase<S, Ix3>) -> ArrayBase<S, Ix3> {
        turned(array, self.from, self.to).permuted_axes(self.transpose)
    }

    /// Voxels along the network's axes of an image with so many.
    pub fn size(&self, grid: &Grid) -> [usize; 3] {
        let size = grid.reoriented(self.to).size;
        self.transpose.map(|a| size[a])
    }

    /// The spacing along the network's axes, as nnU-Net reads it: from the steps of the header, whatever a form says.
    pub fn spacing(&self, n: &Nnunet, header: &Header) -> [f64; 3] {
        let unit = if n.reader.heeds_units() { header.unit() } else { 1.0 };
        // Along i, j, k of the file, then of the array that was turned.
        let own = [1, 2, 3].map(|a| header.pixdim[a].abs() * unit);
        let sides = self.from.sides();
        // Every orientation has each axis of the patient once.
        let turned = self.to.sides().map(|to| own[sides.iter().position(|s| *s == to || *s == to.opposite()).unwrap_or(0)]);
        self.transpose.map(|a| turned[2 - a])
    }
}

/// An image ready for the network, and how it lies in the whole.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `[C, D, H, W]`, at the network's spacing.
    pub image: Array4<f32>,
    /// What is kept of the whole image, along the network's axes.
    pub kept: Extent,
    /// The image's own spacing along these axes, and that of `image`.
    pub own: [f64; 3],
    pub spacing: [f64; 3],
}

/// Prepares channels `[D, H, W]` along the network's axes, of spacing `own`.
///
/// # Errors
/// E0702 for a spacing that is no length, and where the image would take more than [`BUDGET`] at the network's.
pub fn prepare(n: &Nnunet, channels: &[ArrayView3<'_, f32>], own: [f64; 3]) -> Result<Seen> {
    if own.iter().any(|s| !(s.is_finite() && *s > 0.0)) {
        let message = format!("the header says steps of {own:?} mm between voxels");
        return Err(Diagnostic::error(Code::E0702, message).help("correct pixdim in the file's header").into());
    }
    let kept = Preprocess { crop: true, ..Preprocess::default() }.extent(channels);
    let cut: Vec<_> = channels.iter().map(|c| kept.seen(*c)).collect();
    let spacing = n.spacing.of(own);
    let size = target(kept.size, own, spacing);
    fits(size, spacing)?;
    let masked = n.normalise.iter().any(|s| matches!(s, Scheme::ZScore { masked: true }));
    let mask = masked.then(|| fill_holes(&something(&cut)));
    let across = separate_axis(own, spacing, n.image.separate);
    let mut image = Array4::zeros((cut.len(), size[0], size[1], size[2]));
    for ((channel, scheme), mut to) in cut.iter().zip(&n.normalise).zip(image.axis_iter_mut(Axis(0))) {
        let scaled = normalised(*scheme, *channel, mask.as_ref());
        to.assign(&resized(scaled, size, across, &n.image));
    }
    Ok(Seen { image, kept, own, spacing })
}

fn fits(size: [usize; 3], spacing: [f64; 3]) -> Result<()> {
    let voxels = size.iter().fold(1u64, |n, d| n.saturating_mul(*d as u64));
    if voxels <= BUDGET / 4 {
        return Ok(());
    }
    let shown = spacing.map(|s| s.to_string()).join(" x ");
    let message = format!("at the spacing of {shown} mm the image has {voxels} voxels, and they need more than {} MiB", BUDGET >> 20);
    Err(Diagnostic::error(Code::E0702, message).help("crop the image, or look whether its spacing is right").into())
}

/// Where any channel is not 0.
fn something(channels: &[ArrayView3<'_, f32>]) -> Array3<bool> {
    let mut mask = Array3::from_elem(channels.first().map_or((0, 0, 0), |c| c.dim()), false);
    channels.iter().for_each(|c| mask.zip_mut_with(c, |m, v| *m |= *v != 0.0));
    mask
}

/// A channel on its scale. Sums are taken in float64, and numpy's in float32 by halves: they agree to 1e-7 of the sum.
fn normalised(scheme: Scheme, channel: ArrayView3<'_, f32>, mask: Option<&Array3<bool>>) -> Array3<f32> {
    match scheme {
        Scheme::None => channel.as_standard_layout().into_owned(),
        Scheme::RgbTo01 => channel.mapv(|v| v / 255.0),
        Scheme::RescaleTo01 => {
            let least = channel.iter().copied().fold(f32::INFINITY, f32::min);
            let most = channel.iter().fold(0f32, |most, v| most.max(v - least)).max(LEAST);
            channel.mapv(|v| (v - least) / most)
        }
        Scheme::Ct { low, high, mean, deviation } => {
            let (low, high, mean, deviation) = (low as f32, high as f32, mean as f32, deviation.max(f64::from(LEAST)) as f32);
            channel.mapv(|v| (v.max(low).min(high) - mean) / deviation)
        }
        Scheme::ZScore { masked } => {
            let mask = mask.filter(|_| masked);
            let inside = || channel.iter().zip(mask.into_iter().flatten().copied().chain(std::iter::repeat(mask.is_none())));
            let numbers = || inside().filter(|(_, kept)| *kept).map(|(v, _)| f64::from(*v));
            let count = numbers().count().max(1) as f64;
            let mean = numbers().sum::<f64>() / count;
            let deviation = (numbers().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count).sqrt();
            let (mean, deviation) = (mean as f32, (deviation as f32).max(LEAST));
            let mut out = channel.as_standard_layout().into_owned();
            match mask {
                None => out.mapv_inplace(|v| (v - mean) / deviation),
                Some(mask) => out.zip_mut_with(mask, |v, kept| {
                    if *kept {
                        *v = (*v - mean) / deviation;
                    }
                }),
            }
            out
        }
    }
}
