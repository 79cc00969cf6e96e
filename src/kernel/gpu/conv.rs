//! Convolution straight from the definition. A thread computes a few neighbours along H for a few channels, so that what it reads
//! serves many sums; the threads of a warp lie along W, so that what they read lies together.

use super::conv_tile::{ConvTile, met, places, spot, started, store};
use super::launch::{GpuExtent, UNITS, addresses, dims, element, empty, extent, ordered, units};
use crate::kernel::conv3d::Geometry;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Adds to the sums what a value at one place of a tile's span along H, and one of the kernel's places along W, gives.
#[cube]
fn gather_value(
    sums: &mut Array<f32>,
    weights: &Array<f32>,
    value: f32,
    #[comptime] at: usize,
    #[comptime] kw: usize,
    #[comptime] geometry: Geometry,
    #[comptime] tile: ConvTile,
) {
    let [_, kh_all, kw_all] = comptime!(geometry.kernel);
    #[unroll]
    for kh in 0..kh_all {
        let v = comptime!(met(at, kh, &geometry));
        if comptime!(v.is_some_and(|v| v < tile.along)) {
            let v = comptime!(v.unwrap_or_default());
            #[unroll]
            for o in 0..comptime!(tile.across) {
                sums[comptime!(o * tile.along + v)] += weights[comptime!((o * kh_all + kh) * kw_all + kw)] * value;
            }
        }
    }
}

/// `x [N, G * ins, from]`, `w [G * outs, ins, kernel]` to `y [N, G * outs, to]`; `len` values of x in all.
#[cube(launch_unchecked, address_type = "dynamic")]
fn conv3d<E: Float>(
    x: &[E],
    w: &[E],
    bias: &[E],
    y: &mut [E],
    from: GpuExtent,
    to: GpuExtent,
    groups: usize,
    ins: usize,
    outs: usize,
    count: usize,
    len: usize,
    #[comptime] geometry: Geometry,
    #[comptime] tile: ConvTile,
    #[comptime] biased: bool,
    #[define(E)] _element: ElemType,
) {
    let ConvTile { along, across, parts } = comptime!(tile);
    let [kd_all, kh_all, kw_all] = comptime!(geometry.kernel);
    let step = comptime!(geometry.stride[1]);
    let span = comptime!((along - 1) * step + (kh_all - 1) * geometry.dilation[1] + 1);
    let reach = comptime!((kw_all - 1) * geometry.dilation[2] + 1);

    // The parts of a block are its first, second ... threads, which lie along W.
    let lanes = comptime!(UNITS / parts);
    let mut number = ABSOLUTE_POS;
    let mut part = 0usize;
    if comptime!(parts > 1) {
        number = CUBE_POS * lanes + UNIT_POS as usize % lanes;
        part = UNIT_POS as usize / lanes;
    }
    let there = number < count;
    let spot = spot(min(number, count - 1), &to, outs, groups, tile);
    let (ow, oh, od) = (spot.w, spot.tile * along, spot.d);
    let (first, group, sample) = (spot.channel, spot.group, spot.sample);
    let ih = (oh * step) as i32 - comptime!(geometry.padding[1] as i32);
    let iw = (ow * comptime!(geometry.stride[2])) as i32 - comptime!(geometry.padding[2] as i32);

    let mut sums = started::<E>(bias, group, first, outs, part, tile, biased);
    let rows = places(ih, span, 1usize, from.h, from.w);
    let columns = places(iw, kw_all, comptime!(geometry.dilation[2]), from.w, 1);
    let whole = ih >= 0 && ih + comptime!(span as i32) <= from.h as i32 && len < comptime!(i32::MAX as usize);
    let mut weights = Array::<f32>::new(comptime!(across * kh_all * kw_all));

    let mut c = part;
    while c < ins {
        let volume = (sample * groups + group) * ins + c;
        for kd in 0..kd_all {
            let id =
                (od * comptime!(geometry.stride[0]) + kd * comptime!(geometry.dilation[0])) as i32 - comptime!(geometry.padding[0] as i32);
            if id >= 0 && id < from.d as i32 {
                #[unroll]
                for o in 0..across {
                    let out = group * outs + min(first + o, outs - 1);
                    let start = ((out * ins + c) * kd_all + kd) * comptime!(kh_all * kw_all);
                    let taps = &w[start..start + comptime!(kh_all * kw_all)];
                    #[unroll]
                    for k in 0..comptime!(kh_all * kw_all) {
                        weights[comptime!(o * kh_all * kw_all + k)] = f32::cast_from(taps[k]);
                    }
                }
                let plane = (volume * from.d + id as usize) * from.h * from.w;
                let low = plane as i32 + ih * from.w as i32 + iw;
                // Beside a row lies another row, whose values count for nothing: only the ends of the tensor are beyond it.
                if whole && low >= 0 && low + comptime!(span as i32 - 1) * from.w as i32 + comptime!(reach as i32) <= len as i32 {
                    #[unroll]
                    for s in 0..span {
                        let start = (low + comptime!(s as i32) * from.w as i32) as usize;
                        let row = &x[start..start + reach];
                        #[unroll]
                        for kw in 0..kw_all {
                            let value = f32::cast_from(row[comptime!(kw * geometry.dilation[2])]);
                            let value = select(columns.there[kw], value, 0.0);
                            gather_value(&mut sums, &weights, value, s, kw, geometry, tile);
                        }
                    }
                } else {
                    #[unroll]
                    for s in 0..span {
                        #[unroll]
                        for kw in 0..kw_all {
                            let value = f32::cast_from(x[plane + rows.offset[s] + columns.offset[kw]]);
                            let value = select(rows.there[s] && columns.there[kw], value, 0.0);
                            gather_value(&mut sums, &weights, value, s, kw, geometry, tile);
                        }
                    }
                }
            }
        }
        c += parts;
    }
    if comptime!(parts > 1) {
        let mut shared = Shared::<[f32]>::new_slice(UNITS);
        #[unroll]
        for i in 0..comptime!(along * across) {
            sync_cube();
            shared[UNIT_POS as usize] = sums[i];
            sync_cube();
            let mut total = 0.0f32;
            #[unroll]
            for p in 0..parts {
                total += shared[comptime!(p * lanes) + UNIT_POS as usize % lanes];
            }
            sums[i] = total;
        }
    }
    if there && part == 0 {
        store::<E>(y, &sums, &spot, &to, groups, outs, tile);
    }
}

