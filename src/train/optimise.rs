//! What moves the weights: gradients accumulated and clipped, the optimiser, and the moving average of what it has made.
//!
//! Part of `train`; may use `net` and Burn's optimisers.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Bytes, Tensor};

use super::config::{Kind, Optimiser};
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
}

impl Stepper {
    /// For a network as it is before the first step.
    pub fn new(config: Optimiser, network: &Network) -> Self {
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
        Self { optimiser, gathered: GradientsAccumulator::new(), batches: 0, config, average, steps: 0 }
    }

    /// Takes the gradients of a batch. With the last of a step's batches the weights move by their mean.
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
        if self.config.accumulate > 1 {
            scale.factor = Some(Factor::Number(1.0 / self.config.accumulate as f64));
            network.visit(&mut scale);
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

    /// Goes on from a state, `steps` steps and an average.
    ///
    /// # Errors
    /// Why Burn could not read it.
    pub fn resume(mut self, state: Vec<u8>, steps: usize, average: Option<Network>) -> Result<Self, String> {
        self.optimiser = self.optimiser.from_bytes(Bytes::from_bytes_vec(state)).map_err(|e| e.to_string())?;
        (self.steps, self.average) = (steps, average);
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
