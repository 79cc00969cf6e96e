//! Volumes, or their SiLU, each times a channel of one more, added up; and the backward pass, which takes every branch in one pass over memory.

use super::group_norm::logistic;
use super::launch::{addresses, dims, element, empty, ordered, over, units};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Branches that are added up in one pass at most.
pub const BRANCHES: usize = 4;

/// How many of the [`BRANCHES`] tensors that a kernel takes are meant (the others are not read), and of which it is the SiLU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Branches {
    pub count: usize,
    pub silu: [bool; BRANCHES],
}

/// A number of a branch times its factor.
#[cube]
fn product<E: Float>(x: &[E], at: usize, factor: E, #[comptime] silu: bool) -> f32 {
    let value = f32::cast_from(x[at]);
    let factor = f32::cast_from(factor);
    if comptime!(silu) { value * logistic(value) * factor } else { value * factor }
}

/// A number: `x0` to `x3` and `out` are `[N, C, space]`, `by` is `[N, branches, space]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn gate<E: Float>(
    x0: &[E],
    x1: &[E],
    x2: &[E],
    x3: &[E],
    by: &[E],
    out: &mut [E],
    space: usize,
    channels: usize,
    count: usize,
    #[comptime] branches: Branches,
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let at = ABSOLUTE_POS;
    let sample = at / space / channels;
    let first = sample * comptime!(branches.count) * space + at % space;
    let mut sum = product::<E>(x0, at, by[first], comptime!(branches.silu[0]));
    if comptime!(branches.count > 1) {
        sum += product::<E>(x1, at, by[first + space], comptime!(branches.silu[1]));
    }
    if comptime!(branches.count > 2) {
        sum += product::<E>(x2, at, by[first + 2 * space], comptime!(branches.silu[2]));
    }
    if comptime!(branches.count > 3) {
        sum += product::<E>(x3, at, by[first + 3 * space], comptime!(branches.silu[3]));
    }
    out[at] = E::cast_from(sum);
}

/// Writes the gradient of a number of a branch from that of the sum, and gives what it adds to the gradient of its factor.
#[cube]
fn back<E: Float>(x: &[E], by_x: &mut [E], at: usize, factor: E, grad_y: f32, #[comptime] silu: bool) -> f32 {
    let value = f32::cast_from(x[at]);
    let factor = f32::cast_from(factor);
    if comptime!(silu) {
        let share = logistic(value);
        by_x[at] = E::cast_from(grad_y * factor * share * (1.0f32 + value * (1.0f32 - share)));
        value * share * grad_y
    } else {
        by_x[at] = E::cast_from(grad_y * factor);
        value * grad_y
    }
}

/// A voxel, with all of its channels.
#[cube(launch_unchecked, address_type = "dynamic")]
fn gate_grad<E: Float>(
    x0: &[E],
    x1: &[E],
    x2: &[E],
    x3: &[E],
    by: &[E],
    g: &[E],
    by_x0: &mut [E],
    by_x1: &mut [E],
    by_x2: &mut [E],
    by_x3: &mut [E],
    by_by: &mut [E],
    space: usize,
    channels: usize,
    count: usize,
    #[comptime] branches: Branches,
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let sample = ABSOLUTE_POS / space;
    let voxel = ABSOLUTE_POS % space;
    let first = sample * comptime!(branches.count) * space + voxel;
    let mut at = sample * channels * space + voxel;
    let mut sum0 = 0.0f32;
    let mut sum1 = 0.0f32;
    let mut sum2 = 0.0f32;
    let mut sum3 = 0.0f32;
    for _ in 0..channels {
        let grad_y = f32::cast_from(g[at]);
        sum0 += back::<E>(x0, by_x0, at, by[first], grad_y, comptime!(branches.silu[0]));
        if comptime!(branches.count > 1) {
            sum1 += back::<E>(x1, by_x1, at, by[first + space], grad_y, comptime!(branches.silu[1]));
        }
        if comptime!(branches.count > 2) {
            sum2 += back::<E>(x2, by_x2, at, by[first + 2 * space], grad_y, comptime!(branches.silu[2]));
        }
        if comptime!(branches.count > 3) {
            sum3 += back::<E>(x3, by_x3, at, by[first + 3 * space], grad_y, comptime!(branches.silu[3]));
        }
        at += space;
    }
    by_by[first] = E::cast_from(sum0);
    if comptime!(branches.count > 1) {
        by_by[first + space] = E::cast_from(sum1);
    }
    if comptime!(branches.count > 2) {
        by_by[first + 2 * space] = E::cast_from(sum2);
    }
    if comptime!(branches.count > 3) {
        by_by[first + 3 * space] = E::cast_from(sum3);
    }
}

/// The sum over the branches of `x [N, C, D, H, W]`, or its SiLU, times its channel of `by [N, branches, D, H, W]`.
pub fn forward(x: [CubeTensor; BRANCHES], by: CubeTensor, branches: Branches) -> CubeTensor {
    let ([x0, x1, x2, x3], by) = (x.map(ordered), ordered(by));
    let [n, c, d, h, w] = dims(&x0);
    let (out, place) = over(&[(&x0, 0)]);
    let (grid, block) = units(&x0, n * c * d * h * w);
    let client = x0.client.clone();
    let kind = element(&x0);
    // SAFETY: a thread reads one number of every branch, which all have the same shape, and its factors, and writes one number.
    unsafe {
        gate::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x0, &by]),
            x0.into_buffer_arg(),
            x1.into_buffer_arg(),
            x2.into_buffer_arg(),
            x3.into_buffer_arg(),
            by.into_buffer_arg(),
            place,
            d * h * w,
            c,
            n * c * d * h * w,
            branches,
            kind,
        );
    }
    out
}

/// The gradients of the branches and of `by` from that of their sum, each over its branch where nobody else holds that. What stands for a
/// branch that is not meant has one number.
pub fn gradients(x: [CubeTensor; BRANCHES], by: CubeTensor, g: CubeTensor, branches: Branches) -> ([CubeTensor; BRANCHES], CubeTensor) {
    let (x, by, g) = (x.map(ordered), ordered(by), ordered(g));
    let [n, c, d, h, w] = dims(&g);
    let results: [_; BRANCHES] = std::array::from_fn(|k| {
        if k < branches.count {
            return over(&[(&x[k], k)]);
        }
        let none = empty(&g, [1; 5], g.dtype);
        (none.clone(), none.into_buffer_arg())
    });
    let by_x = results.each_ref().map(|(tensor, _)| tensor.clone());
    let [by_x0, by_x1, by_x2, by_x3] = results.map(|(_, place)| place);
    let by_by = empty(&by, dims(&by), by.dtype);
    let (grid, block) = units(&g, n * d * h * w);
    let client = g.client.clone();
    let kind = element(&g);
    let [x0, x1, x2, x3] = x;
    // SAFETY: a thread reads its voxel of every channel and its factors, and writes its own places.
    unsafe {
        gate_grad::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x0, &by]),
            x0.into_buffer_arg(),
            x1.into_buffer_arg(),
            x2.into_buffer_arg(),
            x3.into_buffer_arg(),
            by.into_buffer_arg(),
            g.into_buffer_arg(),
            by_x0,
            by_x1,
            by_x2,
            by_x3,
            by_by.clone().into_buffer_arg(),
            d * h * w,
            c,
            n * d * h * w,
            branches,
            kind,
        );
    }
    (by_x, by_by)
}
