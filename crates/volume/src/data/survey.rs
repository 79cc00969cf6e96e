//! Statistics of each case of a data set: sizes, labels, intensities, and warnings.
//!
//! May use `text`, `volume`, and `dataset`, `load`, `preprocess`, `taken` beside it.

use ndarray::{ArrayView3, ArrayView4, Axis, s};
use rayon::prelude::*;
use serde::Serialize;

use super::dataset::{Dataset, Description};
use super::load::MatchedCase;
use super::preprocess::{Preprocess, channels};
use super::taken::{Frame, Taken};
use crate::text::{Code, Diagnostic, Diagnostics, printable};
use crate::volume::{Grid, Orientation, VoxelSummary};

/// Foreground intensities that are kept of each channel of a case, evenly spread.
const SAMPLED: usize = 10_000;
/// A label that lies outside the image by more than this part of it is worth a warning.
const OUTSIDE: f64 = 0.01;

/// A case as its files have it.
#[derive(Clone, Debug)]
pub struct Survey {
    pub id: String,
    pub subject: String,
    /// What could be seen; `None` where the files cannot be read or do not fit together.
    pub seen: Option<CaseSurvey>,
    /// What is wrong (errors) and what is odd (warnings).
    pub findings: Vec<Diagnostic>,
}

/// Of a case that can be read. Sizes and spacings are along D, H, W of RAS.
#[derive(Clone, Debug)]
pub struct CaseSurvey {
    pub grid: Grid,
    /// The axis order of the first file.
    pub orientation: Orientation,
    /// Without the planes around it that are 0 in all channels.
    pub cropped: [usize; 3],
    /// The part of the cropped voxels that are 0 in all channels.
    pub empty: f64,
    /// Voxels of each class.
    pub classes: Vec<u64>,
    /// Of all voxels of each channel.
    pub channels: Vec<VoxelSummary>,
    /// Foreground intensities of each channel.
    pub sampled: Vec<Vec<f32>>,
    /// Of the image's voxels and their number, whatever the header says; of each channel, and of the label as its file has it.
    pub hash: String,
    pub channel_hashes: Vec<String>,
    pub label_hash: String,
}

impl CaseSurvey {
    /// Whether a channel is one number everywhere.
    pub fn is_flat(&self, channel: usize) -> bool {
        self.channels.get(channel).is_none_or(|c| c.min == c.max)
    }
}

/// What `--json` says of a case.
#[derive(Serialize)]
struct Told<'a> {
    case: &'a str,
    subject: &'a str,
    #[serde(flatten)]
    seen: Option<ToldSeen<'a>>,
    findings: Vec<serde_json::Value>,
}

#[derive(Serialize)]
struct ToldSeen<'a> {
    size: [usize; 3],
    cropped: [usize; 3],
    spacing_mm: [f64; 3],
    orientation: String,
    voxels_of_classes: &'a [u64],
    channels: &'a [VoxelSummary],
}

/// A finding for programs.
pub fn finding(d: &Diagnostic) -> serde_json::Value {
    serde_json::json!({"code": d.code.name(), "severity": d.severity.name(), "message": d.message, "help": d.help})
}

impl Dataset {
    /// Looks at all cases, as many at once as there are cores. `done` is called after each, from any thread.
    pub fn survey(&self, done: impl Fn() + Sync) -> Vec<Survey> {
        let about = &self.description;
        let one = |at: usize| {
            let case = &about.cases[at];
            let mut survey = Survey { id: case.id.clone(), subject: case.subject.clone(), seen: None, findings: vec![] };
            match self.raw(at) {
                Ok(mut matched) => {
                    survey.findings = std::mem::take(&mut matched.warnings);
                    // Turned already: what the file had is asked of its header.
                    let orientation = case.image.first().and_then(|f| crate::volume::read_grid(f).ok()).map(|(grid, _)| grid.orientation());
                    let seen = look(&matched, about, orientation.unwrap_or(matched.image.grid().orientation()));
                    survey.findings.extend(self.taken(&case.id, &matched));
                    survey.findings.extend(doubts(&case.id, &seen, matched.image.data.view(), matched.label.view(), &about.modalities));
                    survey.seen = Some(seen);
                }
                Err(found) => survey.findings = found.0,
            }
            done();
            survey
        };
        (0..about.cases.len()).into_par_iter().map(one).collect()
    }
}

impl Dataset {
    /// What preparation takes from a case.
    fn taken(&self, id: &str, case: &MatchedCase) -> Vec<Diagnostic> {
        let (by, whole) = (self.preprocess(), channels(case.image.data.view()));
        let frame = match Frame::new(&whole, &case.image.grid(), by) {
            Ok(frame) => frame,
            Err(wrong) => return vec![wrong],
        };
        let seen: Vec<_> = whole.into_iter().map(|c| frame.extent.seen(c)).collect();
        let (label, scales) = (frame.label(case.label.view()), by.scales(&seen));
        Taken::of(id, case, (&frame, &label), (&seen, &scales), (by, &self.description)).warnings
    }
}

impl Survey {
    /// Whether the case can be trained on.
    pub fn is_sound(&self) -> bool {
        self.seen.is_some() && !Diagnostics(self.findings.clone()).has_errors()
    }

    /// For programs.
    pub fn json(&self) -> serde_json::Value {
        let seen = self.seen.as_ref().map(|s| ToldSeen {
            size: s.grid.size,
            cropped: s.cropped,
            spacing_mm: s.grid.spacing(),
            orientation: s.orientation.to_string(),
            voxels_of_classes: &s.classes,
            channels: &s.channels,
        });
        let findings = self.findings.iter().map(finding).collect();
        serde_json::to_value(Told { case: &self.id, subject: &self.subject, seen, findings }).unwrap_or_default()
    }
}

