//! What works along the voxels of each channel: a linear layer, a division by the length.

use super::{
    Examples,
    arity::{elementwise, exactly},
    learned_volume::check_size,
};
use crate::ir::{
    Access, Cost, Fact, Fault, Init, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Triple, Volume64, Weight, Weights64, count,
};
use serde::{Deserialize, Serialize};

/// A linear layer whose inputs are the voxels of a channel, the same for every channel: `y[c, p] = sum of weight[p, v] x[c, v] + bias[p]`, from
/// `[N, C, D, H, W]` to `[N, C, 1, 1, P]`. `weight [P, D H W]`, so the size of `x` is part of what is learned. MACs `N C P D H W`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VoxelLinear {
    /// `P`
    pub out: usize,
    pub bias: bool,
    /// The size that it was made for.
    pub size: Triple,
}

impl Operator for VoxelLinear {
    fn kind(&self) -> &'static str {
        "voxel_linear"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        if self.out == 0 {
            return Err(Fault::field("out", "`out` is 0: a projection needs at least one output").help("use 1 or more"));
        }
        check_size(&x, self.size, "projections of the voxels")?;
        Ok(Fact::new(x.batch, x.channels, [1, 1, self.out]))
    }

    fn weights(&self, _: &[Fact]) -> Vec<Weight> {
        let voxels = self.size.0.iter().fold(1usize, |n, a| n.saturating_mul(*a));
        let init = Init::Uniform(1.0 / (voxels.max(1) as f64).sqrt());
        let bias = self.bias.then(|| Weight::new("bias", [self.out], init));
        std::iter::once(Weight::new("weight", [self.out, voxels], init)).chain(bias).collect()
    }

    fn work(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        let macs = count(&[x.batch, x.channels, self.out, x.size[0], x.size[1], x.size[2]])?;
        Ok(Cost { macs, other: if self.bias { y.elements()? } else { 0 }, ..Cost::default() })
    }

    fn saved(&self, _: &[Fact], _: &[bool]) -> SavedForBackward {
        SavedForBackward::input()
    }

    fn length(&self, _: &[crate::ir::Length], axis: usize) -> Option<crate::ir::Length> {
        let n = if axis == 2 { self.out as i128 } else { 1 };
        Some(crate::ir::Length::Line { per: 0, plus: n })
    }

    fn reference(&self, weights: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let (weight, bias) = (weights("weight"), weights("bias"));
        let voxels = x.first()?.voxels();
        Some(x.first()?.each_channel(y, |_, _, from, to| {
            for (p, y) in to.iter_mut().enumerate() {
                let sum: f64 = from.iter().zip(&weight[p * voxels..][..voxels]).map(|(x, w)| x * w).sum();
                *y = sum + if self.bias { bias[p] } else { 0.0 };
            }
        }))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let (x, weight) = (n.x(0), n.weight("weight"));
        let rows = n.reshape(x, &[0, 0, -1]);
        let weight = n.transpose(weight, &[1, 0]);
        let mut y = n.node("MatMul", &[rows, weight], vec![]);
        if self.bias {
            let bias = n.weight("bias");
            y = n.node("Add", &[y, bias], vec![]);
        }
        Some(n.reshape(y, &[0, 0, 1, 1, -1]))
    }
}

impl Examples for VoxelLinear {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let (size, x) = (Triple([2, 1, 3]), vec![Fact::new(2, 3, [2, 1, 3])]);
        vec![(Self { out: 4, bias: true, size }, x.clone()), (Self { out: 2, bias: false, size }, x)]
    }
}

/// Each channel divided by the root of the sum of its squares over all voxels, or by `eps` where that is larger (`normalize` of PyTorch).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NormaliseVoxels {
    pub eps: f64,
}

impl Operator for NormaliseVoxels {
    fn kind(&self) -> &'static str {
        "normalise_voxels"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        super::affine::check_eps(self.eps, "1e-12")?;
        exactly::<1>(self.kind(), x).map(|[x]| x)
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        elementwise(y, 3)
    }

    fn saved(&self, _: &[Fact], _: &[bool]) -> SavedForBackward {
        SavedForBackward::input()
    }

    fn access(&self) -> Access {
        Access::InPlace
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        Some(x.first()?.each_channel(y, |_, _, from, to| {
            let norm = from.iter().map(|x| x * x).sum::<f64>().sqrt().max(self.eps);
            to.iter_mut().zip(from).for_each(|(y, x)| *y = x / norm);
        }))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let (x, eps) = (n.x(0), n.scalar(self.eps));
        let length = n.reduce("ReduceL2", x.clone(), &[2, 3, 4]);
        let length = n.node("Max", &[length, eps], vec![]);
        Some(n.node("Div", &[x, length], vec![]))
    }
}

impl Examples for NormaliseVoxels {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(Self { eps: 1e-12 }, vec![Fact::new(2, 3, [2, 3, 2])])]
    }
}
