//! Convolutions as sums over taps: any kernel, stride and dilation; with the taps of each phase of the stride, transposed ones.

use std::ops::Range;

use rayon::prelude::*;

use super::lanes::{self, Isa};
use super::layout::{PackRows, UnpackRows};
use super::memory::{LineAligned, SharedFloats, scratch};
use super::product::{Correlations, Products};
use super::weights::{PackWeights, PutWeights, WeightOrder};
use super::{Source, Target, block_ranges, vectors};
use crate::tile::ConvWindow;

/// The outputs that see the source in one way.
pub struct Phase {
    /// Their first place; they lie a step apart.
    place: [usize; 3],
    /// Indices of their taps in the kernel, and how far from an output's place (by the stride) each one looks.
    taps: Vec<(usize, [isize; 3])>,
}

impl Phase {
    /// Of a convolution.
    pub fn whole(window: &ConvWindow) -> Self {
        let [kd, kh, kw] = window.kernel;
        let place = |a: usize, k: usize| (k * window.dilation[a]) as isize - window.padding[a] as isize;
        let taps = (0..kd * kh * kw).map(|t| (t, [place(0, t / (kh * kw)), place(1, t / kw % kh), place(2, t % kw)]));
        Self { place: [0; 3], taps: taps.collect() }
    }

    /// Of the gradient of a convolution's input.
    pub fn transposed(window: &ConvWindow) -> Vec<Self> {
        let ConvWindow { kernel, stride, padding, dilation } = window;
        // Along an axis, the taps that meet a phase: index in the kernel, offset in the output.
        let meet = |a: usize, phase: usize| -> Vec<(usize, isize)> {
            let place = |k: usize| (phase + padding[a]) as isize - (k * dilation[a]) as isize;
            let s = stride[a] as isize;
            (0..kernel[a]).filter(|k| place(*k).rem_euclid(s) == 0).map(|k| (k, place(k).div_euclid(s))).collect()
        };
        let mut phases = vec![];
        for d in 0..stride[0] {
            for h in 0..stride[1] {
                for w in 0..stride[2] {
                    let mut taps = vec![];
                    for (a, i) in meet(0, d) {
                        for (b, j) in meet(1, h) {
                            taps.extend(meet(2, w).into_iter().map(|(c, k)| ((a * kernel[1] + b) * kernel[2] + c, [i, j, k])));
                        }
                    }
                    phases.push(Self { place: [d, h, w], taps });
                }
            }
        }
        phases
    }
}

/// A walk over a grid of places: the source is read `stride` apart, the target written `step` apart.
pub struct Direct {
    pub batch: usize,
    pub stride: [usize; 3],
    pub step: [usize; 3],
    pub grid: [usize; 3],
}

/// The part of the source that a block of the grid reads.
struct Window {
    origin: [isize; 3],
    extent: [usize; 3],
}

impl Window {
    fn voxels(&self) -> usize {
        self.extent.iter().product()
    }
}

/// A block of the grid: whole rows of some planes.
#[derive(Clone)]
struct Block {
    sample: usize,
    planes: Range<usize>,
    rows: Range<usize>,
}

/// Floats of the source and of the outputs that a second-level cache holds beside the weights.
const NEAR: usize = 3 << 16;
/// Blocks that keep a large machine busy.
const BLOCKS: usize = 32;

impl Direct {
    /// How far taps look, along each axis.
    fn reach(phases: &[Phase]) -> [(isize, isize); 3] {
        std::array::from_fn(|a| {
            let all = || phases.iter().flat_map(|p| p.taps.iter().map(|t| t.1[a]));
            (all().min().unwrap_or(0), all().max().unwrap_or(0))
        })
    }

    fn window(&self, reach: &[(isize, isize); 3], block: &Block) -> Window {
        let ranges = [block.planes.clone(), block.rows.clone(), 0..self.grid[2]];
        Window {
            origin: std::array::from_fn(|a| (ranges[a].start * self.stride[a]) as isize + reach[a].0),
            extent: std::array::from_fn(|a| (ranges[a].len().max(1) - 1) * self.stride[a] + (reach[a].1 - reach[a].0) as usize + 1),
        }
    }

