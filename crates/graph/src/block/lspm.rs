//! Local structural prior: where the volume is textured, and features mixed by its complexity.

use super::{Axes, Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::{Activation, Add, Conv3d, Mul, Slice, Softmax, Sub};
use serde::{Deserialize, Serialize};

/// Three branches (arXiv 2603.07228, section 3.4):
/// texture `T = sigmoid(conv1(|x - s|))` with `s = SiLU(GN(depthwise(x)))`;
/// score `c = sigmoid(conv1(SiLU(GN(conv3(SiLU(GN(conv3(x))))))))`;
/// features `a_1 conv1(x) + a_2 conv1(x)` with `a = softmax(conv1(c))`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LSPM {
    /// Kernel of the smoothing depthwise convolution.
    #[serde(default = "five")]
    pub kernel: Axes,
    /// Groups of the norms.
    #[serde(default = "four")]
    pub groups: usize,
}

fn five() -> Axes {
    Axes::all(5)
}

fn four() -> usize {
    4
}

impl Block for LSPM {
    const NAME: &'static str = "LSPM";
    const INPUTS: &'static [Port] = &[Port::one("x", "the stem's features")];
    const EXAMPLE: &'static str = "LSPM(x: \"stem\")";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("stem", 8, 1)];

    fn outputs(&self) -> Vec<String> {
        vec!["texture".into(), "features".into()]
    }

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let x = x.one("x")?;
        let c = b.channels(x);
        let wide = c
            .checked_mul(2)
            .ok_or_else(|| Fault::new(crate::text::Code::E0501, "a count is beyond 64 bits").help("make the widths smaller"))?;

        let kernel = b.axes("kernel", self.kernel, 1)?;
        let s = b.op("smooth.conv", Conv3d::new(c, kernel).groups(c), &[x])?;
        let s = b.norm("smooth.norm", self.groups, s)?;
        let s = b.silu("smooth.silu", s)?;
        let difference = b.op("difference", Sub, &[x, s])?;
        let magnitude = b.op("magnitude", Activation::ABS, &[difference])?;
        let t = b.pointwise("texture", 1, magnitude)?;
        let texture = b.op("texture.sigmoid", Activation::SIGMOID, &[t])?;

        let mut h = x;
        for i in 1..=2 {
            h = b.op(&format!("score.conv{i}"), Conv3d::new(wide, b.cube(3)), &[h])?;
            h = b.norm(&format!("score.norm{i}"), self.groups, h)?;
            h = b.silu(&format!("score.silu{i}"), h)?;
        }
        let h = b.pointwise("score.out", 1, h)?;
        let score = b.op("score.sigmoid", Activation::SIGMOID, &[h])?;

        let logits = b.pointwise("weights", 2, score)?;
        let a = b.op("weights.softmax", Softmax, &[logits])?;
        let mut parts = vec![];
        for i in 0..2 {
            let w = b.op(&format!("weight{}", i + 1), Slice { start: i, channels: 1 }, &[a])?;
            let e = b.pointwise(&format!("expert{}", i + 1), c, x)?;
            parts.push(b.op(&format!("mixed{}", i + 1), Mul, &[w, e])?);
        }
        let features = b.op("features", Add, &parts)?;
        Ok(vec![texture, features])
    }
}
