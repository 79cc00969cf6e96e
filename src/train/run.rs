//! The training loop.
//!
//! Part of `train`; may use `net`, `infer`, `metric` and Burn's optimiser.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use burn::tensor::Device;

use super::cases::{self, CASES, CASES_TABLE};
use super::files::CaseFiles;
use super::finite::{is_finite, stopped, stopped_at};
use super::folder::Folder;
use super::initial::{INITIAL, InitialWeights};
use super::job::Job;
use super::journal::{Journal, Record};
use super::loader::{Loader, LoaderConfig, loader_workers};
use super::loss::Loss;
use super::optimise::TrainState;
use super::origin::{CONFIG, GRAPH, RunOrigin, SPLIT};
use super::pause::PauseFiles;
use super::postprocess_search::{PostprocessFound, PostprocessSearch, choose};
use super::progress::TrainProgress;
use super::schedule::Rates;
use super::start::{RunStart, seconds_now};
use super::state::{NamedArrays, RESUME, RunProgress, RunState, TERMS};
use super::step::Learner;
use super::validate::{absences, summarise, validate};
use super::workers::{DeviceBatch, Workers};
use crate::bar::Bar;
use crate::infer::{BEST, Card, Model};
use crate::net::{self, Network};
use crate::store;
use crate::text::{Code, Diagnostic, Diagnostics, Result, render, unwritable};

/// The checkpoint of the last epoch that was finished.
pub const LAST: &str = "last.safetensors";

/// How a run went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The epoch whose checkpoint is the best; none where no epoch was finished.
    pub best: Option<Record>,
    /// Epochs that are finished.
    pub epochs: usize,
    /// Of this process.
    pub duration: Duration,
    pub ending: StopReason,
    /// Postprocessing that was looked for when the run was over.
    pub cleaned: Option<PostprocessFound>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// All epochs are done.
    Whole,
    /// No epoch was better for as many as the config waits.
    Patience,
    /// It was asked to stop; it can be resumed.
    Asked,
}

/// Between two looks at the clock for saving what to go on from, beside the end of each epoch.
const SAVE_EVERY: Duration = Duration::from_secs(600);

/// Trains on a device, and leaves in the folder: `graph.ron` and `config.ron` (resolved), `split.json`, the journal,
/// the scores of the cases, what it was computed on, [`BEST`], [`LAST`] and [`RESUME`]. When `stop` becomes true the step at hand is
/// finished and the run saved.
///
/// The same job on the same device gives the same weights: the network from the seed, the batches from (seed, epoch, number).
///
/// # Errors
/// E0901 for a loss or weights that are no longer finite: the checkpoints of the epochs before stay. E0603 when the folder cannot
/// be written; what is wrong with a case's files.
pub fn train(job: &Job, folder: &Folder, device: &Device, stop: &AtomicBool) -> Result<Outcome> {
    let workers = Workers::new(device, job.config.workers, job.segments.clone())?;
    let initial = job.initial()?;
    let network = begun(job, initial.as_ref(), workers.main())?;
    let origin = RunOrigin::of(job)?;
    folder.write(GRAPH, &origin.graph)?;
    folder.write(CONFIG, &origin.config)?;
    folder.write(SPLIT, &origin.split)?;
    // A former run's files (with --force) must not pass for this one's.
    for name in [BEST, LAST, RESUME, CASES, CASES_TABLE] {
        let file = folder.file(name);
        if file.exists() {
            std::fs::remove_file(&file).map_err(|e| unwritable(&file, &e))?;
        }
    }
    CaseFiles::of(job)?.save(folder.path())?;
    match &initial {
        Some(initial) => folder.write(INITIAL, &format!("{:#}\n", serde_json::json!(initial.report)))?,
        None => drop(std::fs::remove_file(folder.file(INITIAL))),
    }
    let learner = Learner::new(workers, Arc::new(job.loss()?), network, job.config.optimiser, job.config.precision)?.of_run(&job.config);
    run(job, folder, stop, learner, RunProgress { origin: Some(origin), ..RunProgress::default() }, None)
}

