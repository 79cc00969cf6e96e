//! Convolution and the gradient of its input, straight from the definition. A thread computes a few neighbours along H for a few
//! channels, so that what it reads serves many sums; the threads of a warp lie along W, so that what they read lies together.

use super::launch::{Extent, addresses, dims, element, empty, extent, ordered, units};
use crate::kernel::conv3d::Geometry;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Most values along H that a thread holds at a time.
const SPAN: usize = 16;

/// Threads that keep a large device busy; below, they are given less to do each.
const BUSY: usize = 1 << 17;

/// What a thread computes: `along` neighbours along H for `across` channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Tile {
    along: usize,
    across: usize,
}

/// The most of 8, 4, 2, 1 channels that leave no thread less than half busy.
fn across(channels: usize) -> usize {
    [8, 4, 2].into_iter().find(|n| channels.is_multiple_of(*n) || channels > 2 * n).unwrap_or(1).min(channels)
}

impl Tile {
    /// For outputs of a convolution, of this shape and in so many groups.
    fn of_outputs(geometry: &Geometry, groups: usize, shape: [usize; 5]) -> Self {
        let reach = (geometry.kernel[1] - 1) * geometry.dilation[1] + 1;
        let along = [4, 2].into_iter().find(|n| (n - 1) * geometry.stride[1] + reach <= SPAN).unwrap_or(1);
        Tile { along, across: across(shape[1] / groups) }.for_many(1, groups, shape)
    }

    /// For inputs of a convolution: whole steps, so that which weight meets which place along H is known beforehand.
    fn of_inputs(geometry: &Geometry, groups: usize, shape: [usize; 5]) -> Self {
        let (first, last) = offsets(geometry, 1);
        let step = geometry.stride[1];
        let most = SPAN.saturating_sub((last - first + 1) as usize) + 1;
        let steps = [4, 2].into_iter().find(|n| *n <= most && n * step <= 4).unwrap_or(1);
        Tile { along: steps * step, across: across(shape[1] / groups) }.for_many(step, groups, shape)
    }

    /// Smaller where there would be too few threads; not below one step.
    fn for_many(self, step: usize, groups: usize, shape: [usize; 5]) -> Self {
        let Tile { along, across } = self;
        if self.threads(groups, shape) >= BUSY {
            self
        } else if across > 1 && (across >= along || along == step) {
            Tile { across: across / 2, ..self }.for_many(step, groups, shape)
        } else if along > step {
            Tile { along: along / 2, ..self }.for_many(step, groups, shape)
        } else {
            self
        }
    }

    fn threads(self, groups: usize, [n, c, d, h, w]: [usize; 5]) -> usize {
        n * groups * (c / groups).div_ceil(self.across) * d * h.div_ceil(self.along) * w
    }
}

/// The first and the last of the places along H that `steps` whole steps of inputs get something from, counted from the first
/// step's own.
fn offsets(geometry: &Geometry, steps: usize) -> (i32, i32) {
    let [_, k, _] = geometry.kernel;
    let [_, step, _] = geometry.stride;
    let most = (steps * step - 1 + geometry.padding[1]) as i32;
    let least = geometry.padding[1] as i32 - ((k - 1) * geometry.dilation[1]) as i32;
    (least.div_euclid(step as i32), most.div_euclid(step as i32))
}

/// Where a thread's tile lies: its first place, its first channel within the group.
#[derive(CubeType)]
struct Spot {
    w: usize,
    tile: usize,
    d: usize,
    channel: usize,
    group: usize,
    sample: usize,
}

/// The spot of this thread, of an output of extent `to` with so many channels in a group.
#[cube]
fn spot(to: &Extent, channels: usize, groups: usize, #[comptime] tile: Tile) -> Spot {
    let tiles_h = to.h.div_ceil(comptime!(tile.along));
    let tiles_c = channels.div_ceil(comptime!(tile.across));
    let row = ABSOLUTE_POS / to.w;
    let plane = row / tiles_h;
    let volume = plane / to.d;
    let whole = volume / tiles_c;
    Spot {
        w: ABSOLUTE_POS % to.w,
        tile: row % tiles_h,
        d: plane % to.d,
        channel: (volume % tiles_c) * comptime!(tile.across),
        group: whole % groups,
        sample: whole / groups,
    }
}

