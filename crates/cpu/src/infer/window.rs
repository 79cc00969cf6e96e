//! A network that knows one patch size, applied to a volume of any size: padding, overlapping windows, Gaussian weights, slab by slab.
//!
//! Part of `infer`; knows arrays and a function of patches, not the network.

use ndarray::{Array3, Array4, Array5, ArrayView3, ArrayView4, ArrayView5, Axis, s};

use super::prepare::Prepared;
use crate::text::Result;

/// How the windows lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// `[D, H, W]` of a window. A volume that is smaller along an axis is padded to it.
    pub patch: [usize; 3],
    /// The part of a window that the next one along an axis covers at least, `0 <= overlap < 1`.
    pub overlap: f64,
}

/// The first voxels of the windows along an axis of `size >= patch` voxels, evenly spread, from 0 to `size - patch`.
pub fn starts(size: usize, patch: usize, overlap: f64) -> Vec<usize> {
    let room = size.saturating_sub(patch);
    if room == 0 {
        return vec![0];
    }
    let step = (patch as f64 * (1.0 - overlap.clamp(0.0, 0.999))).max(1.0);
    let gaps = (room as f64 / step).ceil() as usize;
    (0..=gaps).map(|i| (i as f64 * room as f64 / gaps as f64).round() as usize).collect()
}

/// A Gaussian along an axis, 1 in the middle, with a standard deviation of an eighth of the patch.
fn bell(patch: usize) -> Vec<f32> {
    let middle = (patch as f64 - 1.0) / 2.0;
    let sigma = patch as f64 / 8.0;
    (0..patch).map(|i| (-0.5 * ((i as f64 - middle) / sigma).powi(2)).exp() as f32).collect()
}

/// The windows along one axis of a volume.
#[derive(Clone, Debug)]
struct Along {
    /// Voxels of the volume.
    size: usize,
    patch: usize,
    /// The volume's voxel on which each window begins; negative where the volume is padded.
    starts: Vec<isize>,
    bell: Vec<f32>,
    /// The sum of the windows' weights at each voxel.
    sum: Vec<f64>,
}

impl Along {
    fn new(size: usize, patch: usize, overlap: f64) -> Self {
        // Half of the padding stands before the volume.
        let before = (patch.saturating_sub(size) / 2) as isize;
        let starts: Vec<isize> = starts(size.max(patch), patch, overlap).into_iter().map(|s| s as isize - before).collect();
        let bell = bell(patch);
        let mut sum = vec![0.0; size];
        for start in &starts {
            for (i, weight) in bell.iter().enumerate() {
                if let Some(sum) = start.checked_add_unsigned(i).and_then(|at| sum.get_mut(usize::try_from(at).ok()?)) {
                    *sum += f64::from(*weight);
                }
            }
        }
        Self { size, patch, starts, bell, sum }
    }

    /// The part of a window that lies on the volume: its first voxel in the window, its first voxel in the volume, and how many.
    fn part(&self, start: isize) -> (usize, usize, usize) {
        let before = start.min(0).unsigned_abs();
        let from = start.max(0).unsigned_abs();
        (before, from, (self.patch - before.min(self.patch)).min(self.size.saturating_sub(from)))
    }
}

/// Where the windows lie on a volume, and what they weigh.
#[derive(Clone, Debug)]
pub struct Windows {
    along: [Along; 3],
}

impl Windows {
    /// The windows on a volume of `size` D, H, W.
    pub fn new(size: [usize; 3], window: &Window) -> Self {
        Self { along: [0, 1, 2].map(|a| Along::new(size[a], window.patch[a], window.overlap)) }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.along.iter().map(|a| a.starts.len()).product()
    }

    /// How many begin on one plane: the most that pass at once.
    pub fn layer(&self) -> usize {
        self.along[1].starts.len() * self.along[2].starts.len()
    }

    /// Planes along D that [`Windows::sweep`] holds, and at most gives at once.
    pub fn depth(&self) -> usize {
        self.along[0].patch.min(self.along[0].size)
    }

