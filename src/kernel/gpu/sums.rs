//! Sums and means over the voxels of each channel.

use super::launch::{UNITS, addresses, blocks, dims, element, empty, fold, ordered, over_block, units};
use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Values of a block's part.
const PART: usize = 64 * UNITS;

/// A block's part of a channel of a sample: `x [rows, space]` to `parts [per_row, rows]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn partial<E: Float>(x: &[E], parts: &mut [f32], space: usize, per_row: usize, rows: usize, #[define(E)] _element: ElemType) {
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
        sum += f32::cast_from(x[row * space + at]);
        at += UNITS;
    }
    let total = over_block(&mut shared, sum);
    if UNIT_POS == 0 {
        parts[number * rows + row] = total;
    }
}

/// The parts of the sums of `x [N, C, D, H, W]` over its voxels, `[per_row, N, C]` (`f32`), and how many there are for each.
fn parts(x: CubeTensor) -> (CubeTensor, usize) {
    let x = ordered(x);
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
            parts.clone().into_buffer_arg(),
            space,
            per_row,
            n * c,
            kind,
        );
    }
    (parts, per_row)
}

/// The sums of `x [N, C, D, H, W]` over all but the channels: `[C]`.
pub fn by_channel(x: CubeTensor) -> CubeTensor {
    let ([n, c, ..], dtype) = (dims(&x), x.dtype);
    let (parts, per_row) = parts(x);
    fold(parts, per_row * n, 1.0, [c], dtype)
}

/// The means of `x [N, C, D, H, W]` over the voxels: `[N, C, 1, 1, 1]`.
pub fn means(x: CubeTensor) -> CubeTensor {
    let ([n, c, d, h, w], dtype) = (dims(&x), x.dtype);
    let (parts, per_row) = parts(x);
    fold(parts, per_row, 1.0 / (d * h * w) as f32, [n, c, 1, 1, 1], dtype)
}

/// Each of `g [rows]` divided by the number of voxels, at every voxel: `[rows, space]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn spread<E: Float>(g: &[E], out: &mut [E], space: usize, count: usize, scale: f32, #[define(E)] _element: ElemType) {
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
        spread::launch_unchecked(
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
