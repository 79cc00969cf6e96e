//! How a stage is tiled: tiles of rows and planes, rings of planes for what is looked at again, and where all of it lies in the
//! scratch of a thread. What is decided here depends on shapes alone, so results do not depend on the number of threads.

use std::sync::atomic::AtomicU64;

use super::interleave;
use super::lanes::Isa;
use super::stage::{BufferRef, ConvWindow, Stage, StageNode, StageOp};

/// Floats of scratch that a second-level cache holds beside what streams through it.
const NEAR: usize = 180 << 10;
/// Tiles that keep a machine busy.
const TILES: usize = 16;
/// Floats behind a buffer that a vector may read beyond its end.
const SLACK: usize = 64;

/// Where a local lies and how: `[slot, channel, row, phase, column]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    /// Columns before the first, zeros, which also stand behind the last of the row before.
    pub left: usize,
    /// Columns of a phase, those before it included.
    pub phase: usize,
    pub rows: usize,
    pub slots: usize,
    pub offset: usize,
    /// There are zeros around.
    pub padded: bool,
    /// A plane is read in a later step than the one that makes it.
    pub kept: bool,
}

/// Places of an axis of which something is wanted, which may lie beyond its ends.
pub(super) type NeededRange = Option<(isize, isize)>;

/// What one place of a resized axis is made of: two places and the share of the second.
pub(super) type Mix = (usize, usize, f32);

/// A stage with the tiles and buffers that it runs by.
#[derive(Debug)]
pub struct TiledKernel {
    /// Of the largest of its grids.
    pub(super) stage: Stage,
    /// How many grids lie within each other along D and H, and the size of all together.
    pub(super) grids: [usize; 2],
    pub(super) whole: [usize; 3],
    pub(super) isa: Isa,
    /// Rows and planes of a tile, and planes of a step.
    pub(super) band: usize,
    pub(super) chunk: usize,
    pub(super) step: usize,
    pub(super) layouts: Vec<Layout>,
    /// The locals that each node reads.
    reads: Vec<Vec<usize>>,
    /// For each node that resizes: the mixes of each axis.
    pub(super) mixes: Vec<[Vec<Mix>; 3]>,
    /// Floats of scratch: locals, then room for rows that come and go.
    pub(super) room: usize,
    pub(super) scratch: usize,
    /// Nanoseconds that each node has taken, over all threads.
    pub(super) spent: Vec<AtomicU64>,
}

impl TiledKernel {
    /// Checks a stage and decides how to tile it.
    ///
    /// # Errors
    /// What does not fit together: a mistake of the stage's maker.
    pub fn new(stage: Stage, isa: Isa) -> Result<Self, String> {
        super::check::check(&stage)?;
        let (grids, whole) = (interleave::grids(&stage), stage.size);
        let isa = isa.available();
        let stage = interleave::one_of(stage, grids, isa);
        let mixes = stage.nodes.iter().map(|n| match &n.kind {
            StageOp::Resize { x } => {
                let (from, to) = (source_size(&stage, x.first().map(|p| p.0)), node_size(&stage, n));
                std::array::from_fn(|a| mix(from[a], to[a]))
            }
            _ => Default::default(),
        });
        let local = |p: BufferRef| if let BufferRef::Local(l) = p { Some(l) } else { None };
        let reads = stage.nodes.iter().map(|n| n.kind.places().into_iter().filter_map(local).collect());
        let spent = stage.nodes.iter().map(|_| AtomicU64::new(0)).collect();
        let mut s = Self {
            mixes: mixes.collect(),
            isa,
            band: 0,
            chunk: 0,
            step: 0,
            layouts: vec![],
            reads: reads.collect(),
            room: 0,
            scratch: 0,
            spent,
            grids,
            whole,
            stage,
        };
        let [d, h, _] = s.stage.size;
        // Winograd's form and what doubles planes take them by pairs.
        let pairs = s.stage.nodes.iter().any(|n| matches!(n.kind, StageOp::Winograd { .. } | StageOp::Up { .. }));
        let step = if pairs { 2.min(d) } else { 1 };
        let planes = s.lay_planes(d, step);
        let mut best: Option<(usize, usize)> = None;
        for band in [h, 64, 48, 32, 24, 16, 12, 8, 6, 4] {
            if band > h {
                continue;
            }
            s.lay(band, &planes);
            if best.is_none_or(|(_, size)| s.scratch < size) {
                best = Some((band, s.scratch));
            }
            if s.scratch <= NEAR {
                best = Some((band, s.scratch));
                break;
            }
            if band <= 8 && s.scratch <= 2 * NEAR {
                break;
            }
        }
        let band = best.map_or(h, |(b, _)| b);
        // Equal bands.
        let band = h.div_ceil(h.div_ceil(band)).next_multiple_of(2).min(h);
        let halo = s.depth_halo();
        let least = (4 * halo).max(8);
        let (bands, mut chunks) = (h.div_ceil(band), 1);
        let grids = s.stage.batch * s.grids[0] * s.grids[1];
        while grids * bands * chunks < TILES && d.div_ceil(chunks + 1) >= least {
            chunks += 1;
        }
        if chunks == 1 && grids * bands == 1 && d >= 4 {
            chunks = 2;
        }
        s.chunk = d.div_ceil(chunks).next_multiple_of(step).min(d);
        s.step = step;
        let planes = s.lay_planes(s.chunk, step);
        s.lay(band, &planes);
        s.make_forms();
        Ok(s)
    }

