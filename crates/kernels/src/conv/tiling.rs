//! Where the tiles of Winograd's form lie: rows of tiles (strips) by planes and samples, in an order in which neighbours share what they
//! read. With a dilation, the places of each phase are a grid of their own.

use std::ops::Range;

use super::Source;
use super::lanes::{self, Isa};
use super::layout::PackRows;
use super::transform::{DepthFrequency, TILE};

/// The tiles over the outputs of a convolution of kernel 3 and stride 1.
pub struct Tiling {
    /// Places of the input before the first output; those behind it where it is below zero.
    padding: [isize; 3],
    pub dilation: [usize; 3],
    /// First place of each tile along D, H and W.
    places: [Vec<usize>; 3],
    batch: usize,
}

/// Strips of tiles, and the rows of the volume that they read.
pub struct TileWindow {
    /// Sample, first plane of the tile, row.
    rows: Vec<(usize, usize, isize)>,
    /// Where the rows of each strip begin, in columns.
    pub strips: Vec<[usize; 6]>,
    pub columns: usize,
}

impl TileWindow {
    /// Floats that all packed rows of a vector of channels take.
    pub fn chunk(&self, isa: Isa) -> usize {
        self.rows.len() * self.columns * isa.lanes()
    }
}

impl Tiling {
    pub fn new(batch: usize, size: [usize; 3], padding: [isize; 3], dilation: [usize; 3]) -> Self {
        let places = std::array::from_fn(|a| {
            let blocks = (0..size[a]).step_by(TILE[a] * dilation[a]);
            blocks.flat_map(|first| first..first + dilation[a]).filter(|p| *p < size[a]).collect()
        });
        Self { padding, dilation, places, batch }
    }

    pub fn strips(&self) -> usize {
        self.batch * self.places[0].len() * self.places[1].len()
    }

    pub fn tiles(&self) -> usize {
        self.strips() * self.places[2].len()
    }

    /// First column of each tile of a strip.
    pub fn columns(&self) -> &[usize] {
        &self.places[2]
    }

    /// Columns of outputs of whole tiles.
    pub fn width(&self) -> usize {
        self.places[2].last().map_or(0, |last| last + (TILE[2] - 1) * self.dilation[2] + 1)
    }

    /// Strips that a task takes, so that its tiles' values stay near: `floats` of each tile.
    pub fn strips_at_once(&self, floats: usize) -> usize {
        let tiles = (NEAR / floats.max(1)).clamp(64, 192);
        (tiles / self.places[2].len()).clamp(1, self.strips())
    }

    /// Sample, first plane and first row of a strip.
    pub fn strip(&self, strip: usize) -> (usize, usize, usize) {
        let (deep, high) = (self.places[0].len(), self.places[1].len());
        (strip / (deep * high), self.places[0][strip / high % deep], self.places[1][strip % high])
    }

    fn window(&self, strips: Range<usize>, taps: usize, padding: [isize; 3]) -> TileWindow {
        let row_of = |h: usize, i: usize| h as isize - padding[1] + (i * self.dilation[1]) as isize;
        let mut rows: Vec<(usize, usize, isize)> = strips
            .clone()
            .flat_map(|strip| {
                let (n, d, h) = self.strip(strip);
                (0..taps).map(move |i| (n, d, row_of(h, i)))
            })
            .collect();
        rows.sort_unstable();
        rows.dedup();
        let columns = self.places[2].last().map_or(0, |last| last + (taps - 1) * self.dilation[2] + 1);
        let strips = strips.map(|strip| {
            let (n, d, h) = self.strip(strip);
            std::array::from_fn(|i| if i < taps { rows.binary_search(&(n, d, row_of(h, i))).unwrap_or(0) * columns } else { 0 })
        });
        TileWindow { strips: strips.collect(), rows, columns }
    }

    /// What tiles read of the input.
    pub fn inputs(&self, strips: Range<usize>) -> TileWindow {
        self.window(strips, 6, self.padding)
    }

    /// What tiles read of the outputs' gradient.
    pub fn gradients(&self, strips: Range<usize>) -> TileWindow {
        self.window(strips, 4, [0; 3])
    }

    /// Packs the input of a window at a frequency in depth.
    ///
    /// # Safety
    /// Room for a [`TileWindow::chunk`] for each vector of channels.
    pub unsafe fn pack_inputs(&self, window: &TileWindow, x: &Source, depth: &DepthFrequency, isa: Isa, to: *mut f32) {
        let plane = |d: usize, k: usize| Some(d as isize - self.padding[0] + (depth.planes[k] * self.dilation[0]) as isize);
        // SAFETY: the caller's.
        unsafe { self.pack(window, x, |d| [plane(d, 0), plane(d, 1)], depth.minus, self.padding[2], isa, to) };
    }

    /// Packs the outputs' gradient of a window at a frequency in depth.
    ///
    /// # Safety
    /// As [`Tiling::pack_inputs`].
    pub unsafe fn pack_gradients(&self, window: &TileWindow, gy: &Source, depth: &DepthFrequency, isa: Isa, to: *mut f32) {
        let plane = |d: usize, k: usize| (depth.outputs[k] != 0.0).then_some((d + k * self.dilation[0]) as isize);
        // SAFETY: the caller's.
        unsafe { self.pack(window, gy, |d| [plane(d, 0), plane(d, 1)], depth.outputs[1] < 0.0, 0, isa, to) };
    }

    /// # Safety
    /// As [`Tiling::pack_inputs`].
    #[allow(clippy::too_many_arguments, reason = "both callers are above")]
    unsafe fn pack(
        &self,
        window: &TileWindow,
        x: &Source,
        planes: impl Fn(usize) -> [Option<isize>; 2],
        minus: bool,
        padding: isize,
        isa: Isa,
        to: *mut f32,
    ) {
        let [deep, high, wide] = x.size;
        let (left, skip) = (padding.max(0) as usize, (-padding).max(0) as usize);
        let row = |(n, d, h): &(usize, usize, isize)| {
            planes(*d).map(|plane| {
                let inside = |place: isize, size: usize| usize::try_from(place).ok().filter(|p| *p < size);
                let found = plane.and_then(|plane| inside(plane, deep)).zip(inside(*h, high)).filter(|_| skip < wide);
                found.map_or(std::ptr::null(), |(d, h)| x.data[n * x.sample + (d * high + h) * wide + skip..].as_ptr())
            })
        };
        let rows: Vec<[*const f32; 2]> = window.rows.iter().map(row).collect();
        let pack = PackRows {
            rows: &rows,
            minus,
            channel: x.space(),
            channels: x.channels,
            width: wide.saturating_sub(skip),
            left,
            columns: window.columns,
            to,
            chunk: window.chunk(isa),
        };
        // SAFETY: rows of the source for all its channels; the caller's room is a chunk for each vector of channels.
        unsafe { lanes::run(isa, pack) };
    }
}

/// Floats that a second-level cache holds beside the kernels.
const NEAR: usize = 1 << 18;
