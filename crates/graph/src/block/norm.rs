//! A norm by itself.

use super::{Block, Builder, Connected, InitForm, NormForm, Port};
use crate::ir::{Fault, Value};
use serde::{Deserialize, Serialize};

/// One of `instance`, `group(4)`, `batch`, `layer`, `response`, with their fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Norm {
    /// Which norm.
    pub kind: NormForm,
    /// What its scale of each channel starts as, if it has one.
    #[serde(default, skip_serializing_if = "InitForm::is_default")]
    pub init: InitForm,
}

impl Block for Norm {
    const NAME: &'static str = "Norm";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "Norm(x: \"features\", kind: group(4))";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let x = x.one("x")?;
        let y = self.kind.lower(b, "norm", x).map_err(|f| if f.field.is_some() { f.on("kind") } else { f })?;
        if y != x {
            self.init.begin(b, "init", y)?;
        }
        Ok(vec![y])
    }
}
