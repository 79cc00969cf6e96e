//! Maximum over boxes that tile the volume. The gradient looks for the winner of each box again, which costs less than to
//! remember it.

use super::launch::{GpuExtent, addresses, dims, element, empty, extent, ordered, units};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// The place in `x` of the largest value of the box at this place of the output; the first among equals, and a NaN before all.
#[cube]
fn winner<E: Float>(x: &[E], row: usize, at: GpuExtent, from: GpuExtent, #[comptime] kernel: [usize; 3]) -> usize {
    let base = ((row * from.d + at.d * comptime!(kernel[0])) * from.h + at.h * comptime!(kernel[1])) * from.w + at.w * comptime!(kernel[2]);
    let mut best = base;
    for kd in 0..comptime!(kernel[0]) {
        for kh in 0..comptime!(kernel[1]) {
            #[unroll]
            for kw in 0..comptime!(kernel[2]) {
                let place = base + (kd * from.h + kh) * from.w + kw;
                let value = f32::cast_from(x[place]);
                let top = f32::cast_from(x[best]);
                if value > top || (value.is_nan() && !top.is_nan()) {
                    best = place;
                }
            }
        }
    }
    best
}

/// `x [rows, from]` to `y [rows, to]`, a thread for each box.
#[cube(launch_unchecked, address_type = "dynamic")]
fn max_pool3d<E: Float>(
    x: &[E],
    y: &mut [E],
    from: GpuExtent,
    to: GpuExtent,
    count: usize,
    #[comptime] kernel: [usize; 3],
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let rest = ABSOLUTE_POS / to.w;
    let at = GpuExtent { d: (rest / to.h) % to.d, h: rest % to.h, w: ABSOLUTE_POS % to.w };
    let place = winner::<E>(x, rest / to.h / to.d, at, from, kernel);
    y[ABSOLUTE_POS] = x[place];
}

/// `g [rows, to]` to `out [rows, from]`, a thread for each value of the latter.
#[cube(launch_unchecked, address_type = "dynamic")]
fn back<E: Float>(
    x: &[E],
    g: &[E],
    out: &mut [E],
    from: GpuExtent,
    to: GpuExtent,
    count: usize,
    #[comptime] kernel: [usize; 3],
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let rest = ABSOLUTE_POS / from.w;
    let row = rest / from.h / from.d;
    let w = (ABSOLUTE_POS % from.w) / comptime!(kernel[2]);
    let h = (rest % from.h) / comptime!(kernel[1]);
    let d = ((rest / from.h) % from.d) / comptime!(kernel[0]);
    let mut value = E::from_int(0);
    if d < to.d && h < to.h && w < to.w {
        let place = winner::<E>(x, row, GpuExtent { d, h, w }, from, kernel);
        if place == ABSOLUTE_POS {
            value = g[((row * to.d + d) * to.h + h) * to.w + w];
        }
    }
    out[ABSOLUTE_POS] = value;
}

/// The extent of the output.
pub fn pooled(volume: [usize; 3], kernel: [usize; 3]) -> [usize; 3] {
    std::array::from_fn(|a| volume[a] / kernel[a])
}

/// `x [N, C, D, H, W]` to `[N, C, D / kD, H / kH, W / kW]`.
pub fn forward(x: CubeTensor, kernel: [usize; 3]) -> CubeTensor {
    let x = ordered(x);
    let [n, c, from @ ..] = dims(&x);
    let to = pooled(from, kernel);
    let y = empty(&x, [n, c, to[0], to[1], to[2]], x.dtype);
    let count = n * c * to.iter().product::<usize>();
    let (grid, block) = units(&x, count);
    let client = x.client.clone();
    // SAFETY: boxes lie inside the volume; a thread writes its own place.
    unsafe {
        max_pool3d::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x, &y]),
            x.into_buffer_arg(),
            y.clone().into_buffer_arg(),
            extent(from),
            extent(to),
            count,
            kernel,
            element(&y),
        );
    }
    y
}

/// The gradient of the input `x`.
pub fn gradient(x: CubeTensor, g: CubeTensor, kernel: [usize; 3]) -> CubeTensor {
    let (x, g) = (ordered(x), ordered(g));
    let shape @ [_, _, from @ ..] = dims(&x);
    let [_, _, to @ ..] = dims(&g);
    let out = empty(&x, shape, x.dtype);
    let count = shape.iter().product();
    let (grid, block) = units(&x, count);
    let client = x.client.clone();
    // SAFETY: as in `forward`.
    unsafe {
        back::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x, &g, &out]),
            x.into_buffer_arg(),
            g.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            extent(from),
            extent(to),
            count,
            kernel,
            element(&out),
        );
    }
    out
}
