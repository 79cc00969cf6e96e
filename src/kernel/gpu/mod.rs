//! Kernels for GPUs, written in CubeCL: one source for CUDA and for what wgpu reaches (Vulkan, Metal, DirectX 12). They stand
//! where Burn's own are missing or slow for volumes: convolutions of few channels and depthwise ones with their gradients,
//! group normalisation, trilinear resizing, pooling, softmax over channels, means of volumes, gates. Other elementwise operations are left to Burn, which
//! fuses them.
//!
//! Tensors are read in order as `f32`, `f16` or `bf16`; sums are always `f32`. There are no atomics: a result does not depend on
//! the order in which the device runs its blocks.
//!
//! Two traits: [`raw::Kernels`] has the kernels as they are, each an operation that Burn queues; [`autograd::AutogradExt`] those that
//! the network calls, with their gradients.

mod autograd;
mod backward;
mod bits;
mod capture;
mod conv;
mod conv_grad_input;
mod conv_grad_weight;
mod conv_tile;
mod copy;
#[cfg(feature = "cuda")]
mod driver;
mod gate;
mod group_norm;
mod group_norm_backward;
mod launch;
mod pool;
mod position_map;
mod raw;
mod recompute;
mod resize;
mod softmax;
mod sums;
mod update;

use super::conv3d::Geometry;
use super::gate::Branch;
use super::update::UpdateRule;
use autograd::AutogradExt;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{DType, Device, Tensor};
use gate::{BRANCHES, Branches};
use raw::Kernels;

pub use capture::CapturedGraph;
#[cfg(feature = "cuda")]
pub use driver::cards;

/// Whether the kernels take the tensor.
pub fn takes<const D: usize>(x: &Tensor<D>) -> bool {
    let device = x.device();
    let gpu = match device.as_dispatch() {
        DispatchDevice::Cube(_) => true,
        DispatchDevice::Autodiff(device) => matches!(**device, DispatchDevice::Cube(_)),
        _ => false,
    };
    gpu && matches!(x.dtype(), DType::F32 | DType::F16 | DType::BF16) && x.dims().iter().all(|n| *n > 0)
}

/// Largest extent of a kernel along one axis.
const LARGEST: usize = 7;

/// Whether the convolution kernels compute this: the weight gradient keeps a sum for every place of a kernel's plane.
pub fn convolves(geometry: &Geometry) -> bool {
    geometry.kernel.iter().all(|k| (1..=LARGEST).contains(k)) && geometry.stride.iter().chain(&geometry.dilation).all(|v| *v > 0)
}

/// See [`super::conv3d()`]; the shapes fit together.
pub fn conv3d(x: Tensor<5>, w: Tensor<5>, bias: Option<Tensor<1>>, geometry: Geometry, groups: usize) -> Tensor<5> {
    let (x, w) = (x.into_dispatch(), w.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::conv_volume_biased(x, w, bias.into_dispatch(), geometry, groups),
        None => Dispatch::conv_volume(x, w, geometry, groups),
    })
}

/// See [`super::conv_transpose3d()`], the transpose of a convolution of this geometry without padding.
pub fn conv_transpose3d(x: Tensor<5>, w: Tensor<5>, bias: Option<Tensor<1>>, geometry: Geometry) -> Tensor<5> {
    let [_, _, places @ ..] = x.dims();
    let volume = std::array::from_fn(|a| (places[a] - 1) * geometry.stride[a] + geometry.kernel[a]);
    let (x, w) = (x.into_dispatch(), w.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::conv_transpose_volume_biased(x, w, bias.into_dispatch(), geometry, volume),
        None => Dispatch::conv_transpose_volume(x, w, geometry, volume),
    })
}

/// See [`super::group_norm()`].
pub fn group_norm(x: Tensor<5>, weight: Tensor<1>, bias: Tensor<1>, groups: usize, eps: f64, silu: bool) -> Tensor<5> {
    let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::group_norm_volume(x, weight, bias, groups, eps, silu))
}

