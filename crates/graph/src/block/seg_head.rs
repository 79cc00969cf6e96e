//! The last layer: logits of the classes.

use super::{Block, Builder, Connected, InitForm, Port};
use crate::ir::{Fault, Value};
use serde::{Deserialize, Serialize};

/// A 1x1x1 convolution to one channel a class, without softmax.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegHead {
    /// Classes, the background among them.
    pub classes: usize,
    #[serde(default, skip_serializing_if = "InitForm::is_default")]
    pub init: InitForm,
}

impl Block for SegHead {
    const NAME: &'static str = "SegHead";
    const INPUTS: &'static [Port] = &[Port::one("x", "the last features")];
    const EXAMPLE: &'static str = "SegHead(x: \"features\", classes: 4)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        if self.classes < 2 {
            return Err(Fault::field("classes", format!("`classes` is {}: the background counts, so there are two or more", self.classes))
                .help("use 2 or more, with 0 for the background; for one region alone PointwiseConv(out: 1) is the head"));
        }
        let y = b.pointwise("conv", self.classes, x.one("x")?)?;
        self.init.begin(b, "init", y)?;
        Ok(vec![y])
    }
}