/// `x [N, C, D, H, W]`, `w [O, C / groups, kernel]`, `bias [O]`.
pub fn forward(x: CubeTensor, w: CubeTensor, bias: Option<CubeTensor>, geometry: Geometry, groups: usize) -> CubeTensor {
    let (x, w) = (ordered(x), ordered(w));
    let [n, _, from @ ..] = dims(&x);
    let [o, ins, ..] = dims(&w);
    let to = geometry.output(from);
    let y = empty(&x, [n, o, to[0], to[1], to[2]], x.dtype);
    let tile = ConvTile::of_outputs(&geometry, groups, ins, dims(&y));
    let count = tile.threads(groups, dims(&y));
    let (grid, block) = units(&x, count.next_multiple_of(UNITS / tile.parts) * tile.parts);
    let client = x.client.clone();
    let biased = bias.is_some();
    let bias = bias.map_or_else(|| w.clone(), ordered);
    let len = x.meta.shape().num_elements();
    // SAFETY: indices are clamped to the volumes, or seen to lie in the tensor; a thread writes outputs of its own.
    unsafe {
        conv3d::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x, &w, &y]),
            x.into_buffer_arg(),
            w.into_buffer_arg(),
            bias.into_buffer_arg(),
            y.clone().into_buffer_arg(),
            extent(from),
            extent(to),
            groups,
            ins,
            o / groups,
            count,
            len,
            geometry,
            tile,
            biased,
            element(&y),
        );
    }
    y
}
