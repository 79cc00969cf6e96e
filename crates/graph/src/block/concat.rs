//! Channels of several values, one after the other.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op;
use serde::{Deserialize, Serialize};

/// Along the channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concat {}

impl Block for Concat {
    const NAME: &'static str = "Concat";
    const INPUTS: &'static [Port] = &[Port::many("x", "volumes of one size")];
    const EXAMPLE: &'static str = "Concat(x: [\"a\", \"b\"])";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("a", 8, 1), ("b", 4, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("concat", op::Concat, &x.many("x")).map_err(|f| f.on("x"))?])
    }
}
