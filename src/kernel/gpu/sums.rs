//! Sums over the voxels of each channel.

use super::launch::{UNITS, addresses, blocks, dims, element, empty, fold, ordered, over_block};
use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Values of a block's part.
const PART: usize = 64 * UNITS;

/// A block's part of a channel of a sample: `x [N, C, space]` to `parts [N, per_channel, C]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn partial<E: Float>(
    x: &[E],
    parts: &mut [f32],
    space: usize,
    per_channel: usize,
    channels: usize,
    count: usize,
    #[define(E)] _element: ElemType,
) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    if CUBE_POS >= count {
        terminate!();
    }
    let number = CUBE_POS % per_channel;
    let row = CUBE_POS / per_channel;
    let end = min((number + 1) * PART, space);
    let mut sum = 0.0f32;
    let mut at = number * PART + UNIT_POS as usize;
    while at < end {
        sum += f32::cast_from(x[row * space + at]);
        at += UNITS;
    }
    let total = over_block(&mut shared, sum);
    if UNIT_POS == 0 {
        parts[((row / channels) * per_channel + number) * channels + row % channels] = total;
    }
}

/// The sums of `x [N, C, D, H, W]` over all but the channels: `[C]`.
pub fn by_channel(x: CubeTensor) -> CubeTensor {
    let x = ordered(x);
    let [n, c, d, h, w] = dims(&x);
    let space = d * h * w;
    let per_channel = space.div_ceil(PART);
    let parts = empty(&x, [n * per_channel, c], DType::F32);
    let count = n * c * per_channel;
    let (grid, block) = blocks(&x, count);
    let client = x.client.clone();
    let (dtype, kind) = (x.dtype, element(&x));
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
            per_channel,
            c,
            count,
            kind,
        );
    }
    fold(parts, n * per_channel, [c], dtype)
}
