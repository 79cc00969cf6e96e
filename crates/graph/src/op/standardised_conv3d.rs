//! Convolution whose kernels are standardised.

use super::{Conv3d, Examples};
use crate::ir::{Cost, Fact, Fault, Length, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Triple, Volume64, Weight, Weights64};
use serde::{Deserialize, Serialize};

/// A convolution with `(w - mean) / sqrt(var + eps)` in place of the kernels `w`, mean and biased variance of each output channel's (Qiao et al.
/// 2019). MACs and parameters are those of the convolution. For running a network it is one: a pass standardises the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StandardisedConv3d {
    pub conv: Conv3d,
    pub eps: f64,
}

/// Each of `rows` parts brought to mean 0 and variance 1.
pub(crate) fn standardised(values: &mut [f64], rows: usize, eps: f64) {
    let wide = values.len() / rows.max(1);
    for row in values.chunks_mut(wide.max(1)) {
        let mean = row.iter().sum::<f64>() / wide as f64;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / wide as f64;
        let factor = 1.0 / (variance + eps).sqrt();
        row.iter_mut().for_each(|v| *v = (*v - mean) * factor);
    }
}

impl Operator for StandardisedConv3d {
    fn kind(&self) -> &'static str {
        "standardised_conv3d"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        super::affine::check_eps(self.eps, "1e-5").map_err(|f| f.on("standardise"))?;
        self.conv.infer(x)
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        self.conv.weights(x)
    }

    fn work(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        self.conv.work(x, y)
    }

    fn saved(&self, x: &[Fact], learns: &[bool]) -> SavedForBackward {
        self.conv.saved(x, learns)
    }

    fn length(&self, x: &[Length], axis: usize) -> Option<Length> {
        Operator::length(&self.conv, x, axis)
    }

    fn ptflops(&self, x: &[Fact], y: &Fact) -> Result<u64, Fault> {
        self.conv.ptflops(x, y)
    }

    fn reference(&self, weights: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let own = |name: &str| {
            let mut values = weights(name);
            if name == "weight" {
                standardised(&mut values, self.conv.out, self.eps);
            }
            values
        };
        self.conv.reference(&own, x, y)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let (weight, axes) = (n.weight("weight"), [1, 2, 3, 4]);
        let mean = n.reduce("ReduceMean", weight.clone(), &axes);
        let centred = n.node("Sub", &[weight, mean], vec![]);
        let square = n.node("Mul", &[centred.clone(), centred.clone()], vec![]);
        let (variance, eps) = (n.reduce("ReduceMean", square, &axes), n.scalar(self.eps));
        let shifted = n.node("Add", &[variance, eps], vec![]);
        let deviation = n.node("Sqrt", &[shifted], vec![]);
        let weight = n.node("Div", &[centred, deviation], vec![]);
        Some(self.conv.node(n, weight))
    }
}

impl Examples for StandardisedConv3d {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let conv = Conv3d::new(3, Triple([1, 3, 3])).stride(Triple([1, 2, 2]));
        vec![
            (Self { conv: conv.clone(), eps: 1e-5 }, vec![Fact::new(2, 4, [2, 5, 4])]),
            (Self { conv: Conv3d { groups: 2, out: 4, ..conv }.bias(false), eps: 1e-5 }, vec![Fact::new(1, 4, [1, 4, 4])]),
        ]
    }
}
