//! Softmax over the channels of each voxel.

use super::{
    Examples,
    arity::{elementwise, exactly},
};
use crate::ir::{Cost, Fact, Fault, Kept, Operator, Reach};
use serde::{Deserialize, Serialize};

/// `exp(x_c) / sum over c`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Softmax;

impl Operator for Softmax {
    fn kind(&self) -> &'static str {
        "softmax"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        exactly::<1>(self.kind(), x).map(|[f]| f)
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        elementwise(y, 5)
    }

    fn kept(&self, _: &[Fact], _: &[bool]) -> Kept {
        Kept::OUTPUT
    }

    fn reach(&self) -> Reach {
        Reach::Own
    }
}

impl Examples for Softmax {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(Softmax, vec![Fact::new(2, 3, [3, 5, 1])])]
    }
}
