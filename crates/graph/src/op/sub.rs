//! The difference of two values.

use super::{
    Examples,
    arity::{elementwise, exactly},
};
use crate::ir::{Access, Cost, Fact, Fault, OnnxBuilder, OnnxValue, Operator, Volume64, Weights64};
use serde::{Deserialize, Serialize};

/// `a - b`; a dimension of 1 is repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sub;

impl Operator for Sub {
    fn kind(&self) -> &'static str {
        "sub"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [a, b] = exactly::<2>(self.kind(), x)?;
        a.broadcast(&b)
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        elementwise(y, 1)
    }

    fn access(&self) -> Access {
        Access::Elementwise
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        Some(x.first()?.zip(x.get(1)?, y, |a, b| a - b))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        Some(n.node("Sub", &n.inputs(), vec![]))
    }
}

impl Examples for Sub {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let x = Fact::new(2, 3, [3, 1, 5]);
        vec![(Sub, vec![x, x]), (Sub, vec![x, Fact::vector(2, 3)]), (Sub, vec![Fact::new(2, 1, [3, 1, 5]), x])]
    }
}
