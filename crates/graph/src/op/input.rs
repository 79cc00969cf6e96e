//! An input of the graph.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Operator};
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
}

impl Examples for Input {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(Input, vec![Fact::new(2, 3, [4, 5, 6])])]
    }
}