/// The value at a place of a row, 0 outside of it.
#[cube]
pub fn padded<E: Float>(x: &[E], row: usize, at: i32, width: usize) -> f32 {
    let inside = at >= 0 && at < width as i32;
    select(inside, f32::cast_from(x[row + clamp(at, 0, width as i32 - 1) as usize]), 0.0)
}

/// Places along an axis as offsets, clamped to the volume, and whether they lie in it.
#[derive(CubeType)]
struct Places {
    offset: Array<usize>,
    there: Array<bool>,
}

/// `count` places from `first`, `step` apart, of an axis of this length whose neighbours lie `stride` apart.
#[cube]
fn places(first: i32, #[comptime] count: usize, #[comptime] step: usize, length: usize, stride: usize) -> Places {
    let mut offset = Array::<usize>::new(count);
    let mut there = Array::<bool>::new(count);
    #[unroll]
    for i in 0..count {
        let at = first + comptime!((i * step) as i32);
        offset[i] = clamp(at, 0, length as i32 - 1) as usize * stride;
        there[i] = at >= 0 && at < length as i32;
    }
    Places { offset, there }
}

/// The sums of a tile as they begin: each channel's bias, or 0.
#[cube]
fn started<E: Float>(
    bias: &[E],
    group: usize,
    first: usize,
    channels: usize,
    #[comptime] tile: Tile,
    #[comptime] biased: bool,
) -> Array<f32> {
    let mut sums = Array::<f32>::new(comptime!(tile.along * tile.across));
    #[unroll]
    for c in 0..comptime!(tile.across) {
        let mut start = 0.0f32;
        if biased {
            start = f32::cast_from(bias[group * channels + min(first + c, channels - 1)]);
        }
        #[unroll]
        for v in 0..comptime!(tile.along) {
            sums[comptime!(c * tile.along + v)] = start;
        }
    }
    sums
}

/// `x [N, G * ins, from]`, `w [G * outs, ins, kernel]` to `y [N, G * outs, to]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn slide<E: Float>(
    x: &[E],
    w: &[E],
    bias: &[E],
    y: &mut [E],
    from: Extent,
    to: Extent,
    groups: usize,
    ins: usize,
    outs: usize,
    count: usize,
    #[comptime] geometry: Geometry,
    #[comptime] tile: Tile,
    #[comptime] biased: bool,
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let along = comptime!(tile.along);
    let across = comptime!(tile.across);
    let [_, kh_all, kw_all] = comptime!(geometry.kernel);
    let step = comptime!(geometry.stride[1]);
    let hole = comptime!(geometry.dilation[1]);
    let span = comptime!((along - 1) * step + (kh_all - 1) * hole + 1);

    let spot = spot(&to, outs, groups, tile);
    let (ow, oh, od) = (spot.w, spot.tile * along, spot.d);
    let (first, group, sample) = (spot.channel, spot.group, spot.sample);

    let mut sums = started::<E>(bias, group, first, outs, tile, biased);
    let rows = places((oh * step) as i32 - comptime!(geometry.padding[1] as i32), span, 1usize, from.h, from.w);
    let columns = places(
        (ow * comptime!(geometry.stride[2])) as i32 - comptime!(geometry.padding[2] as i32),
        kw_all,
        comptime!(geometry.dilation[2]),
        from.w,
        1,
    );
    for c in 0..ins {
        let volume = (sample * groups + group) * ins + c;
        for kd in 0..comptime!(geometry.kernel[0]) {
            let id =
                (od * comptime!(geometry.stride[0]) + kd * comptime!(geometry.dilation[0])) as i32 - comptime!(geometry.padding[0] as i32);
            if id >= 0 && id < from.d as i32 {
                let plane = (volume * from.d + id as usize) * from.h * from.w;
                #[unroll]
                for kw in 0..kw_all {
                    let mut line = Array::<f32>::new(span);
                    #[unroll]
                    for s in 0..span {
                        let value = f32::cast_from(x[plane + rows.offset[s] + columns.offset[kw]]);
                        line[s] = select(rows.there[s] && columns.there[kw], value, 0.0);
                    }
                    #[unroll]
                    for o in 0..across {
                        let out = group * outs + min(first + o, outs - 1);
                        let weights = ((out * ins + c) * comptime!(geometry.kernel[0]) + kd) * comptime!(kh_all * kw_all) + kw;
                        #[unroll]
                        for kh in 0..kh_all {
                            let weight = f32::cast_from(w[weights + comptime!(kh * kw_all)]);
                            #[unroll]
                            for v in 0..along {
                                sums[comptime!(o * along + v)] += weight * line[comptime!(v * step + kh * hole)];
                            }
                        }
                    }
                }
            }
        }
    }
    #[unroll]
    for o in 0..across {
        if first + o < outs {
            let out = (sample * groups + group) * outs + first + o;
            let plane = (out * to.d + od) * to.h;
            #[unroll]
            for v in 0..along {
                if oh + v < to.h {
                    y[(plane + oh + v) * to.w + ow] = E::cast_from(sums[comptime!(o * along + v)]);
                }
            }
        }
    }
}

