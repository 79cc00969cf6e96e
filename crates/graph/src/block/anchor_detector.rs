//! Anchors: a few points that the network places in the volume.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::{Activation, Conv3d, GlobalAvgPool};
use serde::{Deserialize, Serialize};

/// `layers` x [3x3x3 convolution of stride 2, group norm, SiLU], global mean, linear to `hidden`, SiLU, linear to `3 count`, sigmoid.
/// The output is a vector of `count` rows (depth, height, width), each in `[0, 1]` (arXiv 2603.07228, section 3.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorDetector {
    /// How many anchors, K in the paper.
    pub count: usize,
    #[serde(default = "eight")]
    pub width: usize,
    #[serde(default = "hidden")]
    pub hidden: usize,
    #[serde(default = "layers")]
    pub layers: usize,
    /// Groups of the norms.
    #[serde(default = "groups")]
    pub groups: usize,
}

fn eight() -> usize {
    8
}

fn hidden() -> usize {
    128
}

fn layers() -> usize {
    3
}

fn groups() -> usize {
    4
}

impl Block for AnchorDetector {
    const NAME: &'static str = "AnchorDetector";
    const INPUTS: &'static [Port] = &[Port::one("x", "the volume in which to place anchors")];
    const EXAMPLE: &'static str = "AnchorDetector(x: \"image\", count: 4, hidden: 16)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("image", 4, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let coordinates = self.count.checked_mul(3).filter(|n| *n > 0 && *n < 1 << 20);
        let coordinates = coordinates.ok_or_else(|| {
            Fault::field("count", format!("`count` is {}: the detector places at least one anchor and fewer than 349,525", self.count))
                .help("use 8, as the paper does; to do without anchors, drop this node")
        })?;
        if self.layers > 16 {
            return Err(Fault::field("layers", format!("`layers` is {}: each halves the size, 16 are the most", self.layers))
                .help("use 16 or fewer"));
        }
        let mut h = x.one("x")?;
        for i in 1..=self.layers {
            h = b.op(&format!("conv{i}"), Conv3d::new(self.width, b.cube(3)).stride(b.cube(2)), &[h])?;
            h = b.norm(&format!("norm{i}"), self.groups, h)?;
            h = b.silu(&format!("silu{i}"), h)?;
        }
        let mean = b.op("mean", GlobalAvgPool, &[h])?;
        let h = b.linear("fc1", self.hidden, mean)?;
        let h = b.silu("silu", h)?;
        let h = b.linear("fc2", coordinates, h)?;
        Ok(vec![b.op("sigmoid", Activation::SIGMOID, &[h])?])
    }
}
