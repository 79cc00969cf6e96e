//! Sequences one after the other.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op;
use serde::{Deserialize, Serialize};

/// Sequences, or volumes of one depth and height, one after the other along the width; `Crop` takes a part of them out again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConcatVoxels {}

impl Block for ConcatVoxels {
    const NAME: &'static str = "ConcatVoxels";
    const INPUTS: &'static [Port] = &[Port::many("x", "sequences of as many channels")];
    const EXAMPLE: &'static str = "ConcatVoxels(x: [\"a\", \"b\"])";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("a", 8, 1), ("b", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![b.op("join", op::ConcatVoxels, &x.many("x"))?])
    }
}
