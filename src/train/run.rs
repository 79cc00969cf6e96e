//! The training loop.
//!
//! Part of `train`; may use `net`, `infer` and Burn's optimiser.

use std::time::{Duration, Instant};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};

use super::folder::Folder;
use super::job::Job;
use super::journal::{Journal, Record};
use super::loader::{Batch, Loader, Recipe};
use super::progress::Progress;
use super::schedule::Cosine;
use super::validate::validate;
use crate::infer::Model;
use crate::net::{self, Network};
use crate::text::{Code, Diagnostic, Diagnostics, Result, render, unwritable};

/// The checkpoint with the highest mean validation Dice.
pub const BEST: &str = "best.safetensors";
/// The checkpoint of the last epoch that was finished.
pub const LAST: &str = "last.safetensors";

/// How a run went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The epoch whose checkpoint is the best.
    pub best: Record,
    pub duration: Duration,
}

/// Means over an epoch of the loss and its three terms.
#[derive(Default)]
struct Mean {
    sum: [f64; 4],
    count: usize,
}

/// Trains on a device, and leaves in the folder: `graph.ron` and `config.ron` (resolved), `split.json`, `metrics.csv`,
/// [`BEST`] and [`LAST`].
///
/// The same job on the same device gives the same weights: the network from the seed, the batches from (seed, epoch, step).
///
/// # Errors
/// E0901 for a loss or weights that are no longer finite: the checkpoints of the epochs before stay. E0603 when the folder cannot
/// be written; what is wrong with a case's files.
pub fn train(job: &Job, folder: &Folder, device: &Device) -> Result<Outcome> {
    let start = Instant::now();
    let config = &job.config;
    folder.write("graph.ron", job.program.resolved())?;
    let text = ron::ser::to_string_pretty(&job.resolved(), ron::ser::PrettyConfig::new().struct_names(false))
        .map_err(|e| unwritable(&folder.file("config.ron"), &std::io::Error::other(e)))?;
    folder.write("config.ron", &(text + "\n"))?;
    folder.write("split.json", &job.split_text())?;
    let labels = job.store.description().foreground();
    // A former run's checkpoints (with --force) must not pass for this one's.
    for name in [BEST, LAST] {
        let file = folder.file(name);
        if file.exists() {
            std::fs::remove_file(&file).map_err(|e| unwritable(&file, &e))?;
        }
    }
    let mut journal = Journal::create(&folder.file("metrics.csv"), &labels)?;

    let device = device.clone().autodiff();
    let mut network = Network::new(job.program.clone(), &device, config.seed)?;
    let mut optimiser = AdamWConfig::new()
        .with_beta_1(config.optimiser.betas[0] as f32)
        .with_beta_2(config.optimiser.betas[1] as f32)
        .with_epsilon(1e-8)
        .with_weight_decay(config.optimiser.weight_decay as f32)
        .init();
    let steps = job.steps();
    let schedule = Cosine {
        peak: config.optimiser.lr,
        minimum: config.schedule.min_lr,
        warmup: (config.schedule.warmup * steps as f64).round() as usize,
        total: config.epochs.saturating_mul(steps),
    };
    let loader = Loader::start(job.store.clone(), recipe(job), config.epochs)?;
    let mut progress = Progress::new(config.epochs, steps, labels);
    let mut best: Option<Record> = None;
    let mut warned = 0;

    for epoch in 1..=config.epochs {
        let begun = Instant::now();
        let mut mean = Mean::default();
        let mut lr = 0.0;
        for step in 0..steps {
            let done = (epoch - 1) * steps + step;
            lr = schedule.rate(done);
            let batch = loader.next()?;
            let (stepped, terms) = update(network, &mut optimiser, &batch, job, lr, &device, || stopped(&batch, epoch, step, folder))?;
            network = stepped;
            mean.add(terms);
            progress.step(epoch, done + 1, terms[0]);
        }
        if !is_finite(&network) {
            return Err(stopped_at(format!("weights are no longer finite at the end of epoch {epoch}"), folder));
        }

        let model = Model::new(&network, job.card(epoch, None))?;
        let of = job.validation.len();
        let scores = validate(&model, &job.store, &job.validation, |at| progress.validating(at + 1, of))?;
        let [loss, loss_dice, loss_cross_entropy, loss_boundary] = mean.value();
        let record = Record {
            epoch,
            step: epoch * steps,
            lr,
            loss,
            loss_dice,
            loss_cross_entropy,
            loss_boundary,
            dice: scores.classes.iter().map(|c| c.mean).collect(),
            dice_mean: scores.mean,
            seconds: begun.elapsed().as_secs_f64(),
        };
        let entries = job.card(epoch, Some(record.dice_mean)).entries();
        net::save(&folder.file(LAST), &network, &entries)?;
        let better = best.as_ref().is_none_or(|b| record.dice_mean > b.dice_mean);
        if better {
            net::save(&folder.file(BEST), &network, &entries)?;
        }
        journal.add(&record)?;
        for warning in job.store.warnings(warned) {
            progress.say(&render::concise(&warning));
            warned += 1;
        }
        progress.epoch(&record, better);
        if better {
            best = Some(record);
        }
    }
    progress.finish();
    let best = best.ok_or_else(|| Diagnostic::error(Code::E0601, "a run without an epoch").help("give `epochs` 1 or more"))?;
    Ok(Outcome { best, duration: start.elapsed() })
}

