//! What the cases of a data set are like, one by one: sizes, labels, intensities, and what is wrong.
//!
//! May use `text`, `volume`, and `dataset`, `load`, `preprocess` beside it.

use ndarray::{ArrayView3, ArrayView4, s};
use rayon::prelude::*;
use serde::Serialize;

use super::dataset::Dataset;
use super::load::Matched;
use super::preprocess::{Preprocess, channels};
use crate::text::{Code, Diagnostic, Diagnostics};
use crate::volume::{Grid, Orientation, Summary};

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
    pub seen: Option<Seen>,
    /// What is wrong (errors) and what is odd (warnings).
    pub findings: Vec<Diagnostic>,
}

/// Of a case that can be read. Sizes and spacings are along D, H, W of RAS.
#[derive(Clone, Debug)]
pub struct Seen {
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
    pub channels: Vec<Summary>,
    /// Foreground intensities of each channel.
    pub sampled: Vec<Vec<f32>>,
    /// Of the image's voxels and their number, whatever the header says.
    pub hash: String,
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
    channels: &'a [Summary],
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
                Ok(matched) => {
                    // Turned already: what the file had is asked of its header.
                    let orientation = case.image.first().and_then(|f| crate::volume::read_grid(f).ok()).map(|(grid, _)| grid.orientation());
                    let seen = look(&matched, about.labels.len(), orientation.unwrap_or(matched.image.grid().orientation()));
                    survey.findings = matched.warnings;
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

fn look(case: &Matched, classes: usize, orientation: Orientation) -> Seen {
    let image = &case.image.data;
    let views = channels(image.view());
    let crop = Preprocess { crop: true, ..Preprocess::default() }.extent(&views);
    let kept: Vec<_> = views.iter().map(|c| crop.seen(*c)).collect();
    let voxels: usize = crop.size.iter().product();
    let mut filled = vec![false; voxels];
    kept.iter().for_each(|c| filled.iter_mut().zip(c).for_each(|(f, v)| *f |= *v != 0.0));
    let empty = filled.iter().filter(|f| !**f).count() as f64 / voxels.max(1) as f64;
    let mut counts = vec![0u64; classes];
    for l in &case.label {
        if let Some(count) = counts.get_mut(usize::from(*l)) {
            *count += 1;
        }
    }
    let foreground: usize = counts.iter().skip(1).sum::<u64>() as usize;
    let sampled = views.iter().map(|c| sample(*c, case.label.view(), foreground)).collect();
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{:?}", image.dim()).as_bytes());
    for row in image.rows() {
        hasher.update(&row.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
    }
    Seen {
        grid: case.image.grid(),
        orientation,
        cropped: crop.size,
        empty,
        classes: counts,
        channels: views.iter().map(|c| Summary::of(c.iter().copied())).collect(),
        sampled,
        hash: hasher.finalize().to_hex().to_string(),
    }
}

/// Intensities of the foreground, every so many.
fn sample(channel: ArrayView3<'_, f32>, label: ArrayView3<'_, u8>, foreground: usize) -> Vec<f32> {
    let step = foreground.div_ceil(SAMPLED).max(1);
    channel.iter().zip(label).filter(|(_, l)| **l > 0).step_by(step).map(|(v, _)| *v).collect()
}

/// What is odd about a case by itself.
fn doubts(id: &str, seen: &Seen, image: ArrayView4<'_, f32>, label: ArrayView3<'_, u8>, modalities: &[String]) -> Vec<Diagnostic> {
    let mut all = vec![];
    let mut odd = |code, message: String, help: &str| all.push(Diagnostic::warning(code, format!("case `{id}`: {message}")).help(help));
    for (channel, name) in seen.channels.iter().zip(modalities) {
        if channel.min == channel.max {
            odd(
                Code::E0702,
                format!("the channel {name} is {} everywhere", channel.min),
                "is it the right file? A network learns nothing from it",
            );
        }
    }
    let foreground: u64 = seen.classes.iter().skip(1).sum();
    if foreground == 0 {
        odd(
            Code::E0704,
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
            format!("{share:.0} % of what is labelled lies where the image is 0"),
            "are image and label of one case, and aligned? --overlay shows it",
        );
    }
    all
}
