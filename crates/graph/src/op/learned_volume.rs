//! A learned number for each channel and voxel: a table of positions.

use super::{
    Examples,
    arity::{elementwise, exactly},
};
use crate::ir::{Access, Cost, Fact, Fault, Init, OnnxBuilder, OnnxValue, Operator, Triple, Volume64, Weight, Weights64, count};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// `y = x + weight`, the same for every sample of the batch. `weight [D H W, C]` is held as PyTorch holds tables of positions: a row of channels for
/// each token, tokens row by row. No MACs; `C D H W` parameters, so the size of `x` is part of what is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnedVolume {
    /// The size that it was made for.
    pub size: Triple,
}

/// Refuses a volume of another size than the one that weights were learned for.
///
/// # Errors
/// E0301 with both sizes.
pub(super) fn check_size(x: &Fact, learned: Triple, what: &str) -> Result<(), Fault> {
    if x.size == learned.0 {
        return Ok(());
    }
    let ([a, b, c], [d, h, w]) = (learned.0, x.size);
    Err(Fault::new(Code::E0301, format!("the {what} were learned for {a}x{b}x{c} voxels, but there are {d}x{h}x{w}"))
        .help("give the network images of the size that its graph states, or train one for this size"))
}

impl Operator for LearnedVolume {
    fn kind(&self) -> &'static str {
        "learned_volume"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        check_size(&x, self.size, "positions")?;
        count(&[x.channels, x.size[0], x.size[1], x.size[2]])?;
        Ok(x)
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        let channels = x.first().map_or(0, |f| f.channels);
        let voxels = self.size.0.iter().fold(1usize, |n, a| n.saturating_mul(*a));
        vec![Weight::new("weight", [voxels, channels], Init::TruncatedNormal(0.02))]
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        elementwise(y, 1)
    }

    fn access(&self) -> Access {
        Access::InPlace
    }

    fn reference(&self, weights: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let (weight, channels) = (weights("weight"), y.channels);
        Some(x.first()?.each_channel(y, |_, c, from, to| {
            to.iter_mut().zip(from).enumerate().for_each(|(at, (y, x))| *y = x + weight[at * channels + c]);
        }))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let [d, h, w] = self.size.0.map(|v| i64::try_from(v).unwrap_or(i64::MAX));
        let weight = n.weight("weight");
        let by_channel = n.transpose(weight, &[1, 0]);
        let table = n.reshape(by_channel, &[0, d, h, w]);
        let x = n.x(0);
        Some(n.node("Add", &[x, table], vec![]))
    }
}

impl Examples for LearnedVolume {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(Self { size: Triple([2, 1, 3]) }, vec![Fact::new(2, 4, [2, 1, 3])])]
    }
}
