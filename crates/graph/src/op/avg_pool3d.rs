//! Average pooling in blocks.

use super::{
    Examples,
    arity::exactly,
    max_pool3d::{window, windows},
};
use crate::ir::{Cost, Fact, Fault, Length, OnnxBuilder, OnnxValue, Operator, Triple, Volume64, Weights64, count, places};
use serde::{Deserialize, Serialize};

/// The mean of each block of `kernel` voxels; what is left over at the far edge is dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AvgPool3d {
    pub kernel: Triple,
}

impl Operator for AvgPool3d {
    fn kind(&self) -> &'static str {
        "avg_pool3d"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        Ok(Fact { size: windows(x.size, self.kernel, self.kernel, Triple::all(0))?, ..x })
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        Ok(Cost { other: y.elements()?.saturating_mul(count(&self.kernel.0)?), ..Cost::default() })
    }

    fn length(&self, x: &[Length], axis: usize) -> Option<Length> {
        let k = self.kernel.0[axis] as i128;
        x.first()?.windowed(-k, k)
    }

    fn ptflops(&self, x: &[Fact], _: &Fact) -> Result<u64, Fault> {
        x.first().map_or(Ok(0), Fact::elements)
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let n = self.kernel.0.iter().product::<usize>() as f64;
        Some(x.each_channel(y, |_, _, from, to| {
            for (at, p) in places(y.size) {
                to[at] = window(x.fact.size, self.kernel, self.kernel, Triple::all(0), p).map(|i| from[i]).sum::<f64>() / n;
            }
        }))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        Some(n.node("AveragePool", &n.inputs(), vec![("kernel_shape", self.kernel.into()), ("strides", self.kernel.into())]))
    }
}

impl Examples for AvgPool3d {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![
            (AvgPool3d { kernel: Triple::all(2) }, vec![Fact::new(2, 3, [4, 6, 3])]),
            (AvgPool3d { kernel: Triple([1, 2, 3]) }, vec![Fact::new(1, 2, [3, 5, 7])]),
        ]
    }
}
