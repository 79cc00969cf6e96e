//! The gradient of a convolution's weights: blocks sum over parts of the volume, and the parts are added up.

use super::conv_tile::{met, places};
use super::launch::{GpuExtent, UNITS, addresses, blocks, dims, element, empty, extent, fold, ordered};
use crate::kernel::conv3d::Geometry;
use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// What a thread sums up: for `across` outputs and `deep` inputs, over `along` neighbours along H at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct WeightTile {
    along: usize,
    across: usize,
    deep: usize,
}

/// Sums that a block adds up at a time.
const CHUNK: usize = 8;
/// Threads for each of them.
const LANES: usize = UNITS / CHUNK;

/// A block's part of the weight gradient: for one plane of the kernel, over `part` tiles of places.
/// `x [N, G * ins, from]`, `g [N, G * outs, to]` to `parts [parts, G * outs, ins, kernel]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn conv3d_grad_weight<E: Float>(
    x: &[E],
    g: &[E],
    parts: &mut [f32],
    from: GpuExtent,
    to: GpuExtent,
    samples: usize,
    groups: usize,
    ins: usize,
    outs: usize,
    part: usize,
    count: usize,
    #[comptime] geometry: Geometry,
    #[comptime] tile: WeightTile,
    #[define(E)] _element: ElemType,
) {
    if CUBE_POS >= count {
        terminate!();
    }
    let WeightTile { along, across, deep } = comptime!(tile);
    let [kd_all, kh_all, kw_all] = comptime!(geometry.kernel);
    let plane = comptime!(kh_all * kw_all);
    let step = comptime!(geometry.stride[1]);
    let span = comptime!((along - 1) * step + (kh_all - 1) * geometry.dilation[1] + 1);

    let kd = CUBE_POS % kd_all;
    let rest = CUBE_POS / kd_all;
    let tiles_in = ins.div_ceil(deep);
    let first_in = (rest % tiles_in) * deep;
    let rest = rest / tiles_in;
    let tiles_out = outs.div_ceil(across);
    let first_out = (rest % tiles_out) * across;
    let rest = rest / tiles_out;
    let group = rest % groups;
    let number = rest / groups;

    let mut sums = Array::<f32>::new(comptime!(plane * across * deep));
    #[unroll]
    for i in 0..comptime!(plane * across * deep) {
        sums[i] = 0.0;
    }
    let mut grads = Array::<f32>::new(comptime!(across * along));
    let tiles_h = to.h.div_ceil(along);
    let end = min((number + 1) * part, samples * to.d * tiles_h * to.w);
    let mut at = number * part + UNIT_POS as usize;
    while at < end {
        let ow = at % to.w;
        let rest = at / to.w;
        let oh = (rest % tiles_h) * along;
        let rest = rest / tiles_h;
        let od = rest % to.d;
        let sample = rest / to.d;
        let id = (od * comptime!(geometry.stride[0]) + kd * comptime!(geometry.dilation[0])) as i32 - comptime!(geometry.padding[0] as i32);
        if id >= 0 && id < from.d as i32 {
            #[unroll]
            for o in 0..across {
                let out = (sample * groups + group) * outs + min(first_out + o, outs - 1);
                let row = (out * to.d + od) * to.h;
                #[unroll]
                for v in 0..along {
                    let value = f32::cast_from(g[(row + min(oh + v, to.h - 1)) * to.w + ow]);
                    grads[comptime!(o * along + v)] = select(oh + v < to.h, value, 0.0);
                }
            }
            let rows = places((oh * step) as i32 - comptime!(geometry.padding[1] as i32), span, 1usize, from.h, from.w);
            let left = (ow * comptime!(geometry.stride[2])) as i32 - comptime!(geometry.padding[2] as i32);
            let columns = places(left, kw_all, comptime!(geometry.dilation[2]), from.w, 1);
            #[unroll]
            for i in 0..deep {
                let volume = (sample * groups + group) * ins + min(first_in + i, ins - 1);
                let start = (volume * from.d + id as usize) * from.h * from.w;
                #[unroll]
                for s in 0..span {
                    #[unroll]
                    for kw in 0..kw_all {
                        let value = f32::cast_from(x[start + rows.offset[s] + columns.offset[kw]]);
                        let value = select(rows.there[s] && columns.there[kw], value, 0.0);
                        add_value(&mut sums, &grads, value, s, kw, i, geometry, tile);
                    }
                }
            }
        }
        at += UNITS;
    }

    let mut shared = Shared::<[f32]>::new_slice(comptime!(CHUNK * UNITS));
    let me = UNIT_POS as usize;
    let lane = me % comptime!(LANES);
    let row = me / comptime!(LANES);
    let own = row * comptime!(UNITS) + lane;
    #[unroll]
    for chunk in 0..comptime!((plane * across * deep).div_ceil(CHUNK)) {
        sync_cube();
        #[unroll]
        for i in 0..CHUNK {
            if comptime!(chunk * CHUNK + i < plane * across * deep) {
                shared[comptime!(i * UNITS) + me] = sums[comptime!(chunk * CHUNK + i)];
            }
        }
        sync_cube();
        let mut total = 0.0f32;
        #[unroll]
        for j in 0..comptime!(UNITS / LANES) {
            total += shared[own + comptime!(j * LANES)];
        }
        // Nobody else reads where this thread has read.
        shared[own] = total;
        sync_cube();
        let mut half = comptime!(LANES / 2).runtime();
        while half > 0 {
            if lane < half {
                let other = shared[own + half];
                shared[own] += other;
            }
            half /= 2;
            sync_cube();
        }
        let index = comptime!(chunk * CHUNK) + row;
        let o = first_out + index % across;
        let k = (index / across) % plane;
        let i = first_in + index / comptime!(across * plane);
        if lane == 0 && index < comptime!(plane * across * deep) && o < outs && i < ins {
            let out = (number * groups + group) * outs + o;
            parts[((out * ins + i) * kd_all + kd) * plane + k] = shared[own];
        }
    }
}

