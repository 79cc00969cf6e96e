//! Winograd's form where there are few tiles, as at the bottom of a U-Net: the kernels' transforms, which would be more than all else if
//! they went through memory, are made for a pair of vectors of outputs and a vector of inputs at a time and used at once by all tiles.

use rayon::prelude::*;

use super::lanes::{self, Isa};
use super::memory::{LineAligned, SharedFloats, scratch};
use super::product::{Correlations, Products};
use super::tiling::{TileWindow, Tiling};
use super::transform::{DEPTH, FREQUENCIES, GatherKernel, GatherTiles, TILE, TransformKernels, TransformTiles};
use super::weights::WeightOrder;
use super::winograd::{put, spaced};
use super::{Source, Target, vectors};

/// Frequencies in all.
const ALL: usize = DEPTH.len() * FREQUENCIES;

/// All tiles of a volume at all frequencies: `[frequency in depth, frequency, vector of channels, tile, N]`.
struct Transformed {
    held: LineAligned,
    /// Floats between vectors of channels and between frequencies.
    block: usize,
    frequency: usize,
}

impl Transformed {
    fn new<const GRADIENT: bool>(tiling: &Tiling, source: &Source, isa: Isa) -> Self {
        let (lanes, chunks) = (isa.lanes(), vectors(source.channels, isa));
        let window: TileWindow = if GRADIENT { tiling.gradients(0..tiling.strips()) } else { tiling.inputs(0..tiling.strips()) };
        let strips: Vec<[usize; 6]> = window.strips.iter().map(|rows| rows.map(|r| r * lanes)).collect();
        let block = spaced(tiling.tiles()) * lanes;
        let frequency = chunks * block;
        let mut held = LineAligned::new(ALL * frequency);
        let to = held.shared();
        (0..DEPTH.len() * chunks).into_par_iter().for_each(|task| {
            let (d, first) = (task / chunks, task % chunks * lanes);
            let part = Source { data: &source.data[first * source.space()..], channels: lanes.min(source.channels - first), ..*source };
            scratch(window.chunk(isa), |room| {
                // SAFETY: the room is for one vector of channels.
                unsafe {
                    if GRADIENT {
                        tiling.pack_gradients(&window, &part, &DEPTH[d], isa, room);
                    } else {
                        tiling.pack_inputs(&window, &part, &DEPTH[d], isa, room);
                    }
                }
                let transform = TransformTiles::<GRADIENT> {
                    x: room,
                    x_chunk: 0,
                    chunks: 1,
                    strips: &strips,
                    columns: tiling.columns(),
                    step: tiling.dilation[2] * lanes,
                    // SAFETY: the part of this vector of channels.
                    to: unsafe { to.at(d * FREQUENCIES * frequency + task % chunks * block) },
                    to_frequency: frequency,
                    to_chunk: 0,
                };
                // SAFETY: as above; the room has all rows of the window.
                unsafe { lanes::run(isa, transform) };
            });
        });
        Self { held, block, frequency }
    }
}

