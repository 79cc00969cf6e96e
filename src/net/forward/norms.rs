//! Norms, learned scales, reductions and random zeros, composed of Burn's operations.
//!
//! Part of `net`; may use `op` and `kernel`.

use burn::tensor::{DType, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::device::tracked;
use super::{Forward, Weights, first};
use crate::op::{
    BatchNorm, ChannelAffine, DropScope, Dropout, GlobalReduce, LayerNorm, PRelu, ReduceChannels, Reduction, ResponseNorm, Statistic,
};

/// A vector `[C]` as `[1, C, 1, 1, 1]`.
fn per_channel(v: Tensor<1>) -> Tensor<5> {
    let [c] = v.dims();
    v.reshape([1, c, 1, 1, 1])
}

/// `weight * x + bias` by channel, either left out where the operation has none.
fn affine(w: &Weights, mut x: Tensor<5>) -> Tensor<5> {
    if let Some(scale) = w.find::<1>("weight") {
        x = x * per_channel(scale);
    }
    if let Some(shift) = w.find::<1>("bias") {
        x = x + per_channel(shift);
    }
    x
}

impl Forward for BatchNorm {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        let dtype = x.dtype();
        // Statistics are sums over many voxels: half precision does not hold them.
        let x = x.cast(DType::F32);
        let normed = match w.training.filter(|t| !t.frozen_statistics) {
            Some(training) => {
                let [n, c, d, h, width] = x.dims();
                let count = (n * d * h * width).max(1) as f64;
                let mean = x.clone().mean_dims(&[0, 2, 3, 4]);
                let centred = x - mean.clone();
                let variance = (centred.clone() * centred.clone()).mean_dims(&[0, 2, 3, 4]);
                let unbiased = variance.clone().inner() * (count / (count - 1.0).max(1.0));
                let flat = |t: Tensor<5>| t.reshape([c]);
                training.observe(w.buffer("running_mean"), flat(mean.inner()), self.momentum);
                training.observe(w.buffer("running_var"), flat(unbiased), self.momentum);
                centred * (variance + self.eps).sqrt().recip()
            }
            None => {
                let held = |name: &str| tracked(per_channel(w.buffer(name).1), &x.device());
                (x.clone() - held("running_mean")) * (held("running_var") + self.eps).sqrt().recip()
            }
        };
        affine(w, normed.cast(dtype))
    }
}

impl Forward for LayerNorm {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        let centred = x.clone() - x.mean_dim(1);
        let variance = (centred.clone() * centred.clone()).mean_dim(1);
        affine(w, centred * (variance + self.eps).sqrt().recip())
    }
}

impl Forward for ResponseNorm {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        let norm = (x.clone() * x.clone()).sum_dims(&[2, 3, 4]).sqrt();
        let share = norm.clone() / (norm.mean_dim(1) + self.eps);
        let scale = share * per_channel(w.get("weight"));
        x.clone() + x * scale + per_channel(w.get("bias"))
    }
}

impl Forward for PRelu {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        let above = burn::tensor::activation::relu(x.clone());
        let below = x - above.clone();
        above + below * per_channel(w.get("weight"))
    }
}

impl Forward for ChannelAffine {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        affine(w, first(x))
    }
}

impl Forward for ReduceChannels {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        match self.by {
            Reduction::Mean => first(x).mean_dim(1),
            Reduction::Max => first(x).max_dim(1),
        }
    }
}

impl Forward for GlobalReduce {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        let [n, c, ..] = x.dims();
        let flat: Tensor<3> = x.flatten(2, 4);
        let y = match self.by {
            Statistic::Sum => flat.sum_dim(2),
            Statistic::Max => flat.max_dim(2),
        };
        y.reshape([n, c, 1, 1, 1])
    }
}

impl Forward for Dropout {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        let Some(training) = w.training.filter(|_| self.rate > 0.0) else { return x };
        let [n, c, d, h, width] = x.dims();
        let [_, own @ ..] = match self.scope {
            DropScope::Element => [n, c, d, h, width],
            DropScope::Channel => [n, c, 1, 1, 1],
            DropScope::Sample => [n, 1, 1, 1, 1],
        };
        let dims = [n, own[0], own[1], own[2], own[3]];
        let keep = (1.0 / (1.0 - self.rate)) as f32;
        let mut mask: Vec<f32> = Vec::with_capacity(dims.iter().product());
        for sample in 0..n as u64 {
            // From the seed, the step, the place in the graph and the sample: not from threads or replicas, and the same when a segment is
            // computed again.
            let parts = [training.seed, training.step, w.place as u64, training.first_sample + sample];
            let mut seed = [0; 32];
            seed.chunks_mut(8).zip(parts).for_each(|(to, part)| to.copy_from_slice(&part.to_le_bytes()));
            let mut rng = ChaCha8Rng::from_seed(seed);
            mask.extend((0..own.iter().product()).map(|_| if rng.random::<f64>() < self.rate { 0.0 } else { keep }));
        }
        let mask = Tensor::<5>::from_data(TensorData::new(mask, dims), &x.device().inner()).cast(x.dtype());
        let device = x.device();
        x * tracked(mask, &device)
    }
}
