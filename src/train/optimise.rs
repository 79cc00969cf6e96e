//! What moves the weights: gradients scaled and shortened, the optimiser's rule, and the moving average of what it has made.
//!
//! Part of `train`; may use `kernel` and `net`.

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::config::{Kind, Optimiser};
use super::state::Numbers;
use crate::ir::Array;
use crate::kernel::{Control, Joins, Rule, Squares, blend, join, update};
use crate::net::{Network, Parameter, apart, tracked};
use crate::text::Result;

/// The factor of the loss that keeps small gradients above what `f16` rounds to zero: halved when a gradient is no longer finite, and
/// that step left out; doubled when it has held for long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    pub factor: f64,
    /// Steps since it changed.
    pub held: usize,
}

impl Scaling {
    /// Steps after which it is doubled.
    const LONG: usize = 1000;

    /// Before the first step.
    pub fn start() -> Self {
        Self { factor: 1024.0, held: 0 }
    }

    pub fn after(self, sound: bool) -> Self {
        match self {
            Self { factor, .. } if !sound => Self { factor: (factor / 2.0).max(1.0), held: 0 },
            Self { factor, held } if held + 1 >= Self::LONG => Self { factor: (factor * 2.0).min(65536.0), held: 0 },
            Self { factor, held } => Self { factor, held: held + 1 },
        }
    }
}

/// The rule of the config's optimiser.
pub fn rule(config: &Optimiser) -> Rule {
    let decay = config.weight_decay as f32;
    match config.kind {
        Kind::adamw => Rule::Adam { betas: config.betas.map(|b| b as f32), epsilon: 1e-8, decay },
        Kind::sgd => Rule::Momentum { momentum: config.momentum as f32, nesterov: config.nesterov && config.momentum > 0.0, decay },
    }
}

/// What is another number at every step, as a tensor, so that a step that was recorded has that of the day.
#[derive(Clone, Copy, Debug)]
pub struct Day {
    /// The learning rate.
    pub rate: f64,
    /// Steps that have moved the weights before.
    pub moves: usize,
    /// What the loss is multiplied by before its gradients are taken.
    pub factor: f64,
    /// How the batch joins those of its step, where a step has several.
    pub joins: Joins,
    /// Whether anything moves at all.
    pub go: bool,
}

// Places in its tensor; before them the rate and the factors of young moments, as `Control` has them.
const SHARE: usize = 3;
const GO: usize = 4;
const KEEP: usize = 5;
const FACTOR: usize = 6;
const JOINS: usize = 7;

impl Day {
    /// `[8]`
    pub fn on(&self, config: &Optimiser, device: &Device) -> Tensor<1> {
        let moves = self.moves as f64 + 1.0;
        let [first, second] = config.betas.map(|beta| 1.0 / (1.0 - beta.powf(moves)));
        // The first steps of an average, from weights that were drawn, are soon forgotten.
        let keep = config.average.map_or(1.0, |keep| keep.min((1.0 + moves) / (10.0 + moves)));
        let share = 1.0 / (config.accumulate as f64 * self.factor);
        let go = f64::from(u8::from(self.go));
        let numbers = [self.rate, first, second, share, go, keep, self.factor, self.joins.number()];
        Tensor::from_data(TensorData::new(numbers.map(|x| x as f32).to_vec(), [numbers.len()]), device)
    }

    /// The factor of the loss, `[1]`.
    pub fn factor(day: &Tensor<1>) -> Tensor<1> {
        day.clone().narrow(0, FACTOR, 1)
    }
}

/// The sums of the gradients of a step's batches, of each weight in the network's order. On a GPU they are written over in their places.
#[derive(Clone, Debug)]
pub struct Gathered(Vec<Tensor<1>>);

impl Gathered {
    /// Before the first batch; nothing where a step has a single one.
    pub fn new(network: &Network, config: &Optimiser, device: &Device) -> Self {
        let plain = device.clone().inner();
        let zeros = |(_, w): &(String, Parameter)| Tensor::zeros([w.len()], &plain);
        Self(if config.accumulate > 1 { network.weights().iter().map(zeros).collect() } else { vec![] })
    }

    /// The gradients of a batch joined to those before it, as the `day` says.
    pub fn joined(&mut self, network: &Network, mut gradients: GradientsParams, day: &Tensor<1>) -> GradientsParams {
        let how = day.clone().narrow(0, JOINS, 1);
        for ((_, w), sum) in network.weights().iter().zip(&mut self.0) {
            let Some(gradient) = gradients.remove::<1>(w.id()) else { continue };
            *sum = join(sum.clone(), gradient, how.clone());
            gradients.register(w.id(), sum.clone());
        }
        gradients
    }
}