pub fn convolve(tiling: &Tiling, x: &Source, w: &[f32], weights: WeightOrder, target: &Target) {
    let isa = Isa::widest();
    let (lanes, inputs, outputs, tiles) = (isa.lanes(), x.channels, target.channels, tiling.tiles());
    let mut v = Transformed::new::<false>(tiling, x, isa);
    let (block, v_frequency, v) = (v.block, v.frequency, v.held.shared());
    let blocks = vectors(outputs, isa);
    let y_row = tiling.width() * lanes;
    let y_block = tiling.strips() * TILE[0] * TILE[1] * y_row;
    (0..blocks.div_ceil(2)).into_par_iter().for_each(|pair| {
        let some = (blocks - 2 * pair).min(2);
        let wide = some * lanes;
        let m_frequency = some * block;
        let sizes = [ALL * lanes * wide, ALL * m_frequency, some * y_block];
        scratch(sizes.iter().sum(), |room| {
            // SAFETY: parts of the room, one after the other, all of whole vectors; what each kernel touches is as long as `sizes` says.
            unsafe {
                let (m, y) = (room.add(sizes[0]), room.add(sizes[0] + sizes[1]));
                for first in (0..inputs).step_by(lanes) {
                    let count = lanes.min(inputs - first);
                    for b in 0..some {
                        let o = (2 * pair + b) * lanes;
                        let transform = TransformKernels {
                            inputs: count,
                            from: w[o * weights.output + first * weights.input..].as_ptr(),
                            weights,
                            live: lanes.min(outputs - o),
                            to: room.add(b * lanes),
                            depth: FREQUENCIES * count * wide,
                            frequency: count * wide,
                            input: wide,
                        };
                        lanes::run(isa, transform);
                    }
                    for f in 0..ALL {
                        let products = Products {
                            x: v.at(f * v_frequency + first / lanes * block),
                            places: &[],
                            rows: tiles,
                            taps: &[0],
                            inputs: count,
                            chunk: 0,
                            weights: room.add(f * count * wide),
                            blocks: some,
                            y: m.add(f * m_frequency),
                            y_block: block,
                            add: first > 0,
                        };
                        lanes::run(isa, products);
                    }
                }
                let mut begin = [true; 2];
                for (d, depth) in DEPTH.iter().enumerate() {
                    let gather = GatherTiles {
                        m: m.add(d * FREQUENCIES * m_frequency),
                        m_frequency,
                        m_block: block,
                        blocks: some,
                        strips: tiling.strips(),
                        columns: tiling.columns(),
                        step: tiling.dilation[2] * lanes,
                        y,
                        y_block,
                        y_row,
                        counts: depth.outputs,
                        begin,
                    };
                    lanes::run(isa, gather);
                    begin = std::array::from_fn(|p| begin[p] && depth.outputs[p] == 0.0);
                }
                put(tiling, 0..tiling.strips(), 2 * pair * lanes, some, (y, y_block, y_row), target, isa);
            }
        });
    });
}

pub fn grad_weight(tiling: &Tiling, x: &Source, gy: &Source, weights: WeightOrder, dw: &mut [f32]) {
    let isa = Isa::widest();
    let (lanes, inputs, outputs) = (isa.lanes(), x.channels, gy.channels);
    let (mut v, mut g) = (Transformed::new::<false>(tiling, x, isa), Transformed::new::<true>(tiling, gy, isa));
    let (v_frequency, g_frequency, block) = (v.frequency, g.frequency, v.block);
    let (v, g) = (v.held.shared(), g.held.shared());
    let (chunks, blocks) = (vectors(inputs, isa), vectors(outputs, isa));
    let to = SharedFloats::of(dw);
    (0..blocks.div_ceil(2) * chunks).into_par_iter().for_each(|task| {
        let (pair, chunk) = (task / chunks, task % chunks);
        let some = (blocks - 2 * pair).min(2);
        let (count, wide) = (lanes.min(inputs - chunk * lanes), some * lanes);
        scratch(ALL * count * wide, |total| {
            // SAFETY: the sums of these inputs and outputs lie in the room; their weights are this task's own.
            unsafe {
                std::ptr::write_bytes(total, 0, ALL * count * wide);
                for f in 0..ALL {
                    let correlations = Correlations {
                        x: v.at(f * v_frequency + chunk * block),
                        inputs: count,
                        chunk: 0,
                        gy: g.at(f * g_frequency + 2 * pair * block),
                        blocks: some,
                        block,
                        runs: &[(0, 0)],
                        count: tiling.tiles(),
                        step: lanes,
                        total: total.add(f * count * wide),
                        total_row: wide,
                    };
                    lanes::run(isa, correlations);
                }
                for b in 0..some {
                    let o = (2 * pair + b) * lanes;
                    for c in 0..count {
                        let gather = GatherKernel {
                            parts: &[total.add(c * wide + b * lanes).cast_const()],
                            depth: FREQUENCIES * count * wide,
                            frequency: count * wide,
                            to: to.at(o * weights.output + (chunk * lanes + c) * weights.input),
                            output: weights.output,
                            live: lanes.min(outputs - o),
                        };
                        lanes::run(isa, gather);
                    }
                }
            }
        });
    });
}
