//! Convolution and the gradient of its input, straight from the definition. A thread computes a few neighbours along H for a few
//! channels, so that what it reads serves many sums; the threads of a warp lie along W, so that what they read lies together.

use super::launch::{Extent, UNITS, addresses, dims, element, empty, extent, ordered, units};
use crate::kernel::conv3d::Geometry;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Most values along H that a thread reads for its sums.
const SPAN: usize = 16;

/// Most sums of a thread, and most weights that it holds at a time.
const SUMS: usize = 32;
const WEIGHTS: usize = 80;

/// Threads that keep a large device busy; below, they are given less to do each.
const BUSY: usize = 1 << 17;

/// Into so many parts the channels that are read are divided where places are few.
const PARTS: usize = 8;

/// What a thread computes: `along` neighbours along H for `across` channels, from one of `parts` parts of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Tile {
    along: usize,
    across: usize,
    parts: usize,
}

/// The most of 8, 4, 2, 1 channels that leave no thread less than half busy, with no more weights than a thread holds.
fn across(channels: usize, plane: usize) -> usize {
    let fits = |n: &usize| (channels.is_multiple_of(*n) || channels > 2 * n) && n * plane <= WEIGHTS;
    [8, 4, 2].into_iter().find(fits).unwrap_or(1).min(channels)
}

impl Tile {
    /// For outputs of a convolution that reads `ins` channels for each, of this shape and in so many groups.
    fn of_outputs(geometry: &Geometry, groups: usize, ins: usize, shape: [usize; 5]) -> Self {
        let reach = (geometry.kernel[1] - 1) * geometry.dilation[1] + 1;
        let across = across(shape[1] / groups, geometry.kernel[1] * geometry.kernel[2]);
        let fits = |n: &usize| (n - 1) * geometry.stride[1] + reach <= SPAN && n * across <= SUMS;
        let along = [8, 4, 2].into_iter().find(fits).unwrap_or(1);
        let tile = Tile { along, across, parts: 1 };
        let few = tile.threads(groups, shape) < BUSY && ins * geometry.kernel[0] >= 2 * PARTS && ins >= PARTS;
        Tile { parts: if few { PARTS } else { 1 }, ..tile }.for_many(1, groups, shape)
    }

    /// For inputs of a convolution: whole steps, so that which weight meets which place along H is known beforehand.
    fn of_inputs(geometry: &Geometry, groups: usize, shape: [usize; 5]) -> Self {
        let (first, last) = offsets(geometry, 1);
        let step = geometry.stride[1];
        let most = SPAN.saturating_sub((last - first + 1) as usize) + 1;
        let steps = [4, 2].into_iter().find(|n| *n <= most && n * step <= 4).unwrap_or(1);
        let across = across(shape[1] / groups, geometry.kernel[1] * geometry.kernel[2]);
        Tile { along: steps * step, across, parts: 1 }.for_many(step, groups, shape)
    }

    /// Smaller where there would be too few threads; not below one step.
    fn for_many(self, step: usize, groups: usize, shape: [usize; 5]) -> Self {
        let Tile { along, across, parts } = self;
        if self.threads(groups, shape) * parts >= BUSY {
            self
        } else if across > 1 && (across >= along || along == step) {
            Tile { across: across / 2, ..self }.for_many(step, groups, shape)
        } else if along > step {
            Tile { along: along / 2, ..self }.for_many(step, groups, shape)
        } else {
            self
        }
    }

