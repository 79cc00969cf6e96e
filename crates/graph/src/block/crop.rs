//! A part of a volume.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Triple, Value};
use crate::op;
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// What is left without `start` voxels before and `end` voxels after each axis, or as many voxels as another value has (`like`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Voxels taken away before each axis.
    #[serde(default)]
    pub start: Triple,
    /// Voxels taken away after each axis.
    #[serde(default)]
    pub end: Triple,
}

impl Block for Crop {
    const NAME: &'static str = "Crop";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume"), Port::optional("like", "whose size to take")];
    const EXAMPLE: &'static str = "Crop(x: \"features\", like: \"small\")";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 2), ("small", 4, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let (v, like) = (x.one("x")?, x.get("like"));
        if like.is_some() && self.end != Triple::all(0) {
            return Err(Fault::new(Code::E0401, "`end` and `like` both say the size").on("end").help("keep one of them"));
        }
        let inputs: Vec<Value> = std::iter::once(v).chain(like).collect();
        Ok(vec![b.op("crop", op::Crop { start: self.start, end: self.end, like: like.is_some() }, &inputs)?])
    }
}
