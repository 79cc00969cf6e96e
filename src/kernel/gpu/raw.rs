//! The kernels as operations that Burn queues, without gradients.

use super::gate::Branches;
use super::{
    bits, conv, conv_grad_input, conv_grad_weight, copy, gate, group_norm, group_norm_backward, launch, pool, position_map, resize,
    softmax, sums, update,
};
use crate::kernel::conv3d::Geometry;
use crate::kernel::update::UpdateRule;
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;

/// `[N, C, volume]`, with `N` the first of one shape.
fn volume(like: &Shape, channels: usize, [d, h, w]: [usize; 3]) -> Shape {
    Shape::from([like[0], channels, d, h, w])
}

/// A shape without its channels, or without its voxels.
fn small(x: &Shape, channels: bool) -> Shape {
    if channels { volume(x, 1, extent(x)) } else { volume(x, x[1], [1; 3]) }
}

/// The extent of a volume.
fn extent(x: &Shape) -> [usize; 3] {
    [x[2], x[3], x[4]]
}

/// What `gate_backward` gives.
fn gate_gradients(
    x0: &TensorSpec,
    _: &TensorSpec,
    _: &TensorSpec,
    _: &TensorSpec,
    by: &TensorSpec,
    _: &TensorSpec,
    branches: &Branches,
) -> (TensorSpec, TensorSpec, TensorSpec, TensorSpec, TensorSpec) {
    let of = |k: usize| if k < branches.count { x0.clone() } else { TensorSpec::new(Shape::from([1; 5]), x0.dtype) };
    (of(0), of(1), of(2), of(3), by.clone())
}

#[allow(clippy::type_complexity, reason = "what makes them operations that Burn queues reads the tuples")]
#[backend_extension(Cube, Fusion)]
pub trait Kernels: Backend {
    /// Convolution of `x [N, C, D, H, W]` by `w [O, C / groups, kernel]`.
    #[fusion(dtype = x, shape = volume(x, w[0], geometry.output(extent(x))))]
    fn conv3d_forward(x: FloatTensor<Self>, w: FloatTensor<Self>, geometry: Geometry, groups: usize) -> FloatTensor<Self>;

    /// The same with a bias `[O]`.
    #[fusion(dtype = x, shape = volume(x, w[0], geometry.output(extent(x))))]
    fn conv3d_biased_forward(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        groups: usize,
    ) -> FloatTensor<Self>;

    /// Its transpose, from `g [N, O, ...]` to the extent `to`.
    #[fusion(dtype = g, shape = volume(g, w[1] * groups, *to))]
    fn conv3d_grad_input(
        g: FloatTensor<Self>,
        w: FloatTensor<Self>,
        geometry: Geometry,
        groups: usize,
        to: [usize; 3],
    ) -> FloatTensor<Self>;

    /// The same of one group, with a bias `[C]`: a transposed convolution.
    #[fusion(dtype = g, shape = volume(g, w[1], *to))]
    fn conv_transpose3d_biased_forward(
        g: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        to: [usize; 3],
    ) -> FloatTensor<Self>;