    /// Class probabilities of an image, given to `take` plane by plane along D: the first plane, and `[K, n, H, W]` from there on.
    ///
    /// `forward` gives the probabilities `[N, K, d, h, w]` of patches `[N, C, d, h, w]`, of which there are `batch` (1 or more) at most. Where windows overlap, their answers are averaged, each voxel
    /// weighted by how near it is to the middle of the window (there the network sees most around it). A plane is finished once no window
    /// reaches back to it, so beside the image only `K` times [`Windows::depth`] planes of f32 are held: the sum of the weights is a product of
    /// three sums along the axes.
    ///
    /// # Errors
    /// What `forward` and `take` refuse.
    pub fn sweep(
        &self,
        image: &Prepared<'_>,
        (classes, batch): (usize, usize),
        mut forward: impl FnMut(ArrayView5<f32>) -> Result<Array5<f32>>,
        mut take: impl FnMut(usize, ArrayView4<f32>) -> Result<()>,
    ) -> Result<()> {
        let [along_d, along_h, along_w] = &self.along;
        let patch = [along_d.patch, along_h.patch, along_w.patch];
        let mut slab = Array4::<f32>::zeros((classes, self.depth(), along_h.size, along_w.size));
        // The plane that stands first in the slab.
        let mut first = 0;
        for &z in &along_d.starts {
            let (_, begin, _) = along_d.part(z);
            if begin > first {
                self.finish(&mut slab, first, begin - first, &mut take)?;
                first = begin;
            }
            let layer: Vec<[isize; 3]> = along_h.starts.iter().flat_map(|y| along_w.starts.iter().map(move |x| [z, *y, *x])).collect();
            for starts in layer.chunks(batch.max(1)) {
                let mut patches = Array5::zeros((starts.len(), image.channels(), patch[0], patch[1], patch[2]));
                for (to, start) in patches.axis_iter_mut(Axis(0)).zip(starts) {
                    image.cut(*start, to);
                }
                let said = forward(patches.view())?;
                for (probabilities, start) in said.axis_iter(Axis(0)).zip(starts) {
                    self.add(&mut slab, first, *start, probabilities);
                }
            }
        }
        self.finish(&mut slab, first, along_d.size - first, &mut take)
    }

    /// Adds the weighted answer of the window at `start` to the slab, whose first plane is `first`.
    fn add(&self, slab: &mut Array4<f32>, first: usize, start: [isize; 3], probabilities: ArrayView4<f32>) {
        let [along_d, along_h, along_w] = &self.along;
        let [(z0, z, d), (y0, y, h), (x0, x, w)] = [along_d.part(start[0]), along_h.part(start[1]), along_w.part(start[2])];
        let z = z - first;
        let mut here = slab.slice_mut(s![.., z..z + d, y..y + h, x..x + w]);
        let said = probabilities.slice(s![.., z0..z0 + d, y0..y0 + h, x0..x0 + w]);
        for (mut sum, said) in here.axis_iter_mut(Axis(0)).zip(said.axis_iter(Axis(0))) {
            for ((mut sum, said), a) in sum.axis_iter_mut(Axis(0)).zip(said.axis_iter(Axis(0))).zip(&along_d.bell[z0..]) {
                for ((sum, said), b) in sum.rows_mut().into_iter().zip(said.rows()).zip(&along_h.bell[y0..]) {
                    let row = a * b;
                    sum.into_iter().zip(said).zip(&along_w.bell[x0..]).for_each(|((sum, p), c)| *sum += p * (row * c));
                }
            }
        }
    }

    /// Divides the first `count` planes of the slab by their weights, gives them away, and moves the others up.
    fn finish(
        &self,
        slab: &mut Array4<f32>,
        first: usize,
        count: usize,
        take: &mut impl FnMut(usize, ArrayView4<f32>) -> Result<()>,
    ) -> Result<()> {
        let [along_d, along_h, along_w] = &self.along;
        let mut done = slab.slice_mut(s![.., ..count, .., ..]);
        for mut class in done.axis_iter_mut(Axis(0)) {
            for (mut plane, a) in class.axis_iter_mut(Axis(0)).zip(&along_d.sum[first..]) {
                for (row, b) in plane.rows_mut().into_iter().zip(&along_h.sum) {
                    row.into_iter().zip(&along_w.sum).for_each(|(p, c)| *p = (f64::from(*p) / (a * b * c)) as f32);
                }
            }
        }
        take(first, done.view())?;
        let plane = along_h.size * along_w.size;
        for mut class in slab.axis_iter_mut(Axis(0)) {
            // A slab is made in standard layout, so each class is one slice.
            if let Some(class) = class.as_slice_mut() {
                class.copy_within(count * plane.., 0);
                let rest = class.len() - count * plane;
                class[rest..].fill(0.0);
            }
        }
        Ok(())
    }
}

/// The class of the greatest probability of every voxel; the first of several.
pub fn argmax(probabilities: ArrayView4<f32>) -> Array3<u8> {
    let (classes, d, h, w) = probabilities.dim();
    let mut best = Array3::<u8>::zeros((d, h, w));
    let mut most = Array3::<f32>::from_elem((d, h, w), f32::NEG_INFINITY);
    for class in 0..classes.min(256) {
        let p: ArrayView3<f32> = probabilities.index_axis(Axis(0), class);
        ndarray::Zip::from(&mut best).and(&mut most).and(p).for_each(|b, m, &p| {
            if p > *m {
                *m = p;
                *b = class as u8;
            }
        });
    }
    best
}

#[cfg(test)]
mod tests;
