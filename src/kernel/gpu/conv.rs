//! Convolution and its two gradients, straight from the definition. A thread computes a few neighbours along W for a few
//! channels, so that what it reads serves many sums; the weight gradient is summed by blocks over parts of the volume.

use super::launch::{Extent, UNITS, addresses, blocks, dims, element, empty, extent, fold, ordered, over_block, units};
use crate::kernel::conv3d::Geometry;
use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Most values along W that a thread reads at a time.
const SPAN: usize = 16;

/// What a thread computes: `along` neighbours along W for `across` channels.
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
    /// For outputs of a convolution.
    fn of_outputs(geometry: &Geometry, channels: usize) -> Self {
        let reach = (geometry.kernel[2] - 1) * geometry.dilation[2] + 1;
        let along = [4, 2].into_iter().find(|n| (n - 1) * geometry.stride[2] + reach <= SPAN).unwrap_or(1);
        Tile { along, across: across(channels) }
    }

    /// For inputs of a convolution: whole steps, so that which weight meets which place is known beforehand.
    fn of_inputs(geometry: &Geometry, channels: usize) -> Self {
        let (first, last) = offsets(geometry, 1);
        let step = geometry.stride[2];
        let most = SPAN.saturating_sub((last - first + 1) as usize) + 1;
        let steps = [4, 2].into_iter().find(|n| *n <= most && n * step <= 4).unwrap_or(1);
        Tile { along: steps * step, across: across(channels) }
    }
}

/// The first and the last of the places along W that `steps` whole steps of inputs get something from, counted from the first
/// step's own.
fn offsets(geometry: &Geometry, steps: usize) -> (i32, i32) {
    let [.., k] = geometry.kernel;
    let [.., step] = geometry.stride;
    let most = (steps * step - 1 + geometry.padding[2]) as i32;
    let least = geometry.padding[2] as i32 - ((k - 1) * geometry.dilation[2]) as i32;
    (least.div_euclid(step as i32), most.div_euclid(step as i32))
}

