//! Lesion by lesion, as the brain tumour challenge of 2023 scores: a large lesion cannot hide the small ones that were missed.
//!
//! May use `volume` (components), `surface`, `extent` beside it.
//!
//! 1. Lesions of the reference are its components over faces, edges and corners (26 neighbours); those whose dilations touch are one.
//!    A dilation step adds the neighbours over faces and edges (18).
//! 2. A component of the prediction (26 neighbours) belongs to every lesion whose dilation it meets. A lesion that none belongs to is
//!    missed, a component that belongs to none is false.
//! 3. A found lesion has the Dice and HD95 of itself against all components that belong to it, whole. A missed lesion and a false
//!    component have Dice 0 and the image's diagonal for HD95.
//! 4. The case has the mean over lesions and false components. Without any it has none.
//!
//! The challenge takes 3 steps for gliomas (1 for metastases and meningiomas) and leaves out lesions of up to 50 mm³ (2 for metastases); it
//! puts 374 mm where this puts the diagonal (373.13 mm on its grid). False components of any size count, there and here.

use std::collections::BTreeSet;

use ndarray::{Array3, ArrayView3, Zip};
use serde::Serialize;

use super::extent::Extent;
use super::surface::{SurfaceConvention, Surfaces};
use crate::volume::{Neighbours, components};

/// What is a lesion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LesionRule {
    /// Steps by which the reference's lesions are dilated.
    pub dilation: usize,
    /// Lesions of the reference of up to this volume are not scored, mm³.
    pub smallest: f64,
}

/// The lesion-wise figures of one region in one case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lesions {
    /// Lesions of the reference that were found, and missed.
    pub lesions_found: u64,
    pub lesions_missed: u64,
    /// Components of the prediction that belong to no lesion.
    pub lesions_false: u64,
    /// None where there is no lesion and no false component; so are the others.
    pub lesion_dice: Option<f64>,
    pub lesion_hd95_mm: Option<f64>,
    /// 2 found / (2 found + missed + false).
    pub lesion_f1: Option<f64>,
}

/// One lesion of the reference.
#[derive(Clone, Default)]
struct Lesion {
    voxels: u64,
    /// Voxels that are predicted.
    met: u64,
    /// Components of the prediction.
    parts: BTreeSet<u32>,
    extent: Extent,
}

impl Lesions {
    /// The figures where there is nothing and nothing was predicted.
    pub fn of_nothing() -> Self {
        Self::brought_together(0, 0, 0, 0.0, 0.0)
    }

    /// Scores two masks `[D, H, W]` of one shape; `spacing` in mm along the same axes. `far` (mm) stands where there is no distance.
    pub fn of(
        prediction: ArrayView3<'_, bool>,
        reference: ArrayView3<'_, bool>,
        spacing: [f64; 3],
        rule: LesionRule,
        convention: SurfaceConvention,
        far: f64,
    ) -> Self {
        let touching = |mask: ArrayView3<'_, bool>| {
            let found = components(mask.mapv(u8::from).view(), Neighbours::Corners);
            (found.map, found.all.len())
        };
        let (parts, part_count) = touching(prediction);
        // A component of the dilated mask is the dilation of the lesions in it: a step leads only to what touches.
        let (zones, count) = touching(dilated(reference, rule.dilation).view());
        let mut lesions = vec![Lesion::default(); count + 1];
        let mut sizes = vec![(0u64, Extent::default(), false); part_count + 1];
        for (at, zone) in zones.indexed_iter() {
            let (d, h, w) = at;
            let part = parts[at];
            let lesion = &mut lesions[*zone as usize];
            if part > 0 {
                let size = &mut sizes[part as usize];
                *size = (size.0 + 1, size.1.joined(Extent::voxel([d, h, w])), size.2 || *zone > 0);
                if *zone > 0 {
                    lesion.parts.insert(part);
                }
            }
            if reference[at] {
                lesion.voxels += 1;
                lesion.met += u64::from(part > 0);
                lesion.extent = lesion.extent.joined(Extent::voxel([d, h, w]));
            }
        }
        let volume = spacing.iter().product::<f64>();
        let (mut found, mut missed, mut dice, mut hd95) = (0, 0, 0.0, 0.0);
        for (zone, lesion) in lesions.iter().enumerate().skip(1).filter(|(_, l)| l.voxels as f64 * volume > rule.smallest) {
            if lesion.parts.is_empty() {
                missed += 1;
                hd95 += far;
                continue;
            }
            found += 1;
            let predicted: u64 = lesion.parts.iter().map(|p| sizes[*p as usize].0).sum();
            dice += 2.0 * lesion.met as f64 / (lesion.voxels + predicted) as f64;
            let around = lesion.parts.iter().fold(lesion.extent, |e, p| e.joined(sizes[*p as usize].1));
            let own = Zip::from(around.cut(zones.view())).and(around.cut(reference)).map_collect(|z, r| *r && *z as usize == zone);
            let theirs = around.cut(parts.view()).mapv(|p| lesion.parts.contains(&p));
            let surfaces = Surfaces::measure(theirs.view(), own.view(), spacing, convention);
            hd95 += surfaces.map_or(far, |s| s.percentile(95.0));
        }
        let wrong = sizes.iter().skip(1).filter(|(_, _, met)| !met).count() as u64;
        Self::brought_together(found, missed, wrong, dice, hd95 + wrong as f64 * far)
    }

    /// With perfect figures where there are none.
    pub(super) fn or_perfect(self) -> Self {
        let Self { lesion_dice, lesion_hd95_mm, lesion_f1, .. } = self;
        Self {
            lesion_dice: lesion_dice.or(Some(1.0)),
            lesion_hd95_mm: lesion_hd95_mm.or(Some(0.0)),
            lesion_f1: lesion_f1.or(Some(1.0)),
            ..self
        }
    }

    fn brought_together(found: u64, missed: u64, wrong: u64, dice: f64, hd95: f64) -> Self {
        let all = found + missed + wrong;
        let of_all = |sum: f64| (all > 0).then(|| sum / all as f64);
        Self {
            lesions_found: found,
            lesions_missed: missed,
            lesions_false: wrong,
            lesion_dice: of_all(dice),
            lesion_hd95_mm: of_all(hd95),
            lesion_f1: (all > 0).then(|| 2.0 * found as f64 / (found + all) as f64),
        }
    }
}

