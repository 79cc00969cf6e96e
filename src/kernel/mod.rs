//! Operations on volumes `[N, C, D, H, W]` of Burn tensors, with CPU kernels of our own for what a segmentation network spends
//! its time on. On the CPU (Burn's Flex device, `f32`) each runs its kernel, forward and backward; on any other device or
//! type it is a composition of Burn's own operations, which differentiates there as well. Results do not depend on the number
//! of threads.
//!
//! Level 1: uses Burn and rayon, nothing of the crate. The only folder with `unsafe` code.

mod activation;
mod attention;
mod backward_from;
mod bits;
mod blocked;
mod buffer;
mod conv3d;
mod conv_rows;
mod conv_transpose;
mod dense;
mod depthwise;
mod formula;
mod gate;
#[cfg(feature = "gpu")]
mod gpu;
mod group_norm;
mod halo;
mod max_pool;
mod pointwise;
mod reduce;
mod resize;
mod softmax;
mod update;
mod vector;

pub use activation::{leaky_relu, sigmoid, silu};
pub use attention::attention;
pub use backward_from::backward_from;
pub use bits::{Packed, unpack, volumes};
pub use conv_transpose::{TransposeWindow, conv_transpose3d};
pub use conv3d::conv3d;
pub use gate::{Branch, gate, gates};
#[cfg(feature = "gpu")]
pub use gpu::CapturedGraph;
#[cfg(feature = "cuda")]
pub use gpu::cards;
pub use group_norm::group_norm;
pub use max_pool::max_pool3d;
pub use resize::resize_trilinear;
pub use softmax::{log_softmax_channels, softmax_channels};
pub use update::{Accumulate, SquaredNorm, UpdateRule, UpdateScalars, accumulate, blend, update};
pub use vector::{add, concat, in_order, linear, mean_volume, mul, position_map, sum, sum_volume};

use lmsc_cpu::kernel::lanes;

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Tensor};

/// Whether the tensor is one that the CPU kernels take: on the Flex device, as `f32`.
fn on_cpu<const D: usize>(x: &Tensor<D>) -> bool {
    let device = x.device();
    let flex = match device.as_dispatch() {
        DispatchDevice::Flex(_) => true,
        DispatchDevice::Autodiff(device) => matches!(**device, DispatchDevice::Flex(_)),
        _ => false,
    };
    flex && x.dtype() == DType::F32
}

#[cfg(test)]
pub(crate) mod tests;
