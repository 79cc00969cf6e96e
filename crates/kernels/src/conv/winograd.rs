//! Convolutions of kernel 3 and stride 1 by Winograd's form, and the gradient of their weights. See [`super::transform`].

use rayon::prelude::*;

use super::lanes::{self, Isa};
use super::layout::UnpackRows;
use super::memory::{LineAligned, SharedFloats, scratch};
use super::product::{Correlations, Products};
use super::tiling::Tiling;
use super::transform::{DEPTH, FREQUENCIES, GatherKernel, GatherTiles, TILE, TransformKernels, TransformTiles};
use super::weights::WeightOrder;
use super::{Source, Target, block_ranges, vectors};

/// Inputs whose kernels one task transforms.
const KERNELS: usize = 32;

/// The transformed kernels: `[frequency in depth, frequency]`, and of each what [`Products`] reads.
fn transform_kernels(w: &[f32], weights: WeightOrder, inputs: usize, outputs: usize, isa: Isa) -> LineAligned {
    let (blocks, lanes) = (vectors(outputs, isa), isa.lanes());
    let frequency = blocks * inputs * lanes;
    let mut all = LineAligned::new(DEPTH.len() * FREQUENCIES * frequency);
    let to = all.shared();
    let parts = inputs.div_ceil(KERNELS);
    (0..blocks * parts).into_par_iter().for_each(|task| {
        let (block, first) = (task / parts, task % parts * KERNELS);
        let wide = if block ^ 1 < blocks { 2 * lanes } else { lanes };
        let transform = TransformKernels {
            inputs: KERNELS.min(inputs - first),
            from: w[block * lanes * weights.output + first * weights.input..].as_ptr(),
            weights,
            live: lanes.min(outputs - block * lanes),
            // SAFETY: this block's and these inputs' part.
            to: unsafe { to.at(block / 2 * 2 * inputs * lanes + block % 2 * lanes + first * wide) },
            depth: FREQUENCIES * frequency,
            frequency,
            input: wide,
        };
        // SAFETY: each task writes the kernels of its own inputs and outputs.
        unsafe { lanes::run(isa, transform) };
    });
    all
}

/// Tiles between vectors of channels: an odd number, so that the frequencies of a tile do not all fall on the same sets of the cache.
pub fn spaced(tiles: usize) -> usize {
    tiles | 1
}