/// See [`super::resize_trilinear()`].
pub fn resize_trilinear(x: Tensor<5>, to: [usize; 3]) -> Tensor<5> {
    Tensor::from_dispatch(Dispatch::resize_volume(x.into_dispatch(), to))
}

/// See [`super::max_pool3d()`].
pub fn max_pool3d(x: Tensor<5>, kernel: [usize; 3]) -> Tensor<5> {
    Tensor::from_dispatch(Dispatch::max_pool_volume(x.into_dispatch(), kernel))
}

/// See [`super::softmax_channels()`] and [`super::log_softmax_channels()`].
pub fn softmax_channels(x: Tensor<5>, log: bool) -> Tensor<5> {
    Tensor::from_dispatch(Dispatch::softmax_volume(x.into_dispatch(), log))
}

/// See [`super::mean_volume()`].
pub fn mean_volume(x: Tensor<5>) -> Tensor<5> {
    Tensor::from_dispatch(Dispatch::mean_volume(x.into_dispatch()))
}

/// See [`super::unpack()`].
pub fn unpack(bits: Tensor<5>, first: usize, count: usize) -> Tensor<5> {
    Tensor::from_dispatch(Dispatch::unpack_bits(bits.into_dispatch(), first, count))
}

/// See [`super::position_map()`].
pub fn position_map(anchors: Tensor<5>, to: [usize; 3]) -> Tensor<5> {
    Tensor::from_dispatch(Dispatch::position_map_volume(anchors.into_dispatch(), to))
}

/// Two tensors in the order that has a smaller one last which lacks the other's channels or its voxels, and whether there is one.
fn larger_first(a: Tensor<5>, b: Tensor<5>) -> (bool, [Tensor<5>; 2]) {
    let lacks = |x: &Tensor<5>, small: &Tensor<5>| {
        let ([n, c, volume @ ..], [m, k, extent @ ..]) = (x.dims(), small.dims());
        n == m && ((k == 1 && c > 1 && volume == extent) || (k == c && extent == [1; 3] && volume != [1; 3]))
    };
    let ours = takes(&a) && a.dtype() == b.dtype();
    if ours && lacks(&b, &a) { (true, [b, a]) } else { (ours && lacks(&a, &b), [a, b]) }
}

/// See [`super::mul()`].
pub fn mul(a: Tensor<5>, b: Tensor<5>) -> Tensor<5> {
    match larger_first(a, b) {
        (true, [x, by]) => Tensor::from_dispatch(Dispatch::mul_broadcast(x.into_dispatch(), by.into_dispatch())),
        (false, [a, b]) => a * b,
    }
}

/// Whether the branches are of one shape and type, each with a channel of `by`.
pub fn gates(branches: &[Branch], by: &Tensor<5>) -> bool {
    let [m, count, extent @ ..] = by.dims();
    let fits = |branch: &Branch| {
        let [n, _, volume @ ..] = branch.x.dims();
        n == m && volume == extent && branch.x.dtype() == by.dtype()
    };
    let alike = branches.windows(2).all(|two| two[0].x.dims() == two[1].x.dims());
    takes(by) && count == branches.len() && count <= BRANCHES && alike && branches.iter().all(fits)
}

/// See [`super::gate()`]; the branches fit.
pub fn gate(branches: Vec<Branch>, by: Tensor<5>) -> Tensor<5> {
    let silu = std::array::from_fn(|k| branches.get(k).is_some_and(|branch| branch.silu));
    let how = Branches { count: branches.len(), silu };
    // What is multiplied by stands for those that are not meant.
    let mut x = branches.into_iter().map(|branch| branch.x);
    let [x0, x1, x2, x3] = std::array::from_fn(|_| x.next().unwrap_or_else(|| by.clone()).into_dispatch());
    Tensor::from_dispatch(Dispatch::gate_volumes(x0, x1, x2, x3, by.into_dispatch(), how))
}

