//! Where a voxel lies from the anchors, added to its features.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::{Add, PositionMap};
use serde::{Deserialize, Serialize};

/// `x + conv1(m)`, `m` the signed distances of every voxel from the anchors (arXiv 2603.07228, equations 14 and 15).
/// Without anchors `x` passes unchanged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PositionBias {}

impl Block for PositionBias {
    const NAME: &'static str = "PositionBias";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume"), Port::optional("anchors", "a vector, as an AnchorDetector gives")];
    const EXAMPLE: &'static str = "PositionBias(x: \"features\", anchors: \"anchors\")";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1), ("anchors", 12, 0)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let v = x.one("x")?;
        let Some(anchors) = x.get("anchors") else { return Ok(vec![v]) };
        let map = b.op("map", PositionMap, &[anchors, v]).map_err(|f| f.on("anchors"))?;
        let bias = b.pointwise("conv", b.channels(v), map)?;
        Ok(vec![b.op("sum", Add, &[v, bias])?])
    }
}