/// Goes on with a run where its folder's [`RESUME`] was written; from the beginning where there is none. The weights come out as if it
/// had never been interrupted.
///
/// # Errors
/// As [`train`]; E0801 when the file was damaged or is of another run, and when files of the data set have changed since (see
/// [`accept_data`]).
pub fn resume(job: &Job, folder: &Folder, device: &Device, stop: &AtomicBool) -> Result<Outcome> {
    let path = folder.file(RESUME);
    let Some(state) = RunState::load(&path)? else { return train(job, folder, device, stop) };
    let refuse = |why: &str| Diagnostic::error(Code::E0801, format!("`{}` cannot be gone on from: {why}", path.display()));
    let known = state.about.origin.is_some();
    let origin = state.about.origin.map_or_else(|| RunOrigin::in_folder(folder.path()), Ok)?;
    let differences = origin.differences(job);
    if !differences.is_empty() {
        let d = refuse(&format!("it belongs to a run of another config, graph or data set: {}", differences.join("; ")));
        return Err(d
            .help("put back what was there: config.ron, graph.ron and the cases must be as they were when the run began")
            .help("or start a new run in another folder")
            .into());
    }
    // Where nothing is left to do, nothing is learnt from the data.
    let mut note = None;
    if !state.about.finished {
        match CaseFiles::load(folder.path())? {
            Some(files) => files.check(job, folder.path())?,
            None => {
                CaseFiles::of(job)?.save(folder.path())?;
                note = Some("the files of its cases");
            }
        }
        if !known {
            note = Some("its config, its graph and the files of its cases");
        }
    }
    let note = note
        .map(|what| format!("note: this run was begun by an older lmsc, which kept no record of {what}; they are taken as they are now"));
    let workers = Workers::new(device, job.config.workers, job.segments.clone())?;
    let device = workers.main();
    let file = path.display().to_string();
    let made = |numbers: NamedArrays| -> Result<Network> {
        let mut network = drawn(job, device)?;
        net::assign(&mut network, &numbers.into_iter().collect(), &file, device)?;
        Ok(network)
    };
    let mut train_state = TrainState::new(made(state.weights)?, &job.config.optimiser, device)?;
    if let Some(average) = &mut train_state.average {
        *average = net::deep_clone(&made(state.average)?, &device.clone().inner())?;
    }
    train_state.load_moments(state.moments).ok_or_else(|| refuse("the optimiser's moments are not those of its weights"))?;
    let (optimiser, loss) = (job.config.optimiser, Arc::new(job.loss()?));
    let learner =
        Learner::resumed(workers.clone(), loss, train_state, optimiser, state.about.moves, state.about.scaling).of_run(&job.config);
    run(job, folder, stop, learner, RunProgress { origin: Some(origin), ..state.about }, note)
}

/// Takes the files of a job's cases as they are now for those that its run in `folder` goes on with. Those that have changed are returned.
///
/// # Errors
/// E0801 when the record of the run cannot be read, E0702 for files that cannot be; E0603 when it cannot be written.
pub fn accept_data(job: &Job, folder: &Folder) -> Result<Vec<PathBuf>> {
    let old = CaseFiles::load(folder.path())?;
    let changed = old.as_ref().map_or_else(Vec::new, |files| files.changed(job));
    CaseFiles::of(job)?.after(old, &changed).save(folder.path())?;
    Ok(changed)
}

/// The network as a run begins with it: its weights drawn, then those that it is given.
pub(super) fn begun(job: &Job, initial: Option<&InitialWeights>, device: &Device) -> Result<Network> {
    let mut network = drawn(job, device)?;
    initial.map_or(Ok(()), |initial| initial.give(&mut network, device))?;
    Ok(network)
}

