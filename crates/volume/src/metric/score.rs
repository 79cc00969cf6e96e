//! Every figure of one region in one case, and what each figure means.
//!
//! May use `overlap`, `surface`, `lesion`, `region`, `extent` beside it.
//!
//! No case is ever dropped. Where a region is in neither map every share is 1 and every distance, volume and error is 0: nothing was to be
//! found and nothing was. Where it is in one map only every share is 0, and there is no distance: it counts as the diagonal of the image in
//! mm, farther than any that can be measured (373.13 mm on the brain tumour challenge's 240x240x155 at 1 mm).
//!
//! The tools differ here, so their means cannot be compared with ours where masks are empty: surface-distance gives infinity or NaN; MONAI
//! gives infinity or NaN for distances and NaN for Dice, and its means leave such cases out, so that a network that finds less may score
//! better; MedPy refuses.

use ndarray::Array3;
use serde::Serialize;

use super::extent::Extent;
use super::lesion::{LesionRule, Lesions};
use super::overlap::Counts;
use super::region::Region;
use super::surface::{Convention, Surfaces};

/// How to score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Settings {
    pub convention: Convention,
    /// Surface Dice counts what lies within this of the other surface, mm.
    pub tolerance: f64,
    /// Lesion-wise figures are made if this is given.
    pub lesions: Option<LesionRule>,
}

/// In which of the two maps a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    Both,
    Neither,
    PredictionOnly,
    ReferenceOnly,
}

/// The figures of one region in one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    pub presence: Presence,
    #[serde(flatten)]
    pub counts: Counts,
    pub dice: f64,
    pub iou: f64,
    pub precision: f64,
    pub recall: f64,
    pub surface_dice: f64,
    pub hd95_mm: f64,
    pub hausdorff_mm: f64,
    pub assd_mm: f64,
    pub prediction_ml: f64,
    pub reference_ml: f64,
    /// Prediction less reference, ml.
    pub volume_difference_ml: f64,
    /// |prediction - reference| / reference; 1 where only the prediction has the region.
    pub relative_volume_error: f64,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub lesions: Option<Lesions>,
}

impl Scores {
    /// The scores of a region that is in neither map.
    pub fn of_nothing(settings: &Settings) -> Self {
        Self::new(Counts::default(), [1.0; 3], None, 0.0, settings, settings.lesions.map(|_| Lesions::of_nothing()))
    }

    fn new(
        counts: Counts,
        spacing: [f64; 3],
        surfaces: Option<Surfaces>,
        diagonal: f64,
        settings: &Settings,
        lesions: Option<Lesions>,
    ) -> Self {
        let presence = match (counts.predicted() > 0, counts.reference() > 0) {
            (true, true) => Presence::Both,
            (false, false) => Presence::Neither,
            (true, false) => Presence::PredictionOnly,
            (false, true) => Presence::ReferenceOnly,
        };
        let empty = presence == Presence::Neither;
        let (share, far) = if empty { (1.0, 0.0) } else { (0.0, diagonal) };
        let mm = |of: fn(&Surfaces) -> f64| surfaces.as_ref().map_or(far, of);
        let ml = spacing.iter().product::<f64>() / 1000.0;
        let (p, r) = (counts.predicted() as f64 * ml, counts.reference() as f64 * ml);
        Self {
            presence,
            counts,
            dice: counts.dice(),
            iou: counts.iou(),
            precision: counts.precision(),
            recall: counts.recall(),
            surface_dice: surfaces.as_ref().map_or(share, |s| s.dice(settings.tolerance)),
            hd95_mm: mm(|s| s.percentile(95.0)),
            hausdorff_mm: mm(Surfaces::hausdorff),
            assd_mm: mm(Surfaces::average),
            prediction_ml: p,
            reference_ml: r,
            volume_difference_ml: p - r,
            relative_volume_error: match presence {
                Presence::Neither => 0.0,
                Presence::PredictionOnly => 1.0,
                _ => (p - r).abs() / r,
            },
            lesions,
        }
    }
}