    /// Cuts the grid into blocks whose source and outputs lie near, with as little as may be read twice. (They do not depend on the number
    /// of threads.)
    fn blocks(&self, reach: &[(isize, isize); 3], inputs: usize, outputs: usize, near: usize) -> Vec<Block> {
        let [deep, high, wide] = self.grid;
        let most = (self.batch * deep * high).div_ceil(BLOCKS);
        let mut best: Option<(bool, f64, [usize; 2])> = None;
        for planes in [1, 2, 3, 4, 6, 8, 12, 16].into_iter().filter(|p| *p <= deep) {
            for parts in [1, 2, 3, 4, 6, 8, 16, 32].into_iter().filter(|p| *p <= high) {
                let rows = high.div_ceil(parts);
                let window = self.window(reach, &Block { sample: 0, planes: 0..planes, rows: 0..rows });
                let voxels = planes * rows * wide;
                let floats = window.voxels() * inputs + voxels * outputs;
                // Few places in all: blocks of 512 voxels still fill the units.
                let fits = floats <= near && (planes * rows <= most || voxels <= 512);
                let twice = if fits { window.voxels() as f64 / voxels as f64 } else { floats as f64 };
                if best.is_none_or(|(had, least, _)| (fits && !had) || (fits == had && twice < least)) {
                    best = Some((fits, twice, [planes, rows]));
                }
            }
        }
        let [planes, rows] = best.map_or([1, high.max(1)], |b| b.2);
        let mut blocks = vec![];
        for sample in 0..self.batch {
            for d in (0..deep).step_by(planes) {
                for h in (0..high).step_by(rows) {
                    blocks.push(Block { sample, planes: d..(d + planes).min(deep), rows: h..(h + rows).min(high) });
                }
            }
        }
        blocks
    }

    /// Packs the part of the source that a window shows.
    ///
    /// # Safety
    /// Room for all of its voxels, for each vector of channels.
    unsafe fn pack(&self, source: &Source, sample: usize, window: &Window, isa: Isa, to: *mut f32) {
        let [deep, high, wide] = source.size;
        let (left, skip) = ((-window.origin[2]).max(0) as usize, window.origin[2].max(0) as usize);
        let mut rows = Vec::with_capacity(window.extent[0] * window.extent[1]);
        for d in 0..window.extent[0] {
            for h in 0..window.extent[1] {
                let inside = |origin: isize, at: usize, size: usize| usize::try_from(origin + at as isize).ok().filter(|p| *p < size);
                let place = inside(window.origin[0], d, deep).zip(inside(window.origin[1], h, high)).filter(|_| skip < wide);
                let first = |(d, h): (usize, usize)| source.data[sample * source.sample + (d * high + h) * wide + skip..].as_ptr();
                rows.push([place.map_or(std::ptr::null(), first), std::ptr::null()]);
            }
        }
        let pack = PackRows {
            rows: &rows,
            minus: false,
            channel: source.space(),
            channels: source.channels,
            width: wide.saturating_sub(skip),
            left,
            columns: window.extent[2],
            to,
            chunk: window.voxels() * isa.lanes(),
        };
        // SAFETY: rows of the source; the caller's.
        unsafe { lanes::run(isa, pack) };
    }

    /// Where the taps of a phase look, in floats of a window.
    fn offsets(phase: &Phase, reach: &[(isize, isize); 3], window: &Window, lanes: usize) -> Vec<isize> {
        let [_, rows, columns] = window.extent.map(|n| n as isize);
        let offset = |o: &[isize; 3]| ((o[0] - reach[0].0) * rows + o[1] - reach[1].0) * columns + o[2] - reach[2].0;
        phase.taps.iter().map(|(_, o)| offset(o) * lanes as isize).collect()
    }

    /// Floats of a window before each of a block's rows.
    fn row_starts(&self, block: &Block, window: &Window, lanes: usize) -> impl Iterator<Item = usize> {
        let ([_, rows, columns], [s, t, _], height) = (window.extent, self.stride, block.rows.len());
        (0..block.planes.len() * height).map(move |i| (i / height * s * rows + i % height * t) * columns * lanes)
    }

