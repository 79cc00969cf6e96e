//! The gradient of a convolution's input, and transposed convolution: at stride 1 a convolution with its kernel flipped, else each
//! thread gathers what reaches its places.

use super::conv::forward;
use super::conv_tile::{ConvTile, offsets, places, spot, started, store};
use super::launch::{GpuExtent, addresses, dims, element, empty, extent, ordered, units};
use crate::kernel::conv3d::Geometry;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// `g [N, G * outs, from]`, `w [G * outs, ins, kernel]` to `x [N, G * ins, to]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn conv3d_grad_input<E: Float>(
    g: &[E],
    w: &[E],
    bias: &[E],
    x: &mut [E],
    from: GpuExtent,
    to: GpuExtent,
    groups: usize,
    ins: usize,
    outs: usize,
    count: usize,
    #[comptime] geometry: Geometry,
    #[comptime] tile: ConvTile,
    #[comptime] biased: bool,
    #[comptime] offsets: (i32, i32),
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let along = comptime!(tile.along);
    let across = comptime!(tile.across);
    let [kd_all, kh_all, kw_all] = comptime!(geometry.kernel);
    let step = comptime!(geometry.stride[1]);
    let step_w = comptime!(geometry.stride[2]);
    let taps = comptime!(kd_all * kh_all * kw_all);
    let span = comptime!((offsets.1 - offsets.0 + 1) as usize);

    let spot = spot(ABSOLUTE_POS, &to, ins, groups, tile);
    let (iw, id) = (spot.w, spot.d);
    let (first, group, sample) = (spot.channel, spot.group, spot.sample);

    let mut sums = started::<E>(bias, group, first, ins, 0usize, tile, biased);
    let first_row = (spot.tile * comptime!(along / step)) as i32 + comptime!(offsets.0);
    let rows = places(first_row, span, 1usize, from.h, from.w);
    // Of the weights along W every `step_w`th meets this place; without holes they are known by their first.
    let skips = comptime!(if geometry.dilation[2] == 1 { step_w } else { 1 });
    let reach = iw + comptime!(geometry.padding[2]);
    let first_kw = reach % skips;
    for kd in 0..kd_all {
        let step_d = comptime!(geometry.stride[0] as i32);
        let nd = (id + comptime!(geometry.padding[0])) as i32 - (kd * comptime!(geometry.dilation[0])) as i32;
        if nd >= 0 && nd % step_d == 0 && nd / step_d < from.d as i32 {
            for o in 0..outs {
                let out = group * outs + o;
                let plane = ((sample * groups * outs + out) * from.d + (nd / step_d) as usize) * from.h * from.w;
                #[unroll]
                for j in 0..comptime!(kw_all.div_ceil(skips)) {
                    let kw = first_kw + comptime!(j * skips);
                    let nw = reach as i32 - (kw * comptime!(geometry.dilation[2])) as i32;
                    let place = nw / comptime!(step_w as i32);
                    let mut there = kw < kw_all && nw >= 0 && place < from.w as i32;
                    if comptime!(skips != step_w) {
                        there = there && nw % comptime!(step_w as i32) == 0;
                    }
                    let column = clamp(place, 0, from.w as i32 - 1) as usize;
                    let mut line = Array::<f32>::new(span);
                    #[unroll]
                    for s in 0..span {
                        line[s] = select(there && rows.there[s], f32::cast_from(g[plane + rows.offset[s] + column]), 0.0);
                    }
                    let kw = min(kw, kw_all - 1);
                    #[unroll]
                    for c in 0..across {
                        let weights = (out * ins + min(first + c, ins - 1)) * taps + kd * comptime!(kh_all * kw_all) + kw;
                        #[unroll]
                        for kh in 0..kh_all {
                            let weight = f32::cast_from(w[weights + comptime!(kh * kw_all)]);
                            #[unroll]
                            for v in 0..along {
                                let place = comptime!((v + geometry.padding[1]) as i32 - (kh * geometry.dilation[1]) as i32);
                                if comptime!(place.rem_euclid(step as i32) == 0) {
                                    let at = comptime!((place.div_euclid(step as i32) - offsets.0) as usize);
                                    sums[comptime!(c * along + v)] += weight * line[at];
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    store::<E>(x, &sums, &spot, &to, groups, ins, tile);
}

/// The kernel of the convolution that leads back, at stride 1: `w [G * outs, ins, taps]` to `[G * ins, outs, taps]`, the taps from behind.
#[cube(launch_unchecked, address_type = "dynamic")]
fn flip_kernel<E: Float>(w: &[E], out: &mut [E], ins: usize, outs: usize, taps: usize, count: usize, #[define(E)] _element: ElemType) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let tap = ABSOLUTE_POS % taps;
    let rest = ABSOLUTE_POS / taps;
    let o = rest % outs;
    let i = (rest / outs) % ins;
    let group = rest / (outs * ins);
    out[ABSOLUTE_POS] = w[((group * outs + o) * ins + i) * taps + taps - 1 - tap];
}

/// See [`flip_kernel`].
fn flipped_kernel(w: CubeTensor, groups: usize) -> CubeTensor {
    let w = ordered(w);
    let [o, ins, kd, kh, kw] = dims(&w);
    let outs = o / groups;
    let out = empty(&w, [groups * ins, outs, kd, kh, kw], w.dtype);
    let count = w.meta.shape().num_elements();
    let (grid, block) = units(&w, count);
    let client = w.client.clone();
    // SAFETY: both have `count` numbers; a thread writes its own.
    unsafe {
        flip_kernel::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&w]),
            w.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            ins,
            outs,
            kd * kh * kw,
            count,
            element(&out),
        );
    }
    out
}

/// The convolution that leads back from outputs to an input of extent `volume`, with its [`flipped_kernel`], where it is one.
fn as_convolution(geometry: &Geometry, from: [usize; 3], volume: [usize; 3]) -> Option<Geometry> {
    let padding = [0, 1, 2].map(|a| ((geometry.kernel[a] - 1) * geometry.dilation[a]).checked_sub(geometry.padding[a]));
    let [Some(d), Some(h), Some(w)] = padding else { return None };
    let back = Geometry { padding: [d, h, w], ..*geometry };
    (geometry.stride == [1; 3] && back.output(from) == volume).then_some(back)
}

/// The gradient of the input, of extent `volume`: `g [N, O, ...]`, `w [O, C / groups, kernel]`. To a transposed convolution belongs a
/// `bias [C]`.
pub fn grad_input(
    g: CubeTensor,
    w: CubeTensor,
    bias: Option<CubeTensor>,
    geometry: Geometry,
    groups: usize,
    volume: [usize; 3],
) -> CubeTensor {
    let [n, o, from @ ..] = dims(&g);
    if let Some(back) = as_convolution(&geometry, from, volume) {
        return forward(g, flipped_kernel(w, groups), bias, back, groups);
    }
    let (g, w) = (ordered(g), ordered(w));
    let [_, ins, ..] = dims(&w);
    let x = empty(&g, [n, groups * ins, volume[0], volume[1], volume[2]], g.dtype);
    let outs = o / groups;
    let tile = ConvTile::of_inputs(&geometry, groups, dims(&x));
    let count = tile.threads(groups, dims(&x));
    let (grid, block) = units(&g, count);
    let client = g.client.clone();
    let biased = bias.is_some();
    let bias = bias.map_or_else(|| w.clone(), ordered);
    // SAFETY: indices are clamped to the volumes; a thread writes values of its own.
    unsafe {
        conv3d_grad_input::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&g, &w, &x]),
            g.into_buffer_arg(),
            w.into_buffer_arg(),
            bias.into_buffer_arg(),
            x.clone().into_buffer_arg(),
            extent(from),
            extent(volume),
            groups,
            ins,
            outs,
            count,
            geometry,
            tile,
            biased,
            offsets(&geometry, tile.along / geometry.stride[1]),
            element(&x),
        );
    }
    x
}
