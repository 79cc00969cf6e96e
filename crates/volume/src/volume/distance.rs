//! Exact Euclidean distance to a set of voxels, in mm.
//!
//! Depends on nothing of this crate. Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions" (2012): one axis after another,
//! each line is the lower envelope of parabolas. Linear in the voxels, exact on anisotropic grids, lines in parallel.

use ndarray::{Array3, ArrayView3, ArrayViewMut2, Axis};
use rayon::prelude::*;

/// Columns taken together: one cache line of `f64`.
const COLUMNS: usize = 8;

/// The distance in mm from each voxel's centre to the centre of the nearest `true` voxel: 0 on these, infinity everywhere if there is none.
///
/// `mask` and the result are `[D, H, W]`; `spacing` is the distance between voxels along the same axes, in mm, positive.
pub fn distance(mask: ArrayView3<'_, bool>, spacing: [f64; 3]) -> Array3<f64> {
    let mut squares = Array3::from_elem(mask.dim(), f64::INFINITY);
    if squares.is_empty() {
        return squares;
    }
    let planes: Vec<_> = squares.axis_iter_mut(Axis(0)).zip(mask.axis_iter(Axis(0))).collect();
    planes.into_par_iter().for_each(|(mut plane, mask)| {
        for (mut line, mask) in plane.rows_mut().into_iter().zip(mask.rows()) {
            // Along the last axis every square is 0 or infinite: the nearest is the last one passed, from either side.
            let mut since = f64::INFINITY;
            for (to, set) in line.iter_mut().zip(mask) {
                since = if *set { 0.0 } else { since + 1.0 };
                *to = since;
            }
            since = f64::INFINITY;
            for to in line.iter_mut().rev() {
                since = to.min(since + 1.0);
                *to = (since * spacing[2]).powi(2);
            }
        }
        sweep(plane, spacing[1]);
    });
    let planes: Vec<_> = squares.axis_iter_mut(Axis(1)).collect();
    planes.into_par_iter().for_each(|plane| {
        let mut plane = plane;
        sweep(plane.view_mut(), spacing[0]);
        plane.mapv_inplace(f64::sqrt);
    });
    squares
}

/// Lowers each column of squared distances by what lies along it. `plane`: `[line, columns]`.
fn sweep(mut plane: ArrayViewMut2<'_, f64>, step: f64) {
    let length = plane.nrows();
    if length < 2 {
        return;
    }
    let mut envelope = Envelope { sites: Vec::with_capacity(length), step };
    let mut lines = vec![0.0; length * COLUMNS];
    for mut columns in plane.axis_chunks_iter_mut(Axis(1), COLUMNS) {
        for (n, row) in columns.rows().into_iter().enumerate() {
            row.iter().enumerate().for_each(|(c, v)| lines[c * length + n] = *v);
        }
        for line in lines.chunks_exact_mut(length).take(columns.ncols()) {
            envelope.lower(line);
        }
        for (n, mut row) in columns.rows_mut().into_iter().enumerate() {
            row.iter_mut().enumerate().for_each(|(c, v)| *v = lines[c * length + n]);
        }
    }
}

/// Parabolas of which each is the lowest from `from` on, until the next one is.
struct Envelope {
    sites: Vec<Site>,
    step: f64,
}

#[derive(Clone, Copy)]
struct Site {
    at: f64,
    height: f64,
    from: f64,
}

impl Envelope {
    fn lower(&mut self, line: &mut [f64]) {
        self.sites.clear();
        let area = self.step * self.step;
        for (at, height) in line.iter().enumerate().filter(|(_, h)| h.is_finite()) {
            let (at, height) = (at as f64, *height);
            let mut from = f64::NEG_INFINITY;
            while let Some(last) = self.sites.last() {
                // Where the new parabola comes to lie below the last one.
                from = (at + last.at) / 2.0 + (height - last.height) / (2.0 * area * (at - last.at));
                if from > last.from {
                    break;
                }
                self.sites.pop();
                from = f64::NEG_INFINITY;
            }
            self.sites.push(Site { at, height, from });
        }
        let mut sites = self.sites.iter().copied().peekable();
        let Some(mut site) = sites.next() else { return };
        for (n, to) in line.iter_mut().enumerate() {
            let n = n as f64;
            while let Some(next) = sites.next_if(|next| next.from <= n) {
                site = next;
            }
            *to = site.height + ((n - site.at) * self.step).powi(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn brute(mask: &Array3<bool>, spacing: [f64; 3]) -> Array3<f64> {
        Array3::from_shape_fn(mask.dim(), |(a, b, c)| {
            let to = |((d, h, w), _): ((usize, usize, usize), &bool)| {
                let apart = [(a, d), (b, h), (c, w)].map(|(p, q)| p as f64 - q as f64);
                apart.iter().zip(spacing).map(|(n, s)| (n * s).powi(2)).sum::<f64>().sqrt()
            };
            mask.indexed_iter().filter(|(_, set)| **set).map(to).fold(f64::INFINITY, f64::min)
        })
    }

    proptest! {
        #[test]
        fn it_is_what_trying_every_voxel_gives(
            size in [1usize..9, 1usize..12, 1usize..20],
            spacing in [0.05f64..50.0, 0.05f64..50.0, 0.05f64..50.0],
            one_in in 1u64..60,
            seed in 0u64..1000,
        ) {
            let mut state = seed;
            let mask = Array3::from_shape_simple_fn(size, || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33).is_multiple_of(one_in)
            });
            let (ours, brute) = (distance(mask.view(), spacing), brute(&mask, spacing));
            for (o, b) in ours.iter().zip(&brute) {
                prop_assert!(o == b || (o - b).abs() <= 1e-12 * b, "{o} {b}");
            }
        }
    }

    #[test]
    fn nothing_is_infinitely_far_from_nothing() {
        assert!(distance(Array3::from_elem((3, 4, 5), false).view(), [1.0; 3]).iter().all(|d| *d == f64::INFINITY));
        assert_eq!(distance(Array3::from_elem((0, 4, 5), true).view(), [1.0; 3]).dim(), (0, 4, 5));
    }

    #[test]
    fn other_memory_orders_are_no_matter() {
        let mask = Array3::from_shape_fn((4, 5, 6), |(d, h, w)| (d * 7 + h * 5 + w * 3) % 11 == 0);
        let turned = mask.clone().reversed_axes();
        let back = distance(turned.view(), [3.0, 2.0, 1.0]).reversed_axes();
        assert_eq!(back, distance(mask.view(), [1.0, 2.0, 3.0]));
    }
}