pub fn convolve(tiling: &Tiling, x: &Source, w: &[f32], weights: WeightOrder, target: &Target) {
    let isa = Isa::widest();
    let (lanes, inputs, outputs) = (isa.lanes(), x.channels, target.channels);
    let mut kernels = transform_kernels(w, weights, inputs, outputs, isa);
    let kernels = kernels.shared();
    let (chunks, blocks) = (vectors(inputs, isa), vectors(outputs, isa));
    let step = tiling.strips_at_once(FREQUENCIES * (chunks + blocks) * lanes);
    let tasks = tiling.strips().div_ceil(step);
    let ranges = block_ranges(blocks, tasks);
    (0..tasks * ranges.len()).into_par_iter().for_each(|task| {
        let range = ranges[task % ranges.len()].clone();
        let first = task / ranges.len() * step;
        let strips = first..(first + step).min(tiling.strips());
        let window = tiling.inputs(strips.clone());
        let rows: Vec<[usize; 6]> = window.strips.iter().map(|rows| rows.map(|r| r * lanes)).collect();
        let tiles = strips.len() * tiling.columns().len();
        let (chunk, block) = (window.chunk(isa), spaced(tiles) * lanes);
        let (v_frequency, m_frequency) = (chunks * block, range.len() * block);
        let y_row = tiling.width() * lanes;
        let y_block = strips.len() * 2 * TILE[1] * y_row;
        let sizes = [chunks * chunk, FREQUENCIES * v_frequency, FREQUENCIES * m_frequency, range.len() * y_block];
        let sizes = sizes.map(|s| s.next_multiple_of(16));
        scratch(sizes.iter().sum(), |room| {
            // SAFETY: parts of the room, one after the other; what each kernel touches is as long as `sizes` says.
            unsafe {
                let (v, m) = (room.add(sizes[0]), room.add(sizes[0] + sizes[1]));
                let y = m.add(sizes[2]);
                let mut begin = [true; 2];
                for (d, depth) in DEPTH.iter().enumerate() {
                    tiling.pack_inputs(&window, x, depth, isa, room);
                    let transform = TransformTiles::<false> {
                        x: room,
                        x_chunk: chunk,
                        chunks,
                        strips: &rows,
                        columns: tiling.columns(),
                        step: tiling.dilation[2] * lanes,
                        to: v,
                        to_frequency: v_frequency,
                        to_chunk: block,
                    };
                    lanes::run(isa, transform);
                    for f in 0..FREQUENCIES {
                        let kernel = ((d * FREQUENCIES + f) * blocks + range.start) * inputs * lanes;
                        let products = Products {
                            x: v.add(f * v_frequency),
                            places: &[],
                            rows: tiles,
                            taps: &[0],
                            inputs,
                            chunk: block,
                            weights: kernels.at(kernel),
                            blocks: range.len(),
                            y: m.add(f * m_frequency),
                            y_block: block,
                            add: false,
                        };
                        lanes::run(isa, products);
                    }
                    let gather = GatherTiles {
                        m,
                        m_frequency,
                        m_block: block,
                        blocks: range.len(),
                        strips: strips.len(),
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
                put(tiling, strips.clone(), range.start * lanes, range.len(), (y, y_block, y_row), target, isa);
            }
        });
    });
}

/// Copies the outputs of strips of tiles to where they belong.
///
/// # Safety
/// `y` is as [`GatherTiles`] made it; the outputs are this task's own.
pub unsafe fn put(
    tiling: &Tiling,
    strips: std::ops::Range<usize>,
    first: usize,
    blocks: usize,
    (y, y_block, y_row): (*const f32, usize, usize),
    target: &Target,
    isa: Isa,
) {
    let [deep, high, wide] = target.size;
    let mut rows = Vec::with_capacity(strips.len() * 2 * TILE[1]);
    for (i, strip) in strips.enumerate() {
        let (n, d, h) = tiling.strip(strip);
        for plane in 0..TILE[0] {
            for row in 0..TILE[1] {
                let (d, h) = (d + plane * tiling.dilation[0], h + row * tiling.dilation[1]);
                if d < deep && h < high {
                    // SAFETY: a row of the outputs, and one of the tiles.
                    rows.push(unsafe {
                        let to = target.to.at(n * target.sample + ((first * deep + d) * high + h) * wide);
                        (y.add(((i * TILE[0] + plane) * TILE[1] + row) * y_row), to)
                    });
                }
            }
        }
    }
    let unpack = UnpackRows {
        rows: &rows,
        block: y_block,
        channels: (blocks * isa.lanes()).min(target.channels - first),
        width: wide,
        channel: deep * high * wide,
        step: 1,
        bias: if target.bias.is_empty() { target.bias } else { &target.bias[first..] },
    };
    // SAFETY: the caller's.
    unsafe { lanes::run(isa, unpack) };
}

/// Most parts of a weight gradient, and the floats that all of them may take.
const PARTS: usize = 16;
const SUMS: usize = 1 << 23;

pub fn grad_weight(tiling: &Tiling, x: &Source, gy: &Source, weights: WeightOrder, dw: &mut [f32]) {
    let isa = Isa::widest();
    let (lanes, inputs, outputs) = (isa.lanes(), x.channels, gy.channels);
    let (chunks, blocks) = (vectors(inputs, isa), vectors(outputs, isa));
    let step = tiling.strips_at_once(FREQUENCIES * (chunks + blocks) * lanes);
    let tasks = tiling.strips().div_ceil(step);
    // The parts do not depend on the number of threads, for the sum over them would.
    let frequency = inputs * blocks * lanes;
    let size = DEPTH.len() * FREQUENCIES * frequency;
    let parts = tasks.min(PARTS).min((SUMS / size).max(2));
    let ranges = block_ranges(blocks, parts);
    let mut sums = LineAligned::new(parts * size);
    let sums = sums.shared();
    (0..parts * ranges.len()).into_par_iter().for_each(|task| {
        let (part, range) = (task / ranges.len(), ranges[task % ranges.len()].clone());
        // SAFETY: this part's sums of this range of outputs.
        let total = unsafe { sums.at(part * size + range.start * lanes) };
        for row in 0..DEPTH.len() * FREQUENCIES * inputs {
            // SAFETY: a row of them.
            unsafe { std::ptr::write_bytes(total.add(row * blocks * lanes), 0, range.len() * lanes) };
        }
        for block in (part..tasks).step_by(parts) {
            let strips = block * step..((block + 1) * step).min(tiling.strips());
            // SAFETY: as above.
            unsafe { add_tiles(tiling, strips, x, gy, range.clone(), (total, frequency, blocks * lanes), isa) };
        }
    });
    let to = SharedFloats::of(dw);
    (0..inputs * blocks).into_par_iter().for_each(|task| {
        let (i, block) = (task / blocks, task % blocks);
        // SAFETY: the sums of one input and one vector of outputs.
        let first: Vec<*const f32> = (0..parts).map(|p| unsafe { sums.at(p * size + task * lanes) }.cast_const()).collect();
        let gather = GatherKernel {
            parts: &first,
            depth: FREQUENCIES * frequency,
            frequency,
            // SAFETY: this task's own weights.
            to: unsafe { to.at(block * lanes * weights.output + i * weights.input) },
            output: weights.output,
            live: lanes.min(outputs - block * lanes),
        };
        // SAFETY: as above.
        unsafe { lanes::run(isa, gather) };
    });
}

/// Adds the products of strips of tiles to the sums of a range of outputs.
///
/// # Safety
/// `total` has a number for each frequency, input and output, with so many floats between frequencies and between inputs.
unsafe fn add_tiles(
    tiling: &Tiling,
    strips: std::ops::Range<usize>,
    x: &Source,
    gy: &Source,
    range: std::ops::Range<usize>,
    (total, frequency, total_row): (*mut f32, usize, usize),
    isa: Isa,
) {
    let lanes = isa.lanes();
    let tiles = strips.len() * tiling.columns().len();
    let chunks = vectors(x.channels, isa);
    let some = Source {
        data: &gy.data[range.start * lanes * gy.space()..],
        channels: (range.len() * lanes).min(gy.channels - range.start * lanes),
        ..*gy
    };
    let (inputs, gradients) = (tiling.inputs(strips.clone()), tiling.gradients(strips));
    let block = spaced(tiles) * lanes;
    let (v_frequency, g_frequency) = (chunks * block, range.len() * block);
    let packed = (chunks * inputs.chunk(isa)).max(range.len() * gradients.chunk(isa));
    let sizes = [packed, FREQUENCIES * v_frequency, FREQUENCIES * g_frequency].map(|s| s.next_multiple_of(16));
    let in_floats = |rows: &[usize; 6]| rows.map(|r| r * lanes);
    let x_strips: Vec<[usize; 6]> = inputs.strips.iter().map(in_floats).collect();
    let g_strips: Vec<[usize; 6]> = gradients.strips.iter().map(in_floats).collect();
    let step = tiling.dilation[2] * lanes;
    scratch(sizes.iter().sum(), |room| {
        // SAFETY: parts of the room, one after the other.
        unsafe {
            let (v, g) = (room.add(sizes[0]), room.add(sizes[0] + sizes[1]));
            for (d, depth) in DEPTH.iter().enumerate() {
                tiling.pack_inputs(&inputs, x, depth, isa, room);
                let transform = TransformTiles::<false> {
                    x: room,
                    x_chunk: inputs.chunk(isa),
                    chunks,
                    strips: &x_strips,
                    columns: tiling.columns(),
                    step,
                    to: v,
                    to_frequency: v_frequency,
                    to_chunk: block,
                };
                lanes::run(isa, transform);
                tiling.pack_gradients(&gradients, &some, depth, isa, room);
                let transform = TransformTiles::<true> {
                    x: room,
                    x_chunk: gradients.chunk(isa),
                    chunks: range.len(),
                    strips: &g_strips,
                    columns: tiling.columns(),
                    step,
                    to: g,
                    to_frequency: g_frequency,
                    to_chunk: block,
                };
                lanes::run(isa, transform);
                for f in 0..FREQUENCIES {
                    let correlations = Correlations {
                        x: v.add(f * v_frequency),
                        inputs: x.channels,
                        chunk: block,
                        gy: g.add(f * g_frequency),
                        blocks: range.len(),
                        block,
                        runs: &[(0, 0)],
                        count: tiles,
                        step: lanes,
                        total: total.add((d * FREQUENCIES + f) * frequency),
                        total_row,
                    };
                    lanes::run(isa, correlations);
                }
            }
        }
    });
}
