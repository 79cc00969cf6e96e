//! Updating the weights: gradients scaled and clipped, the optimiser's rule, and the moving average of the weights.
//!
//! Part of `train`; may use `kernel` and `net`.

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::config::{OptimiserConfig, OptimiserKind};
use super::state::NamedArrays;
use crate::ir::Array;
use crate::kernel::{Accumulate, SquaredNorm, UpdateRule, UpdateScalars, accumulate, blend, update};
use crate::net::{Network, Observed, Parameter, deep_clone, tracked};
use crate::text::Result;

/// The factor of the loss that keeps small gradients above what `f16` rounds to zero: halved when a gradient is no longer finite, and
/// that step skipped; doubled after many steps without. PyTorch's `GradScaler`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossScaling {
    pub factor: f64,
    /// Steps since it changed.
    pub held: usize,
}

impl LossScaling {
    /// Steps after which it is doubled.
    const LONG: usize = 1000;

    /// Before the first step.
    pub fn start() -> Self {
        Self { factor: 1024.0, held: 0 }
    }

    pub fn after(self, finite: bool) -> Self {
        match self {
            Self { factor, .. } if !finite => Self { factor: (factor / 2.0).max(1.0), held: 0 },
            Self { factor, held } if held + 1 >= Self::LONG => Self { factor: (factor * 2.0).min(65536.0), held: 0 },
            Self { factor, held } => Self { factor, held: held + 1 },
        }
    }
}

/// The rule of the config's optimiser.
pub fn rule(config: &OptimiserConfig) -> UpdateRule {
    let decay = config.weight_decay as f32;
    match config.kind {
        OptimiserKind::adamw => UpdateRule::Adam { betas: config.betas.map(|b| b as f32), epsilon: 1e-8, decay },
        OptimiserKind::sgd => {
            UpdateRule::Momentum { momentum: config.momentum as f32, nesterov: config.nesterov && config.momentum > 0.0, decay }
        }
    }
}

/// The scalars of a step, as a tensor, so that a captured graph reads those of the present step (as PyTorch's `capturable=True`).
#[derive(Clone, Copy, Debug)]
pub struct StepScalars {
    /// The learning rate.
    pub rate: f64,
    /// Updates of the weights so far.
    pub moves: usize,
    /// What the loss is multiplied by before its gradients are taken.
    pub factor: f64,
    /// What the batch's gradients do to those before them, where a step has several batches.
    pub accumulate: Accumulate,
    /// Whether the weights are updated.
    pub apply: bool,
}

// Places in its tensor; before them the rate and Adam's bias corrections, as `UpdateScalars` has them.
const SCALE: usize = 3;
const APPLY: usize = 4;
const KEEP: usize = 5;
const FACTOR: usize = 6;
const ACCUMULATE: usize = 7;

impl StepScalars {
    /// `[8]`
    pub fn on(&self, config: &OptimiserConfig, device: &Device) -> Tensor<1> {
        let moves = self.moves as f64 + 1.0;
        let [first, second] = config.betas.map(|beta| 1.0 / (1.0 - beta.powf(moves)));
        // The first steps of an average, from random weights, are soon forgotten.
        let keep = config.average.map_or(1.0, |keep| keep.min((1.0 + moves) / (10.0 + moves)));
        let scale = 1.0 / (config.accumulate as f64 * self.factor);
        let apply = f64::from(u8::from(self.apply));
        let numbers = [self.rate, first, second, scale, apply, keep, self.factor, self.accumulate.number()];
        Tensor::from_data(TensorData::new(numbers.map(|x| x as f32).to_vec(), [numbers.len()]), device)
    }

    /// The factor of the loss, `[1]`.
    pub fn factor(scalars: &Tensor<1>) -> Tensor<1> {
        scalars.clone().narrow(0, FACTOR, 1)
    }
}

/// Gradient accumulation: the sums over a step's batches, of each weight in the network's order. On a GPU they are updated in place.
#[derive(Clone, Debug)]
pub struct GradientAccumulator(Vec<Tensor<1>>);

impl GradientAccumulator {
    /// Before the first batch; nothing where a step has a single one.
    pub fn new(network: &Network, config: &OptimiserConfig, device: &Device) -> Self {
        let plain = device.clone().inner();
        let zeros = |(_, w): &(String, Parameter)| Tensor::zeros([w.len()], &plain);
        Self(if config.accumulate > 1 { network.weights().iter().map(zeros).collect() } else { vec![] })
    }

    /// The gradients of a batch with those before it, as the `scalars` say.
    pub fn add(&mut self, network: &Network, mut gradients: GradientsParams, scalars: &Tensor<1>) -> GradientsParams {
        let mode = scalars.clone().narrow(0, ACCUMULATE, 1);
        for ((_, w), sum) in network.weights().iter().zip(&mut self.0) {
            let Some(gradient) = gradients.remove::<1>(w.id()) else { continue };
            *sum = accumulate(sum.clone(), gradient, mode.clone());
            gradients.register(w.id(), sum.clone());
        }
        gradients
    }
}

/// All that a step updates. On a GPU it does so in place: whoever holds a part of it sees the new numbers.
#[derive(Clone, Debug)]
pub struct TrainState {
    pub network: Network,
    /// Of each weight, in the network's order.
    pub moments: Vec<Vec<Tensor<1>>>,
    /// The moving average of the weights, where the config asks for one; without gradients.
    pub average: Option<Network>,
}