fn recipe(job: &Job) -> Recipe {
    Recipe {
        seed: job.config.seed,
        cases: job.training.clone(),
        patch: job.config.patch,
        batch: job.config.batch,
        steps: job.steps(),
        classes: job.program.classes(),
        foreground: job.config.foreground,
        augment: job.config.augment,
        objective: job.config.loss,
    }
}

/// One optimiser step. Gives the loss and its terms as they were before it.
fn update(
    network: Network,
    optimiser: &mut ModuleOptimizer,
    batch: &Batch,
    job: &Job,
    lr: f64,
    device: &Device,
    stop: impl FnOnce() -> Diagnostics,
) -> Result<(Network, [f64; 4])> {
    let input = Tensor::<5>::from_data(TensorData::new(batch.image.clone(), batch.shape), device);
    let terms = job.config.loss.terms(network.forward(input), &batch.target, device);
    // One transfer for the four figures.
    let figures = Tensor::cat(vec![terms.total.clone(), terms.dice, terms.cross_entropy, terms.boundary], 0);
    let figures = figures.try_into_data().ok().and_then(|d| d.try_into_vec::<f32>().ok()).unwrap_or_default();
    let mut values = [f64::NAN; 4];
    values.iter_mut().zip(figures).for_each(|(v, f)| *v = f64::from(f));
    if !values[0].is_finite() {
        return Err(stop());
    }
    let gradients = GradientsParams::from_grads(terms.total.backward(), &network);
    Ok((optimiser.step(lr, network, gradients), values))
}

impl Mean {
    fn add(&mut self, terms: [f64; 4]) {
        self.sum.iter_mut().zip(terms).for_each(|(s, t)| *s += t);
        self.count += 1;
    }

    fn value(&self) -> [f64; 4] {
        self.sum.map(|s| s / self.count.max(1) as f64)
    }
}

fn stopped(batch: &Batch, epoch: usize, step: usize, folder: &Folder) -> Diagnostics {
    let what = format!("the loss is no longer finite in epoch {epoch}, step {}; the batch is made of {}", step + 1, batch.cases.join(", "));
    stopped_at(what, folder)
}

fn stopped_at(what: String, folder: &Folder) -> Diagnostics {
    let last = folder.file(LAST);
    let kept = if last.exists() {
        format!("the last good checkpoint is `{}`", last.display())
    } else {
        "no epoch was finished, so there is no checkpoint".into()
    };
    Diagnostic::error(Code::E0901, what)
        .help(kept)
        .help("look at those cases for extreme intensities, or lower `optimiser.lr`, or lengthen `schedule.warmup`")
        .into()
}

/// Whether every parameter is a finite number.
fn is_finite(network: &Network) -> bool {
    struct Look(bool);
    impl ModuleVisitor for Look {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let values = param.val().into_data();
            self.0 &= values.as_slice::<f32>().is_ok_and(|v| v.iter().all(|x| x.is_finite()));
        }
    }
    let mut look = Look(true);
    network.visit(&mut look);
    look.0
}
