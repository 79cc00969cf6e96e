//! Distances between the surfaces of two masks, in mm: Hausdorff, its 95th percentile, their average, surface Dice.
//!
//! May use `volume` (the distance transform) and `surfel`, `extent` beside it.
//!
//! Published figures follow three conventions, and all are here by the name of the tool that they come from; see [`SurfaceConvention`].
//! [`SurfaceConvention::DeepMind`] is the default: it weighs each piece of surface by its area, so that a figure means the same on a grid of
//! 1x1x1 mm as on one of 1x1x5 mm, and it is what the brain tumour challenges use. Counting voxels gives a slanted surface and the side
//! that is cut finely more weight than they have.

use ndarray::{Array3, ArrayView3, Zip};
use serde::Serialize;

use super::extent::Extent;
use super::surfel;
use crate::volume::distance;

/// How surfaces are sampled and distances are brought together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SurfaceConvention {
    /// As the package surface-distance: a surface lies between the voxels, its elements weigh as much as their area in mm².
    /// HD95 is the larger of the two directed percentiles; the percentile is the least distance within which 95% of the area lies.
    #[default]
    DeepMind,
    /// As MONAI: the surface is the mask's voxels with a neighbour outside across a face, each counts once. HD95 is the larger of the two
    /// directed percentiles, interpolated linearly; the average is over the distances of both directions together.
    Monai,
    /// As MedPy (0.5): voxels as in MONAI. HD95 is the percentile of the distances of both directions together. MedPy has no surface Dice;
    /// here it is MONAI's.
    MedPy,
}

/// A piece of one surface.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Element {
    /// To the other surface, mm.
    distance: f64,
    /// Area in mm², or 1 for a voxel.
    weight: f64,
}

/// The surfaces of two masks, measured against each other.
#[derive(Clone, Debug)]
pub struct Surfaces {
    /// Elements of the prediction's surface and of the reference's, by distance.
    sides: [Vec<Element>; 2],
    convention: SurfaceConvention,
}

impl Surfaces {
    /// Measures two masks `[D, H, W]` of one shape, neither of them empty; `spacing` in mm along the same axes. None if one is empty.
    pub fn measure(
        prediction: ArrayView3<'_, bool>,
        reference: ArrayView3<'_, bool>,
        spacing: [f64; 3],
        convention: SurfaceConvention,
    ) -> Option<Self> {
        // Distances run between surfaces, and these lie within the box of both masks: what is outside changes nothing.
        let around = Extent::of(prediction).joined(Extent::of(reference));
        let (p, r) = (around.cut(prediction), around.cut(reference));
        if !p.iter().any(|v| *v) || !r.iter().any(|v| *v) {
            return None;
        }
        let weights = match convention {
            SurfaceConvention::DeepMind => [p, r].map(|m| between(m, &surfel::areas(spacing))),
            SurfaceConvention::Monai | SurfaceConvention::MedPy => [p, r].map(shell),
        };
        let [p, r] = &weights;
        let side = |own: &Array3<f64>, other: &Array3<f64>| {
            let other = distance(other.mapv(|w| w > 0.0).view(), spacing);
            let mut all: Vec<Element> = vec![];
            Zip::from(own).and(&other).for_each(|w, d| {
                if *w > 0.0 {
                    all.push(Element { distance: *d, weight: *w });
                }
            });
            all.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.weight.total_cmp(&b.weight)));
            all
        };
        let (own, other) = rayon::join(|| side(p, r), || side(r, p));
        Some(Self { sides: [own, other], convention })
    }

    /// The greatest distance from a point of either surface to the other, in mm.
    pub fn hausdorff(&self) -> f64 {
        self.sides.iter().filter_map(|s| s.last()).map(|e| e.distance).fold(0.0, f64::max)
    }

    /// The Hausdorff distance without the farthest `100 - percent` per cent, in mm: 95 for HD95.
    pub fn percentile(&self, percent: f64) -> f64 {
        let share = percent / 100.0;
        match self.convention {
            SurfaceConvention::DeepMind => self.sides.iter().map(|s| within(s, share)).fold(0.0, f64::max),
            SurfaceConvention::Monai => self.sides.iter().map(|s| interpolated(s, share)).fold(0.0, f64::max),
            SurfaceConvention::MedPy => {
                let mut pooled = self.sides.concat();
                pooled.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance));
                interpolated(&pooled, share)
            }
        }
    }

    /// The average symmetric surface distance, in mm: the mean over both surfaces together.
    pub fn average(&self) -> f64 {
        let all = || self.sides.iter().flatten();
        all().map(|e| e.distance * e.weight).sum::<f64>() / all().map(|e| e.weight).sum::<f64>()
    }

    /// Surface Dice (normalised surface distance): the share of both surfaces that lies within `tolerance` mm of the other.
    pub fn dice(&self, tolerance: f64) -> f64 {
        let all = || self.sides.iter().flatten();
        all().filter(|e| e.distance <= tolerance).map(|e| e.weight).sum::<f64>() / all().map(|e| e.weight).sum::<f64>()
    }
}

/// The least distance within which `share` of the weight lies.
fn within(side: &[Element], share: f64) -> f64 {
    let whole: f64 = side.iter().map(|e| e.weight).sum();
    let mut so_far = 0.0;
    let reached = side.iter().find(|e| {
        so_far += e.weight;
        so_far / whole >= share
    });
    reached.or(side.last()).map_or(0.0, |e| e.distance)
}

