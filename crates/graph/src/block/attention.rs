//! Attention between the voxels of volumes.

use super::{Axes, Block, Builder, Connected, Port};
use crate::ir::{Fault, Triple, Value};
use crate::op::{self, AttentionBias};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// Which biases an attention learns for where two voxels lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttentionBiasKind {
    /// None.
    #[default]
    None,
    /// One for each way from a key to a query within a window, and each head.
    Relative,
    /// One for each distance along the axes, and each head; the size of the keys' volume is then fixed.
    Offsets,
}

/// `softmax(scale q k + bias) v`, every voxel a token; channels lie head by head. The projections before and after it are `Linear`s. Queries may lie on
/// another grid than keys and values, unless there is a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    /// How many heads; they divide the channels.
    pub heads: usize,
    /// The factor of the logits; one by the root of a head's channels when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Whether each head learns another factor.
    #[serde(default)]
    pub temperature: bool,
    /// Blocks of so many voxels that attend within themselves; all voxels when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Axes>,
    /// Whether an axis no longer than the window is one window, without a shift; else such a window is refused.
    #[serde(default)]
    pub clamp: bool,
    /// By how much the volume is rolled before it is cut into windows.
    #[serde(default, skip_serializing_if = "Axes::is_zero")]
    pub shift: Axes,
    /// Whether voxels that lie in one window only because the volume is rolled do not see each other.
    #[serde(default = "yes")]
    pub mask: bool,
    /// `none`, `relative` or `offsets`.
    #[serde(default)]
    pub bias: AttentionBiasKind,
    /// The window that the table of a relative bias is for; `window` when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Axes>,
    /// By how many entries of that table a voxel along each axis differs; when not given each pair of places has its own entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Axes>,
    /// Of a bias by `offsets`: how many keys lie from one query to the next.
    #[serde(default = "one")]
    pub stride: Axes,
}

fn yes() -> bool {
    true
}

fn one() -> Axes {
    Axes::all(1)
}

impl Attention {
    fn bias(&self, b: &Builder, window: Option<Triple>, keys: [usize; 3]) -> Result<AttentionBias, Fault> {
        match self.bias {
            AttentionBiasKind::None => Ok(AttentionBias::None),
            AttentionBiasKind::Relative => {
                let full = b.maybe_axes("table", self.table, 1)?.or(window).ok_or_else(|| {
                    Fault::new(Code::E0401, "a relative bias is for a window, and there is none")
                        .on("bias")
                        .help("give `window`, or use `LearnedVolume` before the projections")
                })?;
                let wide = |a: usize| full.0[a].saturating_mul(2).saturating_sub(1);
                let own = Triple([wide(1).saturating_mul(wide(2)), wide(2), 1]);
                Ok(AttentionBias::Relative { full, steps: b.maybe_axes("steps", self.steps, 1)?.unwrap_or(own) })
            }
            AttentionBiasKind::Offsets => Ok(AttentionBias::Offsets { grid: Triple(keys), stride: b.axes("stride", self.stride, 1)? }),
        }
    }
}

impl Block for Attention {
    const NAME: &'static str = "Attention";
    const INPUTS: &'static [Port] = &[
        Port::one("q", "queries, a volume"),
        Port::one("k", "keys of as many channels"),
        Port::one("v", "values on the grid of the keys"),
    ];
    const EXAMPLE: &'static str = "Attention(q: \"features\", k: \"features\", v: \"values\", heads: 2, window: 2, bias: relative)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1), ("values", 4, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let [q, k, v] = [x.one("q")?, x.one("k")?, x.one("v")?];
        let window = b.maybe_axes("window", self.window, 1)?;
        let attention = op::Attention {
            heads: self.heads,
            scale: self.scale,
            temperature: self.temperature,
            window,
            clamp: self.clamp,
            shift: b.axes("shift", self.shift, 0)?,
            mask: self.mask && !self.shift.is_zero(),
            bias: self.bias(b, window, b.size(k))?,
        };
        Ok(vec![b.op("attention", attention, &[q, k, v])?])
    }
}
