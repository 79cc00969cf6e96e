//! The gradient of a convolution's weights: blocks sum over parts of the volume, and the parts are added up.

use super::conv_tile::padded;
use super::launch::{Extent, UNITS, addresses, blocks, dims, element, empty, extent, fold, ordered, over_block};
use crate::kernel::conv3d::Geometry;
use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

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
                        let value = padded::<E>(x, row, iw, from.w);
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

/// Blocks that keep a large device busy.
const BLOCKS: usize = 4096;
/// Fewest places of a block's part: below, adding up the parts costs more than it brings.
const FEWEST: usize = 4 * UNITS;
/// Most sums of a thread.
const SUMS: usize = 64;

/// The gradient of the weights, for `x [N, C, D, H, W]`, `g [N, O, ...]`.
pub fn gradient(x: CubeTensor, g: CubeTensor, geometry: Geometry, groups: usize) -> CubeTensor {
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
    fold(sums, parts, (1.0, 1), [o, ins, kd, kh, kw], dtype)
}