/// The percentile between the two nearest ranks, each element counted once.
fn interpolated(side: &[Element], share: f64) -> f64 {
    let at = share * side.len().saturating_sub(1) as f64;
    let (low, high) = (side.get(at.floor() as usize), side.get(at.ceil() as usize));
    low.zip(high).map_or(0.0, |(l, h)| l.distance + (h.distance - l.distance) * at.fract())
}

/// The area of the surface through each cube of eight voxels; the cube (d, h, w) ends at that voxel, so there is one more than voxels
/// along each axis, and what lies beyond the mask is outside.
fn between(mask: ArrayView3<'_, bool>, areas: &[f64; 256]) -> Array3<f64> {
    let (d, h, w) = mask.dim();
    let mut codes = Array3::<u8>::zeros((d + 1, h + 1, w + 1));
    for corner in 0..8usize {
        let (a, b, c) = (corner >> 2 & 1, corner >> 1 & 1, corner & 1);
        // The corner (a, b, c) of a cube is the voxel before it for 0, and its own for 1.
        let mut part = codes.slice_mut(ndarray::s![1 - a..d + 1 - a, 1 - b..h + 1 - b, 1 - c..w + 1 - c]);
        Zip::from(&mut part).and(mask).for_each(|code, inside| *code |= u8::from(*inside) << corner);
    }
    codes.mapv(|code| areas[usize::from(code)])
}

/// 1 for each voxel of the mask that has a neighbour outside across a face; what lies beyond the array is outside.
fn shell(mask: ArrayView3<'_, bool>) -> Array3<f64> {
    let (d, h, w) = mask.dim();
    Array3::from_shape_fn((d, h, w), |(a, b, c)| {
        let inner = || {
            (1..d.saturating_sub(1)).contains(&a)
                && (1..h.saturating_sub(1)).contains(&b)
                && (1..w.saturating_sub(1)).contains(&c)
                && mask[[a - 1, b, c]]
                && mask[[a + 1, b, c]]
                && mask[[a, b - 1, c]]
                && mask[[a, b + 1, c]]
                && mask[[a, b, c - 1]]
                && mask[[a, b, c + 1]]
        };
        if mask[[a, b, c]] && !inner() { 1.0 } else { 0.0 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(size: [usize; 3], from: [usize; 3], to: [usize; 3]) -> Array3<bool> {
        Array3::from_shape_fn(size, |(d, h, w)| [d, h, w].iter().zip(from.iter().zip(to)).all(|(n, (f, t))| (*f..t).contains(n)))
    }

    #[test]
    fn a_mask_is_nowhere_from_itself() {
        let m = block([9, 9, 9], [2, 3, 4], [5, 7, 9]);
        for convention in [SurfaceConvention::DeepMind, SurfaceConvention::Monai, SurfaceConvention::MedPy] {
            let s = Surfaces::measure(m.view(), m.view(), [1.0, 2.0, 3.0], convention).unwrap();
            assert_eq!((s.hausdorff(), s.percentile(95.0), s.average(), s.dice(0.0)), (0.0, 0.0, 0.0, 1.0));
        }
    }

    #[test]
    fn a_shift_is_as_far_as_its_step() {
        let (a, b) = (block([12, 8, 8], [2, 2, 2], [6, 6, 6]), block([12, 8, 8], [4, 2, 2], [8, 6, 6]));
        for convention in [SurfaceConvention::DeepMind, SurfaceConvention::Monai, SurfaceConvention::MedPy] {
            let s = Surfaces::measure(a.view(), b.view(), [2.5, 1.0, 1.0], convention).unwrap();
            assert_eq!(s.hausdorff(), 5.0, "{convention:?}");
            assert!(s.average() > 0.0 && s.average() < 5.0);
            assert_eq!(s.dice(5.0), 1.0);
            assert!(s.dice(1.0) < 1.0);
        }
    }

    #[test]
    fn an_empty_mask_has_no_surface() {
        let (m, none) = (block([4, 4, 4], [1, 1, 1], [3, 3, 3]), block([4, 4, 4], [0; 3], [0; 3]));
        assert!(Surfaces::measure(m.view(), none.view(), [1.0; 3], SurfaceConvention::DeepMind).is_none());
        assert!(Surfaces::measure(none.view(), m.view(), [1.0; 3], SurfaceConvention::Monai).is_none());
        assert!(Surfaces::measure(none.view(), none.view(), [1.0; 3], SurfaceConvention::MedPy).is_none());
    }

    #[test]
    fn percentiles_by_hand() {
        let side = [(0.0, 1.0), (1.0, 1.0), (2.0, 2.0), (7.0, 1.0)].map(|(distance, weight)| Element { distance, weight });
        assert_eq!([0.2, 0.4, 0.41, 0.8, 0.81, 1.0].map(|s| within(&side, s)), [0.0, 1.0, 2.0, 2.0, 7.0, 7.0]);
        assert_eq!([0.0, 0.5, 0.75, 1.0].map(|s| interpolated(&side, s)), [0.0, 1.5, 3.25, 7.0]);
    }

    #[test]
    fn the_surface_of_a_block_at_the_edge_of_the_array_is_closed() {
        let m = block([4, 5, 6], [0; 3], [4, 5, 6]);
        let spacing = [3.0, 2.0, 1.0];
        let whole: f64 = between(m.view(), &surfel::areas(spacing)).sum();
        // Six faces, less what the cut edges and corners take off.
        let faces = 2.0 * (5.0 * 2.0 * 6.0 + 4.0 * 3.0 * 6.0 + 4.0 * 3.0 * 5.0 * 2.0);
        assert!(whole < faces && whole > 0.8 * faces, "{whole} {faces}");
        assert_eq!(shell(m.view()).sum(), 120.0 - 2.0 * 3.0 * 4.0);
    }
}
