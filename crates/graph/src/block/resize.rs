//! Resampling to another size.

use super::{Axes, Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::{self, Interpolation};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// Trilinear or nearest: by whole factors (`scale`), by whole parts (`divide`), to a `size`, or to the size of another value (`like`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Axes>,
    /// By how much each axis shrinks; what is left over is dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divide: Option<Axes>,
    /// Voxels of the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Axes>,
    /// `trilinear` or `nearest`.
    #[serde(default)]
    pub mode: Interpolation,
    /// Whether the outermost voxels of both grids lie on each other, and not the outer edges of the grids.
    #[serde(default)]
    pub align_corners: bool,
}

impl Block for Resize {
    const NAME: &'static str = "Resize";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume"), Port::optional("like", "whose size to take")];
    const EXAMPLE: &'static str = "Resize(x: \"features\", like: \"image\")";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1), ("image", 4, 2)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let given = [("scale", self.scale), ("divide", self.divide), ("size", self.size)];
        let mut said = given.into_iter().filter_map(|(name, value)| value.map(|_| name)).chain(x.get("like").map(|_| "like"));
        match (said.next(), said.next()) {
            (Some(a), Some(b)) => {
                return Err(Fault::new(Code::E0401, format!("`{a}` and `{b}` both say the size")).on(a).help("keep one of them"));
            }
            (None, _) => return Err(Fault::new(Code::E0401, "nothing says the size").help("give `scale`, or connect `like`")),
            _ => {}
        }
        let resize = op::Resize {
            scale: b.maybe_axes("scale", self.scale, 1)?,
            size: b.maybe_axes("size", self.size, 1)?,
            divide: b.maybe_axes("divide", self.divide, 1)?,
            mode: self.mode,
            align_corners: self.align_corners,
        };
        let inputs: Vec<Value> = std::iter::once(x.one("x")?).chain(x.get("like")).collect();
        Ok(vec![b.op("resize", resize, &inputs)?])
    }
}
