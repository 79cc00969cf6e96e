//! Global response normalisation (ConvNeXt V2, Woo et al. 2023).

use super::{
    Activation, ChannelAffine, Examples, Function, GlobalReduce, Mul, ReduceChannels, Reduction, ScaleShift, Statistic, affine,
    arity::exactly,
};
use crate::ir::{
    Cost, Expanded, Expansion, Fact, Fault, Init, Length, Operator, SavedForBackward, Volume64, Weight, WeightView, Weights64,
};
use serde::{Deserialize, Serialize};

/// `y = x (1 + weight n_c / (mean_c n_c + eps)) + bias` with `n_c` the root of the sum of squares of a channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResponseNorm {
    pub eps: f64,
}

impl Default for ResponseNorm {
    fn default() -> Self {
        Self { eps: 1e-6 }
    }
}

impl Operator for ResponseNorm {
    fn kind(&self) -> &'static str {
        "response_norm"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        affine::check_eps(self.eps, "1e-6")?;
        exactly::<1>(self.kind(), x).map(|[f]| f)
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        let c = x.first().map_or(0, |f| f.channels);
        vec![Weight::new("weight", [c], Init::Zeros), Weight::new("bias", [c], Init::Zeros)]
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        // The square and its sum (2), the product and the shift (2).
        Ok(Cost { other: y.elements()?.saturating_mul(4), ..Cost::default() })
    }

    fn saved(&self, _: &[Fact], _: &[bool]) -> SavedForBackward {
        SavedForBackward::input()
    }

    fn length(&self, x: &[Length], _: usize) -> Option<Length> {
        x.first().copied()
    }

    fn reference(&self, weights: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let (gamma, beta) = (weights("weight"), weights("bias"));
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            let norms: Vec<f64> = (0..y.channels).map(|c| x.channel(n, c).iter().map(|v| v * v).sum::<f64>().sqrt()).collect();
            let mean = norms.iter().sum::<f64>() / y.channels as f64;
            for (c, norm) in norms.iter().enumerate() {
                let factor = 1.0 + gamma[c] * norm / (mean + self.eps);
                out.channel_mut(n, c).iter_mut().zip(x.channel(n, c)).for_each(|(y, v)| *y = v * factor + beta[c]);
            }
        }
        Some(out)
    }

    fn expand(&self, x: &[Fact]) -> Option<Expansion> {
        let c = x.first()?.channels;
        let input = Expanded::Input(0);
        let view = |of| (of, WeightView { of, start: 0, rows: c, dims: vec![c] });
        let mut e = Expansion::default();
        let square = e.add("square", Mul, &[input, input]);
        let sum = e.add("sum", GlobalReduce { by: Statistic::Sum }, &[square]);
        let norm = e.add("norm", Activation::from(Function::Sqrt), &[sum]);
        let mean = e.add("mean", ReduceChannels { by: Reduction::Mean }, &[norm]);
        let mean = e.add("shifted", ScaleShift { scale: 1.0, shift: self.eps }, &[mean]);
        // 1 / m is 1 / sqrt(m^2), since m is above 0.
        let square = e.add("mean_square", Mul, &[mean, mean]);
        let inverse = e.add("inverse", Activation::from(Function::Rsqrt), &[square]);
        let share = e.add("share", Mul, &[norm, inverse]);
        let scaled = e.with("scale", ChannelAffine::SCALE, &[share], vec![view("weight")]);
        let factor = e.add("factor", ScaleShift::ONE_PLUS, &[scaled]);
        let product = e.add("product", Mul, &[input, factor]);
        e.with("shift", ChannelAffine::BIAS, &[product], vec![view("bias")]);
        Some(e)
    }
}

impl Examples for ResponseNorm {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(ResponseNorm::default(), vec![Fact::new(2, 3, [3, 2, 4])])]
    }
}
