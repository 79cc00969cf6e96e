//! The product of two values.

use super::{
    Examples,
    arity::{elementwise, exactly},
};
use crate::ir::{Cost, Fact, Fault, Operator};
use serde::{Deserialize, Serialize};

/// `a * b`; a dimension of 1 is repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mul;

impl Operator for Mul {
    fn kind(&self) -> &'static str {
        "mul"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [a, b] = exactly::<2>(self.kind(), x)?;
        a.broadcast(&b)
    }

    fn work(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        // Both factors are kept for the backward pass.
        let saved = x.iter().try_fold(0u64, |s, f| Ok::<_, Fault>(s.saturating_add(f.elements()?.saturating_mul(4))))?;
        Ok(Cost { saved, ..elementwise(y, 1, 0)? })
    }
}

#[cfg(feature = "run")]
impl super::Forward for Mul {
    fn forward(&self, _: &super::Weights, x: Vec<burn::tensor::Tensor<5>>) -> burn::tensor::Tensor<5> {
        let [a, b] = super::pair(x);
        a * b
    }
}

impl Examples for Mul {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let x = Fact::new(2, 3, [3, 1, 5]);
        vec![(Mul, vec![x, x]), (Mul, vec![x, Fact::vector(2, 3)]), (Mul, vec![Fact::new(2, 1, [3, 1, 5]), x])]
    }
}
