//! Runs a tiled kernel: tiles in parallel, each plane by plane through its rings.

use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rayon::prelude::*;

use super::combine::fold;
use super::interleave;
use super::lanes;
use super::rows::LINE;
use super::simd::Sums;
use super::stage::{AffineColumns, BufferRef, ChannelConstants, Matrix, Moments, Operand, Space, StageNode, StageOp};
use super::tiled::{NeededRange, TiledKernel, clip, node_size};

/// What a run works on.
pub struct Bound<'a, 'b, 'c> {
    pub arena: &'a mut [f32],
    pub inputs: &'a [&'c [f32]],
    pub outputs: &'a mut [&'b mut [f32]],
    /// Numbers by channel that were computed before: see [`ChannelConstants`].
    pub table: &'a [f32],
}

/// Pointers that tasks share: each writes the rows of its own tile only.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: the tasks of a run write disjoint rows of the volumes and read volumes that none of them writes (see `tiled::check`).
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// Runs a tiled kernel and gives the moments of each batch item and wanted channel.
///
/// # Errors
/// When a buffer is shorter than the stage needs.
pub fn run(tiled: &TiledKernel, bound: Bound) -> Result<Vec<Moments>, String> {
    let stage = tiled.stage();
    let mut bases = vec![];
    for v in &stage.volumes {
        let [d, h, w] = if tiled.grids == [1; 2] { v.size } else { tiled.whole };
        let len = [stage.batch, v.channels, d, h, w].iter().try_fold(1usize, |a, n| a.checked_mul(*n));
        let len = len.ok_or("a volume beyond what can be addressed")?;
        // Inputs are only read (checked when the kernel was made).
        let (base, held) = match v.space {
            Space::Arena(at) => (bound.arena.as_mut_ptr().wrapping_add(at), bound.arena.len().checked_sub(at)),
            Space::Input(i) => bound.inputs.get(i).map_or((std::ptr::null_mut(), None), |x| (x.as_ptr().cast_mut(), Some(x.len()))),
            Space::Output(i) => bound.outputs.get_mut(i).map_or((std::ptr::null_mut(), None), |x| (x.as_mut_ptr(), Some(x.len()))),
        };
        if held.is_none_or(|h| h < len) {
            return Err(format!("a volume of {len} floats does not fit into its buffer"));
        }
        bases.push(Shared(base));
    }
    columns_fit(tiled, bound.table.len())?;
    let (bands, chunks) = tiled.tiles();
    // Of each batch item, the tiles of one of its grids after those of another.
    let grids = tiled.grids[0] * tiled.grids[1];
    let tiles = stage.batch * grids * bands * chunks;
    let table = bound.table;
    let parts: Vec<Vec<Moments>> = (0..tiles)
        .into_par_iter()
        .with_max_len(1)
        .map(|tile| {
            thread_local! {
                static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(vec![]) };
            }
            SCRATCH.with(|held| {
                let mut fallback = vec![];
                // A task may be taken up while another of this thread waits; it then has scratch of its own.
                let mut held = held.try_borrow_mut();
                let scratch = match &mut held {
                    Ok(s) => &mut **s,
                    Err(_) => &mut fallback,
                };
                if scratch.len() < tiled.scratch + LINE {
                    scratch.resize(tiled.scratch + LINE, 0.0);
                }
                // From a cache line's beginning, so that vectors do not lie across two.
                let skip = (scratch.as_ptr() as usize).next_multiple_of(LINE * 4) - scratch.as_ptr() as usize;
                let scratch = &mut scratch[skip / 4..];
                let (band, chunk, grid) = (tile / chunks % bands, tile % chunks, tile / (bands * chunks));
                let place = TilePlace { n: grid / grids, grid: [grid % grids / tiled.grids[1], grid % tiled.grids[1]], band, chunk };
                TileRun::new(tiled, &bases, table, scratch, place).run()
            })
        })
        .collect();
    let per = grids * bands * chunks;
    let item = |n: usize| (0..stage.moments).map(move |c| (n, c));
    let all = (0..stage.batch).flat_map(item);
    Ok(all.map(|(n, c)| parts[n * per..(n + 1) * per].iter().fold(Moments::default(), |m, p| m.join(p[c]))).collect())
}

fn columns_fit(tiled: &TiledKernel, len: usize) -> Result<(), String> {
    let stage = tiled.stage();
    let fits = |c: &ChannelConstants, channels: usize| {
        (stage.batch - 1)
            .checked_mul(c.stride)
            .and_then(|n| n.checked_add(c.offset))
            .and_then(|n| n.checked_add(channels))
            .is_some_and(|n| n <= len)
    };
    for n in &stage.nodes {
        let affine = |a: &Option<AffineColumns>, channels: usize| a.is_none_or(|a| fits(&a.scale, channels) && fits(&a.shift, channels));
        let size: usize = node_size(stage, n).iter().sum();
        let good = match &n.kind {
            StageOp::Point { terms, .. } => terms.iter().all(|t| {
                affine(&t.affine, n.channels)
                    && match &t.x {
                        Operand::Rows(_) => true,
                        Operand::Vector(c) => fits(c, n.channels),
                        Operand::Separable(c) => n.channels.checked_mul(size).is_some_and(|m| fits(c, m)),
                    }
            }),
            StageOp::Pointwise { affine: a, matrix, .. } | StageOp::Up { affine: a, matrix, .. } => affine(a, matrix.inputs),
            _ => true,
        };
        if !good {
            return Err(format!("`{}`: the table is too short", n.name));
        }
    }
    Ok(())
}

