//! Group normalisation: blocks sum over parts of the volume, in two passes over what they have just read (mean, then squares
//! about it); the parts are put together with their means (Chan's formula), so nothing cancels.

use super::launch::{UNITS, addresses, blocks, dims, element, empty, ordered, over, over_block};
use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Values of a block's part where it sums.
pub const PART: usize = 64 * UNITS;

/// Values of a channel that a block computes where each has a result of its own: what is the channel's is found once for all of them.
pub const PIECE: usize = 8 * UNITS;

/// Mean and squares about it of a block's part: `x [rows, len]` to `parts [rows, parts, 2]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn moments<E: Float>(x: &[E], parts: &mut [f32], len: usize, per_row: usize, rows: usize, #[define(E)] _element: ElemType) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    if CUBE_POS >= rows * per_row {
        terminate!();
    }
    let row = CUBE_POS / per_row;
    let first = (CUBE_POS % per_row) * PART;
    let end = min(first + PART, len);
    let mut sum = 0.0f32;
    let mut at = first + UNIT_POS as usize;
    while at < end {
        sum += f32::cast_from(x[row * len + at]);
        at += UNITS;
    }
    let mean = over_block(&mut shared, sum) / f32::cast_from(end - first);
    let mut squares = 0.0f32;
    let mut at = first + UNIT_POS as usize;
    while at < end {
        let off = f32::cast_from(x[row * len + at]) - mean;
        squares += off * off;
        at += UNITS;
    }
    let squares = over_block(&mut shared, squares);
    if UNIT_POS == 0 {
        parts[2 * CUBE_POS] = mean;
        parts[2 * CUBE_POS + 1] = squares;
    }
}

/// Mean and reciprocal deviation of every row from its parts: one block each.
#[cube(launch_unchecked, address_type = "dynamic")]
fn together(parts: &[f32], statistics: &mut [f32], len: usize, per_row: usize, rows: usize, eps: f32) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    if CUBE_POS >= rows {
        terminate!();
    }
    let base = CUBE_POS * per_row;
    let mut sum = 0.0f32;
    let mut part = UNIT_POS as usize;
    while part < per_row {
        sum += parts[2 * (base + part)] * f32::cast_from(min(PART, len - part * PART));
        part += UNITS;
    }
    let mean = over_block(&mut shared, sum) / f32::cast_from(len);
    let mut squares = 0.0f32;
    let mut part = UNIT_POS as usize;
    while part < per_row {
        let off = parts[2 * (base + part)] - mean;
        squares += parts[2 * (base + part) + 1] + off * off * f32::cast_from(min(PART, len - part * PART));
        part += UNITS;
    }
    let squares = over_block(&mut shared, squares);
    if UNIT_POS == 0 {
        statistics[2 * CUBE_POS] = mean;
        statistics[2 * CUBE_POS + 1] = 1.0 / f32::sqrt(squares / f32::cast_from(len) + eps);
    }
}

/// How a volume `[N, C, space]` lies before a kernel whose blocks each take a [`PIECE`] of a channel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct ChannelBlocks {
    /// Voxels of a channel, and blocks for it.
    space: usize,
    per_channel: usize,
    /// Channels of a sample and of a group, and of all samples.
    channels: usize,
    per_group: usize,
    count: usize,
}

/// Those of a tensor, as a kernel takes them, and the number of blocks.
pub fn rows(x: &CubeTensor, groups: usize) -> (ChannelBlocksLaunch, usize) {
    let [n, c, d, h, w] = dims(x);
    let (space, count) = (d * h * w, n * c);
    let per_channel = space.div_ceil(PIECE);
    (ChannelBlocksLaunch::new(space, per_channel, c, c / groups, count), count * per_channel)
}

/// A block's piece of a channel.
#[derive(CubeType, Clone, Copy)]
pub struct BlockPiece {
    /// The channel within its sample, and its group among those of all samples.
    pub c: usize,
    pub group: usize,
    /// The first place of this thread, and the end of the piece.
    pub first: usize,
    pub end: usize,
}

/// The piece of this block; the block is one of `rows.count * rows.per_channel`.
#[cube]
pub fn piece(rows: &ChannelBlocks) -> BlockPiece {
    let channel = CUBE_POS / rows.per_channel;
    let from = (CUBE_POS % rows.per_channel) * PIECE;
    BlockPiece {
        c: channel % rows.channels,
        group: channel / rows.per_group,
        first: channel * rows.space + from + UNIT_POS as usize,
        end: channel * rows.space + min(from + PIECE, rows.space),
    }
}

/// Whether there is a piece for this block.
#[cube]
pub fn is_one(rows: &ChannelBlocks) -> bool {
    CUBE_POS < rows.count * rows.per_channel
}

/// What norm, weight and bias are for a channel: `(x - mean) * factor + shift`.
#[derive(CubeType, Clone, Copy)]
struct ChannelAffine {
    mean: f32,
    factor: f32,
    shift: f32,
}

#[cube]
fn channel_affine<E: Float>(statistics: &[f32], weight: &[E], bias: &[E], piece: &BlockPiece) -> ChannelAffine {
    ChannelAffine {
        mean: statistics[2 * piece.group],
        factor: statistics[2 * piece.group + 1] * f32::cast_from(weight[piece.c]),
        shift: f32::cast_from(bias[piece.c]),
    }
}

