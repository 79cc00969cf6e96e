//! The product of two values.

use super::{
    Examples,
    arity::{elementwise, exactly},
};
use crate::ir::{Access, Cost, Fact, Fault, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Volume64, Weights64};
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

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        elementwise(y, 1)
    }

    /// Each factor's gradient needs the other.
    fn saved(&self, _: &[Fact], learns: &[bool]) -> SavedForBackward {
        match learns {
            [a, b] => {
                let inputs = [*b, *a].iter().enumerate().filter(|(_, read)| **read).map(|(slot, _)| slot).collect();
                SavedForBackward { inputs, ..SavedForBackward::default() }
            }
            _ => SavedForBackward::default(),
        }
    }

    fn fuses_producer(&self, before: &str) -> bool {
        matches!(before, "silu" | "slice")
    }

    fn access(&self) -> Access {
        Access::Elementwise
    }

    fn commutes(&self) -> bool {
        true
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        Some(x.first()?.zip(x.get(1)?, y, |a, b| a * b))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        Some(n.node("Mul", &n.inputs(), vec![]))
    }
}

impl Examples for Mul {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let x = Fact::new(2, 3, [3, 1, 5]);
        vec![(Mul, vec![x, x]), (Mul, vec![x, Fact::vector(2, 3)]), (Mul, vec![Fact::new(2, 1, [3, 1, 5]), x])]
    }
}
