//! The way back of the product of a volume, or of its SiLU, with one that has a single channel.

use super::group_norm::logistic;
use super::launch::{addresses, dims, element, empty, ordered, units};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// A voxel: `x`, `g` and `by_x` are `[N, C, space]`, `by` and `by_by` `[N, space]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn shared<E: Float>(
    x: &[E],
    by: &[E],
    g: &[E],
    by_x: &mut [E],
    by_by: &mut [E],
    space: usize,
    channels: usize,
    count: usize,
    #[comptime] silu: bool,
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let mut at = (ABSOLUTE_POS / space) * channels * space + ABSOLUTE_POS % space;
    let factor = f32::cast_from(by[ABSOLUTE_POS]);
    let mut sum = 0.0f32;
    for _ in 0..channels {
        let slope = f32::cast_from(g[at]);
        let value = f32::cast_from(x[at]);
        if silu {
            let share = logistic(value);
            sum += value * share * slope;
            by_x[at] = E::cast_from(slope * factor * share * (1.0f32 + value * (1.0f32 - share)));
        } else {
            sum += value * slope;
            by_x[at] = E::cast_from(slope * factor);
        }
        at += space;
    }
    by_by[ABSOLUTE_POS] = E::cast_from(sum);
}

/// The gradients of `x [N, C, D, H, W]` and of `by [N, 1, D, H, W]` from the gradient `g` of `x * by`, or of `silu(x) * by`.
pub fn gradients(x: CubeTensor, by: CubeTensor, g: CubeTensor, silu: bool) -> (CubeTensor, CubeTensor) {
    let [x, by, g] = [x, by, g].map(ordered);
    let shape @ [n, c, d, h, w] = dims(&x);
    let (by_x, by_by) = (empty(&x, shape, x.dtype), empty(&x, [n, 1, d, h, w], x.dtype));
    let count = n * d * h * w;
    let (grid, block) = units(&x, count);
    let client = x.client.clone();
    let kind = element(&x);
    // SAFETY: a thread reads its voxel of every channel, and writes its own places.
    unsafe {
        shared::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x]),
            x.into_buffer_arg(),
            by.into_buffer_arg(),
            g.into_buffer_arg(),
            by_x.clone().into_buffer_arg(),
            by_by.clone().into_buffer_arg(),
            d * h * w,
            c,
            count,
            silu,
            kind,
        );
    }
    (by_x, by_by)
}
