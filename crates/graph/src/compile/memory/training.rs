//! What a training step holds: weights, their gradients, the optimiser's state, the values that the backward pass reads again,
//! and the gradients that flow.

use super::backward::Backward;
use super::{Precision, Segments, overflow, parameters};
use crate::ir::{Fact, Fault, Graph, Operator};

/// What updates the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Optimiser {
    /// Two numbers of state for each weight.
    #[default]
    AdamW,
    /// With momentum: one.
    Sgd,
    /// Plain descent: none.
    None,
}

impl Optimiser {
    /// Numbers of state for each weight.
    pub fn state(self) -> u64 {
        match self {
            Optimiser::AdamW => 2,
            Optimiser::Sgd => 1,
            Optimiser::None => 0,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Optimiser::AdamW => "AdamW",
            Optimiser::Sgd => "SGD with momentum",
            Optimiser::None => "no optimiser state",
        }
    }
}

/// Bytes of a training step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Training {
    pub weights: u64,
    /// Of the weights.
    pub gradients: u64,
    pub optimiser: u64,
    /// FlowValues that wait at the loss for the backward pass.
    pub kept: u64,
    /// What is alive beside all these at the peak: gradients that flow, and values that are not kept.
    pub transient: u64,
}

impl Training {
    /// All together: the peak.
    pub fn total(&self) -> u64 {
        [self.weights, self.gradients, self.optimiser, self.kept, self.transient].into_iter().fold(0, u64::saturating_add)
    }
}

/// Counts a training step at the sizes of `facts`, with the activations of all segments but the last computed again.
///
/// # Errors
/// E0501 when it is beyond 64 bits.
pub fn training<O: Operator>(
    graph: &Graph<O>,
    facts: &[Fact],
    precision: Precision,
    optimiser: Optimiser,
    segments: &Segments,
) -> Result<Training, Fault> {
    let weights = parameters(graph)?.checked_mul(4).ok_or_else(overflow)?;
    let state = weights.checked_mul(optimiser.state()).ok_or_else(overflow)?;
    let count = Backward::new(graph, facts, precision)?.count(segments)?;
    let transient = count.peak().saturating_sub(count.kept);
    Ok(Training { weights, gradients: weights, optimiser: state, kept: count.kept, transient })
}