/// The mask with the neighbours over faces and edges added, `steps` times.
fn dilated(mask: ArrayView3<'_, bool>, steps: usize) -> Array3<bool> {
    let mut all = mask.to_owned();
    let (d, h, w) = all.dim();
    let mut rim: Vec<(usize, usize, usize)> = mask.indexed_iter().filter(|(_, set)| **set).map(|(at, _)| at).collect();
    for _ in 0..steps {
        let mut next = vec![];
        for (a, b, c) in rim {
            let near = |n: usize, end: usize| n.saturating_sub(1)..(n + 2).min(end);
            for x in near(a, d) {
                for y in near(b, h) {
                    for z in near(c, w) {
                        // Not over corners: at most two of the three coordinates change.
                        if (x != a && y != b && z != c) || all[[x, y, z]] {
                            continue;
                        }
                        all[[x, y, z]] = true;
                        next.push((x, y, z));
                    }
                }
            }
        }
        rim = next;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: LesionRule = LesionRule { dilation: 1, smallest: 0.0 };

    fn spots(at: &[[usize; 3]]) -> Array3<bool> {
        let mut m = Array3::from_elem((12, 12, 12), false);
        at.iter().for_each(|a| m[*a] = true);
        m
    }

    fn scored(p: &[[usize; 3]], r: &[[usize; 3]], rule: LesionRule) -> Lesions {
        Lesions::of(spots(p).view(), spots(r).view(), [1.0; 3], rule, SurfaceConvention::DeepMind, 100.0)
    }

    #[test]
    fn a_step_goes_over_faces_and_edges() {
        assert_eq!(dilated(spots(&[[5, 5, 5]]).view(), 1).iter().filter(|v| **v).count(), 19);
        assert_eq!(dilated(spots(&[[0, 0, 0]]).view(), 1).iter().filter(|v| **v).count(), 7);
        // Two steps: 5x5x5 less what is more than 4 away by coordinates summed.
        assert_eq!(dilated(spots(&[[5, 5, 5]]).view(), 2).iter().filter(|v| **v).count(), 93);
        assert_eq!(dilated(spots(&[[5, 5, 5]]).view(), 0), spots(&[[5, 5, 5]]));
    }

    #[test]
    fn found_missed_and_false() {
        let l = scored(&[[1, 1, 1], [9, 9, 9]], &[[1, 1, 1], [5, 5, 5]], RULE);
        assert_eq!((l.lesions_found, l.lesions_missed, l.lesions_false), (1, 1, 1));
        assert_eq!((l.lesion_dice, l.lesion_hd95_mm, l.lesion_f1), (Some(1.0 / 3.0), Some(200.0 / 3.0), Some(0.5)));
    }

    #[test]
    fn lesions_whose_dilations_touch_are_one_and_a_near_component_belongs() {
        let one = scored(&[], &[[1, 1, 1], [1, 1, 4]], RULE);
        assert_eq!(one.lesions_missed, 1);
        let two = scored(&[], &[[1, 1, 1], [1, 1, 5]], RULE);
        assert_eq!(two.lesions_missed, 2);
        let near = scored(&[[1, 1, 2]], &[[1, 1, 1]], RULE);
        assert_eq!((near.lesions_found, near.lesions_false, near.lesion_dice), (1, 0, Some(0.0)));
        assert_eq!(near.lesion_hd95_mm, Some(1.0));
    }

    #[test]
    fn small_lesions_are_left_out_and_nothing_has_no_score() {
        let l = scored(&[], &[[1, 1, 1]], LesionRule { smallest: 1.0, ..RULE });
        assert_eq!(l, Lesions::of_nothing());
        assert_eq!((l.lesion_dice, l.lesion_hd95_mm, l.lesion_f1), (None, None, None));
        let l = scored(&[[3, 3, 3]], &[], RULE);
        assert_eq!((l.lesions_false, l.lesion_dice, l.lesion_hd95_mm, l.lesion_f1), (1, Some(0.0), Some(100.0), Some(0.0)));
    }
}
