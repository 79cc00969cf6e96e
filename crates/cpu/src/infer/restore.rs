//! Probabilities from the grid of the network back onto the grid of the image, plane by plane.
//!
//! Part of `infer`; may use `volume` and `text`.

use ndarray::{Array4, ArrayView4, Axis, concatenate, s};

use crate::text::{Code, Diagnostic, Result};
use crate::volume::{Grid, resample};

/// Takes planes along D of one grid, in order, and gives those of another with the same axes and the same middle as soon as they can be had.
#[derive(Debug)]
pub struct Restore {
    from: Grid,
    onto: Grid,
    /// The last plane of `from` that was taken, `[K, 1, H, W]`.
    last: Option<Array4<f32>>,
    /// The next plane of `onto` to give.
    next: usize,
}

impl Restore {
    pub fn new(from: Grid, onto: Grid) -> Self {
        Self { from, onto, last: None, next: 0 }
    }

    /// The most planes of `onto` that `count` planes of `from` lead to.
    pub fn planes(&self, count: usize) -> usize {
        ((count as f64 + 1.0) / self.step()).ceil() as usize + 1
    }

    /// Planes of `from` per plane of `onto`.
    fn step(&self) -> f64 {
        self.onto.spacing()[0] / self.from.spacing()[0]
    }

    /// Takes the planes `[K, n, H, W]` of `from` that begin at `first`, and gives the planes of `onto` that lie between those taken so far,
    /// linear between voxels; with the last ones, all that are left.
    ///
    /// # Errors
    /// What `give` refuses.
    pub fn take(
        &mut self,
        first: usize,
        planes: ArrayView4<'_, f32>,
        give: &mut dyn FnMut(usize, ArrayView4<f32>) -> Result<()>,
    ) -> Result<()> {
        let (classes, count, ..) = planes.dim();
        if count == 0 {
            return Ok(());
        }
        let known = first + count;
        let middle = |n: usize| (n as f64 - 1.0) / 2.0;
        let place = |z: usize| (z as f64 - middle(self.onto.size[0])) * self.step() + middle(self.from.size[0]);
        let mut end = self.next;
        while end < self.onto.size[0] && (known == self.from.size[0] || place(end) <= known as f64 - 1.0) {
            end += 1;
        }
        if end > self.next {
            let joined;
            let (slab, start) = match &self.last {
                Some(last) => {
                    joined = concatenate(Axis(1), &[last.view(), planes]).map_err(|e| odd(&e.to_string()))?;
                    (joined.view(), first - 1)
                }
                None => (planes, first),
            };
            let from = part(&self.from, start, slab.dim().1);
            let onto = part(&self.onto, self.next, end - self.next);
            let [d, h, w] = onto.size;
            let mut out = Array4::zeros((classes, d, h, w));
            for (mut to, class) in out.axis_iter_mut(Axis(0)).zip(slab.axis_iter(Axis(0))) {
                to.assign(&resample(class, &from, &onto));
            }
            give(self.next, out.view())?;
            self.next = end;
        }
        self.last = Some(planes.slice(s![.., count - 1.., .., ..]).to_owned());
        Ok(())
    }
}

/// `count` planes along D of a grid from plane `first`.
fn part(grid: &Grid, first: usize, count: usize) -> Grid {
    let mut affine = grid.affine;
    let origin = grid.world([first as f64, 0.0, 0.0]);
    affine.iter_mut().zip(origin).for_each(|(row, o)| row[3] = o);
    Grid { size: [count, grid.size[1], grid.size[2]], affine }
}

fn odd(why: &str) -> Diagnostic {
    Diagnostic::error(Code::E0901, format!("planes of probabilities do not follow each other: {why}"))
        .help("this is a fault of the program; please report it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_by_and_by_are_the_whole_at_once() {
        let affine = [[0.1, -1.9, 0.2, 30.0], [-1.4, -0.1, 0.3, -7.0], [0.2, 0.3, 3.0, 12.5], [0.0, 0.0, 0.0, 1.0]];
        for (size, spacing) in
            [([9, 5, 6], [1.0, 1.0, 1.0]), ([4, 3, 8], [7.5, 2.5, 0.9]), ([1, 6, 5], [1.0, 4.0, 1.0]), ([7, 4, 4], [3.0, 1.9, 1.4])]
        {
            let onto = Grid { size, affine };
            let from = onto.resampled(spacing);
            let [d, h, w] = from.size;
            let all = Array4::from_shape_fn((2, d, h, w), |(k, z, y, x)| ((k * 3 + z * 7 + y * 5 + x) as f32).sin());
            let want = all.axis_iter(Axis(0)).map(|c| resample(c, &from, &onto)).collect::<Vec<_>>();
            for step in [1, 2, d] {
                let mut restore = Restore::new(from, onto);
                let mut next = 0;
                for first in (0..d).step_by(step) {
                    let count = step.min(d - first);
                    let most = restore.planes(count);
                    restore
                        .take(first, all.slice(s![.., first..first + count, .., ..]), &mut |at, planes| {
                            assert!(at == next && planes.dim().1 <= most, "{} planes of at most {most}", planes.dim().1);
                            for (k, class) in planes.axis_iter(Axis(0)).enumerate() {
                                let same = want[k].slice(s![at..at + planes.dim().1, .., ..]);
                                assert!(class.iter().zip(same).all(|(a, b)| (a - b).abs() < 1e-5), "{size:?} {spacing:?} {step}");
                            }
                            next += planes.dim().1;
                            Ok(())
                        })
                        .unwrap();
                }
                assert_eq!(next, size[0]);
            }
            // Every voxel lies within the other grid: what is 1 everywhere stays 1 to the edge.
            let ones = ndarray::Array3::ones(from.size);
            assert!(resample(ones.view(), &from, &onto).iter().all(|v| (v - 1.0).abs() < 1e-6), "{size:?} {spacing:?}");
        }
    }
}