/// The network with weights from the seed, each with its part of the learning rate.
fn drawn(job: &Job, device: &Device) -> Result<Network> {
    let mut network = Network::new(job.program.clone(), device, job.config.seed)?.in_precision(job.config.precision, device)?;
    for (name, weight) in network.weights_mut() {
        if let Some(factor) = job.factors.get(name.as_str()) {
            weight.learn_by(*factor);
        }
    }
    Ok(network)
}

/// How long an epoch takes, what was spent before an interruption included, and pauses not.
struct Clock {
    before: f64,
    begun: Instant,
    paused: Duration,
}

impl Clock {
    fn seconds(&self) -> f64 {
        self.before + self.begun.elapsed().saturating_sub(self.paused).as_secs_f64()
    }
}

/// A run that is under way.
struct Running<'a> {
    job: &'a Job,
    folder: &'a Folder,
    learner: Learner,
    about: RunProgress,
    saved: Instant,
    /// Of how many validation cases it was said which classes they lack.
    told: Option<usize>,
}

/// Trains until the end or `stop`; `note` is said first.
fn run(job: &Job, folder: &Folder, stop: &AtomicBool, learner: Learner, about: RunProgress, note: Option<String>) -> Result<Outcome> {
    let start = Instant::now();
    let config = &job.config;
    let labels = job.scored();
    let now = seconds_now();
    if !about.finished {
        RunStart::now(&net::name_of(learner.workers().main()), about.steps, now).note(folder.path(), about.steps == 0)?;
    }
    let mut journal = Journal::create(folder.path(), &labels, &about.records, now)?;
    let steps = job.steps();
    let rates = Rates {
        course: config.schedule.kind,
        peak: config.optimiser.lr,
        minimum: config.schedule.min_lr,
        warmup: (config.schedule.warmup * steps as f64).round() as usize,
        total: config.epochs.saturating_mul(steps),
        power: config.schedule.power,
    };
    let mut r = Running { job, folder, learner, about, saved: start, told: None };
    let mut progress = TrainProgress::new(config.epochs, steps, labels, r.about.steps, &r.about.records);
    note.iter().for_each(|note| progress.say(note));
    let outcome = |r: &Running, ending| Outcome {
        best: r.best().cloned(),
        epochs: r.about.records.len(),
        duration: start.elapsed(),
        ending,
        cleaned: r.about.cleaned.clone(),
    };
    if r.about.finished {
        r.clean(&progress)?;
        progress.finish();
        return Ok(outcome(&r, if r.about.records.len() < config.epochs { StopReason::Patience } else { StopReason::Whole }));
    }
    if config.cache.is_some() {
        prepare(job)?;
    }
    let (recipe, threads) = (recipe(job, r.learner.loss()), loader_workers(r.learner.workers().main()));
    let mut loader = Loader::start(&job.store, &recipe, config.epochs, r.about.steps * config.optimiser.accumulate, threads)?;
    let pause = PauseFiles::of(folder.path());
    let mut warned = 0;
    while r.about.records.len() < config.epochs {
        let epoch = r.about.records.len() + 1;
        let mut clock = Clock { before: r.about.seconds[0], begun: Instant::now(), paused: Duration::ZERO };
        while r.about.steps < epoch * steps {
            if let Some(file) = pause.asked().filter(|_| !stop.load(Ordering::Relaxed)) {
                r.save()?;
                progress.say(&format!("waiting as long as `{}` is there", file.display()));
                clock.paused += pause.wait(stop);
            }
            let lr = rates.rate(r.about.steps);
            r.step(&mut loader, lr, epoch)?;
            r.about.seconds[0] = clock.seconds();
            progress.step(epoch, r.about.steps, r.about.sums[0] / r.about.batches.max(1) as f64);
            if stop.load(Ordering::Relaxed) && r.about.steps < epoch * steps {
                r.save()?;
                progress.finish();
                return Ok(outcome(&r, StopReason::Asked));
            }
            if r.saved.elapsed() > SAVE_EVERY {
                r.save()?;
            }
        }
        let (record, better) = r.close(epoch, rates.rate(r.about.steps - 1), &clock, &mut progress)?;
        journal.add(&record)?;
        let warnings = Diagnostics(job.store.warnings(warned));
        warned += warnings.0.len();
        warnings.gathered().0.iter().for_each(|w| progress.say(&render::concise(w)));
        progress.epoch(&record, better);
        // An epoch that was not validated may be a better one.
        let late = record.is_validated() && config.patience.is_some_and(|p| r.best().is_some_and(|b| epoch >= b.epoch + p));
        r.about.finished = late || epoch == config.epochs;
        r.save()?;
        if r.about.finished {
            r.clean(&progress)?;
        }
        if late {
            progress.finish();
            return Ok(outcome(&r, StopReason::Patience));
        }
        if stop.load(Ordering::Relaxed) && epoch < config.epochs {
            progress.finish();
            return Ok(outcome(&r, StopReason::Asked));
        }
    }
    progress.finish();
    Ok(outcome(&r, StopReason::Whole))
}

