//! A dry run: a few steps and a validation on a run's own data, and an estimate of the time and memory of the whole.
//!
//! Part of `train`; may use `compile`, `infer` and `net`. Nothing is written.

use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use serde::Serialize;

use super::job::Job;
use super::loader::{Loader, loader_workers};
use super::memory::held;
use super::run::{begun, recipe};
use super::step::Learner;
use super::validate::validate;
use super::workers::{DeviceBatch, Workers};
use crate::compile::memory::{Training, facts_at, training};
use crate::host;
use crate::ir::{Fault, Operator};
use crate::net;
use crate::text::{Code, Diagnostic, Diagnostics, Result};

/// Steps of a dry run; the first, with its one-time costs, is counted by itself.
const STEPS: usize = 3;

/// The estimates of a dry run. Times are in seconds, memory in bytes.
#[derive(Clone, Debug, Serialize)]
pub struct DryRun {
    pub parameters: u64,
    /// Of a step: three times those of the forward passes of its patches, one for the forward and two for the backward pass.
    pub flops_per_step: u64,
    pub first_step_seconds: f64,
    /// The fastest of the steps after the first.
    pub step_seconds: f64,
    /// The mean of them.
    pub mean_step_seconds: f64,
    /// The part of all steps that was spent waiting for batches.
    pub waited_share: f64,
    pub losses: Vec<f64>,
    /// The validation case that was segmented: the first.
    pub validation_case: String,
    pub validation_seconds: f64,
    /// The peak memory of this process after the steps, and after the validation.
    pub steps_peak_bytes: Option<u64>,
    pub peak_bytes: Option<u64>,
    /// What the compiler counts for a step.
    pub counted: StepMemory,
    pub epochs: usize,
    pub steps_per_epoch: usize,
    pub validation_cases: usize,
    /// Of the whole run, its steps and validations.
    pub forecast_seconds: f64,
}

/// Bytes of a training step as the compiler counts them, without the data and what the loss needs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StepMemory {
    pub weights: u64,
    pub gradients: u64,
    pub optimiser: u64,
    /// What the backward pass reads again.
    pub kept: u64,
    pub transient: u64,
    /// All together.
    pub total: u64,
}

impl From<Training> for StepMemory {
    fn from(t: Training) -> Self {
        let Training { weights, gradients, optimiser, kept, transient } = t;
        Self { weights, gradients, optimiser, kept, transient, total: t.total() }
    }
}

/// Counts the memory of a job's training step.
///
/// # Errors
/// E0501 beyond 64 bits.
pub fn counted(job: &Job) -> Result<StepMemory> {
    let facts = facts_at(&job.program, job.config.batch, Some(job.config.patch)).map_err(|(_, f)| said(job, f))?;
    let counted = training(&job.program.graph, &facts, job.config.precision, held(&job.config.optimiser), &job.segments);
    let counted = counted.map_err(|f| said(job, f))?;
    Ok(counted.into())
}

/// Makes a few steps of a job and segments a validation case.
///
/// # Errors
/// What would stop the run: what is wrong with a case's files, E0901 for a loss that is not finite, E0501 for counts beyond 64 bits.
pub fn dry_run(job: &Job, device: &Device) -> Result<DryRun> {
    let counted = counted(job)?;
    let macs = macs(job).map_err(|f| said(job, f))?;
    let accumulate = job.config.optimiser.accumulate;
    let flops_per_step = macs.checked_mul(6).and_then(|m| m.checked_mul(accumulate as u64)).ok_or_else(|| {
        Diagnostics::from(
            Diagnostic::error(Code::E0501, "the FLOPs of a step are beyond 64 bits").help("make the patch or the batch smaller"),
        )
    })?;

    let workers = Workers::new(device, job.config.workers, job.segments.clone())?;
    let loss = Arc::new(job.loss()?);
    let network = begun(job, job.initial()?.as_ref(), workers.main())?;
    let mut learner = Learner::new(workers, loss.clone(), network, job.config.optimiser, job.config.precision)?;
    let mut loader = Loader::start(&job.store, &recipe(job, &loss), job.config.epochs, 0, loader_workers(learner.workers().main()))?;
    let steps = STEPS.min(job.config.epochs.saturating_mul(job.steps()));
    // A rate that a warmup would begin with: the steps are not kept.
    let lr = job.config.optimiser.lr * 1e-3;
    let (mut seconds, mut losses, mut waited) = (vec![], vec![], 0.0);
    for _ in 0..steps {
        let begun = Instant::now();
        let mut mean = 0.0;
        for _ in 0..accumulate {
            let asked = Instant::now();
            let batch = loader.next()?;
            waited += asked.elapsed().as_secs_f64();
            let cases = batch.cases.join(", ");
            let values = learner.batch(DeviceBatch::new(batch, learner.workers().main()), lr)?;
            if !values[0].is_finite() {
                let message = format!("the loss of the first steps is not finite; the batch is made of {cases}");
                return Err(Diagnostic::error(Code::E0901, message).help("look at those cases for extreme intensities").into());
            }
            mean += values[0] / accumulate as f64;
        }
        losses.push(mean);
        seconds.push(begun.elapsed().as_secs_f64());
    }
    drop(loader);
    let steps_peak_bytes = host::peak_memory();
    let parameters = counted.weights / 4;
    let model = net::model(&learner.train_state().network, job.card(0, None, vec![]))?;
    drop(learner);
    let case = job.validation.first().copied().unwrap_or_default();
    let begun = Instant::now();
    validate(&model, &job.store, &[case], |_| ())?;
    let validation_seconds = begun.elapsed().as_secs_f64();

    let first_step_seconds = seconds.first().copied().unwrap_or_default();
    let step_seconds = seconds.iter().skip(1).copied().reduce(f64::min).unwrap_or(first_step_seconds);
    let later = &seconds[1.min(seconds.len().saturating_sub(1))..];
    let (epochs, per_epoch) = (job.config.epochs, job.steps());
    let forecast = step_seconds * per_epoch as f64 * epochs as f64 + validation_seconds * job.validated(epochs) as f64;
    Ok(DryRun {
        parameters,
        flops_per_step,
        first_step_seconds,
        step_seconds,
        mean_step_seconds: later.iter().sum::<f64>() / later.len().max(1) as f64,
        waited_share: waited / seconds.iter().sum::<f64>().max(f64::MIN_POSITIVE),
        losses,
        validation_case: job.store.ids().get(case).cloned().unwrap_or_default(),
        validation_seconds,
        steps_peak_bytes,
        peak_bytes: host::peak_memory(),
        counted,
        epochs,
        steps_per_epoch: per_epoch,
        validation_cases: job.validation.len(),
        forecast_seconds: forecast,
    })
}

/// Multiply-accumulates of a forward pass of a batch.
fn macs(job: &Job) -> std::result::Result<u64, Fault> {
    let facts = facts_at(&job.program, job.config.batch, Some(job.config.patch)).map_err(|(_, f)| f)?;
    let g = &job.program.graph;
    let beyond = || Fault::new(Code::E0501, "the multiply-accumulates are beyond 64 bits").help("make the patch or the batch smaller");
    g.values().try_fold(0u64, |sum, v| {
        let inputs: Vec<_> = g.inputs(v).iter().map(|i| facts[i.0]).collect();
        sum.checked_add(g.node(v).op.cost(&inputs, &facts[v.0])?.macs).ok_or_else(beyond)
    })
}

fn said(job: &Job, f: Fault) -> Diagnostics {
    Diagnostic::error(f.code, format!("`{}`: {}", job.program.name, f.message)).help(f.help.unwrap_or_default()).into()
}
