//! Attention to a few places.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op;
use serde::{Deserialize, Serialize};

/// Every query sums samples of several volumes at its own place and offsets from it (Zhu et al. 2021, CoTr). The offsets are three numbers for each head,
/// level and point, the logits one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeformableAttention {
    /// How many heads; they divide the channels.
    pub heads: usize,
    /// Samples of each head in each level.
    pub points: usize,
}

impl Block for DeformableAttention {
    const NAME: &'static str = "DeformableAttention";
    const INPUTS: &'static [Port] = &[
        Port::one("offsets", "heads * levels * points * 3 channels on the queries' grid"),
        Port::one("logits", "heads * levels * points channels there"),
        Port::many("values", "the levels, projected"),
    ];
    const EXAMPLE: &'static str = "DeformableAttention(offsets: \"d\", logits: \"w\", values: [\"x\", \"w\"], heads: 2, points: 1)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("d", 12, 1), ("w", 4, 1), ("x", 4, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let mut inputs = vec![x.one("offsets")?, x.one("logits")?];
        inputs.extend(x.many("values"));
        Ok(vec![b.op("sample", op::DeformableAttention { heads: self.heads, points: self.points }, &inputs)?])
    }
}