/// All that moves with every step. On a GPU it does so in its place: whoever holds a part of it sees it move.
#[derive(Clone, Debug)]
pub struct Moving {
    pub network: Network,
    /// Of each weight, in the network's order.
    pub moments: Vec<Vec<Tensor<1>>>,
    /// The moving average of the weights, where the config asks for one; without gradients.
    pub average: Option<Network>,
}

impl Moving {
    /// Before the first step.
    ///
    /// # Errors
    /// E0501 where the weights' copies do not fit into memory.
    pub fn new(network: Network, config: &Optimiser, device: &Device) -> Result<Self> {
        let network = apart(&network, device)?;
        let plain = device.clone().inner();
        let average = config.average.map(|_| apart(&network, &plain)).transpose()?;
        let count = rule(config).moments();
        // Each in memory of its own.
        let zeros = |w: &Parameter| (0..count).map(|_| Tensor::zeros([w.len()], &plain)).collect();
        let moments = network.weights().iter().map(|(_, w)| zeros(w)).collect();
        Ok(Self { network, moments, average })
    }

    /// The moments, all of each weight one after the other, under the names of the weights.
    pub fn memory(&self) -> Numbers {
        let read = |m: &Tensor<1>| m.clone().into_data().try_into_vec::<f32>().unwrap_or_default();
        let of = |moments: &Vec<Tensor<1>>| moments.iter().flat_map(read).collect::<Vec<f32>>();
        let each = self.network.weights().iter().zip(&self.moments);
        each.map(|((name, _), moments)| (name.clone(), of(moments))).map(|(name, all)| (name, Array::new([all.len()], all))).collect()
    }

    /// Takes such moments; `None` where they are not of this network's weights.
    pub fn remember(&mut self, memory: Numbers) -> Option<()> {
        if memory.len() != self.moments.len() {
            return None;
        }
        for (((name, w), moments), (own, Array { values: all, .. })) in self.network.weights().iter().zip(&mut self.moments).zip(memory) {
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

    /// After a step by the gradients of `loss [1]` times the factor of the `day`. Nothing has moved where the loss is not finite or,
    /// where it is `scaled` for half precision, a gradient; whether all was sound is the second result, `[1]`: 1 or 0.
    pub fn moved(
        mut self,
        mut gradients: GradientsParams,
        loss: Tensor<1>,
        day: Tensor<1>,
        config: &Optimiser,
        scaled: bool,
    ) -> (Self, Tensor<1>) {
        let device = day.device();
        let number = |at| day.clone().narrow(0, at, 1);
        let mut sound = loss.is_finite().float();
        let mut scale = number(SHARE);
        if config.clip.is_some() || scaled {
            let mut squares = Squares::new(self.network.weights().iter().map(|(_, w)| w.len()), &device);
            for (_, w) in self.network.weights() {
                gradients.get::<1>(w.id()).into_iter().for_each(|g| squares.add(g));
            }
            let squares = squares.sum();
            if scaled {
                sound = sound * squares.clone().is_finite().float();
            }
            if let Some(most) = config.clip {
                // As torch.nn.utils.clip_grad_norm_ has it; on the device, so that nothing waits for it.
                let length = squares.sqrt() * scale.clone();
                scale = scale * ((length + 1e-6).recip() * most).clamp_max(1.0);
            }
        }
        let go = sound.clone() * number(GO);
        let control = Tensor::cat(vec![day.clone().narrow(0, 0, Control::LEN - 2), scale, go.clone()], 0);
        let keep = (number(KEEP) - 1.0) * go + 1.0;
        // All that reads the weights is queued before they are written over.
        let _ = device.flush();
        let rule = rule(config);
        for ((_, w), moments) in self.network.weights_mut().iter_mut().zip(&mut self.moments) {
            // What no loss depends on stays.
            let Some(gradient) = gradients.remove::<1>(w.id()) else { continue };
            w.map_flat(|weight| {
                let device = weight.device();
                let (weight, moved) = update(weight.inner(), gradient, moments, control.clone(), rule);
                *moments = moved;
                tracked(weight, &device).require_grad()
            });
        }
        if let Some(average) = &mut self.average {
            for ((_, a), (_, w)) in average.weights_mut().iter_mut().zip(self.network.weights()) {
                a.map_flat(|a| blend(a, w.flat().inner(), keep.clone()));
            }
        }
        // What is dropped before it is queued is not done.
        let _ = device.flush();
        (self, sound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_falls_at_once_and_rises_slowly() {
        let start = Scaling { factor: 1024.0, held: 5 };
        assert_eq!(start.after(false), Scaling { factor: 512.0, held: 0 });
        assert_eq!(start.after(true), Scaling { factor: 1024.0, held: 6 });
        assert_eq!(Scaling { held: 999, ..start }.after(true), Scaling { factor: 2048.0, held: 0 });
        assert_eq!(Scaling { factor: 1.0, held: 0 }.after(false).factor, 1.0);
        assert_eq!(Scaling { factor: 65536.0, held: 999 }.after(true).factor, 65536.0);
    }
}
