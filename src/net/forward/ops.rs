//! Each operation's forward pass on Burn tensors.
//!
//! Part of `net`; may use `op` and `kernel`.

use burn::tensor::{Tensor, activation};

use super::super::device::tracked;
use super::{Forward, LazyTensor, Weights, first, pair};
use crate::kernel;
use crate::op::{
    Activation, Add, Concat, Conv3d, ConvTranspose3d, Function, GlobalAvgPool, GroupNorm, Input, Linear, Mul, Op, PositionMap, ScaleShift,
    Slice, Softmax, Sub,
};

impl Forward for Activation {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        match self.function {
            Function::Silu => kernel::silu(x),
            Function::Sigmoid => kernel::sigmoid(x),
            Function::Relu => kernel::leaky_relu(x, 0.0),
            Function::LeakyRelu => kernel::leaky_relu(x, self.parameter() as f32),
            Function::Elu => activation::elu(x, self.parameter()),
            Function::Gelu => activation::gelu(x),
            Function::GeluTanh => activation::gelu_approximate(x),
            Function::Tanh => activation::tanh(x),
            Function::Abs => x.abs(),
            Function::Softplus => activation::softplus(x, 1.0),
            Function::Mish => activation::mish(x),
            Function::Relu6 => x.clamp(0.0, 6.0),
            Function::HardSigmoid => (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Function::HardSwish => x.clone() * ((x + 3.0).clamp(0.0, 6.0) / 6.0),
            Function::Rsqrt => x.sqrt().recip(),
            Function::Sqrt => x.sqrt(),
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
        let (x, weight, bias) = (first(x), w.get("weight"), w.find("bias"));
        let window = kernel::TransposeWindow {
            stride: self.stride.0,
            padding: self.padding.0,
            output_padding: self.output_padding.0,
            groups: self.groups,
        };
        kernel::conv_transpose3d(x, weight, bias, window)
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
    let x = first(x);
    let [_, c, ..] = x.dims();
    let constant = |value: f32| tracked(Tensor::full([c], value, (&x.device().inner(), x.dtype())), &x.device());
    let scale = w.find::<1>("weight").unwrap_or_else(|| constant(1.0));
    let shift = w.find::<1>("bias").unwrap_or_else(|| constant(0.0));
    kernel::group_norm(x, scale, shift, norm.groups, norm.eps, silu)
}

impl Forward for Input {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        first(x)
    }
}

impl Forward for Linear {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let (x, weight) = (first(x), w.get::<2>("weight"));
        let ([_, c, size @ ..], bias) = (x.dims(), w.find("bias"));
        if size == [1; 3] {
            return kernel::linear(x, weight, bias);
        }
        // On voxels it is a convolution of one of them.
        kernel::conv3d(x, weight.reshape([self.out, c, 1, 1, 1]), bias, [1; 3], [0; 3], [1; 3], 1)
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
