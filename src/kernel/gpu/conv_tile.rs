//! What a thread of a convolution computes, and where it lies.

use super::launch::GpuExtent;
use crate::kernel::conv3d::Geometry;
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
pub struct ConvTile {
    pub along: usize,
    pub across: usize,
    pub parts: usize,
}

/// The most of 8, 4, 2, 1 channels that leave no thread less than half busy, with no more weights than a thread holds.
fn across(channels: usize, plane: usize) -> usize {
    let fits = |n: &usize| (channels.is_multiple_of(*n) || channels > 2 * n) && n * plane <= WEIGHTS;
    [8, 4, 2].into_iter().find(fits).unwrap_or(1).min(channels)
}

impl ConvTile {
    /// For outputs of a convolution that reads `ins` channels for each, of this shape and in so many groups.
    pub fn of_outputs(geometry: &Geometry, groups: usize, ins: usize, shape: [usize; 5]) -> Self {
        let reach = (geometry.kernel[1] - 1) * geometry.dilation[1] + 1;
        let across = across(shape[1] / groups, geometry.kernel[1] * geometry.kernel[2]);
        let fits = |n: &usize| (n - 1) * geometry.stride[1] + reach <= SPAN && n * across <= SUMS;
        let along = [8, 4, 2].into_iter().find(fits).unwrap_or(1);
        let tile = ConvTile { along, across, parts: 1 };
        let few = tile.threads(groups, shape) < BUSY && ins * geometry.kernel[0] >= 2 * PARTS && ins >= PARTS;
        ConvTile { parts: if few { PARTS } else { 1 }, ..tile }.for_many(1, groups, shape)
    }

    /// For inputs of a convolution: whole steps, so that which weight meets which place along H is known beforehand.
    pub fn of_inputs(geometry: &Geometry, groups: usize, shape: [usize; 5]) -> Self {
        let (first, last) = offsets(geometry, 1);
        let step = geometry.stride[1];
        let most = SPAN.saturating_sub((last - first + 1) as usize) + 1;
        let steps = [4, 2].into_iter().find(|n| *n <= most && n * step <= 4).unwrap_or(1);
        let across = across(shape[1] / groups, geometry.kernel[1] * geometry.kernel[2]);
        ConvTile { along: steps * step, across, parts: 1 }.for_many(step, groups, shape)
    }

    /// Smaller where there would be too few threads; not below one step.
    fn for_many(self, step: usize, groups: usize, shape: [usize; 5]) -> Self {
        let ConvTile { along, across, parts } = self;
        if self.threads(groups, shape) * parts >= BUSY {
            self
        } else if across > 1 && (across >= along || along == step) {
            ConvTile { across: across / 2, ..self }.for_many(step, groups, shape)
        } else if along > step {
            ConvTile { along: along / 2, ..self }.for_many(step, groups, shape)
        } else {
            self
        }
    }

    /// Threads for one part.
    pub fn threads(self, groups: usize, [n, c, d, h, w]: [usize; 5]) -> usize {
        n * groups * (c / groups).div_ceil(self.across) * d * h.div_ceil(self.along) * w
    }
}

/// The first and the last of the places along H that `steps` whole steps of inputs get something from, counted from the first
/// step's own.
pub fn offsets(geometry: &Geometry, steps: usize) -> (i32, i32) {
    let [_, k, _] = geometry.kernel;
    let [_, step, _] = geometry.stride;
    let most = (steps * step - 1 + geometry.padding[1]) as i32;
    let least = geometry.padding[1] as i32 - ((k - 1) * geometry.dilation[1]) as i32;
    (least.div_euclid(step as i32), most.div_euclid(step as i32))
}

/// The output of a tile along H, counted from its first, that the value at place `at` of its span meets with place `kh` of the kernel; none
/// before the first or between two.
pub fn met(at: usize, kh: usize, geometry: &Geometry) -> Option<usize> {
    let from = at.checked_sub(kh * geometry.dilation[1])?;
    from.is_multiple_of(geometry.stride[1]).then(|| from / geometry.stride[1])
}

/// Where a thread's tile lies: its first place, its first channel within the group.
#[derive(CubeType)]
pub struct TileOrigin {
    pub w: usize,
    pub tile: usize,
    pub d: usize,
    pub channel: usize,
    pub group: usize,
    pub sample: usize,
}

/// The spot of this number, of an output of extent `to` with so many channels in a group.
#[cube]
pub fn spot(number: usize, to: &GpuExtent, channels: usize, groups: usize, #[comptime] tile: ConvTile) -> TileOrigin {
    let tiles_h = to.h.div_ceil(comptime!(tile.along));
    let tiles_c = channels.div_ceil(comptime!(tile.across));
    let row = number / to.w;
    let plane = row / tiles_h;
    let volume = plane / to.d;
    let whole = volume / tiles_c;
    TileOrigin {
        w: number % to.w,
        tile: row % tiles_h,
        d: plane % to.d,
        channel: (volume % tiles_c) * comptime!(tile.across),
        group: whole % groups,
        sample: whole / groups,
    }
}

/// Places along an axis as offsets, clamped to the volume, and whether they lie in it.
#[derive(CubeType)]
pub struct AxisOffsets {
    pub offset: Array<usize>,
    pub there: Array<bool>,
}

/// `count` places from `first`, `step` apart, of an axis of this length whose neighbours lie `stride` apart.
#[cube]
pub fn places(first: i32, #[comptime] count: usize, #[comptime] step: usize, length: usize, stride: usize) -> AxisOffsets {
    let mut offset = Array::<usize>::new(count);
    let mut there = Array::<bool>::new(count);
    #[unroll]
    for i in 0..count {
        let at = first + comptime!((i * step) as i32);
        offset[i] = clamp(at, 0, length as i32 - 1) as usize * stride;
        there[i] = at >= 0 && at < length as i32;
    }
    AxisOffsets { offset, there }
}

/// The sums of a tile as they begin: each channel's bias in the first part, or 0.
#[cube]
pub fn started<E: Float>(
    bias: &[E],
    group: usize,
    first: usize,
    channels: usize,
    part: usize,
    #[comptime] tile: ConvTile,
    #[comptime] biased: bool,
) -> Array<f32> {
    let mut sums = Array::<f32>::new(comptime!(tile.along * tile.across));
    #[unroll]
    for c in 0..comptime!(tile.across) {
        let mut start = 0.0f32;
        if biased {
            let own = f32::cast_from(bias[group * channels + min(first + c, channels - 1)]);
            start = select(part == 0, own, 0.0);
        }
        #[unroll]
        for v in 0..comptime!(tile.along) {
            sums[comptime!(c * tile.along + v)] = start;
        }
    }
    sums
}

/// Writes the sums of a tile to their places in `y [N, G * channels, to]`.
#[cube]
pub fn store<E: Float>(
    y: &mut [E],
    sums: &Array<f32>,
    spot: &TileOrigin,
    to: &GpuExtent,
    groups: usize,
    channels: usize,
    #[comptime] tile: ConvTile,
) {
    let h = spot.tile * comptime!(tile.along);
    #[unroll]
    for c in 0..comptime!(tile.across) {
        if spot.channel + c < channels {
            let volume = (spot.sample * groups + spot.group) * channels + spot.channel + c;
            let plane = (volume * to.d + spot.d) * to.h;
            #[unroll]
            for v in 0..comptime!(tile.along) {
                if h + v < to.h {
                    y[(plane + h + v) * to.w + spot.w] = E::cast_from(sums[comptime!(c * tile.along + v)]);
                }
            }
        }
    }
}
