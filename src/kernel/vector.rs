//! Pooling of volumes to one number a channel, linear maps of these, and broadcasts back to volumes.

#[cfg(feature = "gpu")]
use super::gpu;
use burn::tensor::{DType, Int, Tensor};

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

/// The sums over the voxels: `x [N, C, D, H, W]` to `[N, C, 1, 1, 1]`.
pub fn sum_volume(x: Tensor<5>) -> Tensor<5> {
    #[cfg(feature = "gpu")]
    if gpu::takes(&x) {
        let count: usize = x.dims()[2..].iter().product();
        return gpu::mean_volume(x) * count as f32;
    }
    x.sum_dims(&[2, 3, 4])
}

/// The sum of all numbers, `[1]`.
pub fn sum<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    // Burn would look for its fastest sum first.
    #[cfg(feature = "gpu")]
    if gpu::takes(&x) {
        let count = x.shape().num_elements();
        return gpu::mean_volume(x.reshape([1, 1, 1, 1, count])).reshape([1]) * count as f32;
    }
    x.sum()
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

/// The sum over the axes of a voxel's place, a share of the extent, less the anchor's: `anchors [N, 3 K, 1, 1, 1]` to `[N, K, to]`.
pub fn position_map(anchors: Tensor<5>, to: [usize; 3]) -> Tensor<5> {
    #[cfg(feature = "gpu")]
    if gpu::takes(&anchors) {
        return gpu::position_map(anchors, to);
    }
    let [n, c, ..] = anchors.dims();
    let (device, precision) = (anchors.device(), anchors.dtype());
    let anchors = anchors.reshape([n, c / 3, 3, 1, 1]);
    let along = |axis: usize, length: usize| {
        let mut shape = [1; 5];
        shape[2 + axis] = length;
        let places = Tensor::<1, Int>::arange(0..length as i64, &device).float() / length as f32;
        places.reshape(shape).cast(precision) - anchors.clone().narrow(2, axis, 1)
    };
    along(0, to[0]) + along(1, to[1]) + along(2, to[2])
}

/// `a * b`, one of which may lack the channels or the voxels of the other.
pub fn mul(a: Tensor<5>, b: Tensor<5>) -> Tensor<5> {
    #[cfg(feature = "gpu")]
    return gpu::mul(a, b);
    #[cfg(not(feature = "gpu"))]
    return a * b;
}

/// `a + b`, one of which may lack the channels or the voxels of the other.
pub fn add(a: Tensor<5>, b: Tensor<5>) -> Tensor<5> {
    #[cfg(feature = "gpu")]
    return gpu::add(a, b);
    #[cfg(not(feature = "gpu"))]
    return a + b;
}

/// One after the other along the channels.
///
/// # Panics
/// As Burn's `cat` does if there are none or their other extents differ.
pub fn concat(parts: Vec<Tensor<5>>) -> Tensor<5> {
    #[cfg(feature = "gpu")]
    if let [a, b] = parts.as_slice()
        && gpu::takes(a)
        && a.dtype() == b.dtype()
    {
        return gpu::concat(a.clone(), b.clone());
    }
    Tensor::cat(parts, 1)
}

/// The same values, laid out as the kernels of a GPU read them, which they otherwise see to at every call.
pub fn in_order<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "gpu")]
    if gpu::takes(&x) {
        return gpu::in_order(x);
    }
    x
}
