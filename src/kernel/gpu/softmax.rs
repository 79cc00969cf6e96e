//! Softmax over the channels of a volume or its logarithm, a thread for each voxel, and the gradient from the output.

use super::launch::{addresses, dims, element, ordered, over, units};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

#[cube(launch_unchecked, address_type = "dynamic")]
fn softmax<E: Float>(
    x: &[E],
    y: &mut [E],
    space: usize,
    channels: usize,
    count: usize,
    #[comptime] log: bool,
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let first = (ABSOLUTE_POS / space) * channels * space + ABSOLUTE_POS % space;
    let mut top = f32::cast_from(x[first]);
    for c in 1..channels {
        top = max(top, f32::cast_from(x[first + c * space]));
    }
    let mut total = 0.0f32;
    for c in 0..channels {
        total += f32::exp(f32::cast_from(x[first + c * space]) - top);
    }
    if log {
        let whole = top + f32::ln(total);
        for c in 0..channels {
            y[first + c * space] = E::cast_from(f32::cast_from(x[first + c * space]) - whole);
        }
    } else {
        for c in 0..channels {
            y[first + c * space] = E::cast_from(f32::exp(f32::cast_from(x[first + c * space]) - top) / total);
        }
    }
}

/// `y * (g - sum over channels of g * y)`; of the logarithm `g - exp(y) * sum over channels of g`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn softmax_grad<E: Float>(
    y: &[E],
    g: &[E],
    out: &mut [E],
    space: usize,
    channels: usize,
    count: usize,
    #[comptime] log: bool,
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let first = (ABSOLUTE_POS / space) * channels * space + ABSOLUTE_POS % space;
    let mut dot = 0.0f32;
    for c in 0..channels {
        let at = first + c * space;
        let mut own = f32::cast_from(g[at]);
        if comptime!(!log) {
            own *= f32::cast_from(y[at]);
        }
        dot += own;
    }
    for c in 0..channels {
        let at = first + c * space;
        if log {
            out[at] = E::cast_from(f32::cast_from(g[at]) - f32::exp(f32::cast_from(y[at])) * dot);
        } else {
            out[at] = E::cast_from(f32::cast_from(y[at]) * (f32::cast_from(g[at]) - dot));
        }
    }
}

/// Softmax of `x [N, C, D, H, W]` over `C`, or its logarithm.
pub fn forward(x: CubeTensor, log: bool) -> CubeTensor {
    let x = ordered(x);
    let [n, c, d, h, w] = dims(&x);
    let (y, place) = over(&[(&x, 0)]);
    let (grid, block) = units(&x, n * d * h * w);
    let client = x.client.clone();
    // SAFETY: a thread reads and writes its own voxel.
    unsafe {
        softmax::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x, &y]),
            x.into_buffer_arg(),
            place,
            d * h * w,
            c,
            n * d * h * w,
            log,
            element(&y),
        );
    }
    y
}

/// The gradient of the input, from the output `y`.
pub fn gradient(y: CubeTensor, g: CubeTensor, log: bool) -> CubeTensor {
    let (y, g) = (ordered(y), ordered(g));
    let [n, c, d, h, w] = dims(&y);
    let (out, place) = over(&[(&g, 1)]);
    let (grid, block) = units(&y, n * d * h * w);
    let client = y.client.clone();
    // SAFETY: as in `forward`.
    unsafe {
        softmax_grad::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&y, &g, &out]),
            y.into_buffer_arg(),
            g.into_buffer_arg(),
            place,
            d * h * w,
            c,
            n * d * h * w,
            log,
            element(&out),
        );
    }
    out
}
