//! A part of a volume.

use super::{Axes, Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op;
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// What is left without `start` voxels before and `end` voxels after each axis, or as many voxels as another value has (`like`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Voxels taken away before each axis.
    #[serde(default)]
    pub start: Axes,
    /// Voxels taken away after each axis.
    #[serde(default)]
    pub end: Axes,
}

impl Block for Crop {
    const NAME: &'static str = "Crop";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume"), Port::optional("like", "whose size to take")];
    const EXAMPLE: &'static str = "Crop(x: \"features\", like: \"small\")";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 2), ("small", 4, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let (v, like) = (x.one("x")?, x.get("like"));
        if like.is_some() && !self.end.is_zero() {
            return Err(Fault::new(Code::E0401, "`end` and `like` both say the size").on("end").help("keep one of them"));
        }
        let crop = op::Crop { start: b.axes("start", self.start, 0)?, end: b.axes("end", self.end, 0)?, like: like.is_some() };
        let inputs: Vec<Value> = std::iter::once(v).chain(like).collect();
        Ok(vec![b.op("crop", crop, &inputs)?])
    }
}
