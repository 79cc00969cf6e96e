//! Planning: derives a run config from the fingerprint of a data set.
//!
//! Part of `train`; may use `compile`, `data`, `volume` and `text`. The rules are those of nnU-Net (F. Isensee et al., "nnU-Net: a
//! self-configuring method for deep learning-based biomedical image segmentation", Nature Methods 18, 2021), with the memory that the compiler counts
//! for the network at hand in the place of a table of measured ones.

use crate::compile::Program;
use crate::compile::memory::{Optimiser, Precision, Segments, facts_at, training};
use crate::data::Fingerprint;
use crate::text::{Code, Diagnostic, by};
use crate::volume::{Normalise, percentile};

/// Slices this many times as thick as the other axes' voxels are few and far between.
const THICK: f64 = 3.0;
/// Of the voxels of the data set, the most that one batch shows.
const SHOWN: f64 = 0.05;
/// A batch is at least this large where memory allows, so that its gradient is not that of one patch.
const LEAST_BATCH: usize = 2;
/// The largest batch.
const MOST_BATCH: usize = 32;
/// Optimiser steps of an epoch at the least, those of nnU-Net: where a data set is small, an epoch goes through it several times, so that as
/// many steps are made as a network needs to learn, and not as few as there are cases.
const LEAST_STEPS: usize = 250;
/// Of the cases, the part that is trained on in one of five folds.
const TRAINED: f64 = 0.8;
/// A tenth of nnU-Net's: networks here are small, and most are trained on processors.
const EPOCHS: usize = 100;
/// Where cropping leaves less of a case than this, or more of it is empty than the rest, the background was cut away.
const CUT_AWAY: f64 = 0.75;

/// The proposed settings. Lengths are along D, H, W of RAS.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingPlan {
    /// mm; none where all cases have one spacing.
    pub spacing: Option<[f64; 3]>,
    pub crop: bool,
    pub normalise: Normalise,
    pub patch: [usize; 3],
    pub batch: usize,
    /// Median voxels of a case at that spacing.
    pub median: [f64; 3],
    /// Bytes of a training step.
    pub memory: u64,
    pub epochs: usize,
    /// Optimiser steps of an epoch, and those that show every training case of a fold once.
    pub steps: usize,
    pub once: usize,
}

/// Proposes spacing, patch, batch and normalisation for a program, within `budget` bytes, with activation checkpointing or without.
///
/// # Errors
/// E0902 when not even the smallest patch fits; E0701 without a case.
pub fn plan(about: &Fingerprint, program: &Program, checkpointing: bool, budget: u64) -> Result<TrainingPlan, Diagnostic> {
    if about.cases == 0 {
        return Err(Diagnostic::error(Code::E0701, "no case can be used").help("`lmsc data check` says what is wrong with each"));
    }
    let wanted = spacing(about);
    let one = about.spacing.iter().zip(wanted).all(|(s, w)| (s.min / w - 1.0).abs() < 1e-3 && (s.max / w - 1.0).abs() < 1e-3);
    let median: [f64; 3] = std::array::from_fn(|a| (about.extent[a].median / wanted[a]).max(1.0));
    let cut_away = about.cropped < CUT_AWAY || about.empty > 1.0 - CUT_AWAY;
    // Cuts suit all sizes: which values are large goes with the levels of the network.
    let segments = Segments::of(checkpointing, &program.graph, &program.graph.facts(), Precision::F32).unwrap_or_default();
    let need = |patch: [usize; 3], batch: usize| need(program, &segments, patch, batch);
    let (patch, memory) = patch(program, median, wanted, need, budget)?;
    let need = |batch: usize| need(patch, batch);
    let voxels = patch.iter().map(|n| *n as f64).product::<f64>();
    let most = ((SHOWN * about.voxels as f64 / voxels) as usize).clamp(LEAST_BATCH, MOST_BATCH);
    let batch = (1..=most).take_while(|batch| need(*batch).is_some_and(|n| n <= budget)).last().unwrap_or(1);
    Ok(TrainingPlan {
        spacing: (!one).then_some(wanted),
        crop: cut_away,
        normalise: normalise(about, cut_away),
        patch,
        batch,
        median,
        memory: need(batch).unwrap_or(memory),
        epochs: EPOCHS,
        steps: once(about.cases, batch).max(LEAST_STEPS),
        once: once(about.cases, batch),
    })
}

