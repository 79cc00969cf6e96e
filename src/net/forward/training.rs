//! What a forward pass in training does that one in prediction does not: batch norms by the batch's own statistics, random zeros.
//!
//! Part of `net`.

use std::cell::RefCell;

use burn::tensor::Tensor;

/// The state of one forward pass in training.
#[derive(Debug, Default)]
pub struct TrainingPass {
    /// Of the run, from its config.
    pub seed: u64,
    /// Batches before this one.
    pub step: u64,
    /// The place of the first sample in the whole batch, of which a replica has a part.
    pub first_sample: u64,
    /// Whether batch norms go by running statistics, as in prediction, and leave them as they are (fine-tuning).
    pub frozen_statistics: bool,
    /// Whether this is the first time that a segment is computed, and not its recomputation.
    pub(in crate::net) first: bool,
    observed: RefCell<Vec<Observed>>,
}

/// A statistic of a batch: the place of the running one in [`Network::buffers`](super::super::Network::buffers), and its share there.
#[derive(Clone, Debug)]
pub struct Observed {
    pub buffer: usize,
    /// `[C]`
    pub value: Tensor<1>,
    pub momentum: f64,
}

impl TrainingPass {
    /// Of the batch after `step` others in a run with this seed.
    pub fn new(seed: u64, step: u64) -> Self {
        Self { seed, step, ..Self::default() }
    }

    /// With batch norms by the running statistics, which stay as they are.
    pub fn frozen(self) -> Self {
        Self { frozen_statistics: true, ..self }
    }

    /// Of the part of a batch that begins with this sample.
    pub fn of_part(self, first_sample: usize) -> Self {
        Self { first_sample: first_sample as u64, ..self }
    }

    /// Notes a statistic of the batch.
    pub(super) fn observe(&self, (buffer, _): (usize, Tensor<1>), value: Tensor<1>, momentum: f64) {
        if self.first {
            self.observed.borrow_mut().push(Observed { buffer, value, momentum });
        }
    }

    /// The statistics of the batch, once.
    pub fn take(&self) -> Vec<Observed> {
        self.observed.take()
    }
}