/// Two label maps of one shape, counted: what is where.
pub struct Pair<'a> {
    prediction: &'a Array3<u8>,
    reference: &'a Array3<u8>,
    spacing: [f64; 3],
    /// Voxels by the pair of labels: `256 * prediction + reference`.
    joint: Vec<u64>,
    extents: Vec<Extent>,
}

impl<'a> Pair<'a> {
    /// Counts two label maps `[D, H, W]`; `spacing` in mm along the same axes. None when their shapes differ.
    pub fn new(prediction: &'a Array3<u8>, reference: &'a Array3<u8>, spacing: [f64; 3]) -> Option<Self> {
        if prediction.dim() != reference.dim() {
            return None;
        }
        let mut joint = vec![0u64; 1 << 16];
        let mut extents = vec![Extent::default(); 256];
        let (_, h, w) = prediction.dim();
        let (p, r) = (prediction.as_standard_layout(), reference.as_standard_layout());
        let rows = [&p, &r].map(|m| m.as_slice().unwrap_or_default().chunks(w.max(1)));
        let [p, r] = rows;
        for (row, (p, r)) in p.zip(r).enumerate() {
            // Most rows of most images are background: one test for all of it.
            if p.iter().zip(r).fold(0, |any, (p, r)| any | p | r) == 0 {
                joint[0] += p.len() as u64;
                continue;
            }
            for (w, (p, r)) in p.iter().zip(r).enumerate() {
                joint[usize::from(*p) << 8 | usize::from(*r)] += 1;
                for label in [*p, *r].into_iter().filter(|l| *l != 0) {
                    let extent = &mut extents[usize::from(label)];
                    *extent = extent.joined(Extent::voxel([row / h, row % h, w]));
                }
            }
        }
        Some(Self { prediction, reference, spacing, joint, extents })
    }

    /// Which label values occur in either map, 0 among them.
    pub fn used(&self) -> [bool; 256] {
        std::array::from_fn(|v| (0..256).any(|o| self.joint[v << 8 | o] + self.joint[o << 8 | v] > 0))
    }

    /// Voxels of a region.
    pub fn counts(&self, region: &Region) -> Counts {
        let member = region.members();
        let mut counts = Counts::default();
        for (labels, n) in self.joint.iter().enumerate().filter(|(_, n)| **n > 0) {
            match (member[labels >> 8], member[labels & 255]) {
                (true, true) => counts.true_positives += n,
                (true, false) => counts.false_positives += n,
                (false, true) => counts.false_negatives += n,
                (false, false) => {}
            }
        }
        counts
    }

    /// Every figure of a region.
    pub fn score(&self, region: &Region, settings: &Settings) -> Scores {
        let counts = self.counts(region);
        if counts.is_empty() {
            return Scores::of_nothing(settings);
        }
        let size: [usize; 3] = self.reference.dim().into();
        let diagonal = size.iter().zip(self.spacing).map(|(n, s)| (*n as f64 * s).powi(2)).sum::<f64>().sqrt();
        let margin = settings.lesions.map_or(0, |rule| rule.dilation);
        let around = region.values.iter().fold(Extent::default(), |e, v| e.joined(self.extents[usize::from(*v)])).grown(margin, size);
        let member = region.members();
        let mask = |map: &Array3<u8>| around.cut(map.view()).mapv(|v| member[usize::from(v)]);
        let (p, r) = (mask(self.prediction), mask(self.reference));
        let surfaces = Surfaces::measure(p.view(), r.view(), self.spacing, settings.convention);
        let lesions = settings.lesions.map(|rule| Lesions::of(p.view(), r.view(), self.spacing, rule, settings.convention, diagonal));
        Scores::new(counts, self.spacing, surfaces, diagonal, settings, lesions)
    }
}

/// Of two rows of voxels the counts of the labels 0 to `classes - 1`, for tests by hand.
#[cfg(test)]
pub(super) fn counted(prediction: &[u8], reference: &[u8], classes: u8) -> Vec<Counts> {
    let [p, r] = [prediction, reference].map(|row| Array3::from_shape_vec((1, 1, row.len()), row.to_vec()).expect("a row"));
    let pair = Pair::new(&p, &r, [1.0; 3]).expect("rows of one length");
    (0..classes).map(|c| pair.counts(&Region::label(c))).collect()
}