/// Adds to the sums what a value at one place of a tile's span along H, and one of the kernel's places along W, gives.
#[cube]
fn add_value(
    sums: &mut Array<f32>,
    grads: &Array<f32>,
    value: f32,
    #[comptime] at: usize,
    #[comptime] kw: usize,
    #[comptime] input: usize,
    #[comptime] geometry: Geometry,
    #[comptime] tile: WeightTile,
) {
    let [_, kh_all, kw_all] = comptime!(geometry.kernel);
    #[unroll]
    for kh in 0..kh_all {
        let v = comptime!(met(at, kh, &geometry));
        if comptime!(v.is_some_and(|v| v < tile.along)) {
            let v = comptime!(v.unwrap_or_default());
            #[unroll]
            for o in 0..comptime!(tile.across) {
                let sum = comptime!(((input * kh_all + kh) * kw_all + kw) * tile.across + o);
                sums[sum] += value * grads[comptime!(o * tile.along + v)];
            }
        }
    }
}

/// Blocks that keep a large device busy.
const BLOCKS: usize = 2048;
/// Fewest tiles of a block's part: below, adding up the parts costs more than it brings.
const FEWEST: usize = 2 * UNITS;
/// Most sums of a thread, and most values along H that it reads for them.
const SUMS: usize = 40;
const SPAN: usize = 12;
/// Tiles of places that keep a large device busy.
const BUSY: usize = 1 << 17;

impl WeightTile {
    /// For so many inputs and outputs of a group, and so many places of all groups along H and beside it.
    fn new(geometry: &Geometry, ins: usize, outs: usize, high: usize, beside: usize) -> Self {
        let [_, kh, kw] = geometry.kernel;
        let fits = |n: usize, of: usize| of.is_multiple_of(n) || of > 2 * n;
        let across = [8, 4, 2].into_iter().find(|n| fits(*n, outs) && n * kh * kw <= SUMS).unwrap_or(1);
        let deep = [4, 2].into_iter().find(|n| fits(*n, ins) && n * across * kh * kw <= SUMS).unwrap_or(1);
        let span = |n: usize| (n - 1) * geometry.stride[1] + (kh - 1) * geometry.dilation[1] + 1;
        let enough = |n: usize| high.div_ceil(n) * beside >= BUSY;
        let along = [4, 2].into_iter().find(|n| span(*n) <= SPAN && n * across <= SUMS && enough(*n)).unwrap_or(1);
        Self { along, across, deep }
    }
}

/// The gradient of the weights, for `x [N, C, D, H, W]`, `g [N, O, ...]`.
pub fn gradient(x: CubeTensor, g: CubeTensor, geometry: Geometry, groups: usize) -> CubeTensor {
    let (x, g) = (ordered(x), ordered(g));
    let [n, c, from @ ..] = dims(&x);
    let [_, o, to @ ..] = dims(&g);
    let (ins, outs) = (c / groups, o / groups);
    let [kd, kh, kw] = geometry.kernel;
    let tile = WeightTile::new(&geometry, ins, outs, to[1], n * groups * to[0] * to[2]);
    let columns = groups * outs.div_ceil(tile.across) * ins.div_ceil(tile.deep) * kd;
    let tiles = n * to[0] * to[1].div_ceil(tile.along) * to[2];
    let parts = BLOCKS.div_ceil(columns).min(tiles.div_ceil(FEWEST)).max(1);
    let part = tiles.div_ceil(parts);
    let sums = empty(&x, [parts, o, ins, kd, kh * kw], DType::F32);
    let count = columns * parts;
    let (grid, block) = blocks(&x, count);
    let client = x.client.clone();
    let (dtype, kind) = (x.dtype, element(&x));
    // SAFETY: as in `forward`; every block writes the sums of its outputs, inputs, plane and part.
    unsafe {
        conv3d_grad_weight::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x, &g, &sums]),
            x.into_buffer_arg(),
            g.into_buffer_arg(),
            sums.clone().into_buffer_arg(),
            extent(from),
            extent(to),
            n,
            groups,
            ins,
            outs,
            part,
            count,
            geometry,
            tile,
            kind,
        );
    }
    fold(sums, parts, (1.0, 1), [o, ins, kd, kh, kw], dtype)
}
