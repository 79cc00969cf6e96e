//! A linear layer on the channels of each voxel.

use super::{Conv3d, Examples, arity::exactly};
use crate::ir::{
    Cost, Expanded, Expansion, Fact, Fault, Init, Length, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Triple, Volume64, Weight,
    WeightView, Weights64, count,
};
use serde::{Deserialize, Serialize};

/// `y = W x + b` on the channels of each voxel: of a vector `[N, C, 1, 1, 1]`, or of each token of a volume. `weight [out, C]`, `bias [out]`. MACs:
/// voxels times `C` times `out`.
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

    /// The convolution of one voxel that it is.
    fn pointwise(&self) -> Conv3d {
        Conv3d::new(self.out, Triple::all(1)).bias(self.bias)
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
        Ok(Fact { channels: self.out, ..x })
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
        let macs = count(&[x.batch, x.channels, self.out, x.size[0], x.size[1], x.size[2]])?;
        Ok(Cost { macs, other: if self.bias { y.elements()? } else { 0 }, ..Cost::default() })
    }

    fn saved(&self, _: &[Fact], _: &[bool]) -> SavedForBackward {
        SavedForBackward::input()
    }

    fn length(&self, x: &[Length], _: usize) -> Option<Length> {
        x.first().copied()
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
                let to = out.channel_mut(n, c);
                to.fill(if self.bias { b[c] } else { 0.0 });
                for i in 0..inputs {
                    to.iter_mut().zip(x.channel(n, i)).for_each(|(y, x)| *y += w[c * inputs + i] * x);
                }
            }
        }
        Some(out)
    }

    /// A convolution of one voxel, whose weight is the same with other dimensions.
    fn expand(&self, x: &[Fact]) -> Option<Expansion> {
        let inputs = x.first()?.channels;
        let mut e = Expansion::default();
        let view = |of: &'static str, dims: Vec<usize>| (of, WeightView { of, start: 0, rows: self.out, dims });
        let bias = self.bias.then(|| view("bias", vec![self.out]));
        let weights = std::iter::once(view("weight", vec![self.out, inputs, 1, 1, 1])).chain(bias).collect();
        e.with("conv", self.pointwise(), &[Expanded::Input(0)], weights);
        Some(e)
    }

    /// That convolution, which takes the weight under its own name.
    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let weight = n.weight_as("weight", [self.out, n.channels(0), 1, 1, 1]);
        Some(self.pointwise().node(n, weight))
    }
}

impl Examples for Linear {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![
            (Linear::new(5), vec![Fact::vector(2, 7)]),
            (Linear { out: 1, bias: false }, vec![Fact::vector(1, 3)]),
            (Linear::new(3), vec![Fact::new(2, 4, [2, 1, 3])]),
        ]
    }
}