    /// The stage of the largest of its grids.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// D, H, W of all of its grids together, and how many lie within each other along D and H.
    pub fn grids(&self) -> ([usize; 3], [usize; 2]) {
        (self.whole, self.grids)
    }

    /// Rows of a tile, its planes, the planes of a step.
    pub fn shape(&self) -> [usize; 3] {
        [self.band, self.chunk, self.step]
    }

    /// Bytes of scratch that each thread takes.
    pub fn scratch_bytes(&self) -> usize {
        self.scratch * 4
    }

    /// Bytes of the weights in the forms that tiles read.
    pub fn weight_bytes(&self) -> usize {
        self.stage.nodes.iter().map(|n| n.kind.weight_numbers()).sum::<usize>() * 4
    }

    /// Seconds that each node has taken since the last call, over all threads.
    pub fn spent(&self) -> Vec<f64> {
        self.spent.iter().map(|t| t.swap(0, std::sync::atomic::Ordering::Relaxed) as f64 * 1e-9).collect()
    }

    pub(super) fn tiles(&self) -> (usize, usize) {
        (self.stage.size[1].div_ceil(self.band), self.stage.size[0].div_ceil(self.chunk))
    }

    /// Places of each local that a part of the stage's grid needs, which is shorter by `less` than the largest one.
    pub(super) fn needs(&self, axis: usize, part: (isize, isize), less: usize) -> Vec<NeededRange> {
        let mut needs: Vec<NeededRange> = vec![None; self.stage.locals.len()];
        for (i, node) in self.stage.nodes.iter().enumerate().rev() {
            let own = match node.to {
                BufferRef::Volume(_) => part,
                BufferRef::Local(l) => {
                    if node.keep.is_some() || node.moments.is_some() {
                        needs[l] = Some(join(needs[l], part));
                    }
                    match needs[l].map(|(a, b)| clip((a, b), self.stage.locals[l].size[axis] - less)) {
                        Some((a, b)) if a < b => (a, b),
                        _ => continue,
                    }
                }
            };
            for l in &self.reads[i] {
                needs[*l] = Some(join(needs[*l], self.reach(i, axis, own)));
            }
        }
        needs
    }

    /// The places of its inputs that a part of a node's value needs.
    fn reach(&self, node: usize, axis: usize, (lo, hi): (isize, isize)) -> (isize, isize) {
        let n = &self.stage.nodes[node];
        match &n.kind {
            StageOp::Point { .. } | StageOp::Softmax { .. } | StageOp::Pointwise { .. } => (lo, hi),
            StageOp::Dense { window, .. } | StageOp::Winograd { window, .. } | StageOp::Depthwise { window, .. } => {
                let ConvWindow { kernel, stride, padding, dilation } = window;
                let (k, s, p, d) = (kernel[axis] as isize, stride[axis] as isize, padding[axis] as isize, dilation[axis] as isize);
                (lo * s - p, (hi - 1) * s - p + (k - 1) * d + 1)
            }
            StageOp::Up { stride, .. } => {
                let s = stride[axis] as isize;
                (lo.div_euclid(s), (hi - 1).div_euclid(s) + 1)
            }
            StageOp::Pool { kernel, .. } => (lo * kernel[axis] as isize, hi * kernel[axis] as isize),
            StageOp::Resize { .. } => {
                let mixes = &self.mixes[node][axis];
                let at = |i: isize| mixes[(i.max(0) as usize).min(mixes.len() - 1)];
                (at(lo).0 as isize, at(hi - 1).1 as isize + 1)
            }
        }
    }