#[cube]
fn affine_at(channel_affine: &ChannelAffine, x: f32) -> f32 {
    (x - channel_affine.mean) * channel_affine.factor + channel_affine.shift
}

/// The logistic function.
#[cube]
pub fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + f32::exp(-x))
}

/// The normalised input times weight plus bias, and SiLU of that.
#[cube(launch_unchecked, address_type = "dynamic")]
fn normalise<E: Float>(
    x: &[E],
    statistics: &[f32],
    weight: &[E],
    bias: &[E],
    y: &mut [E],
    rows: ChannelBlocks,
    #[comptime] silu: bool,
    #[define(E)] _element: ElemType,
) {
    if !is_one(&rows) {
        terminate!();
    }
    let piece = piece(&rows);
    let channel_affine = channel_affine::<E>(statistics, weight, bias, &piece);
    let mut at = piece.first;
    while at < piece.end {
        let value = affine_at(&channel_affine, f32::cast_from(x[at]));
        if silu {
            y[at] = E::cast_from(value * logistic(value));
        } else {
            y[at] = E::cast_from(value);
        }
        at += UNITS;
    }
}

/// The gradient before SiLU, of the normalised input times weight plus bias.
#[cube(launch_unchecked, address_type = "dynamic")]
fn silu_grad<E: Float>(
    x: &[E],
    g: &[E],
    statistics: &[f32],
    weight: &[E],
    bias: &[E],
    out: &mut [E],
    rows: ChannelBlocks,
    #[define(E)] _element: ElemType,
) {
    if !is_one(&rows) {
        terminate!();
    }
    let piece = piece(&rows);
    let channel_affine = channel_affine::<E>(statistics, weight, bias, &piece);
    let mut at = piece.first;
    while at < piece.end {
        let value = affine_at(&channel_affine, f32::cast_from(x[at]));
        let s = logistic(value);
        out[at] = E::cast_from(f32::cast_from(g[at]) * s * (1.0 + value * (1.0 - s)));
        at += UNITS;
    }
}

/// Mean and reciprocal deviation of every group of every sample: `[N, groups, 2]`.
pub fn statistics(x: CubeTensor, groups: usize, eps: f64) -> CubeTensor {
    let x = ordered(x);
    let [n, c, d, h, w] = dims(&x);
    let (rows, len) = (n * groups, c / groups * d * h * w);
    let per_row = len.div_ceil(PART);
    let parts = empty(&x, [rows, per_row, 2], DType::F32);
    let out = empty(&x, [n, groups, 2], DType::F32);
    let client = x.client.clone();
    let kind = element(&x);
    // SAFETY: a block reads its part and writes its own pair.
    unsafe {
        let (grid, block) = blocks(&x, rows * per_row);
        let width = addresses(&[&x, &parts]);
        moments::launch_unchecked(
            &client,
            grid,
            block,
            width,
            x.into_buffer_arg(),
            parts.clone().into_buffer_arg(),
            len,
            per_row,
            rows,
            kind,
        );
        let (grid, block) = blocks(&parts, rows);
        together::launch_unchecked(
            &client,
            grid,
            block,
            width,
            parts.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            len,
            per_row,
            rows,
            eps as f32,
        );
    }
    out
}

/// The normalised input times `weight` plus `bias`, and SiLU of that.
pub fn apply(x: CubeTensor, statistics: CubeTensor, weight: CubeTensor, bias: CubeTensor, silu: bool) -> CubeTensor {
    let (x, weight, bias) = (ordered(x), ordered(weight), ordered(bias));
    let [_, groups, _] = statistics.meta.shape().dims();
    let (y, place) = over(&[(&x, 0)]);
    let (rows, count) = rows(&x, groups);
    let (grid, block) = blocks(&x, count);
    let client = x.client.clone();
    // SAFETY: a thread reads and writes its own places.
    unsafe {
        normalise::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x, &y]),
            x.into_buffer_arg(),
            statistics.into_buffer_arg(),
            weight.into_buffer_arg(),
            bias.into_buffer_arg(),
            place,
            rows,
            silu,
            element(&y),
        );
    }
    y
}

/// The gradient before SiLU, of what [`apply`] gives without it.
pub fn silu_backward(x: CubeTensor, g: CubeTensor, statistics: CubeTensor, weight: CubeTensor, bias: CubeTensor) -> CubeTensor {
    let (x, g, weight, bias) = (ordered(x), ordered(g), ordered(weight), ordered(bias));
    let [_, groups, _] = statistics.meta.shape().dims();
    let (out, place) = over(&[(&g, 1)]);
    let (rows, count) = rows(&x, groups);
    let (grid, block) = blocks(&x, count);
    let client = x.client.clone();
    // SAFETY: a thread reads and writes its own places.
    unsafe {
        silu_grad::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x, &g, &out]),
            x.into_buffer_arg(),
            g.into_buffer_arg(),
            statistics.into_buffer_arg(),
            weight.into_buffer_arg(),
            bias.into_buffer_arg(),
            place,
            rows,
            element(&out),
        );
    }
    out
}
