//! The data loader: batches are made ahead by worker threads. What is in a batch follows from the seed, the epoch and the step alone.
//!
//! Part of `train`; may use `data`, `net` and `text`.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use burn::tensor::Device;
use rand::seq::SliceRandom;

use super::loss::{HostTargets, Loss};
use super::store::CaseStore;
use crate::data::{self, Augment, Foreground, RngStream, Sample, draw};
use crate::host;
use crate::net;
use crate::text::{Code, Diagnostic, Result};

/// Prefetched batches: enough to hide a slow case, few enough for memory. At least one for each worker.
pub(super) const AHEAD: usize = 4;
/// Most loader workers: faster than any GPU consumes batches, even with all augmentations.
const MAKERS: usize = 16;

/// The configuration of a data loader.
#[derive(Clone, Debug)]
pub struct LoaderConfig {
    pub seed: u64,
    /// The cases to draw from, by index.
    pub cases: Vec<usize>,
    /// `[D, H, W]`
    pub patch: [usize; 3],
    pub batch: usize,
    /// Batches of an epoch, at least one.
    pub batches: usize,
    /// Of the run.
    pub epochs: usize,
    /// Which patches are placed at foreground.
    pub foreground: Foreground,
    pub augment: Augment,
    pub loss: Arc<Loss>,
}

/// Patches and their targets.
#[derive(Clone, Debug)]
pub struct TrainBatch {
    /// `[N, C, D, H, W]` in row-major order.
    pub image: Vec<f32>,
    pub shape: [usize; 5],
    /// One for each output that is trained on.
    pub targets: Vec<HostTargets>,
    /// The names of the cases, one for each patch.
    pub cases: Vec<String>,
}

/// Worker threads that make batches in turn. Dropping it ends them after their present batch.
#[derive(Debug)]
pub struct Loader {
    loader_workers: Vec<Maker>,
    /// Whose batch is next.
    turn: usize,
}

#[derive(Debug)]
struct Maker {
    batches: Receiver<Result<TrainBatch>>,
    thread: JoinHandle<()>,
}

/// The number of loader workers for a device: one where the CPU trains as well, else all cores but one.
pub fn loader_workers(device: &Device) -> usize {
    if net::on_cpu(device) { 1 } else { host::threads().saturating_sub(1).clamp(1, MAKERS) }
}

impl Loader {
    /// Starts on the batches of `epochs` epochs, in order, from batch `from` of the whole run on, in so many threads. The batches are the same
    /// however many there are.
    ///
    /// # Errors
    /// E0901 when the system gives no thread.
    pub fn start(store: &Arc<CaseStore>, recipe: &LoaderConfig, epochs: usize, from: usize, loader_workers: usize) -> Result<Self> {
        let count = loader_workers.max(1);
        let make = |first: usize| -> Result<Maker> {
            let (store, recipe) = (store.clone(), recipe.clone());
            let (send, batches) = sync_channel(AHEAD.div_ceil(count));
            let work = move || {
                for at in (from + first..epochs.saturating_mul(recipe.batches)).step_by(count) {
                    let batch = recipe.batch(&store, at / recipe.batches, at % recipe.batches);
                    let last = batch.is_err();
                    // The receiver is gone: the run was stopped.
                    if send.send(batch).is_err() || last {
                        return;
                    }
                }
            };
            let thread = std::thread::Builder::new().name("batches".into()).spawn(work).map_err(|e| {
                Diagnostic::error(Code::E0901, format!("cannot start a thread that makes batches: {e}"))
                    .help("close other programs and try again")
            })?;
            Ok(Maker { batches, thread })
        };
        Ok(Self { loader_workers: (0..count).map(make).collect::<Result<_>>()?, turn: 0 })
    }