/// `x [N, G * ins, from]`, `w [G * outs, ins, kernel]` to `y [N, G * outs, to]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn slide<E: Float>(
    x: &[E],
    w: &[E],
    y: &mut [E],
    from: Extent,
    to: Extent,
    groups: usize,
    ins: usize,
    outs: usize,
    count: usize,
    #[comptime] geometry: Geometry,
    #[comptime] tile: Tile,
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let along = comptime!(tile.along);
    let across = comptime!(tile.across);
    let k = comptime!(geometry.kernel[2]);
    let step = comptime!(geometry.stride[2]);
    let hole = comptime!(geometry.dilation[2]);
    let span = comptime!((along - 1) * step + (k - 1) * hole + 1);

    let tiles_w = to.w.div_ceil(along);
    let tiles_c = outs.div_ceil(across);
    let rest = ABSOLUTE_POS / tiles_w;
    let ow = (ABSOLUTE_POS % tiles_w) * along;
    let oh = rest % to.h;
    let rest = rest / to.h;
    let od = rest % to.d;
    let rest = rest / to.d;
    let first = (rest % tiles_c) * across;
    let rest = rest / tiles_c;
    let group = rest % groups;
    let sample = rest / groups;

    let mut sums = Array::<f32>::new(comptime!(along * across));
    #[unroll]
    for i in 0..comptime!(along * across) {
        sums[i] = 0.0;
    }
    let iw = (ow * step) as i32 - comptime!(geometry.padding[2] as i32);
    for c in 0..ins {
        let volume = (sample * groups + group) * ins + c;
        for kd in 0..comptime!(geometry.kernel[0]) {
            let id =
                (od * comptime!(geometry.stride[0]) + kd * comptime!(geometry.dilation[0])) as i32 - comptime!(geometry.padding[0] as i32);
            if id >= 0 && id < from.d as i32 {
                for kh in 0..comptime!(geometry.kernel[1]) {
                    let ih = (oh * comptime!(geometry.stride[1]) + kh * comptime!(geometry.dilation[1])) as i32
                        - comptime!(geometry.padding[1] as i32);
                    if ih >= 0 && ih < from.h as i32 {
                        let row = ((volume * from.d + id as usize) * from.h + ih as usize) * from.w;
                        let mut line = Array::<f32>::new(span);
                        #[unroll]
                        for s in 0..span {
                            let at = iw + s as i32;
                            let inside = at >= 0 && at < from.w as i32;
                            line[s] = select(inside, f32::cast_from(x[row + clamp(at, 0, from.w as i32 - 1) as usize]), 0.0);
                        }
                        #[unroll]
                        for o in 0..across {
                            let out = group * outs + min(first + o, outs - 1);
                            let weights = (((out * ins + c) * comptime!(geometry.kernel[0]) + kd) * comptime!(geometry.kernel[1]) + kh) * k;
                            #[unroll]
                            for kw in 0..k {
                                let weight = f32::cast_from(w[weights + kw]);
                                #[unroll]
                                for v in 0..along {
                                    sums[comptime!(o * along + v)] += weight * line[comptime!(v * step + kw * hole)];
                                }
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
            let row = ((out * to.d + od) * to.h + oh) * to.w;
            #[unroll]
            for v in 0..along {
                if ow + v < to.w {
                    y[row + ow + v] = E::cast_from(sums[comptime!(o * along + v)]);
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
    x: &mut [E],
    from: Extent,
    to: Extent,
    groups: usize,
    ins: usize,
    outs: usize,
    count: usize,
    #[comptime] geometry: Geometry,
    #[comptime] tile: Tile,
    #[comptime] offsets: (i32, i32),
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= count {
        terminate!();
    }
    let along = comptime!(tile.along);
    let across = comptime!(tile.across);
    let k = comptime!(geometry.kernel[2]);
    let step = comptime!(geometry.stride[2]);
    let taps = comptime!(geometry.kernel.iter().product::<usize>());
    let span = comptime!((offsets.1 - offsets.0 + 1) as usize);

    let tiles_w = to.w.div_ceil(along);
    let tiles_c = ins.div_ceil(across);
    let rest = ABSOLUTE_POS / tiles_w;
    let tile_w = ABSOLUTE_POS % tiles_w;
    let ih = rest % to.h;
    let rest = rest / to.h;
    let id = rest % to.d;
    let rest = rest / to.d;
    let first = (rest % tiles_c) * across;
    let rest = rest / tiles_c;
    let group = rest % groups;
    let sample = rest / groups;
    let iw = tile_w * along;
    let jw = (tile_w * comptime!(along / step)) as i32 + comptime!(offsets.0);

    let mut sums = Array::<f32>::new(comptime!(along * across));
    #[unroll]
    for i in 0..comptime!(along * across) {
        sums[i] = 0.0;
    }
    for kd in 0..comptime!(geometry.kernel[0]) {
        let step_d = comptime!(geometry.stride[0] as i32);
        let nd = (id + comptime!(geometry.padding[0])) as i32 - (kd * comptime!(geometry.dilation[0])) as i32;
        if nd >= 0 && nd % step_d == 0 && nd / step_d < from.d as i32 {
            for kh in 0..comptime!(geometry.kernel[1]) {
                let step_h = comptime!(geometry.stride[1] as i32);
                let nh = (ih + comptime!(geometry.padding[1])) as i32 - (kh * comptime!(geometry.dilation[1])) as i32;
                if nh >= 0 && nh % step_h == 0 && nh / step_h < from.h as i32 {
                    for o in 0..outs {
                        let out = group * outs + o;
                        let volume = sample * groups * outs + out;
                        let row = ((volume * from.d + (nd / step_d) as usize) * from.h + (nh / step_h) as usize) * from.w;
                        let mut line = Array::<f32>::new(span);
                        #[unroll]
                        for s in 0..span {
                            let at = jw + s as i32;
                            let inside = at >= 0 && at < from.w as i32;
                            line[s] = select(inside, f32::cast_from(g[row + clamp(at, 0, from.w as i32 - 1) as usize]), 0.0);
                        }
                        #[unroll]
                        for c in 0..across {
                            let weights = (out * ins + min(first + c, ins - 1)) * taps + (kd * comptime!(geometry.kernel[1]) + kh) * k;
                            #[unroll]
                            for kw in 0..k {
                                let weight = f32::cast_from(w[weights + kw]);
                                #[unroll]
                                for v in 0..along {
                                    let place = comptime!((v + geometry.padding[2]) as i32 - (kw * geometry.dilation[2]) as i32);
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
    }
    #[unroll]
    for c in 0..across {
        if first + c < ins {
            let volume = (sample * groups + group) * ins + first + c;
            let row = ((volume * to.d + id) * to.h + ih) * to.w;
            #[unroll]
            for v in 0..along {
                if iw + v < to.w {
                    x[row + iw + v] = E::cast_from(sums[comptime!(c * along + v)]);
                }
            }
        }
    }
}

/// A block's part of the weight gradient: of `across` outputs and one input, for one plane of the kernel, over `part` places.
/// `x [N, G * ins, from]`, `g [N, G * outs, to]` to `parts [parts, G * outs, ins, kernel]`.
#[cube(launch_unchecked, address_type = "dynamic")]
fn correlate<E: Float>(
    x: &[E],
    g: &[E],
    parts: &mut [f32],
    from: Extent,
    to: Extent,
    samples: usize,
    groups: usize,
    ins: usize,
    outs: usize,
    part: usize,
    count: usize,
    #[comptime] geometry: Geometry,
    #[comptime] across: usize,
    #[define(E)] _element: ElemType,
) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    if CUBE_POS >= count {
        terminate!();
    }
    let kh_all = comptime!(geometry.kernel[1]);
    let kw_all = comptime!(geometry.kernel[2]);
    let plane = comptime!(kh_all * kw_all);

    let kd = CUBE_POS % comptime!(geometry.kernel[0]);
    let rest = CUBE_POS / comptime!(geometry.kernel[0]);
    let c = rest % ins;
    let rest = rest / ins;
    let tiles = outs.div_ceil(across);
    let first = (rest % tiles) * across;
    let rest = rest / tiles;
    let group = rest % groups;
    let number = rest / groups;

    let mut sums = Array::<f32>::new(comptime!(plane * across));
    #[unroll]
    for i in 0..comptime!(plane * across) {
        sums[i] = 0.0;
    }
    let space = to.d * to.h * to.w;
    let end = min((number + 1) * part, samples * space);
    let mut at = number * part + UNIT_POS as usize;
    while at < end {
        let sample = at / space;
        let place = at % space;
        let ow = place % to.w;
        let oh = (place / to.w) % to.h;
        let od = place / (to.w * to.h);
        let id = (od * comptime!(geometry.stride[0]) + kd * comptime!(geometry.dilation[0])) as i32 - comptime!(geometry.padding[0] as i32);
        if id >= 0 && id < from.d as i32 {
            let mut grads = Array::<f32>::new(across);
            #[unroll]
            for o in 0..across {
                let out = (sample * groups + group) * outs + min(first + o, outs - 1);
                grads[o] = f32::cast_from(g[out * space + place]);
            }
            let volume = ((sample * groups + group) * ins + c) * from.d + id as usize;
            #[unroll]
            for kh in 0..kh_all {
                let ih = (oh * comptime!(geometry.stride[1]) + comptime!(kh * geometry.dilation[1])) as i32
                    - comptime!(geometry.padding[1] as i32);
                if ih >= 0 && ih < from.h as i32 {
                    let row = (volume * from.h + ih as usize) * from.w;
                    #[unroll]
                    for kw in 0..kw_all {
                        let iw = (ow * comptime!(geometry.stride[2]) + comptime!(kw * geometry.dilation[2])) as i32
                            - comptime!(geometry.padding[2] as i32);
                        let inside = iw >= 0 && iw < from.w as i32;
                        let value = select(inside, f32::cast_from(x[row + clamp(iw, 0, from.w as i32 - 1) as usize]), 0.0);
                        #[unroll]
                        for o in 0..across {
                            sums[comptime!((kh * kw_all + kw) * across + o)] += value * grads[o];
                        }
                    }
                }
            }
        }
        at += UNITS;
    }
    #[unroll]
    for o in 0..across {
        #[unroll]
        for k in 0..plane {
            let total = over_block(&mut shared, sums[comptime!(k * across + o)]);
            if UNIT_POS == 0 && first + o < outs {
                let out = (number * groups + group) * outs + first + o;
                parts[((out * ins + c) * comptime!(geometry.kernel[0]) + kd) * plane + k] = total;
            }
        }
    }
}

/// `x [N, C, D, H, W]`, `w [O, C / groups, kernel]`.
pub fn forward(x: CubeTensor, w: CubeTensor, geometry: Geometry, groups: usize) -> CubeTensor {
    let (x, w) = (ordered(x), ordered(w));
    let [n, _, d, h, wd] = dims(&x);
    let [o, ins, ..] = dims(&w);
    let [od, oh, ow] = geometry.output([d, h, wd]);
    let y = empty(&x, [n, o, od, oh, ow], x.dtype);
    let outs = o / groups;
    let tile = Tile::of_outputs(&geometry, outs);
    let count = n * groups * outs.div_ceil(tile.across) * od * oh * ow.div_ceil(tile.along);
    let (grid, block) = units(&x, count);
    let client = x.client.clone();
    // SAFETY: indices are clamped to the volumes; a thread writes outputs of its own.
    unsafe {
        slide::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&x, &w, &y]),
            x.into_buffer_arg(),
            w.into_buffer_arg(),
            y.clone().into_buffer_arg(),
            extent([d, h, wd]),
            extent([od, oh, ow]),
            groups,
            ins,
            outs,
            count,
            geometry,
            tile,
            element(&y),
        );
    }
    y
}

/// What reaches the input, of extent `volume`: `g [N, O, ...]`, `w [O, C / groups, kernel]`.
pub fn data_gradient(g: CubeTensor, w: CubeTensor, geometry: Geometry, groups: usize, volume: [usize; 3]) -> CubeTensor {
    let (g, w) = (ordered(g), ordered(w));
    let [n, o, from @ ..] = dims(&g);
    let [_, ins, ..] = dims(&w);
    let x = empty(&g, [n, groups * ins, volume[0], volume[1], volume[2]], g.dtype);
    let outs = o / groups;
    let tile = Tile::of_inputs(&geometry, ins);
    let count = n * groups * ins.div_ceil(tile.across) * volume[0] * volume[1] * volume[2].div_ceil(tile.along);
    let (grid, block) = units(&g, count);
    let client = g.client.clone();
    // SAFETY: as in `forward`.
    unsafe {
        gather::launch_unchecked(
            &client,
            grid,
            block,
            addresses(&[&g, &w, &x]),
            g.into_buffer_arg(),
            w.into_buffer_arg(),
            x.clone().into_buffer_arg(),
            extent(from),
            extent(volume),
            groups,
            ins,
            outs,
            count,
            geometry,
            tile,
            offsets(&geometry, tile.along / geometry.stride[2]),
            element(&x),
        );
    }
    x
}

/// Blocks that keep a large device busy.
const BLOCKS: usize = 4096;
/// Fewest places of a block's part: below, adding up the parts costs more than it brings.
const FEWEST: usize = 4 * UNITS;
/// Most sums of a thread.
const SUMS: usize = 64;

/// The gradient of the weights, for `x [N, C, D, H, W]`, `g [N, O, ...]`.
pub fn weight_gradient(x: CubeTensor, g: CubeTensor, geometry: Geometry, groups: usize) -> CubeTensor {
    let (x, g) = (ordered(x), ordered(g));
    let [n, c, from @ ..] = dims(&x);
    let [_, o, to @ ..] = dims(&g);
    let (ins, outs) = (c / groups, o / groups);
    let [kd, kh, kw] = geometry.kernel;
    let across = [4, 2].into_iter().find(|a| *a <= outs && a * kh * kw <= SUMS).unwrap_or(1);
    let columns = groups * outs.div_ceil(across) * ins * kd;
    let places = n * to.iter().product::<usize>();
    let parts = BLOCKS.div_ceil(columns).min(places.div_ceil(FEWEST)).max(1);
    let part = places.div_ceil(parts);
    let sums = empty(&x, [parts, o, ins, kd, kh * kw], DType::F32);
    let count = columns * parts;
    let (grid, block) = blocks(&x, count);
    let client = x.client.clone();
    let (dtype, kind) = (x.dtype, element(&x));
    // SAFETY: as in `forward`; every block writes the sums of its outputs, input, plane and part.
    unsafe {
        correlate::launch_unchecked(
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
            across,
            kind,
        );
    }
    fold(sums, parts, [o, ins, kd, kh, kw], dtype)
}
