//! What leads from volumes to one number a channel, and on from there.

#[cfg(feature = "gpu")]
use super::gpu;
use burn::tensor::{DType, Tensor};

/// The means over the voxels: `x [N, C, D, H, W]` to `[N, C, 1, 1, 1]`.
pub fn mean_volume(x: Tensor<5>) -> Tensor<5> {
    #[cfg(feature = "gpu")]
    if gpu::takes(&x) {
        return gpu::mean_volume(x);
    }
    let [n, c, d, h, w] = x.dims();
    // A mean over a volume is beyond half precision on the way.
    let (precision, x) = (x.dtype(), x.cast(DType::F32));
    x.reshape([n, c, d * h * w]).mean_dim(2).reshape([n, c, 1, 1, 1]).cast(precision)
}

/// `y = W x + b` of each sample: `x [N, I, 1, 1, 1]`, `w [O, I]`, `bias [O]` to `[N, O, 1, 1, 1]`.
///
/// # Panics
/// As Burn's `matmul` does if the shapes do not fit together.
pub fn linear(x: Tensor<5>, w: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<5> {
    let ([n, inputs, ..], [outputs, own]) = (x.dims(), w.dims());
    // Burn would look for its fastest product of matrices first, which takes longer than all else that such a network does at its start.
    #[cfg(feature = "gpu")]
    if gpu::takes(&x) && w.dtype() == x.dtype() && inputs == own {
        return super::conv3d(x, w.reshape([outputs, own, 1, 1, 1]), bias, [1; 3], [0; 3], [1; 3], 1);
    }
    let _ = own;
    let y = x.reshape([n, inputs]).matmul(w.transpose());
    let y = match bias {
        Some(b) => y + b.unsqueeze(),
        None => y,
    };
    y.reshape([n, outputs, 1, 1, 1])
}