    pub fn convolve(&self, source: &Source, w: &[f32], weights: WeightOrder, phases: &[Phase], target: &Target) {
        let isa = Isa::widest();
        let lanes = isa.lanes();
        let (inputs, outputs) = (source.channels, target.channels);
        let (chunks, blocks) = (vectors(inputs, isa), vectors(outputs, isa));
        let mut packed = pack_weights(w, weights, phases, inputs, outputs, isa);
        let packed = packed.shared();
        let reach = Self::reach(phases);
        let cuts = self.blocks(&reach, chunks * lanes, blocks * lanes, NEAR);
        let ranges = block_ranges(blocks, cuts.len());
        (0..cuts.len() * ranges.len()).into_par_iter().for_each(|task| {
            let (block, range) = (&cuts[task / ranges.len()], ranges[task % ranges.len()].clone());
            let window = self.window(&reach, block);
            let starts = self.row_starts(block, &window, lanes);
            let places: Vec<usize> = starts.flat_map(|row| (0..self.grid[2]).map(move |c| row + c * self.stride[2] * lanes)).collect();
            let (chunk, y_block) = (window.voxels() * lanes, places.len() * lanes);
            scratch(chunks * chunk + range.len() * y_block, |room| {
                // SAFETY: the room has both parts; the outputs are this task's own.
                unsafe {
                    let y = room.add(chunks * chunk);
                    self.pack(source, block.sample, &window, isa, room);
                    let mut before = 0;
                    for phase in phases {
                        let products = Products {
                            x: room,
                            places: &places,
                            rows: places.len(),
                            taps: &Self::offsets(phase, &reach, &window, lanes),
                            inputs,
                            chunk,
                            weights: packed.at(before + range.start * inputs * phase.taps.len() * lanes),
                            blocks: range.len(),
                            y,
                            y_block,
                            add: false,
                        };
                        lanes::run(isa, products);
                        before += blocks * inputs * phase.taps.len() * lanes;
                        self.put(block, phase, range.start * lanes, range.len(), (y, y_block), target, isa);
                    }
                }
            });
        });
    }

    /// Copies the outputs of a phase to where they belong.
    ///
    /// # Safety
    /// `y` has a vector for each place of the block, for each vector of outputs; the outputs are this task's own.
    #[allow(clippy::too_many_arguments, reason = "one caller, above")]
    unsafe fn put(
        &self,
        block: &Block,
        phase: &Phase,
        first: usize,
        blocks: usize,
        (y, y_block): (*const f32, usize),
        target: &Target,
        isa: Isa,
    ) {
        let [deep, high, wide] = target.size;
        let places = |a: usize, from: usize| from * self.step[a] + phase.place[a];
        let width = target.size[2].saturating_sub(phase.place[2]).div_ceil(self.step[2]).min(self.grid[2]);
        let mut rows = vec![];
        for (i, d) in block.planes.clone().enumerate() {
            for (j, h) in block.rows.clone().enumerate() {
                let (d, h) = (places(0, d), places(1, h));
                if d < deep && h < high && width > 0 {
                    let from = (i * block.rows.len() + j) * self.grid[2] * isa.lanes();
                    // SAFETY: a row of the block and one of the outputs.
                    rows.push(unsafe {
                        let to = target.to.at(block.sample * target.sample + ((first * deep + d) * high + h) * wide + phase.place[2]);
                        (y.add(from), to)
                    });
                }
            }
        }
        let unpack = UnpackRows {
            rows: &rows,
            block: y_block,
            channels: (blocks * isa.lanes()).min(target.channels - first),
            width,
            channel: deep * high * wide,
            step: self.step[2],
            bias: if target.bias.is_empty() { target.bias } else { &target.bias[first..] },
        };
        // SAFETY: the caller's.
        unsafe { lanes::run(isa, unpack) };
    }