    /// Threads for one part.
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

/// The spot of this number, of an output of extent `to` with so many channels in a group.
#[cube]
fn spot(number: usize, to: &Extent, channels: usize, groups: usize, #[comptime] tile: Tile) -> Spot {
    let tiles_h = to.h.div_ceil(comptime!(tile.along));
    let tiles_c = channels.div_ceil(comptime!(tile.across));
    let row = number / to.w;
    let plane = row / tiles_h;
    let volume = plane / to.d;
    let whole = volume / tiles_c;
    Spot {
        w: number % to.w,
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

/// Adds to the sums what a value at one place of a tile's span along H, and one of the kernel's places along W, gives.
#[cube]
fn gather_value(
    sums: &mut Array<f32>,
    weights: &Array<f32>,
    value: f32,
    #[comptime] at: usize,
    #[comptime] kw: usize,
    #[comptime] geometry: Geometry,
    #[comptime] tile: Tile,
) {
    let [_, kh_all, kw_all] = comptime!(geometry.kernel);
    #[unroll]
    for kh in 0..kh_all {
        let from = comptime!(at as i64 - (kh * geometry.dilation[1]) as i64);
        let v = comptime!(from.div_euclid(geometry.stride[1] as i64));
        if comptime!(from.rem_euclid(geometry.stride[1] as i64) == 0 && v >= 0 && v < tile.along as i64) {
            #[unroll]
            for o in 0..comptime!(tile.across) {
                sums[comptime!(o * tile.along + v as usize)] += weights[comptime!((o * kh_all + kh) * kw_all + kw)] * value;
            }
        }
    }
}

/// `x [N, G * ins, from]`, `w [G * outs, ins, kernel]` to `y [N, G * outs, to]`; `len` values of x in all.
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
    len: usize,
    #[comptime] geometry: Geometry,
    #[comptime] tile: Tile,
    #[comptime] biased: bool,
    #[define(E)] _element: ElemType,
) {
    let Tile { along, across, parts } = comptime!(tile);
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

    let mut sums = started::<E>(bias, group, first, outs, tile, biased);
    if comptime!(parts > 1) {
        if part > 0 {
            #[unroll]
            for i in 0..comptime!(along * across) {
                sums[i] = 0.0;
            }
        }
    }
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

    let spot = spot(ABSOLUTE_POS, &to, ins, groups, tile);
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
    let [n, _, from @ ..] = dims(&x);
    let [o, ins, ..] = dims(&w);
    let to = geometry.output(from);
    let y = empty(&x, [n, o, to[0], to[1], to[2]], x.dtype);
    let tile = Tile::of_outputs(&geometry, groups, ins, dims(&y));
    let count = tile.threads(groups, dims(&y));
    let (grid, block) = units(&x, count.next_multiple_of(UNITS / tile.parts) * tile.parts);
    let client = x.client.clone();
    let biased = bias.is_some();
    let bias = bias.map_or_else(|| w.clone(), ordered);
    let len = x.meta.shape().num_elements();
    // SAFETY: indices are clamped to the volumes, or seen to lie in the tensor; a thread writes outputs of its own.
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

/// The kernel of the convolution that leads back, at stride 1: `w [G * outs, ins, taps]` to `[G * ins, outs, taps]`, the taps from behind.
#[cube(launch_unchecked, address_type = "dynamic")]
fn turn<E: Float>(w: &[E], out: &mut [E], ins: usize, outs: usize, taps: usize, count: usize, #[define(E)] _element: ElemType) {
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

/// See [`turn`].
fn turned(w: CubeTensor, groups: usize) -> CubeTensor {
    let w = ordered(w);
    let [o, ins, kd, kh, kw] = dims(&w);
    let outs = o / groups;
    let out = empty(&w, [groups * ins, outs, kd, kh, kw], w.dtype);
    let count = w.meta.shape().num_elements();
    let (grid, block) = units(&w, count);
    let client = w.client.clone();
    // SAFETY: both have `count` numbers; a thread writes its own.
    unsafe {
        turn::launch_unchecked(
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

/// The convolution that leads back from outputs to an input of extent `volume`, with its kernel [`turned`], where it is one.
fn reverse(geometry: &Geometry, from: [usize; 3], volume: [usize; 3]) -> Option<Geometry> {
    let mut padding = [0; 3];
    for a in 0..3 {
        padding[a] = ((geometry.kernel[a] - 1) * geometry.dilation[a]).checked_sub(geometry.padding[a])?;
    }
    let back = Geometry { padding, ..*geometry };
    (geometry.stride == [1; 3] && back.output(from) == volume).then_some(back)
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
    let [n, o, from @ ..] = dims(&g);
    if let Some(back) = reverse(&geometry, from, volume) {
        return forward(g, turned(w, groups), bias, back, groups);
    }
    let (g, w) = (ordered(g), ordered(w));
    let [_, ins, ..] = dims(&w);
    let x = empty(&g, [n, groups * ins, volume[0], volume[1], volume[2]], g.dtype);
    let outs = o / groups;
    let tile = Tile::of_inputs(&geometry, groups, dims(&x));
    let count = tile.threads(groups, dims(&x));
    let (grid, block) = units(&g, count);
    let client = g.client.clone();
    let biased = bias.is_some();
    let bias = bias.map_or_else(|| w.clone(), ordered);
    // SAFETY: indices are clamped to the volumes; a thread writes values of its own.
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
