//! A norm by itself.

use super::NormForm;
use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use serde::{Deserialize, Serialize};

/// One of `instance`, `group(4)`, `batch`, `layer`, `response`, with their fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Norm {
    /// Which norm.
    pub kind: NormForm,
}

impl Block for Norm {
    const NAME: &'static str = "Norm";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "Norm(x: \"features\", kind: group(4))";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        Ok(vec![self.kind.lower(b, "norm", x.one("x")?).map_err(|f| if f.field.is_some() { f.on("kind") } else { f })?])
    }
}