    /// The gradient of the weights, for a source `x` and the gradient `gy` of what a single phase makes of it.
    pub fn grad_weight(&self, x: &Source, gy: &Source, weights: WeightOrder, phase: &Phase, dw: &mut [f32]) {
        let isa = Isa::widest();
        let lanes = isa.lanes();
        let (inputs, outputs, taps) = (x.channels, gy.channels, phase.taps.len());
        let (chunks, blocks) = (vectors(inputs, isa), vectors(outputs, isa));
        let reach = Self::reach(std::slice::from_ref(phase));
        let cuts = self.blocks(&reach, chunks * lanes, blocks * lanes, 2 * NEAR);
        // The parts do not depend on the number of threads, for the sum over them would; each has places enough to pay for its sums.
        let size = taps * inputs * blocks * lanes;
        let places = self.batch * self.grid.iter().product::<usize>();
        let parts = cuts.len().min(PARTS).min((SUMS / size.max(1)).max(1)).min((places / PLACES).max(1));
        let ranges = block_ranges(blocks, parts);
        let mut sums = LineAligned::new(parts * size);
        let sums = sums.shared();
        (0..parts * ranges.len()).into_par_iter().for_each(|task| {
            let (part, range) = (task / ranges.len(), ranges[task % ranges.len()].clone());
            // SAFETY: this part's sums of this range of outputs.
            let total = unsafe { sums.at(part * size + range.start * lanes) };
            for row in 0..taps * inputs {
                // SAFETY: a row of them.
                unsafe { std::ptr::write_bytes(total.add(row * blocks * lanes), 0, range.len() * lanes) };
            }
            let first = range.start * lanes;
            let some = Source { data: &gy.data[first * gy.space()..], channels: (range.len() * lanes).min(outputs - first), ..*gy };
            for block in cuts.iter().skip(part).step_by(parts) {
                let window = self.window(&reach, block);
                let own = Window {
                    origin: [block.planes.start as isize, block.rows.start as isize, 0],
                    extent: [block.planes.len(), block.rows.len(), self.grid[2]],
                };
                let (chunk, g_block) = (window.voxels() * lanes, own.voxels() * lanes);
                let runs: Vec<(isize, isize)> = self
                    .row_starts(block, &window, lanes)
                    .enumerate()
                    .map(|(i, start)| (start as isize, (i * self.grid[2] * lanes) as isize))
                    .collect();
                scratch(chunks * chunk + range.len() * g_block, |room| {
                    // SAFETY: the room has both parts; the sums are this task's own.
                    unsafe {
                        let g = room.add(chunks * chunk);
                        self.pack(x, block.sample, &window, isa, room);
                        self.pack(&some, block.sample, &own, isa, g);
                        for (tap, offset) in Self::offsets(phase, &reach, &window, lanes).into_iter().enumerate() {
                            let correlations = Correlations {
                                x: room.offset(offset),
                                inputs,
                                chunk,
                                gy: g,
                                blocks: range.len(),
                                block: g_block,
                                runs: &runs,
                                count: self.grid[2],
                                step: self.stride[2] * lanes,
                                total: total.add(tap * inputs * blocks * lanes),
                                total_row: blocks * lanes,
                            };
                            lanes::run(isa, correlations);
                        }
                    }
                });
            }
        });
        let to = SharedFloats::of(dw);
        let (each, row) = (vectors(inputs, isa), blocks * lanes);
        (0..blocks * each).into_par_iter().for_each(|task| {
            let (block, first) = (task / each, task % each * lanes);
            let place = |p: usize| p * size + first * row + block * lanes;
            // SAFETY: the sums of these outputs and inputs in every part; the taps of a single phase are in their order.
            unsafe {
                let parts: Vec<*const f32> = (0..parts).map(|p| sums.at(place(p)).cast_const()).collect();
                scratch(lanes * taps * lanes, |room| {
                    let put = PutWeights {
                        parts: &parts,
                        tap: inputs * row,
                        input: row,
                        live: lanes.min(outputs - block * lanes),
                        inputs: lanes.min(inputs - first),
                        taps,
                        room,
                        to: to.at(block * lanes * weights.output + first * weights.input),
                        output: weights.output,
                    };
                    lanes::run(isa, put);
                });
            }
        });
    }
}

/// Most parts of a weight gradient, and the floats that all of them may take.
const PARTS: usize = 16;
const SUMS: usize = 1 << 23;
/// Fewest places of a part.
const PLACES: usize = 512;

/// The weights of each phase as [`Products`] reads them.
fn pack_weights(w: &[f32], weights: WeightOrder, phases: &[Phase], inputs: usize, outputs: usize, isa: Isa) -> LineAligned {
    let (lanes, blocks) = (isa.lanes(), vectors(outputs, isa));
    let lists: Vec<Vec<usize>> = phases.iter().map(|p| p.taps.iter().map(|t| t.0).collect()).collect();
    let mut all = LineAligned::new(blocks * inputs * lists.iter().map(Vec::len).sum::<usize>() * lanes);
    let to = all.shared();
    let (parts, taps) = (vectors(inputs, isa), weights.input.min(weights.output));
    (0..blocks * parts).into_par_iter().for_each(|task| {
        let (block, first) = (task / parts, task % parts * lanes);
        let step = if block ^ 1 < blocks { 2 * lanes } else { lanes };
        let mut before = 0;
        let places = lists.iter().map(|taps| {
            let start = before + (block / 2 * 2 * inputs * lanes + first * step) * taps.len() + block % 2 * lanes;
            before += blocks * inputs * lanes * taps.len();
            // SAFETY: this block's and these inputs' part.
            (taps.as_slice(), unsafe { to.at(start) })
        });
        let places: Vec<(&[usize], *mut f32)> = places.collect();
        scratch(lanes * taps * lanes, |room| {
            let pack = PackWeights {
                from: w[block * lanes * weights.output + first * weights.input..].as_ptr(),
                weights,
                live: lanes.min(outputs - block * lanes),
                inputs: lanes.min(inputs - first),
                taps,
                room,
                lists: &places,
                step,
            };
            // SAFETY: the weights of these outputs and inputs.
            unsafe { lanes::run(isa, pack) };
        });
    });
    all
}
