//! UNETR++'s attention: between channels, and between voxels and projections of them.

use super::{Block, Builder, Connected, Port};
use crate::ir::{Fault, Initialisation, Triple, Value};
use crate::op::{Attention, ChannelAttention, Linear, NormaliseVoxels, Reread, Slice, VoxelLinear};
use serde::{Deserialize, Serialize};

/// Queries and keys of one projection serve two attentions (Shaker et al. 2022): `channel` between the channels of a head, and `spatial` between all voxels
/// and `points` learned projections of them. The projections are learned for one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairedAttention {
    /// How many heads; they divide the channels.
    pub heads: usize,
    /// To how many points the voxels of keys and values are projected.
    pub points: usize,
    /// Whether keys and values are projected by the same weights.
    #[serde(default = "yes")]
    pub shared: bool,
    /// Whether the projections have a bias.
    #[serde(default)]
    pub bias: bool,
}

fn yes() -> bool {
    true
}

impl Block for PairedAttention {
    const NAME: &'static str = "PairedAttention";
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "PairedAttention(x: \"features\", heads: 2, points: 3)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("features", 8, 1)];

    fn outputs(&self) -> Vec<String> {
        vec!["spatial".into(), "channel".into()]
    }

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let x = x.one("x")?;
        let (channels, size, heads) = (b.channels(x), Triple(b.size(x)), self.heads);
        let out = channels.checked_mul(4).ok_or_else(|| Fault::field("heads", "there are too many channels").help("use fewer"))?;
        let all = b.op("qkvv", Linear { out, bias: false }, &[x])?;
        let mut part = |i: usize, name: &str| b.op(name, Slice { start: i * channels, channels }, &[all]);
        let [q, k, of_channels, of_voxels] = [part(0, "q")?, part(1, "k")?, part(2, "v_channel")?, part(3, "v_spatial")?];
        let project = VoxelLinear { out: self.points, bias: self.bias, size };
        let keys = b.op("project_k", project.clone(), &[k]).map_err(|f| if f.field == Some("out") { f.on("points") } else { f })?;
        let values = if self.shared { b.shared("project_v", &[of_voxels], keys)? } else { b.op("project_v", project, &[of_voxels])? };
        if !self.bias {
            // Uniform within 1 / sqrt(points), as its authors start it: what `xavier` is with this gain.
            let (points, voxels) = (self.points as f64, size.0.iter().map(|n| *n as f64).product::<f64>());
            b.start(keys, Initialisation::Xavier { gain: ((points + voxels) / (6.0 * points)).sqrt() })?;
        }
        let unit = NormaliseVoxels { eps: 1e-12 };
        let (q, k) = (b.op("q_unit", unit.clone(), &[q])?, b.op("k_unit", unit, &[k])?);
        let channel = b.op("channel", ChannelAttention { heads }, &[q, k, of_channels])?;
        let attention = Attention { scale: Some(1.0), temperature: true, ..Attention::new(heads) };
        let seen = b.op("attention", attention, &[q, keys, values])?;
        Ok(vec![b.op("spatial", Reread { heads }, &[seen])?, channel])
    }
}
