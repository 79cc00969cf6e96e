//! Trilinear resizing in one pass over the eight neighbours, and its transpose, which gathers. Places are fractions of whole
//! numbers, so both agree exactly on who is whose neighbour.

use super::launch::{GpuExtent, addresses, dims, element, empty, extent, ordered, units};
use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Most rows of a thread, and threads that keep a large device busy.
const MOST: usize = 8;
const BUSY: usize = 1 << 18;

/// The sources of one place along an axis: the nearer to the start, the other, and the other's weight.
#[derive(CubeType)]
struct Tap {
    low: usize,
    high: usize,
    weight: f32,
}

/// Place `at` of `to` lies at `(at + 1/2) * from / to - 1/2`, not before 0.
#[cube]
fn tap(at: usize, from: usize, to: usize) -> Tap {
    let place = (2 * at + 1) * from;
    let place = select(place > to, place, to) - to;
    let low = min(place / (2 * to), from - 1);
    Tap { low, high: min(low + 1, from - 1), weight: f32::cast_from(place - low * 2 * to) / f32::cast_from(2 * to) }
}

/// The weight that place `at` of `to` gives to source `i`.
#[cube]
fn share(at: usize, i: usize, from: usize, to: usize) -> f32 {
    let tap = tap(at, from, to);
    select(tap.low == i, 1.0 - tap.weight, 0.0) + select(tap.high == i, tap.weight, 0.0)
}

/// Before every place that source `i` gives to.
#[cube]
fn begin(i: usize, from: usize, to: usize) -> usize {
    let place = (2 * i + 1) * to;
    let place = select(place > 2 * to, place, 2 * to) - 2 * to;
    let place = place / (2 * from);
    select(place > 0, place, 1) - 1
}

/// Past every place that source `i` gives to.
#[cube]
fn end(i: usize, from: usize, to: usize) -> usize {
    select(i + 1 == from, to, min(((2 * i + 3) * to) / (2 * from) + 1, to))
}

/// `x [rows, from]` to `y [rows, to]`, a thread for a place of `per_thread` rows: what is the place's is found once for all of them.
#[cube(launch_unchecked, address_type = "dynamic")]
fn resize_trilinear<E: Float>(
    x: &[E],
    y: &mut [E],
    from: GpuExtent,
    to: GpuExtent,
    rows: usize,
    per_thread: usize,
    count: usize,
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let w = tap(ABSOLUTE_POS % to.w, from.w, to.w);
    let rest = ABSOLUTE_POS / to.w;
    let h = tap(rest % to.h, from.h, to.h);
    let rest = rest / to.h;
    let d = tap(rest % to.d, from.d, to.d);
    let mut row = (rest / to.d) * per_thread;
    let end = min(row + per_thread, rows);
    let near = d.low * from.h * from.w;
    let far = d.high * from.h * from.w;
    let (upper, lower) = (h.low * from.w, h.high * from.w);
    let place = ABSOLUTE_POS % (to.d * to.h * to.w);
    while row < end {
        let base = row * from.d * from.h * from.w;
        let mut value = 0.0f32;
        #[unroll]
        for i in 0..4 {
            let (plane, weight_d) = if comptime!(i / 2 == 1) { (far, d.weight) } else { (near, 1.0 - d.weight) };
            let (line, weight_h) = if comptime!(i % 2 == 1) { (lower, h.weight) } else { (upper, 1.0 - h.weight) };
            let line = base + plane + line;
            let left = f32::cast_from(x[line + w.low]);
            let right = f32::cast_from(x[line + w.high]);
            value += weight_d * weight_h * (left * (1.0 - w.weight) + right * w.weight);
        }
        y[row * (to.d * to.h * to.w) + place] = E::cast_from(value);
        row += 1;
    }
}

/// Along one axis: `g [outer, to, inner]` to `x [outer, from, inner]`, a thread for each value.
#[cube(launch_unchecked, address_type = "dynamic")]
fn resize_grad<E: Float, F: Float>(
    g: &[E],
    x: &mut [F],
    from: usize,
    to: usize,
    inner: usize,
    count: usize,
    #[define(E)] _given: ElemType,
    #[define(F)] _made: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let rest = ABSOLUTE_POS / inner;
    let at = rest % from;
    let start = (rest / from) * to * inner + ABSOLUTE_POS % inner;
    let mut value = 0.0f32;
    for place in begin(at, from, to)..end(at, from, to) {
        value += share(place, at, from, to) * f32::cast_from(g[start + place * inner]);
    }
    x[ABSOLUTE_POS] = F::cast_from(value);
}

/// `x [N, C, D, H, W]` to `[N, C, to]`.
pub fn forward(x: CubeTensor, to: [usize; 3]) -> CubeTensor {
    let x = ordered(x);
    let [n, c, from @ ..] = dims(&x);
    let y = empty(&x, [n, c, to[0], to[1], to[2]], x.dtype);
    let (rows, space) = (n * c, to.iter().product::<usize>());
    let per_thread = (rows * space / BUSY).clamp(1, MOST).min(rows);
    let count = rows.div_ceil(per_thread) * space;
    let (grid, block) = units(&x, count);
    let client = x.client.clone();
    // SAFETY: sources lie inside the volume; a thread writes its own places.
    unsafe {
        resize_trilinear::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x, &y]),
            x.into_buffer_arg(),
            y.clone().into_buffer_arg(),
            extent(from),
            extent(to),
            rows,
            per_thread,
            count,
            element(&y),
        );
    }
    y
}

/// The gradient of an input of extent `from`, one axis after the other.
pub fn gradient(g: CubeTensor, from: [usize; 3]) -> CubeTensor {
    let dtype = g.dtype;
    let [n, c, mut size @ ..] = dims(&g);
    let mut g = ordered(g);
    let changed: Vec<usize> = (0..3).filter(|axis| size[*axis] != from[*axis]).collect();
    for (at, &axis) in changed.iter().enumerate() {
        let to = std::mem::replace(&mut size[axis], from[axis]);
        // Sums on the way are `f32`.
        let made = if at + 1 == changed.len() { dtype } else { DType::F32 };
        let x = empty(&g, [n, c, size[0], size[1], size[2]], made);
        let count = n * c * size.iter().product::<usize>();
        let (grid, block) = units(&g, count);
        let client = g.client.clone();
        let kinds = (element(&g), element(&x));
        // SAFETY: as in `forward`.
        unsafe {
            resize_grad::launch_unchecked(
                &client,
                grid,
                block,
                addresses(&[&g, &x]),
                g.into_buffer_arg(),
                x.clone().into_buffer_arg(),
                from[axis],
                to,
                size[axis + 1..].iter().product::<usize>(),
                count,
                kinds.0,
                kinds.1,
            );
        }
        g = x;
    }
    g
}
