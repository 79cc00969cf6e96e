//! Random zeros in training.

use super::{
    Examples,
    arity::{elementwise, exactly},
};
use crate::ir::{Access, Cost, Expansion, Fact, Fault, Operator, SavedForBackward, Volume64, Weights64};
use serde::{Deserialize, Serialize};

/// What falls out together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropScope {
    /// Each number by itself (`nn.Dropout`).
    Element,
    /// A channel of a sample (`nn.Dropout3d`).
    Channel,
    /// A sample: of the branch of a residual block (stochastic depth, Huang et al. 2016).
    Sample,
}

/// In training a share `rate` becomes 0 and the rest is divided by `1 - rate`; in prediction nothing happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dropout {
    pub rate: f64,
    pub scope: DropScope,
}

impl Operator for Dropout {
    fn kind(&self) -> &'static str {
        match self.scope {
            DropScope::Element => "dropout",
            DropScope::Channel => "dropout_channels",
            DropScope::Sample => "drop_path",
        }
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        if !(0.0..1.0).contains(&self.rate) {
            let message = format!("`rate` is {}: it is the share that becomes 0, from 0 to below 1", self.rate);
            return Err(Fault::field("rate", message).help("use a number such as 0.1"));
        }
        exactly::<1>(self.kind(), x).map(|[f]| f)
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        elementwise(y, 0)
    }

    /// The mask: a float for each number, channel or sample.
    fn saved(&self, x: &[Fact], _: &[bool]) -> SavedForBackward {
        let Some(x) = x.first() else { return SavedForBackward::default() };
        let numbers = match self.scope {
            DropScope::Element => x.elements().unwrap_or(u64::MAX),
            DropScope::Channel => (x.batch as u64).saturating_mul(x.channels as u64),
            DropScope::Sample => x.batch as u64,
        };
        SavedForBackward::bytes(numbers.saturating_mul(4))
    }

    fn access(&self) -> Access {
        Access::Elementwise
    }

    fn is_pure(&self) -> bool {
        false
    }

    /// As in prediction.
    fn reference(&self, _: &Weights64, x: &[&Volume64], _: Fact) -> Option<Volume64> {
        x.first().map(|x| (*x).clone())
    }

    /// As in prediction: nothing.
    fn expand(&self, _: &[Fact]) -> Option<Expansion> {
        Some(Expansion::default())
    }
}

impl Examples for Dropout {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        [DropScope::Element, DropScope::Channel, DropScope::Sample]
            .map(|scope| (Dropout { rate: 0.25, scope }, vec![Fact::new(2, 3, [3, 2, 4])]))
            .to_vec()
    }
}