    /// The next batch.
    ///
    /// # Errors
    /// What is wrong with the files of a case.
    pub fn next(&mut self) -> Result<TrainBatch> {
        let gone = || {
            Diagnostic::error(Code::E0901, "a thread that makes batches has ended early")
                .help("this is a fault of the program; please report it")
        };
        let maker = &self.loader_workers[self.turn % self.loader_workers.len()];
        self.turn += 1;
        maker.batches.recv().unwrap_or_else(|_| Err(gone().into()))
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // The receivers first: a thread that waits for room then ends.
        let threads: Vec<JoinHandle<()>> = self.loader_workers.drain(..).map(|maker| maker.thread).collect();
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl LoaderConfig {
    /// A batch by its epoch and its number in it, both from 0.
    fn batch(&self, store: &CaseStore, epoch: usize, step: usize) -> Result<TrainBatch> {
        let Some(last) = self.cases.len().checked_sub(1) else {
            return Err(Diagnostic::error(Code::E0701, "there are no training cases").help("add cases to the data set").into());
        };
        let mut samples = vec![];
        let mut order = (0, vec![]);
        for at in step * self.batch..(step + 1) * self.batch {
            let round = at / (last + 1);
            if order.1.is_empty() || order.0 != round {
                order = (round, self.order(epoch, round));
            }
            samples.push((at as u64, store.sample(order.1[at % (last + 1)])?));
        }
        let places: Vec<(u64, &Sample)> = samples.iter().map(|(at, s)| (*at, s.as_ref())).collect();
        let made = data::assemble(&places, self.patch, &self.augment, self.foreground, self.seed, epoch as u64);
        let [d, h, w] = made.size;
        let targets = self.loss.targets_at(&made.labels, [made.count, d, h, w], self.along(epoch, step));
        let cases = samples.iter().map(|(_, s)| s.id.clone()).collect();
        Ok(TrainBatch { image: made.images, shape: [made.count, made.channels, d, h, w], targets, cases })
    }

    /// The part of all batches of the run that comes before such a one.
    fn along(&self, epoch: usize, step: usize) -> f64 {
        (epoch as f64 + step as f64 / self.batches.max(1) as f64) / self.epochs.max(1) as f64
    }

    /// The order of the cases, which is another one in each round of each epoch: who shares a batch in one round need not in the next.
    fn order(&self, epoch: usize, round: usize) -> Vec<usize> {
        let mut order = self.cases.clone();
        order.shuffle(&mut draw(self.seed, RngStream::Order, epoch as u64, round as u64));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::super::loss::{Anneal, LabelScheme, Objective};
    use super::*;

    fn recipe(objective: Objective) -> LoaderConfig {
        LoaderConfig {
            seed: 3,
            cases: (0..20).collect(),
            patch: [8; 3],
            batch: 2,
            batches: 20,
            epochs: 5,
            foreground: Foreground::Each(0.5),
            augment: Augment::default(),
            loss: Arc::new(Loss::new(objective, LabelScheme::Classes(2))),
        }
    }

    #[test]
    fn every_round_of_every_epoch_has_its_own_order_of_all_cases() {
        let recipe = recipe(Objective::default());
        let orders: Vec<Vec<usize>> = (0..6).map(|n| recipe.order(n / 2, n % 2)).collect();
        for (i, order) in orders.iter().enumerate() {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, recipe.cases);
            assert!(orders[i + 1..].iter().all(|o| o != order));
        }
        assert_eq!(orders[3], recipe.order(1, 1));
        assert_ne!(orders[1], LoaderConfig { seed: 4, ..recipe.clone() }.order(0, 1));
    }

    #[test]
    fn the_second_round_has_other_batches_than_the_first() {
        let spec: crate::data::DatasetSpec = ron::from_str("Phantom(cases: 20, size: (16, 16, 16))").unwrap();
        let data = crate::data::Dataset::open(&spec, Default::default(), None).unwrap();
        let (store, recipe) = (CaseStore::new(data), recipe(Objective::default()));
        let pairs: Vec<Vec<String>> = (0..20)
            .map(|step| {
                let mut cases = recipe.batch(&store, 0, step).unwrap().cases;
                cases.sort();
                cases
            })
            .collect();
        for round in [&pairs[..10], &pairs[10..]] {
            let all: std::collections::BTreeSet<&String> = round.iter().flatten().collect();
            assert_eq!(all.len(), 20, "each case once in a round");
        }
        let again = pairs[10..].iter().filter(|p| pairs[..10].contains(p)).count();
        assert!(again <= 2, "{again} of ten pairs come again");
    }

    #[test]
    fn class_weights_of_the_cross_entropy_fall_with_the_batches() {
        let objective = Objective {
            inverse_frequency: 0.25,
            cross_entropy_frequency: Some(1.0),
            anneal: Some(Anneal { until: 0.4 }),
            ..Objective::default()
        };
        let recipe = recipe(objective);
        assert_eq!([(0, 0), (1, 0), (2, 10), (4, 19)].map(|(e, s)| recipe.along(e, s)), [0.0, 0.2, 0.5, 0.99]);
        let weights = |along: f64| {
            let t = recipe.loss.targets_at(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [1, 1, 1, 10], along);
            (t[0].weights().to_vec(), t[0].cross_entropy_weights().to_vec())
        };
        let close = |a: Vec<f32>, b: [f64; 2]| a.iter().zip(b).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6);
        let others = 1.0 / (1.0 + 9f64.powf(0.25));
        for (along, exponent) in [(0.0, 1.0), (0.1, 0.75), (0.2, 0.5), (0.4, 0.0), (0.9, 0.0)] {
            let (all, own) = weights(along);
            assert!(close(all, [others, 1.0 - others]), "the others keep theirs");
            let of = 1.0 / (1.0 + 9f64.powf(exponent));
            assert!(close(own, [of, 1.0 - of]), "{along}");
        }
    }
}
