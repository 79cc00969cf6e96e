//! Optimiser steps, moving averages and gradient accumulation, in place.

use super::launch::{UNITS, addresses, blocks, ordered, over_block, units};
use crate::kernel::update::{FIRST, GO, RATE, SCALE, SECOND, UpdateRule};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

#[cube(launch_unchecked, address_type = "dynamic")]
fn adam(
    weight: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    control: &[f32],
    count: usize,
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
    decay: f32,
) {
    let at = ABSOLUTE_POS;
    if at >= count || control[GO] == 0.0f32 {
        terminate!();
    }
    let rate = control[RATE];
    let g = gradient[at] * control[SCALE];
    let m = first[at] * beta_1 + g * (1.0f32 - beta_1);
    let v = second[at] * beta_2 + g * g * (1.0f32 - beta_2);
    first[at] = m;
    second[at] = v;
    let course = m * control[FIRST] / ((v * control[SECOND]).sqrt() + epsilon);
    weight[at] = weight[at] * (1.0f32 - rate * decay) - rate * course;
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn momentum(
    weight: &mut [f32],
    gradient: &[f32],
    velocity: &mut [f32],
    control: &[f32],
    count: usize,
    keep: f32,
    decay: f32,
    #[comptime] nesterov: bool,
) {
    let at = ABSOLUTE_POS;
    if at >= count || control[GO] == 0.0f32 {
        terminate!();
    }
    let g = gradient[at] * control[SCALE] + weight[at] * decay;
    let v = velocity[at] * keep + g;
    velocity[at] = v;
    let mut course = v;
    if nesterov {
        course = g + v * keep;
    }
    weight[at] -= control[RATE] * course;
}

/// See [`crate::kernel::update::update`]: `weight` and `moments` are in order and written over.
pub fn step(weight: CubeTensor, gradient: CubeTensor, moments: [CubeTensor; 2], control: CubeTensor, rule: UpdateRule) -> CubeTensor {
    let gradient = ordered(gradient);
    let count = weight.meta.shape().num_elements();
    let (grid, block) = units(&weight, count);
    let client = weight.client.clone();
    let width = addresses(&[&weight]);
    let out = weight.clone();
    let [first, second] = moments;
    // SAFETY: all but the numbers of the step are of the weight's length, and a thread has one place in each.
    unsafe {
        match rule {
            UpdateRule::Adam { betas: [b, d], epsilon, decay } => adam::launch_unchecked(
                &client,
                grid,
                block,
                width,
                weight.into_buffer_arg(),
                gradient.into_buffer_arg(),
                first.into_buffer_arg(),
                second.into_buffer_arg(),
                control.into_buffer_arg(),
                count,
                b,
                d,
                epsilon,
                decay,
            ),
            UpdateRule::Momentum { momentum: keep, nesterov, decay } => momentum::launch_unchecked(
                &client,
                grid,
                block,
                width,
                weight.into_buffer_arg(),
                gradient.into_buffer_arg(),
                first.into_buffer_arg(),
                control.into_buffer_arg(),
                count,
                keep,
                decay,
                nesterov,
            ),
        }
    }
    out
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn mean(into: &mut [f32], weight: &[f32], keep: &[f32], count: usize) {
    if ABSOLUTE_POS < count {
        into[ABSOLUTE_POS] = into[ABSOLUTE_POS] * keep[0] + weight[ABSOLUTE_POS] * (1.0f32 - keep[0]);
    }
}

/// See [`crate::kernel::update::blend`]: `into` is in order and written over.
pub fn blend(into: CubeTensor, weight: CubeTensor, keep: CubeTensor) -> CubeTensor {
    let (weight, keep) = (ordered(weight), ordered(keep));
    let count = into.meta.shape().num_elements();
    let (grid, block) = units(&into, count);
    let client = into.client.clone();
    let out = into.clone();
    // SAFETY: both have `count` values.
    unsafe {
        mean::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&into]),
            into.into_buffer_arg(),
            weight.into_buffer_arg(),
            keep.into_buffer_arg(),
            count,
        );
    }
    out
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn sum(into: &mut [f32], gradient: &[f32], mode: &[f32], count: usize) {
    let at = ABSOLUTE_POS;
    if at >= count || mode[0] < 0.0f32 {
        terminate!();
    }
    let mut value = gradient[at];
    if mode[0] == 0.0f32 {
        value += into[at];
    }
    into[at] = value;
}

/// See [`crate::kernel::update::accumulate`]: `into` is in order and written over.
pub fn accumulate(into: CubeTensor, gradient: CubeTensor, mode: CubeTensor) -> CubeTensor {
    let (gradient, mode) = (ordered(gradient), ordered(mode));
    let count = into.meta.shape().num_elements();
    let (grid, block) = units(&into, count);
    let client = into.client.clone();
    let out = into.clone();
    // SAFETY: both have `count` values.
    unsafe {
        sum::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&into]),
            into.into_buffer_arg(),
            gradient.into_buffer_arg(),
            mode.into_buffer_arg(),
            count,
        );
    }
    out
}

/// Numbers whose squares a block adds up.
const PART: usize = 64 * UNITS;

/// The numbers that [`squares_into`] writes for so many.
pub fn slots(count: usize) -> usize {
    count.div_ceil(PART)
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn square_sums(x: &[f32], into: &mut [f32], from: usize, count: usize, parts: usize) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    if CUBE_POS >= parts {
        terminate!();
    }
    let end = min((CUBE_POS + 1) * PART, count);
    let mut sum = 0.0f32;
    let mut at = CUBE_POS * PART + UNIT_POS as usize;
    while at < end {
        sum += x[at] * x[at];
        at += UNITS;
    }
    let total = over_block(&mut shared, sum);
    if UNIT_POS == 0 {
        into[from + CUBE_POS] = total;
    }
}

/// Writes the sums of the squares of parts of `x` into `into [S]`, [`slots`] numbers from `from` on.
pub fn squares_into(x: CubeTensor, into: CubeTensor, from: usize) -> CubeTensor {
    let x = ordered(x);
    let count = x.meta.shape().num_elements();
    let (grid, block) = blocks(&x, slots(count));
    let client = x.client.clone();
    let out = into.clone();
    // SAFETY: a block reads its part and writes its own number.
    unsafe {
        square_sums::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x, &into]),
            x.into_buffer_arg(),
            into.into_buffer_arg(),
            from,
            count,
            slots(count),
        );
    }
    out
}
