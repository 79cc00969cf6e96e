//! The product of two values.

use super::{
    Examples,
    arity::{elementwise, exactly},
};
use crate::ir::{Cost, Fact, Fault, Kept, Operator, Reach};
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
    fn kept(&self, _: &[Fact], learns: &[bool]) -> Kept {
        match learns {
            [a, b] => Kept { inputs: [*b, *a], ..Kept::default() },
            _ => Kept::default(),
        }
    }

    fn takes(&self, before: &str) -> bool {
        matches!(before, "silu" | "slice")
    }

    fn reach(&self) -> Reach {
        Reach::Place
    }
}

impl Examples for Mul {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let x = Fact::new(2, 3, [3, 1, 5]);
        vec![(Mul, vec![x, x]), (Mul, vec![x, Fact::vector(2, 3)]), (Mul, vec![Fact::new(2, 1, [3, 1, 5]), x])]
    }
}