/// Steps that show every training case of so many once.
fn once(cases: usize, batch: usize) -> usize {
    ((cases as f64 * TRAINED).ceil() as usize).div_ceil(batch.max(1)).max(1)
}

/// The median of each axis; of thick slices, in cases with few of them, one of the finer ones, so that not too many are thrown together.
fn spacing(about: &Fingerprint) -> [f64; 3] {
    let mut wanted = about.spacing.map(|s| s.median);
    let thick = (0..3).max_by(|a, b| wanted[*a].total_cmp(&wanted[*b])).unwrap_or(0);
    let others = (0..3).filter(|a| *a != thick);
    let widest = others.clone().map(|a| wanted[a]).fold(0.0, f64::max);
    let few = others.clone().all(|a| about.size[thick].median * THICK < about.size[a].median);
    if wanted[thick] > THICK * widest && few {
        let mut all: Vec<f32> = about.spacings.iter().map(|s| s[thick] as f32).collect();
        wanted[thick] = f64::from(percentile(&mut all, 10.0)).max(widest);
    }
    // Spacings of headers are no more exact than this.
    wanted.map(|s| (s * 1e4).round() / 1e4)
}

fn normalise(about: &Fingerprint, cut_away: bool) -> Normalise {
    let is_ct = |name: &str| name.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case("ct"));
    match &about.intensities[..] {
        // Intensities of CT have a unit: what is 50 HU in one case is 50 HU in the next. One window is for one channel.
        [ct] if is_ct(&ct.modality) && ct.deviation > 0.0 && ct.low < ct.high => {
            let round = |v: f64| (v * 10.0).round() / 10.0;
            Normalise::Window { low: round(ct.low), high: round(ct.high), mean: round(ct.mean), deviation: round(ct.deviation).max(0.1) }
        }
        _ if cut_away => Normalise::ZScoreNonZero,
        _ => Normalise::ZScore,
    }
}

/// The smallest patch that holds the median case, made smaller along its longest axis (in mm) until a step of [`LEAST_BATCH`] fits.
fn patch(
    program: &Program,
    median: [f64; 3],
    spacing: [f64; 3],
    need: impl Fn([usize; 3], usize) -> Option<u64>,
    budget: u64,
) -> Result<([usize; 3], u64), Diagnostic> {
    let multiple = program.multiple().map(|m| m.max(1));
    let mut patch: [usize; 3] = std::array::from_fn(|a| ((median[a] / multiple[a] as f64).ceil() as usize).max(1) * multiple[a]);
    if program.flat() {
        patch[0] = 1;
    }
    loop {
        let need = need(patch, LEAST_BATCH).unwrap_or(u64::MAX);
        if need <= budget {
            return Ok((patch, need));
        }
        let longest = (0..3)
            .filter(|a| patch[*a] > multiple[*a])
            .max_by(|a, b| (patch[*a] as f64 * spacing[*a]).total_cmp(&(patch[*b] as f64 * spacing[*b])));
        match longest {
            Some(axis) => patch[axis] -= multiple[axis],
            None => {
                let message = format!(
                    "a training step of `{}` needs {} MiB even on patches of {}, and {} MiB are given",
                    program.name,
                    by(patch),
                    need >> 20,
                    budget >> 20
                );
                return Err(Diagnostic::error(Code::E0902, message).help("give more with --memory, or a smaller network"));
            }
        }
    }
}

/// Bytes of a training step; `None` where the program does not take the patch.
fn need(program: &Program, segments: &Segments, patch: [usize; 3], batch: usize) -> Option<u64> {
    let facts = facts_at(program, batch, Some(patch)).ok()?;
    training(&program.graph, &facts, Precision::F32, Optimiser::AdamW, segments).ok().map(|t| t.total())
}