/// Which tile: of which batch item, of which of its grids along D and H, which rows and which planes.
struct TilePlace {
    n: usize,
    grid: [usize; 2],
    band: usize,
    chunk: usize,
}

/// How a place is reached: plane `d`, row `h` of channel `c`.
#[derive(Clone, Copy)]
pub(super) struct RowView {
    pub(super) base: *mut f32,
    pub(super) slots: isize,
    pub(super) plane: usize,
    pub(super) channel: usize,
    pub(super) row: usize,
    pub(super) first: isize,
    /// Columns of a phase.
    pub(super) phase: usize,
}

impl RowView {
    #[inline(always)]
    pub(super) fn at(&self, c: usize, d: isize, h: isize) -> *mut f32 {
        let slot = d.rem_euclid(self.slots) as usize;
        self.base.wrapping_add(slot * self.plane + c * self.channel).wrapping_offset((h - self.first) * self.row as isize)
    }
}

pub(super) type AxisRange = (isize, isize);

pub(super) struct TileRun<'a> {
    pub(super) tiled: &'a TiledKernel,
    pub(super) table: &'a [f32],
    pub(super) n: usize,
    pub(super) volumes: Vec<RowView>,
    pub(super) locals: Vec<RowView>,
    pub(super) rows: Vec<NeededRange>,
    pub(super) band: AxisRange,
    pub(super) planes: AxisRange,
    /// Planes and rows that its grid has less than the largest one.
    pub(super) less: [usize; 2],
    pub(super) room: *mut f32,
    pub(super) offsets: Vec<isize>,
    /// Matrices with an affine folded in, by node.
    pub(super) folded: Vec<Option<Matrix>>,
    pub(super) moments: Vec<Moments>,
    pub(super) shifts: Vec<Option<f32>>,
}

impl<'a> TileRun<'a> {
    fn new(tiled: &'a TiledKernel, bases: &[Shared], table: &'a [f32], scratch: &mut [f32], place: TilePlace) -> Self {
        let TilePlace { n, grid, band, chunk } = place;
        let stage = tiled.stage();
        let [deep, high] = tiled.grids;
        let less = [0, 1].map(|a| interleave::less(tiled.whole[a], tiled.grids[a], grid[a]));
        let [d, h, _] = stage.size;
        let (d, h) = (d - less[0], h - less[1]);
        let cut = |i: usize, step: usize, size: usize| ((i * step).min(size) as isize, ((i + 1) * step).min(size) as isize);
        let band = cut(band, tiled.band, h);
        let rows = tiled.needs(1, band, less[1]);
        let volumes = stage.volumes.iter().zip(bases).map(|(v, b)| {
            let [d, h, w] = if tiled.grids == [1; 2] { v.size } else { tiled.whole };
            let plane = h * w;
            let channel = d * plane;
            RowView {
                base: b.0.wrapping_add(n * v.channels * channel + grid[0] * plane + grid[1] * w),
                slots: isize::MAX,
                plane: deep * plane,
                channel,
                row: high * w,
                first: 0,
                phase: v.size[2],
            }
        });
        let base = scratch.as_mut_ptr();
        let locals = stage.locals.iter().enumerate().map(|(i, l)| {
            let lay = &tiled.layouts[i];
            let row = lay.phase * l.phases;
            let channel = lay.rows * row;
            if lay.padded {
                // With the margin behind the last row.
                let len = lay.slots * l.channels * channel + lay.left;
                scratch[lay.offset..lay.offset + len].fill(0.0);
            }
            RowView {
                base: base.wrapping_add(lay.offset + lay.left),
                slots: lay.slots.max(1) as isize,
                plane: l.channels * channel,
                channel,
                row,
                first: rows[i].map_or(0, |r| r.0),
                phase: lay.phase,
            }
        });
        let (volumes, locals) = (volumes.collect(), locals.collect());
        let folded = stage.nodes.iter().map(|node| match &node.kind {
            StageOp::Pointwise { matrix, affine: Some(a), .. } => Some(folded(tiled, table, n, matrix, a)),
            StageOp::Up { matrix, affine: Some(a), .. } => Some(folded(tiled, table, n, matrix, a)),
            _ => None,
        });
        Self {
            folded: folded.collect(),
            tiled,
            table,
            n,
            volumes,
            locals,
            rows,
            band,
            planes: cut(chunk, tiled.chunk, d),
            less,
            room: base.wrapping_add(tiled.room),
            offsets: vec![],
            moments: vec![Moments::default(); stage.moments],
            shifts: vec![None; stage.moments],
        }
    }

