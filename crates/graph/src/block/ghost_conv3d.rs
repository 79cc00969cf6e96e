//! Ghost convolution: half of the channels are convolved, the other half made from them cheaply.

use super::{Axes, Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::{Concat, Conv3d};
use serde::{Deserialize, Serialize};

/// `p` = convolution to `out / 2` channels, `q` = depthwise 3x3x3 convolution of `p`; the output is the group norm of `concat(p, q)`.
/// No biases (a norm follows) and no activation (arXiv 2603.07228, section 3.1; Han et al. 2020 with ratio 2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GhostConv3D {
    /// Output channels, an even number.
    pub out: usize,
    #[serde(default = "three")]
    pub kernel: Axes,
    #[serde(default = "one")]
    pub stride: Axes,
    /// Groups of the norm.
    #[serde(default = "four")]
    pub groups: usize,
}

fn one() -> Axes {
    Axes::all(1)
}

fn three() -> Axes {
    Axes::all(3)
}

fn four() -> usize {
    4
}

impl Block for GhostConv3D {
    const NAME: &'static str = "GhostConv3D";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "GhostConv3D(x: \"image\", out: 8, stride: 2)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("image", 4, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        if self.out == 0 || !self.out.is_multiple_of(2) {
            return Err(Fault::field(
                "out",
                format!("`out` is {}: one half is convolved and the other made from it, so it is even", self.out),
            )
            .help(format!("use {}", self.out.saturating_add(2) / 2 * 2)));
        }
        let half = self.out / 2;
        let (kernel, stride) = (b.axes("kernel", self.kernel, 1)?, b.axes("stride", self.stride, 1)?);
        let p = b.op("primary", Conv3d::new(half, kernel).stride(stride).bias(false), &[x.one("x")?])?;
        let q = b.op("cheap", Conv3d::new(half, b.cube(3)).groups(half).bias(false), &[p])?;
        let both = b.op("concat", Concat, &[p, q])?;
        Ok(vec![b.norm("norm", self.groups, both)?])
    }
}
