//! A linear layer on vectors.

use super::{Block, Builder, Connected, InitForm, Port};
use crate::ir::{Fault, Value};
use crate::op;
use serde::{Deserialize, Serialize};

/// `W x + b` on a vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Length of the output.
    pub out: usize,
    #[serde(default = "yes")]
    pub bias: bool,
    #[serde(default, skip_serializing_if = "InitForm::is_default")]
    pub init: InitForm,
}

fn yes() -> bool {
    true
}

impl Block for Linear {
    const NAME: &'static str = "Linear";
    const INPUTS: &'static [Port] = &[Port::one("x", "a vector")];
    const EXAMPLE: &'static str = "Linear(x: \"anchors\", out: 4)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("anchors", 12, 0)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let linear = op::Linear { out: self.out, bias: self.bias };
        let y = b.op("linear", linear, &[x.one("x")?])?;
        self.init.begin(b, "init", y)?;
        Ok(vec![y])
    }
}
