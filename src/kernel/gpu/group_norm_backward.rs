//! The gradients of group normalisation, from sums over each channel.

use super::group_norm::{ChannelBlocks, PART, is_one, piece, rows};
use super::launch::{UNITS, addresses, blocks, dims, element, empty, ordered, over, over_block, units};
use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// A block's part of two sums over each channel: of the gradient, and of the gradient times the normalised input.
#[cube(launch_unchecked, address_type = "dynamic")]
fn products<E: Float>(
    x: &[E],
    g: &[E],
    statistics: &[f32],
    parts: &mut [f32],
    space: usize,
    per_channel: usize,
    per_group: usize,
    rows: usize,
    #[define(E)] _element: ElemType,
) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    if CUBE_POS >= rows * per_channel {
        terminate!();
    }
    let channel = CUBE_POS / per_channel;
    let number = CUBE_POS % per_channel;
    let row = channel / per_group;
    let mean = statistics[2 * row];
    let end = min((number + 1) * PART, space);
    let mut plain = 0.0f32;
    let mut product = 0.0f32;
    let mut at = number * PART + UNIT_POS as usize;
    while at < end {
        let grad = f32::cast_from(g[channel * space + at]);
        plain += grad;
        product += grad * (f32::cast_from(x[channel * space + at]) - mean);
        at += UNITS;
    }
    let plain = over_block(&mut shared, plain);
    let product = over_block(&mut shared, product) * statistics[2 * row + 1];
    if UNIT_POS == 0 {
        parts[2 * CUBE_POS] = plain;
        parts[2 * CUBE_POS + 1] = product;
    }
}

/// Adds up `parts [rows, count, 2]` to `sums [rows, 2]`: one block for each.
#[cube(launch_unchecked, address_type = "dynamic")]
fn added(parts: &[f32], sums: &mut [f32], count: usize, rows: usize) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    if CUBE_POS >= 2 * rows {
        terminate!();
    }
    let row = CUBE_POS / 2;
    let mut sum = 0.0f32;
    let mut part = UNIT_POS as usize;
    while part < count {
        sum += parts[2 * (row * count + part) + CUBE_POS % 2];
        part += UNITS;
    }
    let total = over_block(&mut shared, sum);
    if UNIT_POS == 0 {
        sums[CUBE_POS] = total;
    }
}

/// The gradients of weight and bias: the sums of all samples. A thread for each channel.
#[cube(launch_unchecked, address_type = "dynamic")]
fn over_samples<E: Float>(
    sums: &[f32],
    weight: &mut [E],
    bias: &mut [E],
    samples: usize,
    channels: usize,
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= channels {
        terminate!();
    }
    let mut plain = 0.0f32;
    let mut product = 0.0f32;
    for sample in 0..samples {
        plain += sums[2 * (sample * channels + ABSOLUTE_POS)];
        product += sums[2 * (sample * channels + ABSOLUTE_POS) + 1];
    }
    weight[ABSOLUTE_POS] = E::cast_from(product);
    bias[ABSOLUTE_POS] = E::cast_from(plain);
}

/// For every group of every sample the means of the weighted gradient, and of that times the normalised input.
#[cube(launch_unchecked, address_type = "dynamic")]
fn means<E: Float>(
    sums: &[f32],
    weight: &[E],
    means: &mut [f32],
    rows: usize,
    groups: usize,
    per_group: usize,
    len: usize,
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= rows {
        terminate!();
    }
    let first = (ABSOLUTE_POS % groups) * per_group;
    let mut plain = 0.0f32;
    let mut product = 0.0f32;
    for c in 0..per_group {
        let factor = f32::cast_from(weight[first + c]);
        plain += factor * sums[2 * (ABSOLUTE_POS * per_group + c)];
        product += factor * sums[2 * (ABSOLUTE_POS * per_group + c) + 1];
    }
    means[2 * ABSOLUTE_POS] = plain / f32::cast_from(len);
    means[2 * ABSOLUTE_POS + 1] = product / f32::cast_from(len);
}

