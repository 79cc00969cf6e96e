//! Feature-wise modulation by the anchors.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::{Add, Mul, ScaleShift};
use serde::{Deserialize, Serialize};

/// `(1 + gamma) x + beta`, gamma and beta linear in the anchors' coordinates (arXiv 2603.07228, section 3.3).
/// Without anchors `x` passes unchanged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorFiLM {}

impl Block for AnchorFiLM {
    const NAME: &'static str = "AnchorFiLM";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume"), Port::optional("anchors", "a vector, as an AnchorDetector gives")];
    const EXAMPLE: &'static str = "AnchorFiLM(x: \"features\", anchors: \"anchors\")";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1), ("anchors", 12, 0)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let v = x.one("x")?;
        let Some(anchors) = x.get("anchors") else { return Ok(vec![v]) };
        let c = b.channels(v);
        let gamma = b.linear("gamma", c, anchors)?;
        let beta = b.linear("beta", c, anchors)?;
        let gain = b.op("gain", ScaleShift::ONE_PLUS, &[gamma])?;
        let scaled = b.op("scaled", Mul, &[v, gain])?;
        Ok(vec![b.op("shifted", Add, &[scaled, beta])?])
    }
}