    /// How many planes of the stage's grid a tile makes twice, at most.
    fn depth_halo(&self) -> usize {
        let d = self.stage.size[0] as isize;
        let needs = self.needs(0, (0, d), 0);
        let over = needs.iter().zip(&self.stage.locals).filter_map(|(n, l)| n.map(|(a, b)| ((-a).max(b - l.size[0] as isize), l.size[0])));
        over.map(|(n, size)| (n.max(0) as usize * d as usize).div_ceil(size.max(1))).max().unwrap_or(0)
    }

    /// What tiles of so many planes ask of each local: planes that are held at once, whether they are kept or lie beyond the volume.
    fn lay_planes(&self, chunk: usize, step: usize) -> Vec<Layout> {
        let d = self.stage.size[0];
        let mut layouts: Vec<Layout> = self.stage.locals.iter().map(|_| Layout::default()).collect();
        for first in (0..d).step_by(chunk) {
            let mut have: Vec<Option<isize>> = vec![None; layouts.len()];
            for from in (first..(first + chunk).min(d)).step_by(step) {
                let to = (from + step).min(first + chunk).min(d);
                let needs = self.needs(0, (from as isize, to as isize), 0);
                for (i, need) in needs.into_iter().enumerate() {
                    let Some((a, b)) = need else { continue };
                    let l = &mut layouts[i];
                    l.slots = l.slots.max((b - a).max(1) as usize);
                    l.padded |= a < 0 || b > self.stage.locals[i].size[0] as isize;
                    l.kept |= have[i].is_some_and(|have| have > a);
                    have[i] = Some(have[i].unwrap_or(b).max(b));
                }
            }
        }
        layouts
    }

    /// Lays the locals out for tiles of so many rows, with what [`TiledKernel::lay_planes`] has found.
    fn lay(&mut self, band: usize, planes: &[Layout]) {
        self.band = band;
        let h = self.stage.size[1];
        let mut layouts = planes.to_vec();
        for first in (0..h).step_by(band) {
            let needs = self.needs(1, (first as isize, (first + band).min(h) as isize), 0);
            for ((l, need), local) in layouts.iter_mut().zip(needs).zip(&self.stage.locals) {
                if let Some((a, b)) = need {
                    l.rows = l.rows.max((b - a).max(0) as usize);
                    l.padded |= a < 0 || b > local.size[1] as isize;
                }
            }
        }
        let lanes = self.isa.lanes();
        for (node, reads) in self.stage.nodes.iter().zip(&self.reads) {
            let (Some(w), Some(&i)) = (node.kind.window(), reads.first()) else { continue };
            let (left, right) = margins(w, node_size(&self.stage, node)[2], self.stage.locals[i].size[2]);
            let l = &mut layouts[i];
            l.padded |= left > 0 || right > 0;
            // The margin before a row is the one behind the row before it.
            l.left = l.left.max(left.max(right).next_multiple_of(lanes));
        }
        for (l, local) in layouts.iter_mut().zip(&self.stage.locals) {
            let columns = local.size[2].div_ceil(local.phases);
            l.phase = if l.padded { (l.left + columns).next_multiple_of(lanes) } else { columns };
        }
        self.place(&mut layouts);
        self.layouts = layouts;
    }

    /// Gives each local its place; those that live within a step share.
    fn place(&mut self, layouts: &mut [Layout]) {
        let size = |l: &Layout, i: usize| {
            let local = &self.stage.locals[i];
            (l.slots * local.channels * l.rows * l.phase * local.phases + l.left + SLACK).next_multiple_of(16)
        };
        let mut end = 0;
        for (i, l) in layouts.iter_mut().enumerate().filter(|(_, l)| l.padded || l.kept) {
            l.offset = end;
            end += size(l, i);
        }
        let base = end;
        // First and last node that touches each of the others.
        let mut lives: Vec<Option<(usize, usize)>> = vec![None; layouts.len()];
        for (n, node) in self.stage.nodes.iter().enumerate() {
            let to = if let BufferRef::Local(l) = node.to { Some(l) } else { None };
            for i in self.reads[n].iter().copied().chain(to) {
                lives[i] = Some((lives[i].map_or(n, |l| l.0), n));
            }
        }
        let mut placed: Vec<(usize, usize, usize, usize)> = vec![];
        for i in 0..layouts.len() {
            let (false, Some((first, last))) = (layouts[i].padded || layouts[i].kept, lives[i]) else { continue };
            let bytes = size(&layouts[i], i);
            let mut taken: Vec<(usize, usize)> = placed.iter().filter(|p| p.2 <= last && first <= p.3).map(|p| (p.0, p.1)).collect();
            taken.sort_unstable();
            let mut at = base;
            for (a, b) in taken {
                if a >= at + bytes {
                    break;
                }
                at = at.max(b);
            }
            layouts[i].offset = at;
            placed.push((at, at + bytes, first, last));
            end = end.max(at + bytes);
        }
        self.room = end;
        let rows = self.stage.nodes.iter().map(|n| self.node_room(n, layouts)).max().unwrap_or(0);
        self.scratch = end + rows.next_multiple_of(16) + SLACK;
    }

