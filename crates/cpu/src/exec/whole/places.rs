//! What moves or gathers voxels: pools, paddings, parts, resizes.

use super::{TensorView, per_channel};
use crate::ir::Fact;
use crate::op::{AvgPool3d, Crop, MaxPool3d, Pad, Resize};

/// For each place of an axis the range of places that its window sees.
fn windows(from: usize, to: usize, kernel: usize, stride: usize, padding: usize) -> Vec<(usize, usize)> {
    let one = |i: usize| {
        let start = i * stride;
        (start.saturating_sub(padding), (start + kernel).saturating_sub(padding).min(from))
    };
    (0..to).map(one).collect()
}

/// Each number of `y` from its window in `x`: `fold` goes over the window's numbers, `end` gives the result.
fn pooled(
    x: TensorView,
    y: Fact,
    ranges: [Vec<(usize, usize)>; 3],
    start: f32,
    fold: impl Fn(f32, f32) -> f32 + Sync,
    scale: f32,
) -> Vec<f32> {
    let [_, h, w] = x.fact.size;
    let [_, yh, yw] = y.size;
    per_channel(y, |n, c, to| {
        let from = x.channel(n, c);
        let mut row = vec![start; w];
        for (k, to) in to.chunks_mut(yw.max(1)).enumerate() {
            row.fill(start);
            // Down the window first, in whole rows; then along each row.
            for i in ranges[0][k / yh].0..ranges[0][k / yh].1 {
                for j in ranges[1][k % yh].0..ranges[1][k % yh].1 {
                    let line = &from[(i * h + j) * w..][..w];
                    row.iter_mut().zip(line).for_each(|(m, v)| *m = fold(*m, *v));
                }
            }
            for (to, (first, end)) in to.iter_mut().zip(&ranges[2]) {
                *to = scale * row[*first..*end].iter().fold(start, |m, v| fold(m, *v));
            }
        }
    })
}

pub fn max_pool(p: &MaxPool3d, x: TensorView, y: Fact) -> Vec<f32> {
    let axis = |a: usize| windows(x.fact.size[a], y.size[a], p.kernel.0[a], p.step().0[a], p.padding.0[a]);
    let larger = |m: f32, v: f32| if v > m || v.is_nan() { v } else { m };
    pooled(x, y, [axis(0), axis(1), axis(2)], f32::NEG_INFINITY, larger, 1.0)
}

pub fn avg_pool(p: &AvgPool3d, x: TensorView, y: Fact) -> Vec<f32> {
    let axis = |a: usize| windows(x.fact.size[a], y.size[a], p.kernel.0[a], p.kernel.0[a], 0);
    pooled(x, y, [axis(0), axis(1), axis(2)], 0.0, |m, v| m + v, 1.0 / p.kernel.0.iter().product::<usize>() as f32)
}

pub fn pad(p: &Pad, x: TensorView, y: Fact) -> Vec<f32> {
    let along: [Vec<Option<usize>>; 3] = std::array::from_fn(|a| p.sources_along(a, x.fact.size[a], y.size[a]));
    let [_, h, w] = x.fact.size;
    let [_, yh, yw] = y.size;
    let before = p.before()[2];
    per_channel(y, |n, c, to| {
        let from = x.channel(n, c);
        for (k, to) in to.chunks_mut(yw.max(1)).enumerate() {
            let (Some(i), Some(j)) = (along[0][k / yh], along[1][k % yh]) else { continue };
            let line = &from[(i * h + j) * w..][..w];
            to[before..before + w].copy_from_slice(line);
            let outside = (0..before).chain(before + w..yw);
            outside.for_each(|k| to[k] = along[2][k].map_or(0.0, |s| line[s]));
        }
    })
}

pub fn crop(p: &Crop, x: TensorView, y: Fact) -> Vec<f32> {
    let [_, h, w] = x.fact.size;
    let [_, yh, yw] = y.size;
    let [sd, sh, sw] = p.start.0;
    per_channel(y, |n, c, to| {
        let from = x.channel(n, c);
        for (k, to) in to.chunks_mut(yw.max(1)).enumerate() {
            let at = ((k / yh + sd) * h + k % yh + sh) * w + sw;
            to.copy_from_slice(&from[at..at + yw]);
        }
    })
}

/// Rows are blended first, then along each row.
pub fn resize(r: &Resize, x: TensorView, y: Fact) -> Vec<f32> {
    let along: [Vec<(usize, usize, f64)>; 3] = std::array::from_fn(|a| r.weights_along(x.fact.size[a], y.size[a]));
    let [_, h, w] = x.fact.size;
    let [_, yh, yw] = y.size;
    per_channel(y, |n, c, to| {
        let from = x.channel(n, c);
        let mut row = vec![0.0; w];
        for (k, to) in to.chunks_mut(yw.max(1)).enumerate() {
            row.fill(0.0);
            let ((i0, i1, i), (j0, j1, j)) = (along[0][k / yh], along[1][k % yh]);
            for (p, a) in [(i0, 1.0 - i), (i1, i)] {
                for (q, b) in [(j0, 1.0 - j), (j1, j)] {
                    let share = (a * b) as f32;
                    if share != 0.0 {
                        let line = &from[(p * h + q) * w..][..w];
                        row.iter_mut().zip(line).for_each(|(y, x)| *y += share * x);
                    }
                }
            }
            for (to, (a, b, share)) in to.iter_mut().zip(&along[2]) {
                *to = row[*a] + *share as f32 * (row[*b] - row[*a]);
            }
        }
    })
}
