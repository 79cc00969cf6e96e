//! Each operation's forward pass on Burn tensors.
//!
//! Part of `net`; may use `op` and `kernel`.

use burn::tensor::{Tensor, activation};

use super::{Forward, LazyTensor, Weights, first, pair};
use crate::kernel;
use crate::op::{
    Activation, Add, Concat, Conv3d, ConvTranspose3d, Function, GlobalAvgPool, GroupNorm, Input, Linear, MaxPool3d, Mul, Op, PositionMap,
    Resize, ScaleShift, Slice, Softmax, Sub,
};

impl Forward for Activation {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        match self.function {
            Function::Silu => kernel::silu(x),
            Function::Sigmoid => kernel::sigmoid(x),
            Function::Relu => activation::relu(x),
            Function::LeakyRelu => activation::leaky_relu(x, 0.01),
            Function::Gelu => activation::gelu(x),
            Function::Tanh => activation::tanh(x),
            Function::Abs => x.abs(),
        }
    }

    fn defer(&self, x: Vec<LazyTensor>, _: &[usize]) -> Result<LazyTensor, Vec<LazyTensor>> {
        match self.function {
            Function::Silu => Ok(LazyTensor::Silu(first(x).compute())),
            _ => Err(x),
        }
    }
}

impl Forward for Add {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let [a, b] = pair(x);
        kernel::add(a, b)
    }

    fn defer(&self, x: Vec<LazyTensor>, _: &[usize]) -> Result<LazyTensor, Vec<LazyTensor>> {
        let [a, b] = pair(x);
        a.plus(b)
    }
}

impl Forward for Concat {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        kernel::concat(x)
    }
}

impl Forward for Conv3d {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let (s, p, d) = (self.stride.0, self.padding.0, self.dilation.0);
        kernel::conv3d(first(x), w.get("weight"), w.find("bias"), s, p, d, self.groups)
    }
}

impl Forward for ConvTranspose3d {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        kernel::conv_transpose3d(first(x), w.get("weight"), w.find("bias"), self.stride.0)
    }
}

impl Forward for GlobalAvgPool {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        kernel::mean_volume(first(x))
    }
}

impl Forward for GroupNorm {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        group_norm(self, w, x, false)
    }

    fn forward_with(&self, w: &Weights, x: Vec<Tensor<5>>, _: &Op) -> Tensor<5> {
        group_norm(self, w, x, true)
    }
}

fn group_norm(norm: &GroupNorm, w: &Weights, x: Vec<Tensor<5>>, silu: bool) -> Tensor<5> {
    match (w.find::<1>("weight"), w.find::<1>("bias")) {
        (Some(a), Some(b)) => kernel::group_norm(first(x), a, b, norm.groups, norm.eps, silu),
        _ => unreachable!("the network is built from the same list of weights"),
    }
}

impl Forward for Input {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        first(x)
    }
}

impl Forward for Linear {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        kernel::linear(first(x), w.get("weight"), w.find("bias"))
    }
}

impl Forward for MaxPool3d {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        kernel::max_pool3d(first(x), self.kernel.0)
    }
}

impl Forward for Mul {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let [a, b] = pair(x);
        kernel::mul(a, b)
    }

    fn defer(&self, x: Vec<LazyTensor>, _: &[usize]) -> Result<LazyTensor, Vec<LazyTensor>> {
        let [a, b] = pair(x);
        a.times(b)
    }
}

impl Forward for PositionMap {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let [anchors, like] = pair(x);
        let [_, _, to @ ..] = like.dims();
        kernel::position_map(anchors, to)
    }
}

impl Forward for Resize {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let like = x.get(1).map(|t| t.dims());
        let x = first(x);
        let [_, _, d, h, w] = like.unwrap_or(x.dims());
        let [sd, sh, sw] = self.scale.map_or([1; 3], |s| s.0);
        kernel::resize_trilinear(x, [d * sd, h * sh, w * sw])
    }
}

impl Forward for ScaleShift {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        first(x) * self.scale + self.shift
    }
}

impl Forward for Slice {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        first(x).narrow(1, self.start, self.channels)
    }

    fn defer(&self, x: Vec<LazyTensor>, places: &[usize]) -> Result<LazyTensor, Vec<LazyTensor>> {
        match (self.channels, places) {
            (1, [from]) => Ok(LazyTensor::Channel { of: first(x).compute(), from: *from, channel: self.start }),
            _ => Err(x),
        }
    }
}

impl Forward for Softmax {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        kernel::softmax_channels(first(x))
    }
}

impl Forward for Sub {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let [a, b] = pair(x);
        a - b
    }
}