/// The other way round: `g [N, G * outs, from]`, `w [G * outs, ins, kernel]` to `x [N, G * ins, to]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn gather<E: Float>(
    g: &[E],
    w: &[E],
    bias: &[E],
    x: &mut [E],
    from: Extent,
    to: Extent,
    groups: usize,
    ins: usize,
    outs: usize,
    count: usize,
    #[comptime] geometry: Geometry,
    #[comptime] tile: Tile,
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

    let spot = spot(&to, ins, groups, tile);
    let (iw, ih, id) = (spot.w, spot.tile * along, spot.d);
    let (first, group, sample) = (spot.channel, spot.group, spot.sample);

    let mut sums = started::<E>(bias, group, first, ins, tile, biased);
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
    #[unroll]
    for c in 0..across {
        if first + c < ins {
            let volume = (sample * groups + group) * ins + first + c;
            let plane = (volume * to.d + id) * to.h;
            #[unroll]
            for v in 0..along {
                if ih + v < to.h {
                    x[(plane + ih + v) * to.w + iw] = E::cast_from(sums[comptime!(c * along + v)]);
                }
            }
        }
    }
}

/// `x [N, C, D, H, W]`, `w [O, C / groups, kernel]`, `bias [O]`.
pub fn forward(x: CubeTensor, w: CubeTensor, bias: Option<CubeTensor>, geometry: Geometry, groups: usize) -> CubeTensor {
    let (x, w) = (ordered(x), ordered(w));
    let [n, _, d, h, wd] = dims(&x);
    let [o, ins, ..] = dims(&w);
    let [od, oh, ow] = geometry.output([d, h, wd]);
    let y = empty(&x, [n, o, od, oh, ow], x.dtype);
    let outs = o / groups;
    let tile = Tile::of_outputs(&geometry, groups, dims(&y));
    let count = tile.threads(groups, dims(&y));
    let (grid, block) = units(&x, count);
    let client = x.client.clone();
    let biased = bias.is_some();
    let bias = bias.map_or_else(|| w.clone(), ordered);
    // SAFETY: indices are clamped to the volumes; a thread writes outputs of its own.
    unsafe {
        slide::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x, &w, &y]),
            x.into_buffer_arg(),
            w.into_buffer_arg(),
            bias.into_buffer_arg(),
            y.clone().into_buffer_arg(),
            extent([d, h, wd]),
            extent([od, oh, ow]),
            groups,
            ins,
            outs,
            count,
            geometry,
            tile,
            biased,
            element(&y),
        );
    }
    y
}

/// What reaches the input, of extent `volume`: `g [N, O, ...]`, `w [O, C / groups, kernel]`. To a transposed convolution belongs a
/// `bias [C]`.
pub fn data_gradient(
    g: CubeTensor,
    w: CubeTensor,
    bias: Option<CubeTensor>,
    geometry: Geometry,
    groups: usize,
    volume: [usize; 3],
) -> CubeTensor {
    let (g, w) = (ordered(g), ordered(w));
    let [n, o, from @ ..] = dims(&g);
    let [_, ins, ..] = dims(&w);
    let x = empty(&g, [n, groups * ins, volume[0], volume[1], volume[2]], g.dtype);
    let outs = o / groups;
    let tile = Tile::of_inputs(&geometry, groups, dims(&x));
    let count = tile.threads(groups, dims(&x));
    let (grid, block) = units(&g, count);
    let client = g.client.clone();
    let biased = bias.is_some();
    let bias = bias.map_or_else(|| w.clone(), ordered);
    // SAFETY: as in `forward`.
    unsafe {
        gather::launch_unchecked(
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
