//! An input of the graph.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Operator, Volume64, Weights64};
use serde::{Deserialize, Serialize};

/// A volume given from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input;

impl Operator for Input {
    fn kind(&self) -> &'static str {
        "input"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        exactly::<1>(self.kind(), x).map(|[f]| f)
    }

    fn work(&self, _: &[Fact], _: &Fact) -> Result<Cost, Fault> {
        Ok(Cost::default())
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], _: Fact) -> Option<Volume64> {
        x.first().map(|x| (*x).clone())
    }
}

impl Examples for Input {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(Input, vec![Fact::new(2, 3, [4, 5, 6])])]
    }
}
