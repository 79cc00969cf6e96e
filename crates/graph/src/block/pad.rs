//! Voxels added around a volume.

use super::{Axes, Block, Builder, Connected, Port};
use crate::ir::{Fault, Value};
use crate::op::{self, PadMode};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// So many `before` and `after` each axis; or at the far end up to a `multiple`, or up to the size of another value (`like`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// Voxels added before each axis.
    #[serde(default)]
    pub before: Axes,
    /// Voxels added after each axis.
    #[serde(default)]
    pub after: Axes,
    /// The size becomes a multiple of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiple: Option<Axes>,
    /// Whether an axis of no more voxels than `multiple` stays as it is, as a window there does that is no longer than it (`Attention`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clamp: bool,
    /// `zeros`, or `replicate` for the outermost voxel again.
    #[serde(default)]
    pub mode: PadMode,
}

impl Block for Pad {
    const NAME: &'static str = "Pad";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume"), Port::optional("like", "whose size to take")];
    const EXAMPLE: &'static str = "Pad(x: \"small\", like: \"features\", mode: replicate)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("small", 8, 1), ("features", 4, 2)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let (v, like) = (x.one("x")?, x.get("like"));
        let counted = !self.before.is_zero() || !self.after.is_zero();
        if usize::from(counted) + usize::from(self.multiple.is_some()) + usize::from(like.is_some()) > 1 {
            let message = "more than one of `before` and `after`, `multiple` and `like` says how much is padded";
            return Err(Fault::new(Code::E0401, message).help("keep one of them"));
        }
        if self.clamp && self.multiple.is_none() {
            return Err(
                Fault::field("clamp", "`clamp` is for a `multiple`, and there is none").help("give `multiple`, or leave `clamp` out")
            );
        }
        let pad = op::Pad {
            before: b.axes("before", self.before, 0)?,
            after: b.axes("after", self.after, 0)?,
            multiple: b.maybe_axes("multiple", self.multiple, 1)?,
            clamp: self.clamp,
            like: like.is_some(),
            mode: self.mode,
        };
        let inputs: Vec<Value> = std::iter::once(v).chain(like).collect();
        Ok(vec![b.op("pad", pad, &inputs)?])
    }
}
