//! What transformers do to tokens beside attention: norms over channels, positions, other grids and orders.

use rayon::prelude::*;

use super::attention::dot;
use super::{TensorView, per_channel};
use crate::ir::Fact;
use crate::op::{DepthToSpace, LayerNorm, NormaliseVoxels, Reread, SinePosition, SliceHeads, SpaceToDepth, VoxelLinear};

/// Voxels that a layer norm takes at once.
const BLOCK: usize = 512;

/// Over the channels of each voxel; they lie far apart, so blocks of neighbours are taken together.
pub fn layer_norm(l: &LayerNorm, scale: &[f32], shift: &[f32], x: TensorView, y: Fact) -> Vec<f32> {
    let (voxels, channels) = (x.voxels(), y.channels);
    let blocks = voxels.div_ceil(BLOCK);
    // The mean of each voxel, and one by its deviation.
    let moments: Vec<(Vec<f32>, Vec<f32>)> = (0..y.batch * blocks)
        .into_par_iter()
        .map(|i| {
            let (n, start) = (i / blocks, i % blocks * BLOCK);
            let end = (start + BLOCK).min(voxels);
            let (mut mean, mut square) = (vec![0.0f32; end - start], vec![0.0f32; end - start]);
            for c in 0..channels {
                mean.iter_mut().zip(&x.channel(n, c)[start..end]).for_each(|(m, x)| *m += x);
            }
            let share = 1.0 / channels as f32;
            mean.iter_mut().for_each(|m| *m *= share);
            for c in 0..channels {
                let from = &x.channel(n, c)[start..end];
                square.iter_mut().zip(from.iter().zip(&mean)).for_each(|(s, (x, m))| *s += (x - m) * (x - m));
            }
            square.iter_mut().for_each(|s| *s = 1.0 / (*s * share + l.eps as f32).sqrt());
            (mean, square)
        })
        .collect();
    per_channel(y, |n, c, to| {
        let (a, b) = if l.affine { (scale[c], shift[c]) } else { (1.0, 0.0) };
        let from = x.channel(n, c);
        for (block, (to, from)) in to.chunks_mut(BLOCK).zip(from.chunks(BLOCK)).enumerate() {
            let (mean, factor) = &moments[n * blocks + block];
            for (i, (to, x)) in to.iter_mut().zip(from).enumerate() {
                *to = (x - mean[i]) * factor[i] * a + b;
            }
        }
    })
}

/// `weight` is `[voxels, C]`.
pub fn learned_volume(weight: &[f32], x: TensorView, y: Fact) -> Vec<f32> {
    per_channel(y, |n, c, to| {
        let own = weight.iter().skip(c).step_by(y.channels);
        to.iter_mut().zip(x.channel(n, c)).zip(own).for_each(|((y, x), w)| *y = x + w);
    })
}

/// `weight` is `[out, voxels]`.
pub fn voxel_linear(l: &VoxelLinear, weight: &[f32], bias: &[f32], x: TensorView, y: Fact) -> Vec<f32> {
    let voxels = x.voxels();
    per_channel(y, |n, c, to| {
        let from = x.channel(n, c);
        for (p, to) in to.iter_mut().enumerate() {
            *to = dot(from, &weight[p * voxels..(p + 1) * voxels]) + if l.bias { bias[p] } else { 0.0 };
        }
    })
}

pub fn normalise_voxels(l: &NormaliseVoxels, x: TensorView, y: Fact) -> Vec<f32> {
    per_channel(y, |n, c, to| {
        let from = x.channel(n, c);
        let norm = from.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt().max(l.eps);
        let share = (1.0 / norm) as f32;
        to.iter_mut().zip(from).for_each(|(y, x)| *y = x * share);
    })
}

pub fn reread(r: &Reread, x: TensorView, y: Fact) -> Vec<f32> {
    let voxels = x.voxels();
    per_channel(y, |n, c, to| {
        for (v, to) in to.iter_mut().enumerate() {
            let (from, u) = r.source(y.channels, voxels, c, v);
            *to = x.channel(n, from)[u];
        }
    })
}

pub fn space_to_depth(s: &SpaceToDepth, x: TensorView, y: Fact) -> Vec<f32> {
    let (taken, channels, [bd, bh, bw]) = (s.taken(), x.fact.channels, s.block.0);
    let [_, h, w] = x.fact.size;
    let [_, yh, yw] = y.size;
    per_channel(y, |n, c, to| {
        let ([a, b, o], from) = (taken[c / channels], x.channel(n, c % channels));
        for (row, to) in to.chunks_mut(yw.max(1)).enumerate() {
            let line = &from[((row / yh * bd + a) * h + row % yh * bh + b) * w..][..w];
            to.iter_mut().zip(line.iter().skip(o).step_by(bw)).for_each(|(y, x)| *y = *x);
        }
    })
}

pub fn depth_to_space(s: &DepthToSpace, x: TensorView, y: Fact) -> Vec<f32> {
    let [bd, bh, bw] = s.block.0;
    let [_, h, w] = x.fact.size;
    let [_, yh, yw] = y.size;
    per_channel(y, |n, c, to| {
        for (row, to) in to.chunks_mut(yw.max(1)).enumerate() {
            let (i, j) = (row / yh, row % yh);
            for k in 0..bw {
                let within = (i % bd * bh + j % bh) * bw + k;
                let line = &x.channel(n, within * y.channels + c)[(i / bd * h + j / bh) * w..][..w];
                to.iter_mut().skip(k).step_by(bw).zip(line).for_each(|(y, x)| *y = *x);
            }
        }
    })
}

pub fn concat_voxels(parts: &[TensorView], y: Fact) -> Vec<f32> {
    per_channel(y, |n, c, to| {
        for (row, to) in to.chunks_mut(y.size[2].max(1)).enumerate() {
            let mut at = 0;
            for part in parts {
                let wide = part.fact.size[2];
                to[at..at + wide].copy_from_slice(&part.channel(n, c)[row * wide..(row + 1) * wide]);
                at += wide;
            }
        }
    })
}

pub fn class_token(weight: &[f32], x: TensorView, y: Fact) -> Vec<f32> {
    per_channel(y, |n, c, to| {
        to[0] = weight[c];
        to[1..].copy_from_slice(x.channel(n, c));
    })
}

pub fn slice_heads(s: &SliceHeads, x: TensorView, y: Fact) -> Vec<f32> {
    per_channel(y, |n, c, to| to.copy_from_slice(x.channel(n, s.source(x.fact.channels, c))))
}

/// `weight` is `[levels, C]`.
pub fn sine_position(s: &SinePosition, weight: &[f32], y: Fact) -> Vec<f32> {
    let along = s.along(y.channels, y.size);
    let [_, h, w] = y.size;
    per_channel(y, |_, c, to| {
        let (axis, values) = &along[c];
        let learned = weight[s.level * y.channels + c];
        for (at, to) in to.iter_mut().enumerate() {
            *to = values[[at / (h * w), at / w % h, at % w][*axis]] as f32 + learned;
        }
    })
}
