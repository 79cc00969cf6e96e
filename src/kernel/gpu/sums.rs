//! Sums and means over the voxels of each channel.

use super::launch::{UNITS, addresses, blocks, dims, element, empty, fold, ordered, over_block, units};
use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Values of a block's part.
const PART: usize = 64 * UNITS;

/// A block's part of a channel of a sample: `x [rows, space]`, times `by` where that is asked for, to `parts [per_row, rows]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn partial<E: Float>(
    x: &[E],
    by: &[E],
    parts: &mut [f32],
    space: usize,
    per_row: usize,
    rows: usize,
    #[comptime] times: bool,
    #[define(E)] _element: ElemType,
) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    if CUBE_POS >= rows * per_row {
        terminate!();
    }
    let number = CUBE_POS % per_row;
    let row = CUBE_POS / per_row;
    let end = min((number + 1) * PART, space);
    let mut sum = 0.0f32;
    let mut at = number * PART + UNIT_POS as usize;
    while at < end {
        let mut value = f32::cast_from(x[row * space + at]);
        if times {
            value *= f32::cast_from(by[row * space + at]);
        }
        sum += value;
        at += UNITS;
    }
    let total = over_block(&mut shared, sum);
    if UNIT_POS == 0 {
        parts[number * rows + row] = total;
    }
}

/// The parts of the sums of `x [N, C, D, H, W]` (times `by`) over its voxels, `[per_row, N, C]` (`f32`), and how many there are for each.
fn parts(x: CubeTensor, by: Option<CubeTensor>) -> (CubeTensor, usize) {
    let x = ordered(x);
    let times = by.is_some();
    let by = by.map_or_else(|| x.clone(), ordered);
    let [n, c, d, h, w] = dims(&x);
    let space = d * h * w;
    let per_row = space.div_ceil(PART);
    let parts = empty(&x, [per_row, n, c], DType::F32);
    let (grid, block) = blocks(&x, n * c * per_row);
    let client = x.client.clone();
    let kind = element(&x);
    // SAFETY: a block reads its part and writes its own sum.
    unsafe {
        partial::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x, &parts]),
            x.into_buffer_arg(),
            by.into_buffer_arg(),
            parts.clone().into_buffer_arg(),
            space,
            per_row,
            n * c,
            times,
            kind,
        );
    }
    (parts, per_row)
}

/// The sums of `x [N, C, D, H, W]` over all but the channels: `[C]`.
pub fn by_channel(x: CubeTensor) -> CubeTensor {
    let ([n, c, ..], dtype) = (dims(&x), x.dtype);
    let (parts, per_row) = parts(x, None);
    fold(parts, per_row * n, (1.0, 1), [c], dtype)
}

/// The means of `x [N, C, D, H, W]` over the voxels: `[N, C, 1, 1, 1]`.
pub fn means(x: CubeTensor) -> CubeTensor {
    let ([n, c, d, h, w], dtype) = (dims(&x), x.dtype);
    let (parts, per_row) = parts(x, None);
    fold(parts, per_row, (1.0 / (d * h * w) as f32, 1), [n, c, 1, 1, 1], dtype)
}

/// The sums of `x [N, C, D, H, W]` over the voxels times `scale`, each `repeat` times: `[N, C * repeat, 1, 1, 1]`.
pub fn repeated(x: CubeTensor, scale: f32, repeat: usize) -> CubeTensor {
    let ([n, c, ..], dtype) = (dims(&x), x.dtype);
    let (parts, per_row) = parts(x, None);
    fold(parts, per_row, (scale, repeat), [n, c * repeat, 1, 1, 1], dtype)
}

/// The sums of `x` (times `by`) over the voxels: `[N, C, 1, 1, 1]`.
pub fn over_voxels(x: CubeTensor, by: Option<CubeTensor>) -> CubeTensor {
    let ([n, c, ..], dtype) = (dims(&x), x.dtype);
    let (parts, per_row) = parts(x, by);
    fold(parts, per_row, (1.0, 1), [n, c, 1, 1, 1], dtype)
}

/// The sum over the channels of a voxel: `x [N, C, space]` (times `by`) to `out [N, space]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn across<E: Float>(
    x: &[E],
    by: &[E],
    out: &mut [E],
    space: usize,
    channels: usize,
    count: usize,
    #[comptime] times: bool,
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let mut at = (ABSOLUTE_POS / space) * channels * space + ABSOLUTE_POS % space;
    let mut sum = 0.0f32;
    for _ in 0..channels {
        let mut value = f32::cast_from(x[at]);
        if times {
            value *= f32::cast_from(by[at]);
        }
        sum += value;
        at += space;
    }
    out[ABSOLUTE_POS] = E::cast_from(sum);
}

/// The sums of `x` (times `by`) over the channels: `[N, 1, D, H, W]`.
pub fn over_channels(x: CubeTensor, by: Option<CubeTensor>) -> CubeTensor {
    let x = ordered(x);
    let times = by.is_some();
    let by = by.map_or_else(|| x.clone(), ordered);
    let [n, c, d, h, w] = dims(&x);
    let out = empty(&x, [n, 1, d, h, w], x.dtype);
    let (grid, block) = units(&x, n * d * h * w);
    let client = x.client.clone();
    // SAFETY: a thread reads the channels of its voxel and writes its own sum.
    unsafe {
        across::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x]),
            x.into_buffer_arg(),
            by.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            d * h * w,
            c,
            n * d * h * w,
            times,
            element(&out),
        );
    }
    out
}

/// Each of `g [rows]` divided by the number of voxels, at every voxel: `[rows, space]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn expand_means<E: Float>(g: &[E], out: &mut [E], space: usize, count: usize, scale: f32, #[define(E)] _element: ElemType) {
    if ABSOLUTE_POS < count {
        out[ABSOLUTE_POS] = E::cast_from(f32::cast_from(g[ABSOLUTE_POS / space]) * scale);
    }
}

/// The gradient of what [`means`] were taken of, of extent `to`.
pub fn means_back(g: CubeTensor, to: [usize; 3]) -> CubeTensor {
    let g = ordered(g);
    let [n, c, ..] = dims(&g);
    let [d, h, w] = to;
    let out = empty(&g, [n, c, d, h, w], g.dtype);
    let (space, count) = (d * h * w, n * c * d * h * w);
    let (grid, block) = units(&g, count);
    let client = g.client.clone();
    // SAFETY: a thread writes its own place.
    unsafe {
        expand_means::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&g, &out]),
            g.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            space,
            count,
            1.0 / space as f32,
            element(&out),
        );
    }
    out
}
