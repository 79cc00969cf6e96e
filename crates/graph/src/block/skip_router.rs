//! Skip connections that look at every encoder stage.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::{Add, Concat, Mul, Resize, Slice, Softmax};
use crate::text::{Code, several};
use serde::{Deserialize, Serialize};

/// All features are projected to `width` channels. For each width of `out`, the projections are resampled to one size, a controller
/// (1x1x1 convolution of their concatenation to `width`, SiLU, 1x1x1 convolution to one channel per feature, softmax) weighs them
/// per voxel, and their weighted sum is projected to that width (arXiv 2603.07228, section 3.6).
///
/// The first output has the size of the last feature but one, the second that of the one before, and so on: the sizes of a
/// decoder that starts below the last feature. Outputs: `s1`, `s2`, ... and the projections `p1`, `p2`, ...
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkipRouter {
    /// The width of every output.
    pub out: Vec<usize>,
    /// The common width of the projections.
    #[serde(default = "width")]
    pub width: usize,
    /// One controller serves all outputs; with `false` each has its own.
    #[serde(default = "shared")]
    pub shared: bool,
    /// How many features are connected (their number must agree; it names the ports `p1` ... ).
    #[serde(default = "features")]
    pub stages: usize,
}

fn width() -> usize {
    64
}

fn shared() -> bool {
    true
}

fn features() -> usize {
    4
}

impl Block for SkipRouter {
    const NAME: &'static str = "SkipRouter";
    const INPUTS: &'static [Port] = &[Port::many("features", "the encoder's stages, from fine to coarse")];
    const EXAMPLE: &'static str = "SkipRouter(features: [\"fine\", \"middle\", \"coarse\"], stages: 3, out: [8, 4], width: 8)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("fine", 4, 4), ("middle", 8, 2), ("coarse", 16, 1)];

    fn outputs(&self) -> Vec<String> {
        let fused = (1..=self.out.len()).map(|i| format!("s{i}"));
        fused.chain((1..=self.stages.min(64)).map(|i| format!("p{i}"))).collect()
    }

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let features = x.many("features");
        let n = features.len();
        if n != self.stages {
            return Err(Fault::new(Code::E0204, format!("`features` connects {} but `stages` says {}", several(n, "stage"), self.stages))
                .on("features")
                .help(format!("set `stages: {n}`")));
        }
        if n < 2 || self.out.len() >= n {
            return Err(Fault::field(
                "out",
                format!("`out` lists {}: {} must be connected, not {n}", several(self.out.len(), "width"), self.out.len() + 1),
            )
            .help("each output takes its size from a feature above the last"));
        }
        let mut projections = vec![];
        for (i, f) in features.iter().enumerate() {
            projections.push(b.pointwise(&format!("align{}", i + 1), self.width, *f)?);
        }
        let mut outputs = vec![];
        let mut owner: Option<[Value; 2]> = None;
        for (i, out) in self.out.iter().enumerate() {
            let d = i + 1;
            let like = features[n - 1 - d];
            let mut maps = vec![];
            for (j, p) in projections.iter().enumerate() {
                maps.push(b.op(&format!("fuse{d}.resized{}", j + 1), Resize::LIKE, &[*p, like])?);
            }
            let all = b.op(&format!("fuse{d}.concat"), Concat, &maps)?;
            let name = |part: &str| if self.shared { format!("controller.{part}") } else { format!("controller{d}.{part}") };
            let logits = match owner.filter(|_| self.shared) {
                None => {
                    let hidden = b.pointwise(&name("hidden"), self.width, all)?;
                    let active = b.silu(&format!("fuse{d}.silu"), hidden)?;
                    let out = b.pointwise(&name("out"), n, active)?;
                    owner = Some([hidden, out]);
                    out
                }
                Some([hidden, out]) => {
                    let h = b.shared(&format!("fuse{d}.hidden"), &[all], hidden)?;
                    let active = b.silu(&format!("fuse{d}.silu"), h)?;
                    b.shared(&format!("fuse{d}.out"), &[active], out)?
                }
            };
            let w = b.op(&format!("fuse{d}.softmax"), Softmax, &[logits])?;
            let mut sum: Option<Value> = None;
            for (j, m) in maps.iter().enumerate() {
                let k = j + 1;
                let wj = b.op(&format!("fuse{d}.weight{k}"), Slice { start: j, channels: 1 }, &[w])?;
                let part = b.op(&format!("fuse{d}.weighted{k}"), Mul, &[wj, *m])?;
                sum = Some(match sum {
                    None => part,
                    Some(s) => b.op(&format!("fuse{d}.sum{k}"), Add, &[s, part])?,
                });
            }
            let fused = sum.ok_or_else(|| {
                Fault::new(Code::E0204, "nothing is connected to `features`")
                    .on("features")
                    .help("add `features: [\"...\"]`, the stages from fine to coarse")
            })?;
            outputs.push(b.pointwise(&format!("out{d}"), *out, fused)?);
        }
        outputs.extend(projections);
        Ok(outputs)
    }
}