/// See [`super::add()`].
pub fn add(a: Tensor<5>, b: Tensor<5>) -> Tensor<5> {
    match larger_first(a, b) {
        (true, [x, by]) => Tensor::from_dispatch(Dispatch::add_broadcast(x.into_dispatch(), by.into_dispatch())),
        (false, [a, b]) if takes(&a) && a.dtype() == b.dtype() && a.dims() == b.dims() => {
            Tensor::from_dispatch(Dispatch::add_volumes(a.into_dispatch(), b.into_dispatch()))
        }
        (false, [a, b]) => a + b,
    }
}

/// See [`super::silu()`].
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::silu_volume(x.into_dispatch()))
}

/// See [`super::concat()`].
pub fn concat(a: Tensor<5>, b: Tensor<5>) -> Tensor<5> {
    Tensor::from_dispatch(Dispatch::concat_volumes(a.into_dispatch(), b.into_dispatch()))
}

/// The same values laid out as the kernels read them.
pub fn in_order<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::in_order(x.into_dispatch()))
}

/// Writes the values of `from` over those of `to`, which every holder of `to` sees. It is done once the result has been asked for.
fn overwrite(to: Tensor<5>, from: Tensor<5>) -> Tensor<5> {
    Tensor::from_dispatch(Dispatch::overwrite(to.into_dispatch(), from.into_dispatch()))
}

/// See [`super::update()`].
pub fn update<const D: usize>(
    weight: Tensor<D>,
    gradient: Tensor<D>,
    moments: &[Tensor<1>],
    control: Tensor<1>,
    rule: UpdateRule,
) -> Tensor<D> {
    let (Some(first), Some(second)) = (moments.first(), moments.last()) else { unreachable!("every rule has a moment") };
    let [first, second] = [first, second].map(|m| m.clone().into_dispatch());
    let (weight, gradient, control) = (weight.into_dispatch(), gradient.into_dispatch(), control.into_dispatch());
    Tensor::from_dispatch(Dispatch::optimiser_step(weight, gradient, first, second, control, rule))
}

/// See [`super::blend()`].
pub fn blend<const D: usize>(into: Tensor<D>, weight: Tensor<D>, keep: Tensor<1>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::moving_average(into.into_dispatch(), weight.into_dispatch(), keep.into_dispatch()))
}

/// See [`super::accumulate()`].
pub fn accumulate<const D: usize>(into: Tensor<1>, gradient: Tensor<D>, how: Tensor<1>) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::accumulate_gradient(into.into_dispatch(), gradient.into_dispatch(), how.into_dispatch()))
}

/// Sums of the squares of parts of tensors, side by side.
pub struct PartialSquares {
    /// Nothing on other devices.
    sums: Option<FloatTensor<Dispatch>>,
    count: usize,
    filled: usize,
}

impl PartialSquares {
    /// For tensors of these lengths.
    pub fn new(lengths: impl Iterator<Item = usize>, device: &Device) -> Self {
        let count: usize = lengths.map(update::slots).sum();
        let zeros = Tensor::<1>::zeros([count.max(1)], device);
        Self { sums: takes(&zeros).then(|| zeros.into_dispatch()), count: count.max(1), filled: 0 }
    }

    pub fn add<const D: usize>(&mut self, x: Tensor<D>) {
        let own = update::slots(x.dims().iter().product());
        if let Some(sums) = self.sums.take().filter(|_| self.filled + own <= self.count) {
            self.sums = Some(Dispatch::squares_into(x.into_dispatch(), sums, self.filled));
            self.filled += own;
        }
    }

    /// All together, `[1]`.
    pub fn sum(self) -> Option<Tensor<1>> {
        let sums = Tensor::<1>::from_dispatch(self.sums?).reshape([1, 1, 1, 1, self.count]);
        Some(Tensor::<5>::from_dispatch(Dispatch::sums_over(sums.into_dispatch(), false)).reshape([1]))
    }
}
