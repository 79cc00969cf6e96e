//! A training step: forward pass, Dice and cross-entropy, backward pass, AdamW.

use std::time::Instant;

use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::tensor::Tensor;

use super::case::Case;
use super::forward::wait;
use crate::compile::memory::Segments;
use crate::text::Result;
use crate::train::{Goal, Loss, Objective, Target};

/// What is minimised: Dice plus cross-entropy, every class alike. The boundary term is left out: no other framework has it.
fn objective() -> Objective {
    Objective { dice: 1.0, cross_entropy: 1.0, boundary: 0.0, inverse_frequency: 0.0, ..Objective::default() }
}

/// The learning rate; the rest is AdamW's usual 0.9, 0.999, 1e-8 and a decay of 0.01.
const RATE: f64 = 1e-3;

/// Seconds of the parts of a step, and the loss before it.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Parts {
    pub forward: f64,
    pub backward: f64,
    pub update: f64,
    pub loss: f64,
}

/// A training step that can be repeated; each goes on from the weights that the one before left.
pub struct Step {
    case: Case,
    /// Those of activation checkpointing.
    segments: Segments,
    input: Tensor<5>,
    loss: Loss,
    targets: Vec<Target>,
    optimiser: ModuleOptimizer,
}

impl Step {
    /// The case must have been made on a device with autodiff, and its graph takes one input; else there is nothing to step.
    pub fn new(case: Case, segments: Segments) -> Option<Self> {
        let [input] = <[Tensor<5>; 1]>::try_from(case.tensors()).ok()?;
        let y = case.output();
        let [d, h, w] = y.size;
        let loss = Loss::new(objective(), Goal::Classes(y.channels));
        let targets = loss.targets(&case.labels(), [y.batch, d, h, w]);
        let optimiser = AdamWConfig::new().with_beta_1(0.9).with_beta_2(0.999).with_epsilon(1e-8).with_weight_decay(0.01).init();
        Some(Self { case, segments, input, loss, targets, optimiser })
    }

    /// Makes one step. Its parts are timed where the device is waited for between them; else all is queued at once, as in training, and
    /// the whole counts as the update.
    ///
    /// # Errors
    /// E0901 when the device fails.
    pub fn once(self, in_parts: bool) -> Result<(Self, Parts)> {
        let Self { case, segments, input, loss: goal, targets, mut optimiser } = self;
        let start = Instant::now();
        let pass = case.network.pass(input.clone(), &[0], &segments);
        let terms = goal.terms(pass.outputs().to_vec(), &targets, &case.device);
        let total = terms.total;
        let mark = || -> Result<f64> {
            if in_parts {
                wait(&case)?;
                Ok(start.elapsed().as_secs_f64())
            } else {
                Ok(0.0)
            }
        };
        let forward = mark()?;
        let gradients = pass.back(total.backward());
        let backward = mark()? - forward;
        let network = optimiser.step(RATE, case.network.clone(), gradients);
        let case = Case { network, ..case };
        wait(&case)?;
        let loss = f64::from(total.into_scalar::<f32>());
        let update = start.elapsed().as_secs_f64() - forward - backward;
        Ok((Self { case, segments, input, loss: goal, targets, optimiser }, Parts { forward, backward, update, loss }))
    }
}

impl Parts {
    /// The whole step.
    pub fn seconds(&self) -> f64 {
        self.forward + self.backward + self.update
    }
}