    /// The sums over each channel of all samples: `[C]`.
    #[fusion(dtype = g, shape = Shape::from([g[1]]))]
    fn channel_sums(g: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The means over the voxels: `[N, C, 1, 1, 1]`.
    #[fusion(dtype = x, shape = volume(x, x[1], [1; 3]))]
    fn mean_volume_forward(x: FloatTensor<Self>) -> FloatTensor<Self>;

    #[fusion(dtype = g, shape = volume(g, g[1], *to))]
    fn mean_volume_backward(g: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self>;

    /// The values laid out in order.
    #[fusion(dtype = x, shape = x)]
    fn in_order(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Channels of ones and zeros out of the bits of volumes.
    #[fusion(dtype = bits, shape = volume(bits, *count, extent(bits)))]
    fn unpack_bits(bits: FloatTensor<Self>, first: usize, count: usize) -> FloatTensor<Self>;

    /// Places relative to anchors `[N, 3 K, 1, 1, 1]`: `[N, K, to]`.
    #[fusion(dtype = anchors, shape = volume(anchors, anchors[1] / 3, *to))]
    fn position_map_forward(anchors: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self>;

    #[fusion(dtype = g, shape = volume(g, 3 * g[1], [1; 3]))]
    fn position_map_backward(g: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The sums of `x` over the channels `[N, 1, D, H, W]`, or over the voxels `[N, C, 1, 1, 1]`.
    #[fusion(dtype = x, shape = small(x, *channels))]
    fn sums_over(x: FloatTensor<Self>, channels: bool) -> FloatTensor<Self>;

    /// The same of `x` times `by`, of one shape.
    #[fusion(dtype = x, shape = small(x, *channels))]
    fn dots_over(x: FloatTensor<Self>, by: FloatTensor<Self>, channels: bool) -> FloatTensor<Self>;

    /// The sum over the branches of each one, or its SiLU, times its channel of `by`. Beyond their number the tensors are any.
    #[fusion(dtype = x0, shape = x0)]
    fn gate_forward(
        x0: FloatTensor<Self>,
        x1: FloatTensor<Self>,
        x2: FloatTensor<Self>,
        x3: FloatTensor<Self>,
        by: FloatTensor<Self>,
        branches: Branches,
    ) -> FloatTensor<Self>;

    /// The gradients of the branches, in one number each beyond their number, and of `by`.
    #[fusion(meta = gate_gradients)]
    fn gate_backward(
        x0: FloatTensor<Self>,
        x1: FloatTensor<Self>,
        x2: FloatTensor<Self>,
        x3: FloatTensor<Self>,
        by: FloatTensor<Self>,
        g: FloatTensor<Self>,
        branches: Branches,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// The gradient of a convolution's weights.
    #[fusion(dtype = x, shape = Shape::from([g[1], x[1] / groups, geometry.kernel[0], geometry.kernel[1], geometry.kernel[2]]))]
    fn conv3d_grad_weight(x: FloatTensor<Self>, g: FloatTensor<Self>, geometry: Geometry, groups: usize) -> FloatTensor<Self>;

    /// Mean and reciprocal deviation of every group of every sample: `[N, groups, 2]`.
    #[fusion(dtype = DType::F32, shape = Shape::from([x[0], *groups, 2]))]
    fn group_norm_statistics(x: FloatTensor<Self>, groups: usize, eps: f64) -> FloatTensor<Self>;

    #[fusion(dtype = x, shape = x)]
    fn group_norm_apply(
        x: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        silu: bool,
    ) -> FloatTensor<Self>;

    /// The gradient before SiLU, of what `group_norm_apply` gives without it.
    #[fusion(dtype = x, shape = x)]
    fn group_norm_silu_backward(
        x: FloatTensor<Self>,
        g: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// For every channel of every sample the sums of the gradient, and of the gradient times the normalised input: `[N, C, 2]`.
    #[fusion(dtype = DType::F32, shape = Shape::from([x[0], x[1], 2]))]
    fn group_norm_sums(x: FloatTensor<Self>, g: FloatTensor<Self>, statistics: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The gradients of weight and bias.
    #[fusion(meta = |sums, weight| { let _ = sums; (weight.clone(), weight.clone()) })]
    fn group_norm_grad_affine(sums: FloatTensor<Self>, weight: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>);

    #[fusion(dtype = x, shape = x)]
    fn group_norm_grad_input(
        x: FloatTensor<Self>,
        g: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        sums: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    #[fusion(dtype = x, shape = volume(x, x[1], *to))]
    fn resize_forward(x: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self>;

    #[fusion(dtype = g, shape = volume(g, g[1], *from))]
    fn resize_backward(g: FloatTensor<Self>, from: [usize; 3]) -> FloatTensor<Self>;

    #[fusion(dtype = x, shape = volume(x, x[1], pool::pooled(extent(x), *kernel)))]
    fn max_pool3d_forward(x: FloatTensor<Self>, kernel: [usize; 3]) -> FloatTensor<Self>;

    #[fusion(dtype = x, shape = x)]
    fn max_pool3d_backward(x: FloatTensor<Self>, g: FloatTensor<Self>, kernel: [usize; 3]) -> FloatTensor<Self>;

    #[fusion(dtype = x, shape = x)]
    fn softmax_forward(x: FloatTensor<Self>, log: bool) -> FloatTensor<Self>;

    #[fusion(dtype = y, shape = y)]
    fn softmax_backward(y: FloatTensor<Self>, g: FloatTensor<Self>, log: bool) -> FloatTensor<Self>;

    /// Writes the values of `from` over those of `to`, whoever holds it.
    #[fusion(dtype = to, shape = to)]
    fn overwrite(to: FloatTensor<Self>, from: FloatTensor<Self>) -> FloatTensor<Self>;

    /// A step of an optimiser; weight and moments are written over. A rule with one moment looks at the first.
    #[fusion(dtype = weight, shape = weight)]
    fn optimiser_step(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        control: FloatTensor<Self>,
        rule: UpdateRule,
    ) -> FloatTensor<Self>;

    /// A mean of weights over time, written over.
    #[fusion(dtype = into, shape = into)]
    fn moving_average(into: FloatTensor<Self>, weight: FloatTensor<Self>, keep: FloatTensor<Self>) -> FloatTensor<Self>;

    /// A sum of gradients, written over.
    #[fusion(dtype = into, shape = into)]
    fn accumulate_gradient(into: FloatTensor<Self>, gradient: FloatTensor<Self>, how: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The sums of the squares of the parts of `x`, written into some places of `into`.
    #[fusion(dtype = into, shape = into)]
    fn squares_into(x: FloatTensor<Self>, into: FloatTensor<Self>, from: usize) -> FloatTensor<Self>;
}

impl Kernels for CubeBackend {
    fn conv3d_forward(x: FloatTensor<Self>, w: FloatTensor<Self>, geometry: Geometry, groups: usize) -> FloatTensor<Self> {
        conv::forward(x, w, None, geometry, groups)
    }

    fn conv3d_biased_forward(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        groups: usize,
    ) -> FloatTensor<Self> {
        conv::forward(x, w, Some(bias), geometry, groups)
    }

    fn conv3d_grad_input(
        g: FloatTensor<Self>,
        w: FloatTensor<Self>,
        geometry: Geometry,
        groups: usize,
        to: [usize; 3],
    ) -> FloatTensor<Self> {
        conv_grad_input::grad_input(g, w, None, geometry, groups, to)
    }

    fn conv_transpose3d_biased_forward(
        g: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        to: [usize; 3],
    ) -> FloatTensor<Self> {
        conv_grad_input::grad_input(g, w, Some(bias), geometry, 1, to)
    }

    fn channel_sums(g: FloatTensor<Self>) -> FloatTensor<Self> {
        sums::by_channel(g)
    }

    fn in_order(x: FloatTensor<Self>) -> FloatTensor<Self> {
        launch::ordered(x)
    }

    fn unpack_bits(bits: FloatTensor<Self>, first: usize, count: usize) -> FloatTensor<Self> {
        bits::unpack(bits, first, count)
    }

    fn position_map_forward(anchors: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self> {
        position_map::forward(anchors, to)
    }

    fn position_map_backward(g: FloatTensor<Self>) -> FloatTensor<Self> {
        // Every anchor is subtracted at every voxel, whatever its axis.
        sums::repeated(g, -1.0, 3)
    }

    fn sums_over(x: FloatTensor<Self>, channels: bool) -> FloatTensor<Self> {
        if channels { sums::over_channels(x, None) } else { sums::over_voxels(x, None) }
    }

    fn dots_over(x: FloatTensor<Self>, by: FloatTensor<Self>, channels: bool) -> FloatTensor<Self> {
        if channels { sums::over_channels(x, Some(by)) } else { sums::over_voxels(x, Some(by)) }
    }

    fn gate_forward(
        x0: FloatTensor<Self>,
        x1: FloatTensor<Self>,
        x2: FloatTensor<Self>,
        x3: FloatTensor<Self>,
        by: FloatTensor<Self>,
        branches: Branches,
    ) -> FloatTensor<Self> {
        gate::forward([x0, x1, x2, x3], by, branches)
    }

    fn gate_backward(
        x0: FloatTensor<Self>,
        x1: FloatTensor<Self>,
        x2: FloatTensor<Self>,
        x3: FloatTensor<Self>,
        by: FloatTensor<Self>,
        g: FloatTensor<Self>,
        branches: Branches,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let ([x0, x1, x2, x3], by) = gate::gradients([x0, x1, x2, x3], by, g, branches);
        (x0, x1, x2, x3, by)
    }

    fn mean_volume_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        sums::means(x)
    }

    fn mean_volume_backward(g: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self> {
        sums::means_back(g, to)
    }

    fn conv3d_grad_weight(x: FloatTensor<Self>, g: FloatTensor<Self>, geometry: Geometry, groups: usize) -> FloatTensor<Self> {
        conv_grad_weight::gradient(x, g, geometry, groups)
    }

    fn group_norm_statistics(x: FloatTensor<Self>, groups: usize, eps: f64) -> FloatTensor<Self> {
        group_norm::statistics(x, groups, eps)
    }

    fn group_norm_apply(
        x: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        silu: bool,
    ) -> FloatTensor<Self> {
        group_norm::apply(x, statistics, weight, bias, silu)
    }

    fn group_norm_silu_backward(
        x: FloatTensor<Self>,
        g: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        group_norm::silu_backward(x, g, statistics, weight, bias)
    }

    fn group_norm_sums(x: FloatTensor<Self>, g: FloatTensor<Self>, statistics: FloatTensor<Self>) -> FloatTensor<Self> {
        group_norm_backward::sums(x, g, statistics)
    }

    fn group_norm_grad_affine(sums: FloatTensor<Self>, weight: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
        group_norm_backward::grad_affine(sums, weight.dtype)
    }

    fn group_norm_grad_input(
        x: FloatTensor<Self>,
        g: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        sums: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        group_norm_backward::grad_input(x, g, weight, statistics, sums)
    }

    fn resize_forward(x: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self> {
        resize::forward(x, to)
    }

    fn resize_backward(g: FloatTensor<Self>, from: [usize; 3]) -> FloatTensor<Self> {
        resize::gradient(g, from)
    }

    fn max_pool3d_forward(x: FloatTensor<Self>, kernel: [usize; 3]) -> FloatTensor<Self> {
        pool::forward(x, kernel)
    }

    fn max_pool3d_backward(x: FloatTensor<Self>, g: FloatTensor<Self>, kernel: [usize; 3]) -> FloatTensor<Self> {
        pool::gradient(x, g, kernel)
    }

    fn softmax_forward(x: FloatTensor<Self>, log: bool) -> FloatTensor<Self> {
        softmax::forward(x, log)
    }

    fn softmax_backward(y: FloatTensor<Self>, g: FloatTensor<Self>, log: bool) -> FloatTensor<Self> {
        softmax::gradient(y, g, log)
    }

    fn overwrite(to: FloatTensor<Self>, from: FloatTensor<Self>) -> FloatTensor<Self> {
        copy::overwrite(to, from)
    }

    fn optimiser_step(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        control: FloatTensor<Self>,
        rule: UpdateRule,
    ) -> FloatTensor<Self> {
        update::step(weight, gradient, [first, second], control, rule)
    }

    fn moving_average(into: FloatTensor<Self>, weight: FloatTensor<Self>, keep: FloatTensor<Self>) -> FloatTensor<Self> {
        update::blend(into, weight, keep)
    }

    fn accumulate_gradient(into: FloatTensor<Self>, gradient: FloatTensor<Self>, how: FloatTensor<Self>) -> FloatTensor<Self> {
        update::accumulate(into, gradient, how)
    }

    fn squares_into(x: FloatTensor<Self>, into: FloatTensor<Self>, from: usize) -> FloatTensor<Self> {
        update::squares_into(x, into, from)
    }
}
