//! Trilinear resampling.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Triple, Value};
use crate::op;
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// Trilinear: by whole factors (`scale`), or to the size of another value (`like`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Triple>,
}

impl Block for Resize {
    const NAME: &'static str = "Resize";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume"), Port::optional("like", "whose size to take")];
    const EXAMPLE: &'static str = "Resize(x: \"features\", like: \"image\")";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1), ("image", 4, 2)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let v = x.one("x")?;
        match (self.scale, x.get("like")) {
            (Some(_), None) => Ok(vec![b.op("resize", op::Resize { scale: self.scale }, &[v])?]),
            (None, Some(like)) => Ok(vec![b.op("resize", op::Resize::LIKE, &[v, like])?]),
            (Some(_), Some(_)) => Err(Fault::new(Code::E0401, "`scale` and `like` both say the size").on("scale").help("keep one of them")),
            (None, None) => Err(Fault::new(Code::E0401, "nothing says the size").help("give `scale`, or connect `like`")),
        }
    }
}
