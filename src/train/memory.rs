//! Estimates a run's memory before it begins, and refuses what cannot fit.
//!
//! Part of `train`; may use `compile`, `net` and `text`.

use super::config::{OptimiserKind, RunConfig};
use super::job::Job;
use super::loader::AHEAD;
use crate::compile::Program;
use crate::compile::memory::{Aspect, Optimiser, Precision, Segments, facts_at, largest, training};
use crate::infer::need::size;
use crate::ir::{Fact, Fault};
use crate::kernel::volumes;
use crate::text::{Code, Diagnostic, several};

/// Numbers that the loss holds for each number of an output: logits and their gradient, the targets, probabilities, logarithms and
/// derived tensors. With it the estimate of LightMedSeg is what 2 and 4 patches of 64x64x64 have taken on a CPU, with 2 modalities and 5
/// classes 321 MiB each.
const LOSS: u64 = 16;

/// Memory of the process whatever the batch: the program, its threads, a few cases. Measured as LOSS was.
const FIXED: u64 = 144 << 20;

/// The optimiser, for its state per weight.
pub(super) fn held(config: &super::config::OptimiserConfig) -> Optimiser {
    match config.kind {
        OptimiserKind::adamw => Optimiser::AdamW,
        OptimiserKind::sgd => Optimiser::Sgd,
    }
}

/// The segments in which a worker's part of a batch takes least memory; one where no counts can be made.
pub(super) fn segments(program: &Program, config: &RunConfig) -> Segments {
    let batch = config.batch.div_ceil(config.workers.max(1));
    let facts = facts_at(program, batch, Some(config.patch)).ok();
    facts.and_then(|facts| Segments::least(&program.graph, &facts, config.precision).ok()).unwrap_or_default()
}

/// Bytes that a training step takes at the sizes of `facts`: the network, the optimiser, the loss, and the batches that wait.
fn need(job: &Job, facts: &[Fact], segments: &Segments) -> Result<u64, Fault> {
    let config = &job.config;
    let graph = &job.program.graph;
    // The machine's own memory, where steps are computed in `f32`.
    let step = training(graph, facts, Precision::F32, held(&config.optimiser), segments)?;
    // Each other worker has weights and gradients of its own; so has the moving average.
    let copies = 2 * (config.workers as u64 - 1) + u64::from(config.optimiser.average.is_some());
    let (mut answers, mut targets) = (0u64, 0u64);
    for head in &job.heads {
        if let Some((_, v)) = graph.outputs.get(head.output) {
            let fact = facts[v.0];
            answers = answers.saturating_add(Precision::F32.size(&fact)?);
            // A bit for each channel, and one for the borders.
            targets = targets.saturating_add(Precision::F32.size(&Fact { channels: volumes(fact.channels + 1), ..fact })?);
        }
    }
    let mut images = 0u64;
    for (_, v) in &job.program.inputs {
        images = images.saturating_add(Precision::F32.size(&facts[v.0])?);
    }
    let waiting = targets.saturating_add(images).saturating_mul(AHEAD as u64 + 2);
    let parts = [FIXED, step.total(), copies.saturating_mul(step.weights), answers.saturating_mul(LOSS), waiting];
    Ok(parts.into_iter().fold(0, u64::saturating_add))
}

/// Compares what a training step takes with what the machine has, `free` bytes of `all`. A warning where other programs would have to
/// give way.
///
/// # Errors
/// E0902 where the whole machine is too small, with the largest batch and the largest patch that would do.
pub fn fits(job: &Job, free: Option<u64>, all: Option<u64>) -> Result<Option<Diagnostic>, Diagnostic> {
    let Some(all) = all else { return Ok(None) };
    let free = free.unwrap_or(all).min(all);
    let (patch, batch) = (job.config.patch, job.config.batch);
    let within = |batch: usize, segments: &Segments| {
        facts_at(&job.program, batch, Some(patch)).ok().and_then(|facts| need(job, &facts, segments).ok())
    };
    let at = |batch: usize| within(batch, &job.segments);
    let wanted = at(batch).unwrap_or(u64::MAX);
    if wanted <= free {
        return Ok(None);
    }
    let refused = wanted > all;
    let room = if refused { all } else { free };
    let what = if refused { "this machine has" } else { "free are" };
    let message = format!(
        "a step with {} of {}x{}x{} takes about {}, and {what} {}",
        several(batch, "patch"),
        patch[0],
        patch[1],
        patch[2],
        size(wanted),
        size(room)
    );
    let mut d = if refused { Diagnostic::error(Code::E0902, message) } else { Diagnostic::warning(Code::E0902, message) };
    if !job.config.checkpointing
        && let Some(less) = within(batch, &segments(&job.program, &job.config)).filter(|less| *less <= room)
    {
        d = d.help(format!("--set checkpointing=true would take {}, and 1.4 times as long", size(less)));
    }
    let fewer = (1..batch).rev().find(|n| *n >= job.config.workers && at(*n).is_some_and(|n| n <= room));
    if let Some(fewer) = fewer {
        d = d.help(format!("--set batch={fewer} would fit, with `optimiser.accumulate` for the rest"));
    }
    if let Some([d0, h, w]) = largest(&job.program, batch, room, Aspect::Of(patch), |facts| need(job, facts, &job.segments)) {
        d = d.help(format!("--set patch=({d0}, {h}, {w}) would fit"));
    }
    if d.help.is_empty() {
        d = d.help("take a network with fewer channels, or another machine");
    }
    if refused { Err(d) } else { Ok(Some(d)) }
}
