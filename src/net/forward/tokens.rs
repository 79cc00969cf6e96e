//! What transformers do to the voxels of volumes, composed of Burn's operations: attention between them, positions, other grids and orders.
//!
//! Part of `net`; may use `op`.

use burn::tensor::{Int, Tensor, TensorData, activation};

use super::super::device::tracked;
use super::{Forward, Weights, first};
use crate::kernel;
use crate::op::{
    Attention, AttentionBias, ChannelAttention, ClassToken, ConcatVoxels, DepthToSpace, LearnedVolume, MASKED, NormaliseVoxels, Regrid,
    Reread, SliceHeads, SpaceToDepth, VoxelLinear,
};

/// The inputs of an operation that takes three.
fn three<T>(x: Vec<T>) -> [T; 3] {
    match x.try_into() {
        Ok(all) => all,
        Err(_) => unreachable!("the graph was inferred with three inputs here"),
    }
}

/// Voxels along each axis.
fn size(x: &Tensor<5>) -> [usize; 3] {
    let [_, _, size @ ..] = x.dims();
    size
}

/// Places in memory, as a tensor beside `x`.
fn places<const D: usize>(all: impl IntoIterator<Item = usize>, x: &Tensor<D>) -> Tensor<1, Int> {
    let all: Vec<i64> = all.into_iter().map(|p| p as i64).collect();
    let n = all.len();
    Tensor::from_data(TensorData::new(all, [n]), &x.device().inner())
}

/// Fixed numbers beside `x`, in its precision.
fn constant<const D: usize, const R: usize>(values: Vec<f32>, dims: [usize; D], x: &Tensor<R>) -> Tensor<D> {
    let device = x.device();
    tracked(Tensor::<D>::from_data(TensorData::new(values, dims), &device.clone().inner()).cast(x.dtype()), &device)
}

/// `[N, C, D, H, W]` as `[N * windows * heads, C / heads, T]`; `tokens` are the voxels of each window.
fn gathered(x: Tensor<5>, heads: usize, tokens: &[Vec<usize>], plain: bool) -> Tensor<3> {
    let [n, c, d, h, w] = x.dims();
    let (windows, t) = (tokens.len(), tokens.first().map_or(0, Vec::len));
    let flat = x.reshape([n, c, d * h * w]);
    let flat = if plain { flat } else { flat.clone().select(2, places(tokens.iter().flatten().copied(), &flat)) };
    flat.reshape([n, heads, c / heads, windows, t]).permute([0, 3, 1, 2, 4]).reshape([n * windows * heads, c / heads, t])
}

impl Forward for Attention {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let [q, k, v] = three(x);
        let learned = (w.find::<2>("table"), w.find::<1>("temperature"));
        if let Some(y) = kernel::attention(self, [q.clone(), k.clone(), v.clone()], learned.0, learned.1) {
            return y;
        }
        let (grid, keys, heads) = (size(&q), size(&k), self.heads);
        let [n, c, ..] = q.dims();
        let out = v.dims()[1];
        let (own, seen) = (self.tokens(grid), self.tokens(keys));
        let (windows, rows, columns) = (own.len(), own.first().map_or(0, Vec::len), seen.first().map_or(0, Vec::len));
        let plain = self.window.is_none();
        let q = gathered(q, heads, &own, plain).swap_dims(1, 2);
        let (k, v) = (gathered(k, heads, &seen, plain), gathered(v, heads, &seen, plain).swap_dims(1, 2));
        let mut logits = (q.matmul(k) * self.factor(c / heads)).reshape([n, windows, heads, rows, columns]);
        if let Some(temperature) = w.find::<1>("temperature") {
            logits = logits * temperature.reshape([1, 1, heads, 1, 1]);
        }
        if let (Some(entries), Some(table)) = (self.bias_places(grid, keys), w.find::<2>("table")) {
            let entries = places(entries, &table);
            let bias = match self.bias {
                AttentionBias::Offsets { .. } => table.select(1, entries),
                _ => table.select(0, entries).swap_dims(0, 1),
            };
            logits = logits + bias.reshape([1, 1, heads, rows, columns]);
        }
        if let Some(regions) = self.regions(grid) {
            let regions: Vec<f32> = regions.into_iter().flatten().map(|r| r as f32).collect();
            let of_query = constant(regions.clone(), [1, windows, 1, rows, 1], &logits);
            let of_key = constant(regions, [1, windows, 1, 1, columns], &logits);
            // Regions are whole numbers: two that differ do so by 1 or more.
            logits = logits + (of_query - of_key).abs().clamp(0.0, 1.0) * MASKED;
        }
        let shares = activation::softmax(logits, 4).reshape([n * windows * heads, rows, columns]);
        let y = shares.matmul(v).swap_dims(1, 2).reshape([n, windows, heads, out / heads, rows]);
        let y = y.permute([0, 2, 3, 1, 4]).reshape([n, out, windows * rows]);
        let y = if plain {
            y
        } else {
            let mut back = vec![0; windows * rows];
            own.iter().flatten().enumerate().for_each(|(i, place)| back[*place] = i);
            y.clone().select(2, places(back, &y))
        };
        y.reshape([n, out, grid[0], grid[1], grid[2]])
    }
}