impl Running<'_> {
    /// The best epoch so far.
    fn best(&self) -> Option<&Record> {
        Record::best(&self.about.records, self.job.config.validate.smooth)
    }

    /// One step of the optimiser: its batches forward and backward, then the weights.
    fn step(&mut self, loader: &mut Loader, lr: f64, epoch: usize) -> Result<()> {
        let step = self.about.steps - (epoch - 1) * self.job.steps();
        for _ in 0..self.job.config.optimiser.accumulate {
            let asked = Instant::now();
            let batch = loader.next()?;
            self.about.seconds[1] += asked.elapsed().as_secs_f64();
            let cases = batch.cases.join(", ");
            let values = self.learner.batch(DeviceBatch::new(batch, self.learner.workers().main()), lr)?;
            if !values[0].is_finite() {
                return Err(stopped(&cases, epoch, step, self.folder));
            }
            self.about.sums.iter_mut().zip(values).for_each(|(s, t)| *s += t);
            self.about.batches += 1;
        }
        self.about.steps += 1;
        Ok(())
    }

    /// Validates where it is time to, writes the checkpoints, and begins the next epoch's sums.
    fn close(&mut self, epoch: usize, lr: f64, clock: &Clock, progress: &mut TrainProgress) -> Result<(Record, bool)> {
        if !is_finite(&self.learner.train_state().network) {
            return Err(stopped_at(format!("weights are no longer finite at the end of epoch {epoch}"), self.folder));
        }
        let job = self.job;
        let network = self.learner.best();
        let mut scores = None;
        let mut score = None;
        if job.config.validate.due(epoch, job.config.epochs) {
            let model = net::model(network, job.card(epoch, None, vec![]))?;
            let some = job.validated_between();
            let cases = if epoch >= job.config.epochs { &job.validation } else { &some };
            let found = validate(&model, &job.store, cases, |at| progress.validating(at + 1, cases.len()))?;
            if some.len() < cases.len() {
                let ids: Vec<&String> = some.iter().filter_map(|case| job.store.ids().get(*case)).collect();
                let own = found.cases.iter().filter(|c| ids.contains(&&c.id)).map(|c| (c.id.clone(), c.counts.clone()));
                score = summarise(model.card(), own.collect()).mean;
            }
            if self.told.replace(cases.len()) != Some(cases.len()) {
                absences(&found, job.validation.len()).iter().for_each(|d| progress.say(&render::concise(d)));
            }
            scores = Some(found);
        }
        let [loss, loss_dice, loss_cross_entropy, loss_boundary, loss_tversky, loss_focal] =
            self.about.sums.map(|s| s / self.about.batches.max(1) as f64);
        let record = Record {
            epoch,
            step: self.about.steps,
            lr,
            loss,
            loss_dice,
            loss_cross_entropy,
            loss_boundary,
            loss_tversky,
            loss_focal,
            dice: scores
                .as_ref()
                .map_or_else(|| vec![f64::NAN; job.scored().len()], |s| s.classes.iter().map(|c| c.mean.unwrap_or(f64::NAN)).collect()),
            dice_cases: scores.as_ref().map_or_else(Vec::new, |s| s.classes.iter().map(|c| c.n).collect()),
            dice_mean: scores.as_ref().and_then(|s| s.mean).unwrap_or(f64::NAN),
            score,
            seconds: clock.seconds(),
            waited: self.about.seconds[1],
        };
        self.about.records.push(record.clone());
        let better = self.best().is_some_and(|b| b.epoch == epoch);
        // All before the state: an epoch that is cut off here is made again, and leaves the same.
        let card = match &scores {
            Some(s) => job.card(epoch, s.mean, s.classes.iter().map(|c| c.mean).collect()),
            None => job.card(epoch, None, vec![]),
        };
        let entries = card.entries();
        if better {
            net::save(&self.folder.file(BEST), network, &entries)?;
            if let Some(scores) = &scores {
                cases::write(self.folder.path(), epoch, &job.scored(), scores)?;
            }
        }
        net::save(&self.folder.file(LAST), network, &entries)?;
        (self.about.sums, self.about.batches, self.about.seconds) = ([0.0; TERMS], 0, [0.0; 2]);
        Ok((record, better))
    }

    /// Looks for postprocessing where the config asks for it and none was looked for, and writes what was found into the best checkpoint.
    fn clean(&mut self, progress: &TrainProgress) -> Result<()> {
        if self.job.config.postprocess == PostprocessSearch::none || self.about.cleaned.is_some() {
            return Ok(());
        }
        let path = self.folder.file(BEST);
        let (trained, card) = Model::read(&path)?;
        let network = Network::from_arrays(trained.program.clone(), &trained.weights, &self.learner.workers().main().clone().inner())?;
        let model = net::model(&network, card.clone())?;
        let of = self.job.validation.len();
        let cleaned = choose(&model, &self.job.store, &self.job.validation, |at| progress.validating(at + 1, of))?;
        let postprocess = Some(cleaned.postprocess.clone()).filter(|p| !p.is_none());
        store::save(&path, &trained.program, trained.weights, &Card { postprocess, ..card }.entries())?;
        self.about.cleaned = Some(cleaned);
        self.save()
    }

    /// Saves what to go on from.
    fn save(&mut self) -> Result<()> {
        let path = self.folder.file(RESUME);
        let (learner, train_state) = (&self.learner, self.learner.train_state());
        let state = RunState {
            about: RunProgress { moves: learner.moves(), scaling: learner.scaling(), ..self.about.clone() },
            weights: net::arrays(&train_state.network).collect(),
            average: train_state.average.iter().flat_map(net::arrays).collect(),
            moments: train_state.named_moments(),
        };
        state.save(&path)?;
        self.saved = Instant::now();
        Ok(())
    }
}

/// Prepares all cases at once, so that no epoch waits for those that the cache does not have yet.
fn prepare(job: &Job) -> Result<()> {
    let cases = [&job.training[..], &job.validation].concat();
    let bar = Bar::new(cases.len(), "preparing cases {bar:30} {pos}/{len} {eta} left");
    job.store.prepare(&cases, || bar.change(|bar| bar.inc(1)))
}

pub(super) fn recipe(job: &Job, loss: &Arc<Loss>) -> LoaderConfig {
    LoaderConfig {
        seed: job.config.seed,
        cases: job.training.clone(),
        patch: job.config.patch,
        batch: job.config.batch,
        batches: job.steps().saturating_mul(job.config.optimiser.accumulate).max(1),
        epochs: job.config.epochs,
        foreground: job.config.foreground,
        augment: job.config.augment,
        loss: loss.clone(),
    }
}