impl TrainState {
    /// Before the first step.
    ///
    /// # Errors
    /// E0501 where the weights' copies do not fit into memory.
    pub fn new(network: Network, config: &OptimiserConfig, device: &Device) -> Result<Self> {
        let network = deep_clone(&network, device)?;
        let plain = device.clone().inner();
        let average = config.average.map(|_| deep_clone(&network, &plain)).transpose()?;
        let count = rule(config).moments();
        // Each with its own memory.
        let zeros = |w: &Parameter| (0..count).map(|_| Tensor::zeros([w.len()], &plain)).collect();
        let moments = network.weights().iter().map(|(_, w)| zeros(w)).collect();
        Ok(Self { network, moments, average })
    }

    /// The moments, all of each weight one after the other, under the names of the weights.
    pub fn named_moments(&self) -> NamedArrays {
        let read = |m: &Tensor<1>| m.clone().into_data().try_into_vec::<f32>().unwrap_or_default();
        let of = |moments: &Vec<Tensor<1>>| moments.iter().flat_map(read).collect::<Vec<f32>>();
        let each = self.network.weights().iter().zip(&self.moments);
        each.map(|((name, _), moments)| (name.clone(), of(moments))).map(|(name, all)| (name, Array::new([all.len()], all))).collect()
    }

    /// Loads such moments; `None` where they are not of this network's weights.
    pub fn load_moments(&mut self, saved: NamedArrays) -> Option<()> {
        if saved.len() != self.moments.len() {
            return None;
        }
        for (((name, w), moments), (own, Array { values: all, .. })) in self.network.weights().iter().zip(&mut self.moments).zip(saved) {
            let count = w.len();
            if *name != own || all.len() != count * moments.len() {
                return None;
            }
            for (m, values) in moments.iter_mut().zip(all.chunks_exact(count.max(1))) {
                *m = Tensor::from_data(TensorData::new(values.to_vec(), [count]), &m.device());
            }
        }
        Some(())
    }

    /// Takes the statistics of a batch into the running ones, of the moving average too; `go [1]` is 0 for a batch that does not count.
    pub fn observe(&mut self, observed: Vec<Observed>, go: &Tensor<1>) {
        self.network.observe(observed, go);
        if let Some(average) = &mut self.average {
            *average.buffers_mut() = self.network.buffers().to_vec();
        }
    }

    /// The state after a step by the gradients of `loss [1]` times the factor of the `scalars`. It is unchanged where the loss is not finite
    /// or, where it is `scaled` for half precision, a gradient; whether all was finite is the second result, `[1]`: 1 or 0.
    pub fn update(
        mut self,
        mut gradients: GradientsParams,
        loss: Tensor<1>,
        scalars: Tensor<1>,
        config: &OptimiserConfig,
        scaled: bool,
    ) -> (Self, Tensor<1>) {
        let device = scalars.device();
        let number = |at| scalars.clone().narrow(0, at, 1);
        let mut finite = loss.is_finite().float();
        let mut scale = number(SCALE);
        if config.clip.is_some() || scaled {
            let mut squares = SquaredNorm::new(self.network.weights().iter().map(|(_, w)| w.len()), &device);
            for (_, w) in self.network.weights() {
                gradients.get::<1>(w.id()).into_iter().for_each(|g| squares.add(g));
            }
            let squares = squares.sum();
            if scaled {
                finite = finite * squares.clone().is_finite().float();
            }
            if let Some(most) = config.clip {
                // As torch.nn.utils.clip_grad_norm_ has it; on the device, so that nothing waits for it.
                let length = squares.sqrt() * scale.clone();
                scale = scale * ((length + 1e-6).recip() * most).clamp_max(1.0);
            }
        }
        let apply = finite.clone() * number(APPLY);
        let control = Tensor::cat(vec![scalars.clone().narrow(0, 0, UpdateScalars::LEN - 2), scale, apply.clone()], 0);
        let keep = (number(KEEP) - 1.0) * apply + 1.0;
        // All reads of the weights are queued before they are updated in place.
        let _ = device.flush();
        let rule = rule(config);
        for ((_, w), moments) in self.network.weights_mut().iter_mut().zip(&mut self.moments) {
            // A weight that is frozen, or that the loss does not depend on, has no gradient.
            let Some(gradient) = gradients.remove::<1>(w.id()).filter(|_| !w.is_frozen()) else { continue };
            let control = match w.factor() {
                1.0 => control.clone(),
                factor => {
                    let rest = control.clone().narrow(0, 1, UpdateScalars::LEN - 1);
                    Tensor::cat(vec![control.clone().narrow(0, 0, 1) * factor, rest], 0)
                }
            };
            w.map_flat(|weight| {
                let device = weight.device();
                let (weight, updated) = update(weight.inner(), gradient, std::mem::take(moments), control, rule);
                *moments = updated;
                tracked(weight, &device).require_grad()
            });
        }
        if let Some(average) = &mut self.average {
            for ((_, a), (_, w)) in average.weights_mut().iter_mut().zip(self.network.weights()) {
                a.map_flat(|a| blend(a, w.flat().inner(), keep.clone()));
            }
        }
        // An operation whose result is dropped before it is queued would not run.
        let _ = device.flush();
        (self, finite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_falls_at_once_and_rises_slowly() {
        let start = LossScaling { factor: 1024.0, held: 5 };
        assert_eq!(start.after(false), LossScaling { factor: 512.0, held: 0 });
        assert_eq!(start.after(true), LossScaling { factor: 1024.0, held: 6 });
        assert_eq!(LossScaling { held: 999, ..start }.after(true), LossScaling { factor: 2048.0, held: 0 });
        assert_eq!(LossScaling { factor: 1.0, held: 0 }.after(false).factor, 1.0);
        assert_eq!(LossScaling { factor: 65536.0, held: 999 }.after(true).factor, 65536.0);
    }
}
