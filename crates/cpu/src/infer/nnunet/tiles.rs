//! Where the tiles lie, and the sweep over them: plane by plane along D, so that of the logits only the planes at work are held.
//!
//! Part of `infer::nnunet`; knows arrays and a function of patches, not the network.

use ndarray::{Array4, Array5, ArrayView5, Axis};

use super::blend::{Blend, TilePart};
use crate::infer::prepare::Prepared;
use crate::text::Result;

/// The first voxels of the tiles along an axis of `size >= patch` voxels, which lie `step` of a tile apart at most; halves go to the even number.
pub fn starts(size: usize, patch: usize, step: f64) -> Vec<usize> {
    let room = size.saturating_sub(patch);
    let gaps = (room as f64 / (patch as f64 * step).max(f64::MIN_POSITIVE)).ceil() as usize;
    let apart = if gaps > 0 { room as f64 / gaps as f64 } else { 0.0 };
    (0..=gaps).map(|i| (apart * i as f64).round_ties_even() as usize).collect()
}

/// So many planes are finished at once.
pub const PLANES: usize = 16;

/// The tiles on a volume, which is padded with zeros where it is smaller than one.
#[derive(Clone, Debug)]
pub struct Tiles {
    /// Voxels along D, H, W, without the padding.
    size: [usize; 3],
    patch: [usize; 3],
    /// The volume's voxel on which tiles begin along each axis; negative where the volume is padded.
    starts: [Vec<isize>; 3],
}

impl Tiles {
    /// Those of a `patch` that lie `step` of it apart at most. Of a 2D network the patch is 1 along D.
    pub fn new(size: [usize; 3], patch: [usize; 3], step: f64) -> Self {
        let along = |a: usize| {
            // The half of the padding that stands before the volume.
            let before = (patch[a].saturating_sub(size[a]) / 2) as isize;
            let step = if patch[a] == 1 { 1.0 } else { step };
            starts(size[a].max(patch[a]), patch[a], step).into_iter().map(|s| s as isize - before).collect()
        };
        Self { size, patch, starts: [0, 1, 2].map(along) }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.starts.iter().map(Vec::len).product()
    }

    /// How many begin on one plane: the most that pass at once.
    pub fn layer(&self) -> usize {
        self.starts[1].len() * self.starts[2].len()
    }

    /// Planes along D that are at work at once.
    pub fn depth(&self) -> usize {
        self.patch[0].min(self.size[0])
    }

    /// D, H, W of the planes that are at work at once.
    pub fn slab(&self) -> [usize; 3] {
        [self.depth(), self.size[1], self.size[2]]
    }

    /// The part of a tile that lies on the volume, in planes that begin at `first`.
    fn part(&self, start: [isize; 3], first: usize) -> TilePart {
        [0, 1, 2].map(|a| {
            let before = start[a].min(0).unsigned_abs();
            let from = start[a].max(0).unsigned_abs();
            let count = self.patch[a].saturating_sub(before).min(self.size[a].saturating_sub(from));
            (before, if a == 0 { from - first } else { from }, count)
        })
    }

    /// Logits of an image, blended and given to `take` plane by plane along D: the first plane, and `[K, n, H, W]` from there on.
    ///
    /// `forward` gives what each of `sets` sets of weights says, `[N, K, d, h, w]`, of patches `[N, C, d, h, w]`, of which there are `batch`
    /// at most. At every voxel tiles are added in the order of their places, D slowest, as nnU-Net adds them.
    ///
    /// # Errors
    /// What `forward` and `take` refuse.
    pub fn sweep(
        &self,
        image: &Prepared<'_>,
        (sets, batch): (usize, usize),
        blend: &mut dyn Blend,
        mut forward: impl FnMut(usize, ArrayView5<f32>) -> Result<Array5<f32>>,
        mut take: impl FnMut(usize, Array4<f32>) -> Result<()>,
    ) -> Result<()> {
        let [d, h, w] = self.patch;
        // The plane that stands first in the slab.
        let mut first = 0;
        for &z in &self.starts[0] {
            let begin = z.max(0).unsigned_abs();
            finished(blend, &mut first, begin, &mut take)?;
            let layer: Vec<[isize; 3]> = self.starts[1].iter().flat_map(|y| self.starts[2].iter().map(move |x| [z, *y, *x])).collect();
            // One set of weights after the other: each takes its memory anew.
            for set in 0..sets {
                for starts in layer.chunks(batch.max(1)) {
                    let mut patches = Array5::zeros((starts.len(), image.channels(), d, h, w));
                    for (to, start) in patches.axis_iter_mut(Axis(0)).zip(starts) {
                        image.cut(*start, to);
                    }
                    let said = forward(set, patches.view())?;
                    for (logits, start) in said.axis_iter(Axis(0)).zip(starts) {
                        blend.add(set, self.part(*start, first), logits);
                        if set == 0 {
                            blend.count(self.part(*start, first));
                        }
                    }
                }
            }
        }
        finished(blend, &mut first, self.size[0], &mut take)
    }
}

/// Gives the planes from `first` up to `end` to `take`, a few at a time: they are held twice.
fn finished(blend: &mut dyn Blend, first: &mut usize, end: usize, take: &mut impl FnMut(usize, Array4<f32>) -> Result<()>) -> Result<()> {
    while *first < end {
        let planes = (end - *first).min(PLANES);
        take(*first, blend.finish(planes))?;
        *first += planes;
    }
    Ok(())
}
