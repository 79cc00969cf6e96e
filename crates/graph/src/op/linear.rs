//! A linear layer on vectors.

use super::{Examples, arity::exactly};
use crate::ir::{
    Cost, Fact, Fault, Init, Length, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Triple, Volume64, Weight, Weights64, count,
};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// `y = W x + b` on `[N, C, 1, 1, 1]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    pub out: usize,
    pub bias: bool,
}

impl Linear {
    /// With a bias.
    pub fn new(out: usize) -> Self {
        Self { out, bias: true }
    }
}

impl Operator for Linear {
    fn kind(&self) -> &'static str {
        "linear"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        if self.out == 0 {
            return Err(Fault::field("out", "`out` is 0: a linear layer needs at least one output").help("use 1 or more"));
        }
        if !x.is_vector() {
            return Err(Fault::new(Code::E0301, format!("a linear layer takes a vector but is given a volume, {x}"))
                .help("use `PointwiseConv`, which is the same at each voxel of a volume"));
        }
        Ok(Fact::vector(x.batch, self.out))
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        let fan_in = x.first().map_or(0, |f| f.channels);
        let init = Init::Uniform(1.0 / (fan_in as f64).sqrt());
        let mut all = vec![Weight::new("weight", [self.out, fan_in], init)];
        if self.bias {
            all.push(Weight::new("bias", [self.out], init));
        }
        all
    }

    fn work(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        let macs = count(&[x.batch, x.channels, self.out])?;
        Ok(Cost { macs, other: if self.bias { y.elements()? } else { 0 }, ..Cost::default() })
    }

    fn saved(&self, _: &[Fact], _: &[bool]) -> SavedForBackward {
        SavedForBackward::input()
    }

    fn length(&self, _: &[Length], _: usize) -> Option<Length> {
        Some(Length::ONE)
    }

    fn ptflops(&self, _: &[Fact], y: &Fact) -> Result<u64, Fault> {
        if self.bias { y.elements() } else { Ok(0) }
    }

    fn reference(&self, weights: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let (w, b, inputs) = (weights("weight"), weights("bias"), x.fact.channels);
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            for c in 0..y.channels {
                let sum: f64 = (0..inputs).map(|i| w[c * inputs + i] * x.channel(n, i)[0]).sum();
                out.channel_mut(n, c)[0] = sum + if self.bias { b[c] } else { 0.0 };
            }
        }
        Some(out)
    }

    /// On volumes of one voxel a convolution, so that values keep their rank.
    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let (channels, x) = (n.channels(0), n.x(0));
        let mut inputs = vec![x, n.weight_as("weight", [self.out, channels, 1, 1, 1])];
        inputs.extend(self.bias.then(|| n.weight("bias")));
        Some(n.node("Conv", &inputs, vec![("kernel_shape", Triple::all(1).into())]))
    }
}

impl Examples for Linear {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(Linear::new(5), vec![Fact::vector(2, 7)]), (Linear { out: 1, bias: false }, vec![Fact::vector(1, 3)])]
    }
}