    /// Floats that a node needs for rows that come and go.
    fn node_room(&self, node: &StageNode, layouts: &[Layout]) -> usize {
        let [.., w] = node_size(&self.stage, node);
        let from = |p: Option<BufferRef>| source_size(&self.stage, p)[2];
        match &node.kind {
            StageOp::Winograd { kernel, window, .. } => super::winograd::room(kernel.inputs, kernel.outputs, w, window, self.isa.lanes()),
            StageOp::Up { x, matrix, .. } => {
                matrix.outputs * up_rows(from(x.first().map(|p| p.0))) * up_row(from(x.first().map(|p| p.0))) + matrix.inputs * 8
            }
            StageOp::Resize { x } => {
                let rows = match node.to {
                    BufferRef::Local(i) => layouts[i].rows,
                    BufferRef::Volume(_) => self.band,
                };
                from(x.first().map(|p| p.0)) + 2 * SLACK + rows * resize_row(w)
            }
            StageOp::Pool { x, .. } => from(x.first().map(|p| p.0)) + SLACK,
            _ => w + SLACK,
        }
    }
}

/// Rows of a transposed convolution's input that are taken at once: more where they are short.
pub(super) fn up_rows(width: usize) -> usize {
    (64 / width.max(1)).clamp(1, 4)
}

/// Floats of a row of its products.
pub(super) fn up_row(width: usize) -> usize {
    width.next_multiple_of(16)
}

/// Floats of a row that a resize has stretched.
pub(super) fn resize_row(width: usize) -> usize {
    width.next_multiple_of(16)
}

/// Columns before the first and behind the last (of a phase) that a convolution looks at.
fn margins(w: &ConvWindow, out: usize, width: usize) -> (usize, usize) {
    let (s, p, d) = (w.stride[2] as isize, w.padding[2] as isize, w.dilation[2] as isize);
    let columns = width.div_ceil(w.stride[2]) as isize;
    let (mut left, mut right) = (0, 0);
    for k in 0..w.kernel[2] as isize {
        let shift = (k * d - p).div_euclid(s);
        left = left.max(-shift);
        right = right.max(shift + out as isize - columns);
    }
    (left.max(0) as usize, right.max(0) as usize)
}

fn join(a: NeededRange, (lo, hi): (isize, isize)) -> (isize, isize) {
    a.map_or((lo, hi), |(x, y)| (x.min(lo), y.max(hi)))
}

pub(super) fn clip((lo, hi): (isize, isize), size: usize) -> (isize, isize) {
    (lo.max(0), hi.min(size as isize))
}

/// Linear interpolation between the centres of `from` places at those of `to`.
fn mix(from: usize, to: usize) -> Vec<Mix> {
    if from == to {
        return (0..to).map(|i| (i, i, 0.0)).collect();
    }
    let ratio = from as f64 / to as f64;
    let one = |i: usize| {
        let x = ((i as f64 + 0.5) * ratio - 0.5).max(0.0);
        let a = (x as usize).min(from - 1);
        (a, (a + 1).min(from - 1), (x - a as f64) as f32)
    };
    (0..to).map(one).collect()
}

pub(super) fn size_of(stage: &Stage, p: BufferRef) -> ([usize; 3], usize) {
    match p {
        BufferRef::Volume(i) => (stage.volumes[i].size, stage.volumes[i].channels),
        BufferRef::Local(i) => (stage.locals[i].size, stage.locals[i].channels),
    }
}

fn source_size(stage: &Stage, p: Option<BufferRef>) -> [usize; 3] {
    p.map_or([1; 3], |p| size_of(stage, p).0)
}

pub(super) fn node_size(stage: &Stage, node: &StageNode) -> [usize; 3] {
    size_of(stage, node.to).0
}
