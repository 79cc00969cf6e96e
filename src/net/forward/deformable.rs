//! Attention to a few places, fixed positions and standardised kernels, composed of Burn's operations.
//!
//! Part of `net`; may use `op` and `kernel`.

use burn::tensor::{Tensor, TensorData, activation};

use super::super::device::tracked;
use super::{Forward, Weights, first};
use crate::kernel;
use crate::op::{DeformableAttention, SinePosition, StandardisedConv3d};

/// Fixed numbers beside `x`, in its precision.
fn constant<const D: usize, const R: usize>(values: Vec<f32>, dims: [usize; D], x: &Tensor<R>) -> Tensor<D> {
    let device = x.device();
    tracked(Tensor::<D>::from_data(TensorData::new(values, dims), &device.clone().inner()).cast(x.dtype()), &device)
}

impl Forward for StandardisedConv3d {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let weight = w.get::<5>("weight");
        let centred = weight.clone() - weight.mean_dims(&[1, 2, 3, 4]);
        let variance = (centred.clone() * centred.clone()).mean_dims(&[1, 2, 3, 4]);
        let weight = centred * (variance + self.eps).sqrt().recip();
        let c = &self.conv;
        kernel::conv3d(first(x), weight, w.find("bias"), c.stride.0, c.padding.0, c.dilation.0, c.groups)
    }
}

impl Forward for SinePosition {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        let [n, c, size @ ..] = x.dims();
        let [d, h, width] = size;
        let mut values = Vec::with_capacity(c * d * h * width);
        for (axis, along) in self.along(c, size) {
            values.extend((0..d * h * width).map(|at| along[[at / (h * width), at / width % h, at % width][axis]] as f32));
        }
        let fixed = constant(values, [1, c, d, h, width], &x);
        let learned = w.get::<2>("weight").narrow(0, self.level, 1).reshape([1, c, 1, 1, 1]);
        (fixed + learned).repeat_dim(0, n)
    }
}

impl Forward for DeformableAttention {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let mut x = x.into_iter();
        let (Some(offsets), Some(logits)) = (x.next(), x.next()) else { unreachable!("the graph was inferred with inputs here") };
        let levels: Vec<Tensor<5>> = x.collect();
        let [n, _, grid @ ..] = offsets.dims();
        let (tokens, points, rows) = (grid.iter().product::<usize>(), self.points, n * self.heads);
        let all = levels.len() * points;
        let shares = activation::softmax(logits.reshape([rows, all, tokens]), 1);
        let offsets = offsets.reshape([rows, all, 3, tokens]);
        let own = self.own_places(grid);
        let mut sum: Option<Tensor<3>> = None;
        for (l, value) in levels.into_iter().enumerate() {
            let [_, c, d, h, w] = value.dims();
            let channels = c / self.heads;
            let value = value.reshape([rows, channels, d * h * w]);
            // The component that moves along an axis of the code's, taken for another of the sampler's: see the operation.
            let coordinate = |k: usize, moved: usize, taken: usize| -> Tensor<2> {
                let offset = offsets.clone().narrow(1, l * points, points).narrow(2, k, 1).reshape([rows, points * tokens]);
                let places: Vec<f32> = (0..points).flat_map(|_| own.iter().map(|p| p[k] as f32)).collect();
                (offset / moved as f64 + constant(places, [1, points * tokens], &shares)) * taken as f64 - 0.5
            };
            let (across, up, deep) = (coordinate(0, d, w), coordinate(1, w, h), coordinate(2, h, d));
            let share = shares.clone().narrow(1, l * points, points).reshape([rows, points * tokens]);
            for corner in 0..8 {
                // Where a corner lies takes no part in the gradient; how near it is does.
                let one = |at: &Tensor<2>, far: usize, n: usize| {
                    let place = at.clone().detach().floor() + far as f64;
                    let near = ((at.clone() - place.clone()).abs() - 1.0).neg();
                    let last = n as f64 - 1.0;
                    let held = place.clone().clamp(0.0, last);
                    // Whole numbers: one that is held at the edge is 1 or more away from where it was.
                    let inside = ((place - held.clone()).abs().clamp(0.0, 1.0) - 1.0).neg();
                    (held, near * inside)
                };
                let ((a, p), (b, q), (e, r)) = (one(&deep, corner >> 2, d), one(&up, corner >> 1 & 1, h), one(&across, corner & 1, w));
                let index = ((a * h as f64 + b) * w as f64 + e).int().reshape([rows, 1, points * tokens]).repeat_dim(1, channels);
                let part = (p * q * r * share.clone()).reshape([rows, 1, points * tokens]);
                let taken = value.clone().gather(2, index) * part;
                let taken = taken.reshape([rows, channels, points, tokens]).sum_dim(2).reshape([rows, channels, tokens]);
                sum = Some(match sum {
                    Some(sum) => sum + taken,
                    None => taken,
                });
            }
        }
        let Some(sum) = sum else { unreachable!("the graph was inferred with a level here") };
        let [_, channels, _] = sum.dims();
        sum.reshape([n, self.heads * channels, grid[0], grid[1], grid[2]])
    }
}
