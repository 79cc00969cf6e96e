//! A fixed linear function of every number.

use super::{
    Examples,
    arity::{elementwise, exactly},
};
use crate::ir::{Access, Cost, Fact, Fault, OnnxBuilder, OnnxValue, Operator, Volume64, Weights64};
use serde::{Deserialize, Serialize};

/// `scale * x + shift`, both constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScaleShift {
    pub scale: f64,
    pub shift: f64,
}

impl ScaleShift {
    /// `1 + x`
    pub const ONE_PLUS: Self = Self { scale: 1.0, shift: 1.0 };
    /// `1 - x`
    pub const ONE_MINUS: Self = Self { scale: -1.0, shift: 1.0 };
    /// `x / 2`
    pub const HALF: Self = Self { scale: 0.5, shift: 0.0 };
}

impl Operator for ScaleShift {
    fn kind(&self) -> &'static str {
        "scale_shift"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        exactly::<1>(self.kind(), x).map(|[f]| f)
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        elementwise(y, 2)
    }

    fn access(&self) -> Access {
        Access::Elementwise
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], _: Fact) -> Option<Volume64> {
        Some(x.first()?.map(|v| self.scale * v + self.shift))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let mut y = n.x(0);
        if self.scale == -1.0 {
            let shift = n.scalar(self.shift);
            return Some(n.node("Sub", &[shift, y], vec![]));
        }
        if self.scale != 1.0 {
            let scale = n.scalar(self.scale);
            y = n.node("Mul", &[y, scale], vec![]);
        }
        if self.shift != 0.0 {
            let shift = n.scalar(self.shift);
            y = n.node("Add", &[y, shift], vec![]);
        }
        Some(y)
    }
}

impl Examples for ScaleShift {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(ScaleShift::ONE_MINUS, vec![Fact::new(2, 3, [3, 1, 5])]), (ScaleShift::HALF, vec![Fact::vector(1, 3)])]
    }
}