fn look(case: &MatchedCase, about: &Description, orientation: Orientation) -> CaseSurvey {
    let image = &case.image.data;
    let views = channels(image.view());
    let crop = Preprocess { crop: true, ..Preprocess::default() }.extent(&views);
    let kept: Vec<_> = views.iter().map(|c| crop.seen(*c)).collect();
    let voxels: usize = crop.size.iter().product();
    let mut filled = vec![false; voxels];
    kept.iter().for_each(|c| filled.iter_mut().zip(c).for_each(|(f, v)| *f |= *v != 0.0));
    let empty = filled.iter().filter(|f| !**f).count() as f64 / voxels.max(1) as f64;
    let mut counts = vec![0u64; about.labels.len()];
    for l in &case.label {
        if let Some(count) = counts.get_mut(usize::from(*l)) {
            *count += 1;
        }
    }
    let foreground: usize = counts.iter().skip(1).sum::<u64>() as usize;
    let sampled = views.iter().map(|c| sample(*c, case.label.view(), foreground)).collect();
    let channel_hashes: Vec<String> = views.iter().map(|c| hash(*c, |v| v)).collect();
    let value = |class: u8| about.labels.get(usize::from(class)).map_or(0.0, |(value, _)| *value as f32);
    CaseSurvey {
        grid: case.image.grid(),
        orientation,
        cropped: crop.size,
        empty,
        classes: counts,
        channels: views.iter().map(|c| VoxelSummary::of(c.iter().copied())).collect(),
        sampled,
        hash: channel_hashes.join(" "),
        channel_hashes,
        label_hash: hash(case.label.view(), value),
    }
}

/// Of the numbers of all voxels and the shape.
fn hash<T: Copy>(volume: ArrayView3<'_, T>, number: impl Fn(T) -> f32) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{:?}", volume.dim()).as_bytes());
    for row in volume.rows() {
        hasher.update(&row.iter().flat_map(|v| number(*v).to_le_bytes()).collect::<Vec<u8>>());
    }
    hasher.finalize().to_hex().to_string()
}

/// Intensities of the foreground, every so many.
fn sample(channel: ArrayView3<'_, f32>, label: ArrayView3<'_, u8>, foreground: usize) -> Vec<f32> {
    let step = foreground.div_ceil(SAMPLED).max(1);
    channel.iter().zip(label).filter(|(_, l)| **l > 0).step_by(step).map(|(v, _)| *v).collect()
}

/// What is odd about a case by itself.
fn doubts(id: &str, seen: &CaseSurvey, image: ArrayView4<'_, f32>, label: ArrayView3<'_, u8>, modalities: &[String]) -> Vec<Diagnostic> {
    let mut all = vec![];
    let mut odd = |code, kind: &str, message: String, help: &str| {
        all.push(Diagnostic::warning(code, format!("case `{id}`: {message}")).help(help).of(id, kind));
    };
    for (at, name) in modalities.iter().enumerate() {
        let twin = (0..at).find(|other| seen.channel_hashes.get(*other) == seen.channel_hashes.get(at) && !seen.is_flat(at));
        if let Some(other) = twin.and_then(|other| modalities.get(other)) {
            let (other, name) = (printable(other), printable(name));
            odd(
                Code::E0701,
                &format!("twins {at}"),
                format!("the channels {other} and {name} hold the same voxels"),
                "is one file given for both? Look at the names of the files",
            );
        }
    }
    let foreground: u64 = seen.classes.iter().skip(1).sum();
    if foreground == 0 {
        odd(
            Code::E0704,
            "unlabelled",
            "its label has nothing but the background".into(),
            "right for a case without a finding; else look at the label file",
        );
    }
    let outside =
        label.indexed_iter().filter(|((d, h, w), l)| **l > 0 && image.slice(s![.., *d, *h, *w]).iter().all(|v| *v == 0.0)).count();
    if outside as f64 > OUTSIDE * foreground as f64 {
        let share = 100.0 * outside as f64 / foreground as f64;
        odd(
            Code::E0703,
            "outside",
            format!("{share:.0} % of what is labelled lies where the image is 0"),
            "are image and label of one case, and aligned? --overlay shows it",
        );
    }
    for (at, name) in modalities.iter().enumerate().filter(|(at, _)| !seen.is_flat(*at)) {
        let name = printable(name);
        if seen.channel_hashes.get(at) == Some(&seen.label_hash) {
            let message = format!("case `{id}`: the channel {name} holds the same voxels as the label");
            all.push(
                Diagnostic::error(Code::E0701, message).help("name the image's file: a network that is given the answer learns nothing"),
            );
        } else if foreground > 0 && made_of(image.index_axis(Axis(0), at), label) {
            let message = format!("case `{id}`: the channel {name} is one number in each class, as if it were made from the label");
            all.push(Diagnostic::warning(Code::E0701, message).help("is it the image's file?").of(id, format!("made {at}")));
        }
    }
    all
}

/// Whether the intensities follow from the label: one for each class.
fn made_of(image: ArrayView3<'_, f32>, label: ArrayView3<'_, u8>) -> bool {
    let mut own = [None; 256];
    image.iter().zip(label).all(|(v, l)| own[usize::from(*l)].get_or_insert(*v) == v)
}
