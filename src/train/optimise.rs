//! What moves the weights: gradients accumulated and clipped, the optimiser, and the moving average of what it has made.
//!
//! Part of `train`; may use `net` and Burn's optimisers.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Bytes, Tensor};

use serde::{Deserialize, Serialize};

use super::config::{Kind, Optimiser};
use crate::compile::memory::Precision;
use crate::net::Network;

/// The optimiser of a run with its state.
pub struct Stepper {
    optimiser: ModuleOptimizer,
    gathered: GradientsAccumulator<Network>,
    /// Batches in `gathered`.
    batches: usize,
    config: Optimiser,
    average: Option<Network>,
    /// Steps taken.
    steps: usize,
    scaling: Option<Scaling>,
}

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

    fn after(self, sound: bool) -> Self {
        match self {
            Self { factor, .. } if !sound => Self { factor: (factor / 2.0).max(1.0), held: 0 },
            Self { factor, held } if held + 1 >= Self::LONG => Self { factor: (factor * 2.0).min(65536.0), held: 0 },
            Self { factor, held } => Self { factor, held: held + 1 },
        }
    }
}

impl Stepper {
    /// For a network as it is before the first step.
    pub fn new(config: Optimiser, precision: Precision, network: &Network) -> Self {
        let optimiser = match config.kind {
            Kind::adamw => AdamWConfig::new()
                .with_beta_1(config.betas[0] as f32)
                .with_beta_2(config.betas[1] as f32)
                .with_epsilon(1e-8)
                .with_weight_decay(config.weight_decay as f32)
                .init(),
            Kind::sgd => {
                // As in PyTorch: velocity = momentum * velocity + gradient, without dampening.
                let momentum = MomentumConfig { momentum: config.momentum, dampening: 0.0, nesterov: config.nesterov };
                SgdConfig::new()
                    .with_momentum((config.momentum > 0.0).then_some(momentum))
                    .with_weight_decay((config.weight_decay > 0.0).then(|| WeightDecayConfig::new(config.weight_decay as f32)))
                    .init()
            }
        };
        let average = config.average.map(|_| network.valid());
        let scaling = (precision == Precision::F16).then_some(Scaling { factor: 1024.0, held: 0 });
        Self { optimiser, gathered: GradientsAccumulator::new(), batches: 0, config, average, steps: 0, scaling }
    }

    /// What the loss is multiplied by before its gradients are taken.
    pub fn factor(&self) -> f64 {
        self.scaling.map_or(1.0, |s| s.factor)
    }

    /// Takes the gradients of a batch, of a loss times [`Stepper::factor`]. With the last of a step's batches the weights move by their
    /// mean.
    pub fn batch(&mut self, lr: f64, network: Network, gradients: GradientsParams) -> Network {
        let gradients = if self.config.accumulate > 1 {
            self.gathered.accumulate(&network, gradients);
            self.batches += 1;
            if self.batches < self.config.accumulate {
                return network;
            }
            self.batches = 0;
            self.gathered.grads()
        } else {
            gradients
        };
        let mut scale = Scale { gradients, factor: None };
        let share = 1.0 / (self.config.accumulate as f64 * self.factor());
        if share < 1.0 {
            scale.factor = Some(Factor::Number(share));
            network.visit(&mut scale);
        }
        if let Some(scaling) = self.scaling {
            let mut length = Length { gradients: &scale.gradients, squares: None };
            network.visit(&mut length);
            let sound = length.squares.is_none_or(|s| s.into_scalar::<f32>().is_finite());
            self.scaling = Some(scaling.after(sound));
            if !sound {
                return network;
            }
        }
        if let Some(most) = self.config.clip {
            let mut length = Length { gradients: &scale.gradients, squares: None };
            network.visit(&mut length);
            if let Some(squares) = length.squares {
                // As torch.nn.utils.clip_grad_norm_ has it; on the device, so that nothing waits for it.
                scale.factor = Some(Factor::Tensor(Box::new(((squares.sqrt() + 1e-6).recip() * most).clamp_max(1.0))));
                network.visit(&mut scale);
            }
        }
        let network = self.optimiser.step(lr, network, scale.gradients);
        self.steps += 1;
        if let (Some(average), Some(keep)) = (&mut self.average, self.config.average) {
            // The first steps, from weights that were drawn, are soon forgotten.
            let young = (1.0 + self.steps as f64) / (10.0 + self.steps as f64);
            average.blend(&network, keep.min(young));
        }
        network
    }

    /// The moving average of the weights, where the config asks for one.
    pub fn average(&self) -> Option<&Network> {
        self.average.as_ref()
    }

    /// The optimiser's state, to go on from between two steps.
    ///
    /// # Errors
    /// Why Burn could not write it.
    pub fn state(&self) -> Result<Vec<u8>, String> {
        self.optimiser.into_bytes().map(|b| b.to_vec()).map_err(|e| e.to_string())
    }

    /// How the loss is scaled, where it is.
    pub fn scaling(&self) -> Option<Scaling> {
        self.scaling
    }

    /// Goes on from a state, `steps` steps, a scaling and an average.
    ///
    /// # Errors
    /// Why Burn could not read it.
    pub fn resume(mut self, state: Vec<u8>, steps: usize, scaling: Option<Scaling>, average: Option<Network>) -> Result<Self, String> {
        self.optimiser = self.optimiser.from_bytes(Bytes::from_bytes_vec(state)).map_err(|e| e.to_string())?;
        (self.steps, self.scaling, self.average) = (steps, scaling, average);
        Ok(self)
    }
}

/// The sum of the squares of all gradients.
struct Length<'a> {
    gradients: &'a GradientsParams,
    squares: Option<Tensor<1>>,
}

impl ModuleVisitor for Length<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let own = gradient.square().sum();
            self.squares = Some(match self.squares.take() {
                Some(squares) => squares + own,
                None => own,
            });
        }
    }
}

enum Factor {
    Number(f64),
    Tensor(Box<Tensor<1>>),
}

/// Multiplies all gradients.
struct Scale {
    gradients: GradientsParams,
    factor: Option<Factor>,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (Some(gradient), Some(factor)) = (self.gradients.remove::<D>(param.id), &self.factor) else { return };
        let scaled = match factor {
            Factor::Number(n) => gradient * *n,
            Factor::Tensor(t) => gradient * t.as_ref().clone().reshape([1; D]),
        };
        self.gradients.register(param.id, scaled);
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