    fn run(mut self) -> Vec<Moments> {
        let stage = self.tiled.stage();
        // A grid that is shorter than the largest one may have nothing here.
        if self.band.0 >= self.band.1 {
            return self.moments;
        }
        let mut have: Vec<Option<isize>> = vec![None; stage.locals.len()];
        let mut from = self.planes.0;
        while from < self.planes.1 {
            let to = (from + self.tiled.step as isize).min(self.planes.1);
            let needs = self.tiled.needs(0, (from, to), self.less[0]);
            for (i, node) in stage.nodes.iter().enumerate() {
                let start = Instant::now();
                match node.to {
                    BufferRef::Volume(v) => {
                        let view = self.volumes[v];
                        self.make(i, node, view, (from, to), self.band);
                        self.measure(node, view, (from, to), self.band);
                    }
                    BufferRef::Local(l) => {
                        let (Some(need), Some(rows)) = (needs[l], self.rows[l]) else { continue };
                        let planes = (have[l].unwrap_or(need.0).max(need.0), need.1);
                        have[l] = Some(need.1);
                        let (size, view) = (stage.locals[l].size, self.locals[l]);
                        let rows = clip(rows, size[1] - self.less[1]);
                        let depth = size[0] - self.less[0];
                        let inside = clip(planes, depth);
                        if self.tiled.layouts[l].padded {
                            for d in (planes.0..planes.1).filter(|d| !(0..depth as isize).contains(d)) {
                                // SAFETY: a slot of this local.
                                unsafe { view.at(0, d, view.first).sub(self.tiled.layouts[l].left).write_bytes(0, view.plane) };
                            }
                        }
                        if inside.0 < inside.1 && rows.0 < rows.1 {
                            self.make(i, node, view, inside, rows);
                        }
                        let own = (inside.0.max(self.planes.0), inside.1.min(self.planes.1));
                        if own.0 < own.1 {
                            if let Some(v) = node.keep {
                                self.keep(node, view, self.volumes[v], own);
                            }
                            self.measure(node, view, own, self.band);
                        }
                    }
                }
                self.tiled.spent[i].fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
            }
            from = to;
        }
        for (m, shift) in self.moments.iter_mut().zip(&self.shifts) {
            // Until now: the sums of x - shift and of its square.
            if m.count > 0.0 {
                let mean = m.mean / m.count;
                *m = Moments { count: m.count, mean: mean + f64::from(shift.unwrap_or(0.0)), square: (m.square - mean * m.mean).max(0.0) };
            }
        }
        self.moments
    }

    pub(super) fn view(&self, p: BufferRef) -> RowView {
        match p {
            BufferRef::Volume(i) => self.volumes[i],
            BufferRef::Local(i) => self.locals[i],
        }
    }

    fn keep(&self, node: &StageNode, from: RowView, to: RowView, planes: AxisRange) {
        let width = node_size(self.tiled.stage(), node)[2];
        for c in 0..node.channels {
            for d in planes.0..planes.1 {
                for h in self.band.0..self.band.1 {
                    // SAFETY: a row of the local and one of this tile's own rows of the volume.
                    unsafe { std::ptr::copy_nonoverlapping(from.at(c, d, h), to.at(c, d, h), width) };
                }
            }
        }
    }

    fn measure(&mut self, node: &StageNode, view: RowView, planes: AxisRange, rows: AxisRange) {
        let Some(first) = node.moments else { return };
        let width = node_size(self.tiled.stage(), node)[2];
        let count = (rows.1 - rows.0) as usize;
        for c in 0..node.channels {
            for d in planes.0..planes.1 {
                let x = view.at(c, d, rows.0);
                // SAFETY: the rows have just been made.
                let shift = *self.shifts[first + c].get_or_insert_with(|| unsafe { *x });
                let shift = if shift.is_finite() { shift } else { 0.0 };
                self.shifts[first + c] = Some(shift);
                // SAFETY: as above.
                let (sum, square) = unsafe { lanes::run(self.tiled.isa, Sums { x, step: view.row, rows: count, width, shift }) };
                let m = &mut self.moments[first + c];
                m.count += (count * width) as f64;
                m.mean += sum;
                m.square += square;
            }
        }
    }

    pub(super) fn column(&self, c: &ChannelConstants) -> &'a [f32] {
        &self.table[c.offset + self.n * c.stride..]
    }
}

/// The matrix of `W (a x + b)`.
fn folded(tiled: &TiledKernel, table: &[f32], n: usize, m: &Matrix, a: &AffineColumns) -> Matrix {
    let scale = &table[a.scale.offset + n * a.scale.stride..];
    let shift = &table[a.shift.offset + n * a.shift.stride..];
    let mut m = m.clone();
    let more = fold(m.inputs, m.outputs, tiled.isa, &mut m.packed, |k| scale[k], |k| shift[k]);
    m.bias = more.iter().enumerate().map(|(o, v)| v + m.bias.get(o).copied().unwrap_or(0.0)).collect();
    m
}
