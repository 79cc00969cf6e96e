//! The batches of a run, made ahead in a thread. What is in a batch follows from the seed, the epoch and the step alone.
//!
//! Part of `train`; may use `data` and `text`.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use rand::seq::SliceRandom;

use super::loss::{Loss, Target};
use super::store::Store;
use crate::data::{self, Augment, Purpose, Sample, draw};
use crate::text::{Code, Diagnostic, Result};

/// Batches that are ready and waiting: enough to hide a slow case, few enough for memory.
pub(super) const AHEAD: usize = 4;

/// What to make batches of.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub seed: u64,
    /// The cases to draw from, by index.
    pub cases: Vec<usize>,
    /// `[D, H, W]`
    pub patch: [usize; 3],
    pub batch: usize,
    /// Batches of an epoch, at least one.
    pub batches: usize,
    /// The part of the patches that hold a foreground voxel.
    pub foreground: f64,
    pub augment: Augment,
    pub loss: Arc<Loss>,
}

/// Patches and what they should become.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[N, C, D, H, W]` in row-major order.
    pub image: Vec<f32>,
    pub shape: [usize; 5],
    /// One for each output that is trained on.
    pub targets: Vec<Target>,
    /// The names of the cases, one for each patch.
    pub cases: Vec<String>,
}

/// A thread that makes batches. Dropping it ends the thread after the batch at hand.
#[derive(Debug)]
pub struct Loader {
    batches: Option<Receiver<Result<Batch>>>,
    thread: Option<JoinHandle<()>>,
}

impl Loader {
    /// Starts on the batches of `epochs` epochs, in order, from batch `from` of the whole run on.
    ///
    /// # Errors
    /// E0901 when the system gives no thread.
    pub fn start(store: Arc<Store>, recipe: Recipe, epochs: usize, from: usize) -> Result<Self> {
        let (send, batches) = sync_channel(AHEAD);
        let work = move || {
            for at in from..epochs.saturating_mul(recipe.batches) {
                let batch = recipe.batch(&store, at / recipe.batches, at % recipe.batches);
                let last = batch.is_err();
                // Nobody listens any more: the run was stopped.
                if send.send(batch).is_err() || last {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("batches".into()).spawn(work).map_err(|e| {
            Diagnostic::error(Code::E0901, format!("cannot start the thread that makes batches: {e}"))
                .help("close other programs and try again")
        })?;
        Ok(Self { batches: Some(batches), thread: Some(thread) })
    }

    /// The next batch.
    ///
    /// # Errors
    /// What is wrong with the files of a case.
    pub fn next(&self) -> Result<Batch> {
        let gone = || {
            Diagnostic::error(Code::E0901, "the thread that makes batches has ended early")
                .help("this is a fault of the program; please report it")
        };
        self.batches.as_ref().and_then(|b| b.recv().ok()).unwrap_or_else(|| Err(gone().into()))
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // The receiver first: a thread that waits for room then ends.
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Recipe {
    /// A batch by its epoch and its number in it, both from 0.
    ///
    /// The order of the cases is shuffled anew each epoch; an epoch longer than the cases goes round again.
    fn batch(&self, store: &Store, epoch: usize, step: usize) -> Result<Batch> {
        let order = self.order(epoch);
        let mut samples = vec![];
        for at in step * self.batch..(step + 1) * self.batch {
            let Some(&case) = order.get(at % order.len().max(1)) else {
                return Err(Diagnostic::error(Code::E0701, "there are no training cases").help("add cases to the data set").into());
            };
            samples.push((at as u64, store.sample(case)?));
        }
        let places: Vec<(u64, &Sample)> = samples.iter().map(|(at, s)| (*at, s.as_ref())).collect();
        let made = data::assemble(&places, self.patch, &self.augment, self.foreground, self.seed, epoch as u64);
        let [d, h, w] = made.size;
        let targets = self.loss.targets(&made.labels, [made.count, d, h, w]);
        let cases = samples.iter().map(|(_, s)| s.id.clone()).collect();
        Ok(Batch { image: made.images, shape: [made.count, made.channels, d, h, w], targets, cases })
    }

    fn order(&self, epoch: usize) -> Vec<usize> {
        let mut order = self.cases.clone();
        order.shuffle(&mut draw(self.seed, Purpose::Order, epoch as u64, 0));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::super::loss::{Goal, Objective};
    use super::*;

    #[test]
    fn every_epoch_has_its_own_order_of_all_cases() {
        let recipe = Recipe {
            seed: 3,
            cases: (0..20).collect(),
            patch: [8; 3],
            batch: 2,
            batches: 10,
            foreground: 0.5,
            augment: Augment::default(),
            loss: Arc::new(Loss::new(Objective::default(), Goal::Classes(2))),
        };
        let orders: Vec<Vec<usize>> = (0..3).map(|e| recipe.order(e)).collect();
        for (i, order) in orders.iter().enumerate() {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, recipe.cases);
            assert!(orders[i + 1..].iter().all(|o| o != order));
        }
        assert_eq!(orders[1], recipe.order(1));
        assert_ne!(orders[1], Recipe { seed: 4, ..recipe }.order(1));
    }
}
