//! Two paths for two kinds of tissue: detail where there is texture, smoothing where there is none.

use super::{Axes, Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::{Add, Conv3d, Mul, Resize, ScaleShift};
use serde::{Deserialize, Serialize};

/// `t detail(x) + (1 - t) smooth(x)`: detail = SiLU(GN(depthwise(x))), smooth = 1x1x1 convolution, `t` the texture map
/// resampled to the size of `x` (arXiv 2603.07228, section 3.5). Without a map both weigh one half.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextureRouting {
    /// Kernel of the detail path.
    #[serde(default = "three")]
    pub kernel: Axes,
    /// Groups of the norm.
    #[serde(default = "four")]
    pub groups: usize,
}

fn three() -> Axes {
    Axes::all(3)
}

fn four() -> usize {
    4
}

impl Block for TextureRouting {
    const NAME: &'static str = "TextureRouting";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume"), Port::optional("texture", "a map of one channel in [0, 1], of any size")];
    const EXAMPLE: &'static str = "TextureRouting(x: \"features\", texture: \"texture\")";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1), ("texture", 1, 2)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let v = x.one("x")?;
        let c = b.channels(v);
        let kernel = b.axes("kernel", self.kernel, 1)?;
        let d = b.op("detail.conv", Conv3d::new(c, kernel).groups(c), &[v])?;
        let d = b.norm("detail.norm", self.groups, d)?;
        let detail = b.silu("detail.silu", d)?;
        let smooth = b.pointwise("smooth", c, v)?;
        let Some(texture) = x.get("texture") else {
            let sum = b.op("sum", Add, &[detail, smooth])?;
            return Ok(vec![b.op("half", ScaleShift::HALF, &[sum])?]);
        };
        if b.channels(texture) != 1 {
            let message = format!("`texture` is a map of one channel, but {} are given", b.channels(texture));
            return Err(Fault::new(crate::text::Code::E0302, message)
                .on("texture")
                .help("make it one channel with `PointwiseConv(out: 1)`"));
        }
        let t = b.op("texture", Resize::LIKE, &[texture, v])?;
        let rest = b.op("rest", ScaleShift::ONE_MINUS, &[t])?;
        let detail = b.op("detail.weighted", Mul, &[t, detail])?;
        let smooth = b.op("smooth.weighted", Mul, &[rest, smooth])?;
        Ok(vec![b.op("sum", Add, &[detail, smooth])?])
    }
}
