//! What preprocessing loses of a case: labels that cropping cuts off or a coarser spacing drops, channels that become constant.
//!
//! May use `text`, `volume`, and `dataset`, `load`, `preprocess` beside it.

use ndarray::{Array3, ArrayView3};
use serde::{Deserialize, Serialize};

use super::dataset::Description;
use super::load::MatchedCase;
use super::preprocess::{Extent, Preprocess};
use crate::text::{Code, Diagnostic, printable};
use crate::volume::{Grid, IntensityScale, LabelInterpolation, Normalise, resample_labels};

/// A class that keeps less of its volume than this is worth a warning.
const SHRUNK: f64 = 0.5;

/// A class that is in the label file of a case and on its prepared grid no more: whatever is predicted there, it is missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostClass {
    /// Its place in the list of labels.
    pub class: u8,
    /// Its voxels in the file.
    pub voxels: u64,
}

/// Where a case lies before and after: the part of it that is kept, that part's grid, and the grid that it is brought to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub extent: Extent,
    pub own: Grid,
    pub onto: Option<Grid>,
}

impl Frame {
    /// Of channels on a grid, both in the network's axis order.
    ///
    /// # Errors
    /// E0702 when the wanted spacing makes too many voxels.
    pub fn new(channels: &[ArrayView3<'_, f32>], grid: &Grid, by: &Preprocess) -> Result<Self, Diagnostic> {
        let extent = by.extent(channels);
        let own = extent.grid(grid);
        Ok(Self { extent, own, onto: by.grid(&own)? })
    }

    /// The grid of what is prepared.
    pub fn grid(&self) -> Grid {
        self.onto.unwrap_or(self.own)
    }

    /// The prepared label.
    pub fn label(&self, whole: ArrayView3<'_, u8>) -> Array3<u8> {
        let label = self.extent.seen(whole);
        match &self.onto {
            Some(onto) => resample_labels(label, &self.own, onto, LabelInterpolation::Linear),
            None => label.to_owned(),
        }
    }
}

/// What is lost and what is to be said of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    pub lost: Vec<LostClass>,
    pub warnings: Vec<Diagnostic>,
}

impl Taken {
    /// Of a case, its kept channels with their scales, and its prepared label.
    pub fn of(
        id: &str,
        case: &MatchedCase,
        (frame, label): (&Frame, &Array3<u8>),
        (seen, scales): (&[ArrayView3<'_, f32>], &[IntensityScale]),
        (by, about): (&Preprocess, &Description),
    ) -> Self {
        let mut taken = Self::default();
        taken.classes(id, case, frame, label, about);
        for (((whole, seen), scale), name) in case.image.data.outer_iter().zip(seen).zip(scales).zip(&about.modalities) {
            if let Some(why) = flat(whole, *seen, scale, by.normalise) {
                taken.say(id, Code::E0702, format!("flat {name} {:?}", why.1), format!("the channel {} {}", printable(name), why.0), why.1);
            }
        }
        taken
    }

    fn classes(&mut self, id: &str, case: &MatchedCase, frame: &Frame, label: &Array3<u8>, about: &Description) {
        let count = |all: ArrayView3<'_, u8>| {
            let mut counts = [0u64; 256];
            all.iter().for_each(|l| counts[usize::from(*l)] += 1);
            counts
        };
        let file = count(case.label.view());
        let cut = if frame.extent == Extent::whole(case.label.dim().into()) { file } else { count(frame.extent.seen(case.label.view())) };
        let made = if frame.onto.is_some() { count(label.view()) } else { cut };
        let voxel = |grid: &Grid| grid.spacing().iter().product::<f64>();
        let spacing = frame.grid().spacing().map(|s| ((s * 1e3).round() / 1e3).to_string()).join(" x ");
        for (class, (value, name)) in (0..=u8::MAX).zip(&about.labels).skip(1) {
            let at = usize::from(class);
            let (file, cut, made) = (file[at], cut[at], made[at]);
            let who = format!("class {value} ({})", printable(name));
            if file > 0 && made == 0 {
                self.lost.push(LostClass { class, voxels: file });
            }
            if cut < file {
                let what = if cut == 0 { format!("all {file} voxels") } else { format!("{} of {file} voxels", file - cut) };
                let help = "they lie where the image is 0 in all channels: are image and label of one case? `crop: false` keeps them";
                self.say(id, Code::E0704, format!("cropped {value}"), format!("cropping cuts off {what} of {who}"), help);
            }
            let left = made as f64 * voxel(&frame.grid()) / (cut as f64 * voxel(&frame.own)).max(f64::MIN_POSITIVE);
            if cut > 0 && made == 0 {
                let voxels = if cut == 1 { "voxel" } else { "voxels" };
                let help = "a finer `spacing` keeps it; in validation it counts as missed";
                self.say(id, Code::E0704, format!("lost {value}"), format!("{who} has {cut} {voxels} and none at {spacing} mm"), help);
            } else if cut > 0 && left < SHRUNK {
                let message = format!("{who} keeps {:.0} % of its volume at {spacing} mm ({made} of {cut} voxels)", 100.0 * left);
                self.say(id, Code::E0704, format!("shrunk {value}"), message, "a finer `spacing` keeps more of it");
            }
        }
    }

    fn say(&mut self, id: &str, code: Code, kind: String, what: String, help: &str) {
        self.warnings.push(Diagnostic::warning(code, format!("case `{id}`: {what}")).help(help).of(id, kind));
    }
}

/// Why there is one number in all of a channel, in the file or on the network's scale, and the remedy; none where there are several.
fn flat(whole: ArrayView3<'_, f32>, seen: ArrayView3<'_, f32>, scale: &IntensityScale, by: Normalise) -> Option<(String, &'static str)> {
    let range = |all: ArrayView3<'_, f32>| all.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    let (low, high) = range(whole);
    if low == high {
        return Some((format!("is {low} everywhere"), "is it the right file? A network learns nothing from it"));
    }
    let (low, high) = range(seen);
    if !scale.is_flat(low, high) {
        return None;
    }
    let why = match by {
        Normalise::Percentiles { low, high } => format!("its percentiles {low} and {high} are one number"),
        Normalise::Window { low: from, high: to, .. } => format!("the window {from} to {to} has none of its intensities, {low} to {high}"),
        Normalise::ZScore => "its intensities differ by rounding only".to_owned(),
        Normalise::ZScoreNonZero => "all of it that is not 0 is one number".to_owned(),
    };
    Some((format!("is one number everywhere after normalisation: {why}"), "choose another `normalise`; a network learns nothing from it"))
}
