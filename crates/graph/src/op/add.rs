//! The sum of two values.

use super::{
    Examples,
    arity::{elementwise, exactly},
};
use crate::ir::{Access, Cost, Fact, Fault, OnnxBuilder, OnnxValue, Operator, Volume64, Weights64};
use serde::{Deserialize, Serialize};

/// `a + b`; a dimension of 1 is repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Add;

impl Operator for Add {
    fn kind(&self) -> &'static str {
        "add"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [a, b] = exactly::<2>(self.kind(), x)?;
        a.broadcast(&b)
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        elementwise(y, 1)
    }

    /// Branches of a gate become one sweep, forward and back.
    fn fuses_producer(&self, before: &str) -> bool {
        matches!(before, "mul" | "add")
    }

    fn access(&self) -> Access {
        Access::Elementwise
    }

    fn commutes(&self) -> bool {
        true
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        Some(x.first()?.zip(x.get(1)?, y, |a, b| a + b))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        Some(n.node("Add", &n.inputs(), vec![]))
    }
}

impl Examples for Add {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let x = Fact::new(2, 3, [3, 1, 5]);
        vec![(Add, vec![x, x]), (Add, vec![x, Fact::vector(2, 3)]), (Add, vec![Fact::new(2, 1, [3, 1, 5]), x])]
    }
}
