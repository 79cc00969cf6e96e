//! Logits from the network's grid back onto the image's, plane by plane.
//!
//! Part of `infer::nnunet`; may use `resample` beside it. Linear between voxels, or the nearest slice across the axis that is resampled by itself; a
//! plane is given as soon as those on both its sides are known.

use half::f16;
use ndarray::{Array4, ArrayView2, ArrayView4, Axis, s};
use rayon::prelude::*;

use super::plan::Resampling;
use super::resample::{between, nearest};
use crate::text::Result;

/// Two voxels of the network's grid and how far the place is from the first.
type Tap = (usize, usize, f64);

/// Takes planes along D of one grid, in order, and gives those of another over the same lengths.
#[derive(Debug)]
pub struct NnunetRestore {
    taps: [Vec<Tap>; 3],
    same: bool,
    /// Whether what is given is rounded to float16.
    exact: bool,
    /// The planes that were taken and are still needed, `[K, n, H, W]`, and the first one's place.
    held: Option<(usize, Array4<f32>)>,
    /// The next plane to give.
    next: usize,
}

impl NnunetRestore {
    /// From a grid of `size` D, H, W onto one of `onto`; `across` is the axis that is resampled by itself.
    pub fn new(size: [usize; 3], onto: [usize; 3], across: Option<usize>, by: &Resampling, exact: bool) -> Self {
        let taps = [0, 1, 2].map(|a| {
            let tap = |j| match across {
                Some(axis) if axis == a && by.order_across == 0 => {
                    let at = nearest(size[a], onto[a], j);
                    (at, at, 0.0)
                }
                _ => between(size[a], onto[a], j),
            };
            (0..onto[a]).map(tap).collect()
        });
        Self { taps, same: size == onto, exact, held: None, next: 0 }
    }

    /// The most planes that are held and given for `count` that are taken.
    pub fn planes(&self, count: usize) -> usize {
        let [along, ..] = &self.taps;
        let last = along.last().map_or(1, |tap| tap.1 + 1) as f64;
        ((count + 1) as f64 * along.len() as f64 / last).ceil() as usize + 1
    }

    /// Takes the planes `[K, n, H, W]` that begin at `first`, and gives all that lie between those taken so far.
    ///
    /// # Errors
    /// What `give` refuses.
    pub fn take(&mut self, first: usize, planes: Array4<f32>, give: &mut dyn FnMut(usize, ArrayView4<f32>) -> Result<()>) -> Result<()> {
        if self.same {
            return give(first, planes.view());
        }
        let known = first + planes.dim().1;
        let (start, held) = match self.held.take() {
            Some((start, before)) => {
                let joined = ndarray::concatenate![Axis(1), before, planes];
                (start, joined)
            }
            None => (first, planes),
        };
        let end = self.next + self.taps[0][self.next..].iter().take_while(|tap| tap.1 < known).count();
        if end > self.next {
            let made = self.between(start, &held, end);
            give(self.next, made.view())?;
            self.next = end;
        }
        // What comes next begins at the plane before its place.
        let needed = self.taps[0].get(self.next).map_or(known, |tap| tap.0).clamp(start, known);
        self.held = Some((needed, held.slice_move(s![.., needed - start.., .., ..]).as_standard_layout().into_owned()));
        Ok(())
    }

    /// The planes from the next one to `end`, from `held`, which begins at plane `start`.
    fn between(&self, start: usize, held: &Array4<f32>, end: usize) -> Array4<f32> {
        let (classes, _, h, w) = held.dim();
        let [_, ys, xs] = &self.taps;
        let mut made = Array4::zeros((classes, end - self.next, ys.len(), xs.len()));
        let count = end - self.next;
        // Made in standard layout: plane after plane of class after class.
        let planes = made.as_slice_mut().map(|all| all.chunks_mut((ys.len() * xs.len()).max(1)).enumerate().collect::<Vec<_>>());
        planes.unwrap_or_default().into_par_iter().for_each(|(n, to)| {
            let (class, n) = (n / count, n % count);
            let (low, high, t) = self.taps[0][self.next + n];
            let plane = |z: usize| held.slice(s![class, z - start, .., ..]);
            self.plane(plane(low), plane(high), t, (h, w), to);
        });
        made
    }

    /// One plane of a class: between two of the network's grid, then along H, then along W.
    fn plane(&self, low: ArrayView2<f32>, high: ArrayView2<f32>, t: f64, (h, w): (usize, usize), to: &mut [f32]) {
        let [_, ys, xs] = &self.taps;
        let mixed = |a: f64, b: f64, t: f64| if t == 0.0 { a } else { a * (1.0 - t) + b * t };
        let mut seen = vec![0f64; h * w];
        for ((to, a), b) in seen.iter_mut().zip(low).zip(high) {
            *to = mixed(f64::from(*a), f64::from(*b), t);
        }
        let mut row = vec![0f64; w];
        for (to, (low, high, t)) in to.chunks_mut(xs.len().max(1)).zip(ys) {
            let (a, b) = (&seen[low * w..(low + 1) * w], &seen[high * w..(high + 1) * w]);
            row.iter_mut().zip(a).zip(b).for_each(|((to, a), b)| *to = mixed(*a, *b, *t));
            for (to, (low, high, t)) in to.iter_mut().zip(xs) {
                let v = mixed(row[*low], row[*high], *t);
                *to = if self.exact { f16::from_f64(v).to_f32() } else { v as f32 };
            }
        }
    }
}
