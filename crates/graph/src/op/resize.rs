//! Trilinear resampling.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Operator, Triple};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// Trilinear (`align_corners = false`): to the size of the second input, or by whole factors when there is none.
/// Nothing happens when the size fits already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resize {
    pub scale: Option<Triple>,
}

impl Resize {
    /// To the size of the second input.
    pub const LIKE: Self = Self { scale: None };
}

impl Operator for Resize {
    fn kind(&self) -> &'static str {
        "resize"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let Some(scale) = self.scale else {
            let [x, like] = exactly::<2>(self.kind(), x)?;
            return Ok(Fact { size: like.size, ..x });
        };
        let [x] = exactly::<1>(self.kind(), x)?;
        let mut size = [0; 3];
        for (axis, o) in size.iter_mut().enumerate() {
            *o = x.size[axis].checked_mul(scale.0[axis]).ok_or_else(|| Fault::new(Code::E0501, "a size is beyond 64 bits"))?;
            if *o == 0 {
                return Err(Fault::field("scale", "`scale` is 0").help("use 1 or more"));
            }
        }
        Ok(Fact { size, ..x })
    }

    fn work(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        if x.first().is_some_and(|x| x.size == y.size) {
            return Ok(Cost::default());
        }
        // A blend of two along each of three axes.
        Ok(Cost { other: y.elements()?.saturating_mul(9), ..Cost::default() })
    }
}

impl Examples for Resize {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let x = Fact::new(2, 3, [3, 4, 1]);
        vec![
            (Resize { scale: Some(Triple::all(2)) }, vec![x]),
            (Resize::LIKE, vec![x, Fact::new(2, 1, [6, 5, 4])]),
            (Resize::LIKE, vec![Fact::new(1, 2, [8, 6, 4]), Fact::new(1, 1, [4, 3, 3])]),
            (Resize::LIKE, vec![x, x]),
        ]
    }
}