/// With g the weighted gradient and x^ the normalised input: `scale * (g - mean(g) - x^ * mean(g * x^))`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn grad_input_kernel<E: Float>(
    x: &[E],
    g: &[E],
    weight: &[E],
    statistics: &[f32],
    means: &[f32],
    out: &mut [E],
    rows: ChannelBlocks,
    #[define(E)] _element: ElemType,
) {
    if !is_one(&rows) {
        terminate!();
    }
    let piece = piece(&rows);
    let mean = statistics[2 * piece.group];
    let scale = statistics[2 * piece.group + 1];
    let factor = f32::cast_from(weight[piece.c]);
    let plain = means[2 * piece.group];
    let product = means[2 * piece.group + 1];
    let mut at = piece.first;
    while at < piece.end {
        let normal = (f32::cast_from(x[at]) - mean) * scale;
        out[at] = E::cast_from(scale * (f32::cast_from(g[at]) * factor - plain - normal * product));
        at += UNITS;
    }
}

/// For every channel of every sample the sums of the gradient, and of the gradient times the normalised input: `[N, C, 2]`.
pub fn sums(x: CubeTensor, g: CubeTensor, statistics: CubeTensor) -> CubeTensor {
    let (x, g) = (ordered(x), ordered(g));
    let [n, c, d, h, w] = dims(&x);
    let [_, groups, _] = statistics.meta.shape().dims();
    let (rows, space) = (n * c, d * h * w);
    let per_channel = space.div_ceil(PART);
    let parts = empty(&x, [rows, per_channel, 2], DType::F32);
    let out = empty(&x, [n, c, 2], DType::F32);
    let client = x.client.clone();
    let kind = element(&x);
    // SAFETY: a block reads its part and writes its own pair.
    unsafe {
        let (grid, block) = blocks(&x, rows * per_channel);
        let width = addresses(&[&x, &g, &parts]);
        products::launch_unchecked(
            &client,
            grid,
            block,
            width,
            x.into_buffer_arg(),
            g.into_buffer_arg(),
            statistics.into_buffer_arg(),
            parts.clone().into_buffer_arg(),
            space,
            per_channel,
            c / groups,
            rows,
            kind,
        );
        let (grid, block) = blocks(&parts, 2 * rows);
        added::launch_unchecked(&client, grid, block, width, parts.into_buffer_arg(), out.clone().into_buffer_arg(), per_channel, rows);
    }
    out
}

/// The gradients of weight and bias, `[C]` of this type, from [`sums`].
pub fn grad_affine(sums: CubeTensor, dtype: DType) -> (CubeTensor, CubeTensor) {
    let [n, c, _] = sums.meta.shape().dims();
    let (weight, bias) = (empty(&sums, [c], dtype), empty(&sums, [c], dtype));
    let (grid, block) = units(&sums, c);
    let client = sums.client.clone();
    // SAFETY: a thread reads and writes its own channel.
    unsafe {
        over_samples::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&sums]),
            sums.into_buffer_arg(),
            weight.clone().into_buffer_arg(),
            bias.clone().into_buffer_arg(),
            n,
            c,
            element(&weight),
        );
    }
    (weight, bias)
}

/// The gradient of the input, from [`sums`].
pub fn grad_input(x: CubeTensor, g: CubeTensor, weight: CubeTensor, statistics: CubeTensor, sums: CubeTensor) -> CubeTensor {
    let (x, g, weight) = (ordered(x), ordered(g), ordered(weight));
    let [n, c, d, h, w] = dims(&x);
    let [_, groups, _] = statistics.meta.shape().dims();
    let (all, per_group, space) = (n * groups, c / groups, d * h * w);
    let average = empty(&x, [all, 2], DType::F32);
    let (out, place) = over(&[(&g, 1)]);
    let (rows, count) = rows(&x, groups);
    let client = x.client.clone();
    let kind = element(&x);
    // SAFETY: a thread reads and writes its own row, then its own places.
    unsafe {
        let (grid, block) = units(&x, all);
        let width = addresses(&[&x, &g, &out]);
        means::launch_unchecked(
            &client,
            grid,
            block,
            width,
            sums.into_buffer_arg(),
            weight.clone().into_buffer_arg(),
            average.clone().into_buffer_arg(),
            all,
            groups,
            per_group,
            per_group * space,
            kind,
        );
        let (grid, block) = blocks(&x, count);
        grad_input_kernel::launch_unchecked(
            &client,
            grid,
            block,
            width,
            x.into_buffer_arg(),
            g.into_buffer_arg(),
            weight.into_buffer_arg(),
            statistics.into_buffer_arg(),
            average.into_buffer_arg(),
            place,
            rows,
            kind,
        );
    }
    out
}
