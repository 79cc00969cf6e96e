//! Several looks at the same features, weighed per voxel.

use super::{Block, Builder, Connected, FunctionForm, Port};
use crate::ir::{Fault, Value};
use crate::op::{Add, Mul, Slice, Softmax};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// `sum of w_i act(f_i)` over the paths `f_i`, with `w = softmax(conv1(x))`, one channel a path (arXiv 2603.07228, section 3.6).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiPathGate {
    /// What each path passes before it is weighed.
    #[serde(default = "silu")]
    pub activation: FunctionForm,
}

fn silu() -> FunctionForm {
    FunctionForm::Silu
}

impl Block for MultiPathGate {
    const NAME: &'static str = "MultiPathGate";
    const INPUTS: &'static [Port] = &[Port::one("x", "what decides the weights"), Port::many("paths", "two or more volumes of one shape")];
    const EXAMPLE: &'static str = "MultiPathGate(x: \"features\", paths: [\"a\", \"b\", \"c\"])";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1), ("a", 6, 1), ("b", 6, 1), ("c", 6, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let paths = x.many("paths");
        if paths.is_empty() {
            return Err(Fault::new(Code::E0204, "a gate chooses between paths, but none is connected")
                .help("connect two or more, or use `Activation` instead"));
        }
        let logits = b.pointwise("weights", paths.len(), x.one("x")?)?;
        let w = b.op("softmax", Softmax, &[logits])?;
        let mut sum: Option<Value> = None;
        for (i, path) in paths.iter().enumerate() {
            let k = i + 1;
            let active = self.activation.lower(b, &format!("act{k}"), *path)?;
            let wk = b.op(&format!("weight{k}"), Slice { start: i, channels: 1 }, &[w])?;
            let part = b.op(&format!("weighted{k}"), Mul, &[wk, active]).map_err(|f| f.on("paths"))?;
            sum = Some(match sum {
                None => part,
                Some(s) => b.op(&format!("sum{k}"), Add, &[s, part]).map_err(|f| f.on("paths"))?,
            });
        }
        Ok(sum.into_iter().collect())
    }
}
