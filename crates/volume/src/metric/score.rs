//! Every figure of one region in one case, and what each figure means.
//!
//! May use `overlap`, `surface`, `lesion`, `region`, `extent` beside it.
//!
//! Where a region is in neither map there is nothing to score, and the case has no part in the region's means ([`Empty::Absent`]). Where
//! it is in one map only every share is 0, and there is no distance: it counts as the diagonal of the image in mm, farther than any that
//! can be measured (373.13 mm on the brain tumour challenge's 240x240x155 at 1 mm).
//!
//! The tools differ here: nnU-Net leaves out what is in neither map, as this does; the brain tumour challenge gives it Dice 1 and HD95 0
//! ([`Empty::One`]). Where a region is in one map only, surface-distance and MONAI give infinity or NaN for distances, and MONAI's means
//! leave such cases out, so that a network that finds less may score better; MedPy refuses.

use ndarray::Array3;
use serde::Serialize;

use super::extent::Extent;
use super::lesion::{LesionRule, Lesions};
use super::numbering::PerValue;
use super::overlap::Counts;
use super::region::Region;
use super::surface::{SurfaceConvention, Surfaces};

/// How to score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Settings {
    pub convention: SurfaceConvention,
    /// Surface Dice counts what lies within this of the other surface, mm.
    pub tolerance: f64,
    /// Lesion-wise figures are made if this is given.
    pub lesions: Option<LesionRule>,
    pub empty: Empty,
}

/// What a case has of a region that is in neither map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Empty {
    /// No score, and no part in a mean; as nnU-Net.
    #[default]
    Absent,
    /// Shares of 1, distances and errors of 0; as the brain tumour challenge.
    One,
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

/// The figures of one region in one case; none (null in JSON) where there is nothing to score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    pub presence: Presence,
    #[serde(flatten)]
    pub counts: Counts,
    pub dice: Option<f64>,
    pub iou: Option<f64>,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub surface_dice: Option<f64>,
    pub hd95_mm: Option<f64>,
    pub hausdorff_mm: Option<f64>,
    pub assd_mm: Option<f64>,
    pub prediction_ml: f64,
    pub reference_ml: f64,
    /// Prediction less reference, ml.
    pub volume_difference_ml: Option<f64>,
    /// |prediction - reference| / reference; 1 where only the prediction has the region.
    pub relative_volume_error: Option<f64>,
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
        let (share, far) = match (presence, settings.empty) {
            (Presence::Neither, Empty::Absent) => (None, None),
            (Presence::Neither, Empty::One) => (Some(1.0), Some(0.0)),
            _ => (Some(0.0), Some(diagonal)),
        };
        let mm = |of: fn(&Surfaces) -> f64| surfaces.as_ref().map(of).or(far);
        let ml = spacing.iter().product::<f64>() / 1000.0;
        let (p, r) = (counts.predicted() as f64 * ml, counts.reference() as f64 * ml);
        Self {
            presence,
            counts,
            dice: counts.dice().or(share),
            iou: counts.iou().or(share),
            precision: counts.precision().or(share),
            recall: counts.recall().or(share),
            surface_dice: surfaces.as_ref().map(|s| s.dice(settings.tolerance)).or(share),
            hd95_mm: mm(|s| s.percentile(95.0)),
            hausdorff_mm: mm(Surfaces::hausdorff),
            assd_mm: mm(Surfaces::average),
            prediction_ml: p,
            reference_ml: r,
            volume_difference_ml: share.map(|_| p - r),
            relative_volume_error: match presence {
                Presence::Neither => far,
                Presence::PredictionOnly => Some(1.0),
                _ => Some((p - r).abs() / r),
            },
            lesions: lesions.map(|l| if settings.empty == Empty::One { l.or_perfect() } else { l }),
        }
    }
}

/// Two label maps of one shape, counted: what is where.
pub struct LabelPair<'a> {
    /// The label value of each place in the maps.
    values: Vec<u32>,
    prediction: &'a Array3<u8>,
    reference: &'a Array3<u8>,
    spacing: [f64; 3],
    /// Voxels by the pair of labels: `256 * prediction + reference`.
    joint: Vec<u64>,
    extents: Vec<Extent>,
}

impl<'a> LabelPair<'a> {
    /// Counts two label maps `[D, H, W]`, whose bytes are label values unless [`LabelPair::of_values`] says otherwise; `spacing` in mm along the same
    /// axes. None when their shapes differ.
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
        Some(Self { values: (0..=255).collect(), prediction, reference, spacing, joint, extents })
    }

    /// The same of maps whose bytes are places in a list of label values, the first of which is 0.
    pub fn of_values(self, values: &[u32]) -> Self {
        Self { values: values.to_vec(), ..self }
    }

    /// Voxels of each label value that there is in the prediction and in the reference, 0 among them.
    pub fn voxels(&self) -> [PerValue; 2] {
        let mut all = [PerValue::new(), PerValue::new()];
        for (labels, n) in self.joint.iter().enumerate().filter(|(_, n)| **n > 0) {
            for (of, place) in all.iter_mut().zip([labels >> 8, labels & 255]) {
                if let Some(value) = self.values.get(place) {
                    *of.entry(*value).or_default() += n;
                }
            }
        }
        all
    }

    /// Voxels of a region.
    pub fn counts(&self, region: &Region) -> Counts {
        let member = region.members(&self.values);
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
        let member = region.members(&self.values);
        let parts = self.extents.iter().zip(member).filter(|(_, member)| *member);
        let around = parts.fold(Extent::default(), |e, (own, _)| e.joined(*own)).grown(margin, size);
        let mask = |map: &Array3<u8>| around.cut(map.view()).mapv(|v| member[usize::from(v)]);
        let (p, r) = (mask(self.prediction), mask(self.reference));
        let surfaces = Surfaces::measure(p.view(), r.view(), self.spacing, settings.convention);
        let lesions = settings.lesions.map(|rule| Lesions::of(p.view(), r.view(), self.spacing, rule, settings.convention, diagonal));
        Scores::new(counts, self.spacing, surfaces, diagonal, settings, lesions)
    }
}

/// Of two rows of voxels the counts of the labels 0 to `classes - 1`, for tests by hand.
#[cfg(test)]
pub(super) fn counted(prediction: &[u8], reference: &[u8], classes: u32) -> Vec<Counts> {
    let [p, r] = [prediction, reference].map(|row| Array3::from_shape_vec((1, 1, row.len()), row.to_vec()).expect("a row"));
    let pair = LabelPair::new(&p, &r, [1.0; 3]).expect("rows of one length");
    (0..classes).map(|c| pair.counts(&Region::label(c))).collect()
}
