//! Group normalisation.

use super::{Examples, affine, arity::exactly};
use crate::ir::{Access, Cost, Fact, Fault, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Volume64, Weight, Weights64};
use crate::text::{Code, several};
use serde::{Deserialize, Serialize};

/// Each group of channels is brought to mean 0 and variance 1 over its voxels, then scaled and shifted per channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupNorm {
    pub groups: usize,
    pub eps: f64,
    /// Whether each channel is scaled and shifted afterwards by learned numbers.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub affine: bool,
    /// Written as an instance norm: each channel is a group, whatever the width.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub instance: bool,
}

fn yes() -> bool {
    true
}

impl GroupNorm {
    /// With PyTorch's epsilon, 1e-5.
    pub fn new(groups: usize) -> Self {
        Self { groups, eps: 1e-5, affine: true, instance: false }
    }
}

impl Operator for GroupNorm {
    fn kind(&self) -> &'static str {
        "group_norm"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        if self.groups == 0 || x.channels % self.groups != 0 {
            let message = format!("{} cannot be split into {}", several(x.channels, "channel"), several(self.groups, "group"));
            return Err(Fault::new(Code::E0302, message)
                .on("groups")
                .help("use a width that is a multiple of the groups, or fewer groups"));
        }
        affine::check_eps(self.eps, "1e-5")?;
        Ok(x)
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        affine::weights(self.affine, x)
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let e = y.elements()?;
        // Mean and variance (3), normalisation (2), affine (2).
        let (other, norms) = if self.affine { (7, 5) } else { (5, 4) };
        Ok(Cost { other: e.saturating_mul(other), norms: e.saturating_mul(norms), ..Cost::default() })
    }

    /// The mean and the deviation of each group beside the input.
    fn saved(&self, x: &[Fact], _: &[bool]) -> SavedForBackward {
        let groups = x.first().map_or(0, |f| (f.batch as u64).saturating_mul(self.groups as u64));
        SavedForBackward { bytes: groups.saturating_mul(8), ..SavedForBackward::input() }
    }

    fn fuses_epilogue(&self, next: &str) -> bool {
        next == "silu"
    }

    fn access(&self) -> Access {
        Access::InPlace
    }

    fn ptflops(&self, _: &[Fact], y: &Fact) -> Result<u64, Fault> {
        Ok(y.elements()?.saturating_mul(2))
    }

    fn reference(&self, weights: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let (scale, shift, wide) = (weights("weight"), weights("bias"), y.channels / self.groups);
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            for group in 0..self.groups {
                let own = group * wide..(group + 1) * wide;
                let count = (wide * x.voxels()) as f64;
                let mean = own.clone().flat_map(|c| x.channel(n, c)).sum::<f64>() / count;
                let variance = own.clone().flat_map(|c| x.channel(n, c)).map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
                let factor = 1.0 / (variance + self.eps).sqrt();
                for c in own {
                    let (a, b) = if self.affine { (scale[c], shift[c]) } else { (1.0, 0.0) };
                    out.channel_mut(n, c).iter_mut().zip(x.channel(n, c)).for_each(|(y, v)| *y = (v - mean) * factor * a + b);
                }
            }
        }
        Some(out)
    }

    /// Where each channel is a group, an instance norm. The operator sets before 21 have no group norm with a scale for each channel: there the
    /// groups are the channels of an instance norm.
    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let (channels, eps) = (n.channels(0), ("epsilon", self.eps.into()));
        let number = |n: &mut OnnxBuilder<'_>, value: f32, count: usize| n.floats([count], vec![value; count]);
        if self.groups == channels || n.opset() >= 21 {
            let (scale, shift) = match self.affine {
                true => (n.weight("weight"), n.weight("bias")),
                false => (number(n, 1.0, channels), number(n, 0.0, channels)),
            };
            let inputs = [n.x(0), scale, shift];
            return Some(match self.groups == channels {
                true => n.node("InstanceNormalization", &inputs, vec![eps]),
                false => n.node("GroupNormalization", &inputs, vec![eps, ("num_groups", self.groups.into())]),
            });
        }
        let x = n.x(0);
        let grouped = n.ints(&[0, i64::try_from(self.groups).ok()?, -1]);
        let groups = n.node("Reshape", &[x.clone(), grouped], vec![]);
        let (scale, shift) = (number(n, 1.0, self.groups), number(n, 0.0, self.groups));
        let normed = n.node("InstanceNormalization", &[groups, scale, shift], vec![eps]);
        let shape = n.node("Shape", &[x], vec![]);
        let mut y = n.node("Reshape", &[normed, shape], vec![]);
        if self.affine {
            let (scale, shift) = (n.weight_by_channel("weight"), n.weight_by_channel("bias"));
            y = n.node("Mul", &[y, scale], vec![]);
            y = n.node("Add", &[y, shift], vec![]);
        }
        Some(y)
    }
}

impl Examples for GroupNorm {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![
            (GroupNorm::new(4), vec![Fact::new(2, 8, [3, 5, 2])]),
            (GroupNorm::new(1), vec![Fact::new(1, 3, [2, 2, 9])]),
            (GroupNorm { affine: false, ..GroupNorm::new(3) }, vec![Fact::new(2, 3, [2, 4, 3])]),
        ]
    }
}
