//! The predictions of a network: logits as probabilities.
//!
//! Part of `train::loss`.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;

use super::label_scheme::LabelScheme;
use crate::kernel::log_softmax_channels;

/// The least `1 - p` whose logarithm or power is taken: about the resolution of an f32 near 1.
pub const LEAST: f32 = 1e-6;

/// Logits and probabilities, all `[N, K, D, H, W]`.
pub struct Predictions {
    logits: Tensor<5>,
    pub p: Tensor<5>,
    pub log_p: Tensor<5>,
    regions: bool,
}

impl Predictions {
    pub fn new(logits: Tensor<5>, label_scheme: &LabelScheme) -> Self {
        let regions = matches!(label_scheme, LabelScheme::Regions(_));
        let log_p = if regions { log_sigmoid(logits.clone()) } else { log_softmax_channels(logits.clone()) };
        Self { logits, p: log_p.clone().exp(), log_p, regions }
    }

    /// `log(1 - p)`
    pub fn log_q(&self) -> Tensor<5> {
        if self.regions { log_sigmoid(-self.logits.clone()) } else { self.q().log() }
    }

    /// `1 - p`, clamped above 0.
    pub fn q(&self) -> Tensor<5> {
        (-self.p.clone() + 1.0).clamp_min(LEAST)
    }

    /// `p`, clamped above 0.
    pub fn p_above_zero(&self) -> Tensor<5> {
        self.p.clone().clamp_min(LEAST)
    }

    /// Whether the channels are independent regions.
    pub fn regions(&self) -> bool {
        self.regions
    }
}