impl Forward for ChannelAttention {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let [q, k, v] = three(x);
        let [n, c, depth, height, width] = q.dims();
        let (heads, d) = (self.heads, c / self.heads);
        let by_head = |x: Tensor<5>| x.reshape([n * heads, d, depth * height * width]);
        let logits = by_head(q).matmul(by_head(k).swap_dims(1, 2)).reshape([n, heads, d, d]);
        let logits = logits * w.get::<1>("temperature").reshape([1, heads, 1, 1]);
        let shares = activation::softmax(logits, 3).reshape([n * heads, d, d]);
        shares.matmul(by_head(v)).reshape([n, c, depth, height, width])
    }
}

impl Forward for LearnedVolume {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        let [_, c, d, h, width] = x.dims();
        x + w.get::<2>("weight").swap_dims(0, 1).reshape([1, c, d, h, width])
    }
}

impl Forward for VoxelLinear {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        let [n, c, d, h, width] = x.dims();
        let mut y = x.reshape([n * c, d * h * width]).matmul(w.get::<2>("weight").swap_dims(0, 1));
        if let Some(bias) = w.find::<1>("bias") {
            y = y + bias.reshape([1, self.out]);
        }
        y.reshape([n, c, 1, 1, self.out])
    }
}

impl Forward for NormaliseVoxels {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        let norm = (x.clone() * x.clone()).sum_dims(&[2, 3, 4]).sqrt();
        x / norm.clamp_min(self.eps)
    }
}

impl Forward for Reread {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        let [n, c, d, h, w] = x.dims();
        let by_channel = x.reshape([n, self.heads, c / self.heads, d * h * w]).permute([0, 2, 1, 3]);
        by_channel.reshape([n, d * h * w, c]).swap_dims(1, 2).reshape([n, c, d, h, w])
    }
}

/// Places `at`, `at + step`, `at + 2 step`, ... of an axis whose length is a multiple of `step`.
fn every(x: Tensor<5>, axis: usize, step: usize, at: usize) -> Tensor<5> {
    let mut dims = x.dims();
    let outer: usize = dims[..axis].iter().product();
    let inner: usize = dims[axis + 1..].iter().product();
    dims[axis] /= step;
    x.reshape([outer, dims[axis], step, inner]).narrow(2, at, 1).reshape(dims)
}

impl Forward for SpaceToDepth {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        let part = |offset: [usize; 3]| (0..3).fold(x.clone(), |x, a| every(x, a + 2, self.block.0[a], offset[a]));
        Tensor::cat(self.taken().into_iter().map(part).collect(), 1)
    }
}

impl Forward for DepthToSpace {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let mut x = first(x);
        // One axis after the other: its part of the channels, which is their slowest, goes behind its voxels.
        for (a, by) in self.block.0.into_iter().enumerate() {
            let [n, c, d, h, w] = x.dims();
            let mut size = [d, h, w];
            let (before, after): (usize, usize) = (size[..a].iter().product(), size[a + 1..].iter().product());
            let split = x.reshape([n, by, c / by * before, size[a], after]).permute([0, 2, 3, 1, 4]);
            size[a] *= by;
            x = split.reshape([n, c / by, size[0], size[1], size[2]]);
        }
        x
    }
}

impl Forward for Regrid {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let [d, h, w] = x.get(1).map_or_else(|| [1, 1, x.first().map_or(1, |x| size(x).iter().product())], size);
        let x = first(x);
        let [n, c, ..] = x.dims();
        x.reshape([n, c, d, h, w])
    }
}

impl Forward for ConcatVoxels {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        if x.len() == 1 { first(x) } else { Tensor::cat(x, 4) }
    }
}

impl Forward for ClassToken {
    fn forward(&self, w: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        let [n, c, ..] = x.dims();
        let token = w.get::<2>("weight").reshape([1, c, 1, 1, 1]).repeat_dim(0, n);
        Tensor::cat(vec![token, x], 4)
    }
}

impl Forward for SliceHeads {
    fn forward(&self, _: &Weights, x: Vec<Tensor<5>>) -> Tensor<5> {
        let x = first(x);
        let [n, c, d, h, w] = x.dims();
        let by_head = x.reshape([n, self.heads, c / self.heads, d * h * w]);
        by_head.narrow(2, self.start, self.channels).reshape([n, self.heads * self.channels, d, h, w])
    }
}
