//! Attention between the channels of each head, and the order in which UNETR++ reads what its attention between voxels gives.

use super::{Examples, arity::exactly};
use crate::ir::{
    Cost, Fact, Fault, Init, Length, OnnxAttribute, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Volume64, Weight, Weights64,
};
use crate::text::{Code, several};
use serde::{Deserialize, Serialize};

/// Channels as tokens, voxels as their features: of each head with `d` channels the `d x d` products `temperature[head] * sum over voxels of q[i] k[j]`,
/// their softmax over `j`, and the sum of `v[j]` by it. Inputs and output are `[N, heads d, D, H, W]`.
///
/// MACs: both products, `2 N heads d^2 D H W`; parameters: `temperature [heads]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelAttention {
    pub heads: usize,
}

impl Operator for ChannelAttention {
    fn kind(&self) -> &'static str {
        "channel_attention"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [q, k, v] = exactly::<3>(self.kind(), x)?;
        if q != k || k != v {
            return Err(Fault::new(Code::E0301, format!("{q}, {k} and {v} are not of one shape"))
                .on("v")
                .help("queries, keys and values are projections of one volume"));
        }
        if self.heads == 0 || q.channels % self.heads != 0 || q.channels == 0 {
            let message = format!("{} cannot be split into {}", several(q.channels, "channel"), several(self.heads, "head"));
            return Err(Fault::new(Code::E0302, message).on("heads").help("use a number of heads that divides the channels"));
        }
        Ok(v)
    }

    fn weights(&self, _: &[Fact]) -> Vec<Weight> {
        vec![Weight::new("temperature", [self.heads], Init::Ones)]
    }

    fn work(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let [q, ..] = exactly::<3>(self.kind(), x)?;
        let d = (q.channels / self.heads.max(1)) as u64;
        let too_many = || Fault::new(Code::E0501, "a count is beyond 64 bits").help("make the sizes or widths smaller");
        let macs = y.elements()?.checked_mul(d).and_then(|n| n.checked_mul(2)).ok_or_else(too_many)?;
        let other = (q.batch as u64).saturating_mul(q.channels as u64).saturating_mul(d).saturating_mul(6);
        Ok(Cost { macs, other, ..Cost::default() })
    }

    fn saved(&self, x: &[Fact], _: &[bool]) -> SavedForBackward {
        let pairs = x.first().map_or(0, |q| (q.batch as u64).saturating_mul(q.channels as u64));
        let d = x.first().map_or(0, |q| (q.channels / self.heads.max(1)) as u64);
        SavedForBackward { inputs: vec![0, 1, 2], output: false, bytes: pairs.saturating_mul(d).saturating_mul(8) }
    }

    fn length(&self, x: &[Length], _: usize) -> Option<Length> {
        x.first().copied()
    }

    fn reference(&self, weights: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let [q, k, v] = x else { return None };
        let (temperature, d) = (weights("temperature"), y.channels / self.heads);
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            for c in 0..y.channels {
                let (head, first) = (c / d, c / d * d);
                let dot = |j: usize| q.channel(n, c).iter().zip(k.channel(n, j)).map(|(a, b)| a * b).sum::<f64>();
                let mut row: Vec<f64> = (first..first + d).map(|j| temperature[head] * dot(j)).collect();
                let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                row.iter_mut().for_each(|p| *p = (*p - largest).exp());
                let sum: f64 = row.iter().sum();
                let to = out.channel_mut(n, c);
                for (j, p) in row.iter().enumerate() {
                    to.iter_mut().zip(v.channel(n, first + j)).for_each(|(y, v)| *y += p / sum * v);
                }
            }
        }
        Some(out)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let [q, k, v] = [0, 1, 2].map(|slot| n.heads(slot, self.heads));
        let k = n.transpose(k, &[0, 1, 3, 2]);
        let (products, temperature) = (n.node("MatMul", &[q, k], vec![]), n.weight_as("temperature", [self.heads, 1, 1]));
        let logits = n.node("Mul", &[products, temperature], vec![]);
        let shares = n.node("Softmax", &[logits], vec![("axis", OnnxAttribute::Int(-1))]);
        let sums = n.node("MatMul", &[shares, v], vec![]);
        Some(n.volume(sums, n.channels(2), 0))
    }
}

impl Examples for ChannelAttention {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(Self { heads: 2 }, vec![Fact::new(2, 6, [2, 1, 3]); 3])]
    }
}

/// A permutation of the numbers of a volume that has no meaning in space, but with which UNETR++ is trained: channels that lie head by head are brought
/// into the order channel by channel (`[d, heads]` for `[heads, d]`), and the memory of `[C, voxels]` is then read as `[voxels, C]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reread {
    pub heads: usize,
}

impl Reread {
    /// The channel and the voxel of the input whose number stands at a channel and a voxel of the output.
    pub fn source(&self, channels: usize, voxels: usize, c: usize, v: usize) -> (usize, usize) {
        let flat = v * channels + c;
        let (row, u) = (flat / voxels.max(1), flat % voxels.max(1));
        let d = channels / self.heads.max(1);
        (row % self.heads.max(1) * d + row / self.heads.max(1), u)
    }
}

impl Operator for Reread {
    fn kind(&self) -> &'static str {
        "reread"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        x.elements()?;
        if self.heads == 0 || x.channels % self.heads != 0 {
            let message = format!("{} cannot be split into {}", several(x.channels, "channel"), several(self.heads, "head"));
            return Err(Fault::new(Code::E0302, message).on("heads").help("use a number of heads that divides the channels"));
        }
        Ok(x)
    }

    fn work(&self, _: &[Fact], _: &Fact) -> Result<Cost, Fault> {
        Ok(Cost::default())
    }

    fn length(&self, x: &[Length], _: usize) -> Option<Length> {
        x.first().copied()
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let voxels = x.voxels();
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            for c in 0..y.channels {
                let to = out.channel_mut(n, c);
                for (v, to) in to.iter_mut().enumerate() {
                    let (from, u) = self.source(y.channels, voxels, c, v);
                    *to = x.channel(n, from)[u];
                }
            }
        }
        Some(out)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let channels = i64::try_from(n.channels(0)).ok()?;
        let by_head = n.heads(0, self.heads);
        let by_channel = n.transpose(by_head, &[0, 2, 1, 3]);
        let read = n.reshape(by_channel, &[0, -1, channels]);
        let back = n.transpose(read, &[0, 2, 1]);
        Some(n.volume(back, n.channels(0), 0))
    }
}

impl Examples for Reread {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(Self { heads: 2 }, vec![Fact::new(2, 6, [2, 1, 5])]), (Self { heads: 3 }, vec![Fact::new(1, 3, [2, 1, 2])])]
    }
}
