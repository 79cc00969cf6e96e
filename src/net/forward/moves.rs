//! Operations that move or gather voxels, composed of Burn's: paddings, parts, pools with overlapping windows, resizes.
//!
//! Part of `net`; may use `op` and `kernel`.

use burn::tensor::{Int, Tensor, TensorData};

use super::super::device::tracked;
use super::{Forward, Weights, first};
use crate::kernel;
use crate::op::{AvgPool3d, Crop, Interpolation, MaxPool3d, Pad, PadMode, Resize};

/// The sizes of the first and, if there is one, of the second input.
fn sizes(x: &[Tensor<5>]) -> Vec<[usize; 3]> {
    x.iter()
        .map(|t| {
            let [_, _, size @ ..] = t.dims();
            size
        })
        .collect()
}

/// `before` and `after` voxels of one axis with one number.
fn filled(x: Tensor<5>, axis: usize, before: usize, after: usize, value: f32) -> Tensor<5> {
    let part = |n: usize| {
        let mut dims = x.dims();
        dims[axis] = n;
        Tensor::full(dims, value, (&x.device(), x.dtype()))
    };
    let parts = [(before > 0).then(|| part(before)), Some(x.clone()), (after > 0).then(|| part(after))];
    kernel_cat(parts.into_iter().flatten().collect(), axis)
}

fn kernel_cat(parts: Vec<Tensor<5>>, axis: usize) -> Tensor<5> {
    if parts.len() == 1 { first(parts) } else { Tensor::cat(parts, axis) }
}

impl Forward for Pad {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let sizes = sizes(&x);
        let own = sizes[0];
        let like = sizes.get(1).copied().unwrap_or(own);
        let mut y = first(x);
        for (a, n) in own.into_iter().enumerate() {
            let (before, after) = match (self.like, self.multiple) {
                (true, _) => (0, like[a] - n),
                (_, Some(m)) if self.clamp && n <= m.0[a] => (0, 0),
                (_, Some(m)) => (0, n.next_multiple_of(m.0[a]) - n),
                _ => (self.before.0[a], self.after.0[a]),
            };
            if before + after == 0 {
                continue;
            }
            let axis = a + 2;
            y = match self.mode {
                PadMode::Zeros => filled(y, axis, before, after, 0.0),
                PadMode::Replicate => {
                    let edge = |at: usize, times: usize| (times > 0).then(|| y.clone().narrow(axis, at, 1).repeat_dim(axis, times));
                    let parts = [edge(0, before), Some(y.clone()), edge(n - 1, after)];
                    kernel_cat(parts.into_iter().flatten().collect(), axis)
                }
            };
        }
        y
    }
}

impl Forward for Crop {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let sizes = sizes(&x);
        let own = sizes[0];
        let like = sizes.get(1).copied().unwrap_or(own);
        let mut y = first(x);
        for (a, n) in own.into_iter().enumerate() {
            let count = if self.like { like[a] } else { n - self.start.0[a] - self.end.0[a] };
            if count != n {
                y = y.narrow(a + 2, self.start.0[a], count);
            }
        }
        y
    }
}

impl Forward for MaxPool3d {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let mut y = first(x);
        if self.is_blocks() {
            return kernel::max_pool3d(y, self.kernel.0);
        }
        // The maximum over a box is one over each of its axes in turn.
        for a in 0..3 {
            let (k, s, p) = (self.kernel.0[a], self.step().0[a], self.padding.0[a]);
            let axis = a + 2;
            let n = y.dims()[axis] + 2 * p;
            if (k, s) == (1, 1) {
                continue;
            }
            let out = (n - k) / s + 1;
            // Room for whole strides after the last window's start.
            let rest = (out * s + k - 1).saturating_sub(n);
            let padded = filled(y, axis, p, p + rest, f32::NEG_INFINITY);
            let steps = (0..k).map(|k| every(padded.clone().narrow(axis, k, out * s), axis, s));
            y = steps.reduce(Tensor::max_pair).unwrap_or_else(|| unreachable!("a kernel has a voxel"));
        }
        y
    }
}

/// Places 0, s, 2 s ... of an axis whose length is a multiple of `s`.
fn every(x: Tensor<5>, axis: usize, s: usize) -> Tensor<5> {
    if s == 1 {
        return x;
    }
    let mut dims = x.dims();
    let outer: usize = dims[..axis].iter().product();
    let inner: usize = dims[axis + 1..].iter().product();
    dims[axis] /= s;
    x.reshape([outer, dims[axis], s, inner]).narrow(2, 0, 1).reshape(dims)
}

impl Forward for AvgPool3d {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let mut y = first(x);
        for a in 0..3 {
            let (k, axis) = (self.kernel.0[a], a + 2);
            if k == 1 {
                continue;
            }
            let mut dims = y.dims();
            let count = dims[axis] / k;
            let y_ = if count * k < dims[axis] { y.narrow(axis, 0, count * k) } else { y };
            let outer: usize = dims[..axis].iter().product();
            let inner: usize = dims[axis + 1..].iter().product();
            dims[axis] = count;
            y = y_.reshape([outer, count, k, inner]).mean_dim(2).reshape(dims);
        }
        y
    }
}

impl Forward for Resize {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let sizes = sizes(&x);
        let from = sizes[0];
        let to = if self.is_like() { sizes[1] } else { self.target(from).unwrap_or(from) };
        let x = first(x);
        if self.mode == Interpolation::Trilinear && !self.align_corners {
            return kernel::resize_trilinear(x, to);
        }
        let mut y = x;
        for a in 0..3 {
            if from[a] == to[a] {
                continue;
            }
            let along = self.weights_along(from[a], to[a]);
            let axis = a + 2;
            let device = y.device().inner();
            let places = |pick: fn(&(usize, usize, f64)) -> usize| {
                let all: Vec<i64> = along.iter().map(|w| pick(w) as i64).collect();
                Tensor::<1, Int>::from_data(TensorData::new(all, [to[a]]), &device)
            };
            let low = y.clone().select(axis, places(|w| w.0));
            y = if along.iter().all(|w| w.2 == 0.0) {
                low
            } else {
                let high = y.select(axis, places(|w| w.1));
                let mut dims = [1; 5];
                dims[axis] = to[a];
                let shares: Vec<f32> = along.iter().map(|w| w.2 as f32).collect();
                let shares = Tensor::<5>::from_data(TensorData::new(shares, dims), &device).cast(low.dtype());
                let shares = tracked(shares, &low.device());
                low.clone() + (high - low) * shares
            };
        }
        y
    }
}
