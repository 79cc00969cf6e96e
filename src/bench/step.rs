//! A training step: forward pass, Dice and cross-entropy, backward pass, AdamW.

use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Tensor;

use super::case::BenchCase;
use super::forward::wait;
use crate::compile::memory::{Precision, Segments};
use crate::text::Result;
use crate::train::{DeviceBatch, LabelScheme, Learner, Loss, Objective, OptimiserConfig, StepPhase, Workers};

/// The learning rate; the rest is AdamW's usual 0.9, 0.999, 1e-8 and a decay of 0.01.
const RATE: f64 = 1e-3;

/// Seconds of the parts of a step, and the loss before it.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct StepTimes {
    pub forward: f64,
    pub backward: f64,
    pub update: f64,
    pub loss: f64,
}

/// A training step that can be repeated; each goes on from the weights that the one before left.
pub struct BenchStep {
    case: BenchCase,
    learner: Learner,
    given: DeviceBatch,
}

impl BenchStep {
    /// The case must have been made on a device with autodiff, and its graph takes one input; else there is nothing to step. `segments` are
    /// those of activation checkpointing.
    ///
    /// # Errors
    /// E0602 where the device is not there.
    pub fn new(case: &BenchCase, segments: Segments, precision: Precision) -> Result<Option<Self>> {
        let Ok([input]) = <[Tensor<5>; 1]>::try_from(case.tensors()) else { return Ok(None) };
        let y = case.output();
        let [d, h, w] = y.size;
        // Dice plus cross-entropy, every class alike: what other frameworks have, too.
        let loss = Loss::new(Objective::default(), LabelScheme::Classes(y.channels));
        let plain = case.device.clone().inner();
        let targets = loss.targets(&case.labels(), [y.batch, d, h, w]).into_iter().map(|t| t.on(&plain)).collect();
        let workers = Workers::new(&plain, 1, segments)?;
        let learner = Learner::new(workers, Arc::new(loss), case.network.clone(), OptimiserConfig::default(), precision)?;
        Ok(Some(Self { case: case.clone(), learner, given: DeviceBatch { image: input.inner(), targets } }))
    }

    /// Makes one step. Its parts are timed where the device is waited for between them; else all is queued at once, as in training, and
    /// the whole counts as the update.
    ///
    /// # Errors
    /// E0901 when the device fails.
    pub fn once(&mut self, in_parts: bool) -> Result<StepTimes> {
        let start = Instant::now();
        let mut parts = StepTimes::default();
        let mut failed = None;
        let values = if in_parts {
            self.learner.in_parts(self.given.clone(), RATE, |mark| {
                failed = failed.take().or_else(|| wait(&self.case).err());
                let now = start.elapsed().as_secs_f64();
                match mark {
                    StepPhase::Forward => parts.forward = now,
                    StepPhase::Backward => parts.backward = now - parts.forward,
                }
            })?
        } else {
            self.learner.batch(self.given.clone(), RATE)?
        };
        failed.map_or(Ok(()), Err)?;
        wait(&self.case)?;
        parts.update = start.elapsed().as_secs_f64() - parts.forward - parts.backward;
        Ok(StepTimes { loss: values[0], ..parts })
    }

    /// See [`Learner::how`].
    pub fn how(&self) -> Option<String> {
        self.learner.how()
    }
}

impl StepTimes {
    /// The whole step.
    pub fn seconds(&self) -> f64 {
        self.forward + self.backward + self.update
    }
}
