//! A learned token before a sequence.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op;
use serde::{Deserialize, Serialize};

/// A learned token before those of a sequence, which attention may write to; `Crop(start: (0, 0, 1))` takes it away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassToken {}

impl Block for ClassToken {
    const NAME: &'static str = "ClassToken";
    const INPUTS: &'static [Port] = &[Port::one("x", "a sequence, as `Flatten` gives it")];
    const EXAMPLE: &'static str = "ClassToken(x: \"tokens\")";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("tokens", 12, 0)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("token", op::ClassToken, &[x.one("x")?])?])
    }
}
