//! A learned scale and shift of each channel.

use super::{
    Examples,
    arity::{elementwise, exactly},
};
use crate::ir::{Cost, Fact, Fault, Init, Length, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Volume64, Weight, Weights64};
use serde::{Deserialize, Serialize};

/// `weight[c] * x + bias[c]`, either of them left out where it is not asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelAffine {
    pub scale: bool,
    pub bias: bool,
    /// What every scale starts as.
    pub init: f64,
}

impl ChannelAffine {
    /// A scale that starts at 1, and a shift that starts at 0.
    pub const FULL: Self = Self { scale: true, bias: true, init: 1.0 };
    pub const SCALE: Self = Self { scale: true, bias: false, init: 1.0 };
    pub const BIAS: Self = Self { scale: false, bias: true, init: 1.0 };
}

impl Operator for ChannelAffine {
    fn kind(&self) -> &'static str {
        "channel_affine"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        if !self.init.is_finite() {
            return Err(Fault::field("init", "`init` is not a finite number").help("use a number such as 1.0"));
        }
        exactly::<1>(self.kind(), x).map(|[f]| f)
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        let c = x.first().map_or(0, |f| f.channels);
        let scale = self.scale.then(|| Weight::new("weight", [c], Init::Constant(self.init)));
        scale.into_iter().chain(self.bias.then(|| Weight::new("bias", [c], Init::Zeros))).collect()
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        elementwise(y, u64::from(self.scale) + u64::from(self.bias))
    }

    /// The gradient of the scale is a sum over the input.
    fn saved(&self, _: &[Fact], _: &[bool]) -> SavedForBackward {
        if self.scale { SavedForBackward::input() } else { SavedForBackward::default() }
    }

    fn length(&self, x: &[Length], _: usize) -> Option<Length> {
        x.first().copied()
    }

    fn reference(&self, weights: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let (scale, shift) = (weights("weight"), weights("bias"));
        Some(x.first()?.each_channel(y, |_, c, from, to| {
            let (a, b) = (if self.scale { scale[c] } else { 1.0 }, if self.bias { shift[c] } else { 0.0 });
            to.iter_mut().zip(from).for_each(|(y, v)| *y = a * v + b);
        }))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let mut y = n.x(0);
        if self.scale {
            let scale = n.weight_by_channel("weight");
            y = n.node("Mul", &[y, scale], vec![]);
        }
        if self.bias {
            let shift = n.weight_by_channel("bias");
            y = n.node("Add", &[y, shift], vec![]);
        }
        Some(y)
    }
}

impl Examples for ChannelAffine {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let x = Fact::new(2, 3, [3, 2, 4]);
        vec![(Self::FULL, vec![x]), (Self { init: 1e-6, ..Self::SCALE }, vec![x]), (Self::BIAS, vec![Fact::vector(2, 3)])]
    }
}
