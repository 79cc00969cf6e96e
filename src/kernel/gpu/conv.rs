//! Convolution and the gradient of its input, straight from the definition. A thread computes a few neighbours along W for a few
//! channels, so that what it reads serves many sums.

use super::launch::{Extent, addresses, dims, element, empty, extent, ordered, units};
use crate::kernel::conv3d::Geometry;
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

/// Where a thread's tile lies: its first place, its first channel within the group.
#[derive(CubeType)]
struct Spot {
    tile: usize,
    h: usize,
    d: usize,
    channel: usize,
    group: usize,
    sample: usize,
}

/// The spot of this thread, of an output of extent `to` with so many channels in a group.
#[cube]
fn spot(to: &Extent, channels: usize, groups: usize, #[comptime] tile: Tile) -> Spot {
    let tiles_w = to.w.div_ceil(comptime!(tile.along));
    let tiles_c = channels.div_ceil(comptime!(tile.across));
    let row = ABSOLUTE_POS / tiles_w;
    let plane = row / to.h;
    let volume = plane / to.d;
    let whole = volume / tiles_c;
    Spot {
        tile: ABSOLUTE_POS % tiles_w,
        h: row % to.h,
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

    let spot = spot(&to, outs, groups, tile);
    let (ow, oh, od) = (spot.tile * along, spot.h, spot.d);
    let (first, group, sample) = (spot.channel, spot.group, spot.sample);

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
                            line[s] = padded::<E>(x, row, iw + s as i32, from.w);
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

    let spot = spot(&to, ins, groups, tile);
    let (iw, ih, id) = (spot.tile * along, spot.h, spot.d);
    let (first, group, sample) = (spot.channel, spot.group, spot.sample);
    let jw = (spot.tile * comptime!(along / step)) as i32 + comptime!(offsets.0);

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
                            line[s] = padded::<E>(g, row, jw + s as i32, from.w);
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
