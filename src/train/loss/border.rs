//! The region around the borders of classes, from labels alone, so that it is the same on every device.
//!
//! Part of `train::loss`; may use `volume`.

use ndarray::ArrayView3;

use super::objective::DistanceNorm;
use crate::volume::distance;

/// Marks the voxels within `radius` (in voxels, whatever their spacing) of a border between classes.
///
/// A border voxel has a neighbour by a face, inside the volume, of another class; both sides count. `labels` is one
/// volume, `[D, H, W]` in row-major order; so is the result, of the same length. A volume of one class has no border.
pub fn region(labels: &[u8], size: [usize; 3], radius: usize, norm: DistanceNorm) -> Vec<bool> {
    let mut marked = border(labels, size);
    if radius == 0 {
        return marked;
    }
    match norm {
        // The cube is separable: three runs of a one-dimensional dilation.
        DistanceNorm::chebyshev => (0..3).for_each(|axis| marked = dilate(&marked, size, axis, radius)),
        // A way of so many steps from face to face, none of which leaves the volume.
        DistanceNorm::city => {
            for _ in 0..radius {
                let steps = [0, 1, 2].map(|axis| dilate(&marked, size, axis, 1));
                let [a, b, c] = &steps;
                marked = a.iter().zip(b).zip(c).map(|((a, b), c)| *a || *b || *c).collect();
            }
        }
        DistanceNorm::euclidean => {
            let Ok(mask) = ArrayView3::from_shape(size, &marked) else { return marked };
            // Squares of distances are whole numbers.
            marked = distance(mask, [1.0; 3]).iter().map(|d| *d <= radius as f64 + 1e-9).collect();
        }
    }
    marked
}

fn strides([_, h, w]: [usize; 3]) -> [usize; 3] {
    [h * w, w, 1]
}

fn border(labels: &[u8], size: [usize; 3]) -> Vec<bool> {
    let mut marked = vec![false; labels.len()];
    for (axis, stride) in strides(size).into_iter().enumerate() {
        // Of every pair of neighbours along the axis, both or none.
        for (at, pair) in labels.windows(stride + 1).enumerate() {
            let inside = (at / stride) % size[axis] + 1 < size[axis];
            if inside && pair.first() != pair.last() {
                marked[at] = true;
                marked[at + stride] = true;
            }
        }
    }
    marked
}

fn dilate(marked: &[bool], size: [usize; 3], axis: usize, radius: usize) -> Vec<bool> {
    let stride = strides(size)[axis];
    let length = size[axis];
    let mut out = vec![false; marked.len()];
    for (at, _) in marked.iter().enumerate().filter(|(_, m)| **m) {
        let along = (at / stride) % length;
        let first = along.saturating_sub(radius);
        let last = (along + radius).min(length - 1);
        for to in first..=last {
            out[at - along * stride + to * stride] = true;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    /// Straight from the definition: every voxel against every voxel.
    fn naive(labels: &[u8], [d, h, w]: [usize; 3], radius: usize, norm: DistanceNorm) -> Vec<bool> {
        let at = |z: usize, y: usize, x: usize| labels[(z * h + y) * w + x];
        let mut borders = vec![];
        for z in 0..d {
            for y in 0..h {
                for x in 0..w {
                    let c = at(z, y, x);
                    let differs = (z > 0 && at(z - 1, y, x) != c)
                        || (z + 1 < d && at(z + 1, y, x) != c)
                        || (y > 0 && at(z, y - 1, x) != c)
                        || (y + 1 < h && at(z, y + 1, x) != c)
                        || (x > 0 && at(z, y, x - 1) != c)
                        || (x + 1 < w && at(z, y, x + 1) != c);
                    if differs {
                        borders.push([z, y, x]);
                    }
                }
            }
        }
        (0..d * h * w)
            .map(|i| {
                let v = [i / (h * w), i / w % h, i % w];
                borders.iter().any(|b| {
                    let way: [usize; 3] = std::array::from_fn(|k| b[k].abs_diff(v[k]));
                    match norm {
                        DistanceNorm::chebyshev => way.iter().all(|n| *n <= radius),
                        DistanceNorm::city => way.iter().sum::<usize>() <= radius,
                        DistanceNorm::euclidean => way.iter().map(|n| n * n).sum::<usize>() <= radius * radius,
                    }
                })
            })
            .collect()
    }

    #[test]
    fn agrees_with_the_definition() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        for size in [[1, 1, 1], [1, 7, 1], [4, 5, 6], [7, 3, 5], [2, 2, 9]] {
            for radius in 0..4 {
                let count = size.iter().product();
                // Mostly background, so that the dilation does not fill the volume.
                let labels: Vec<u8> = (0..count).map(|_| if rng.random_range(0..20) == 0 { rng.random_range(1..3) } else { 0 }).collect();
                for norm in [DistanceNorm::chebyshev, DistanceNorm::euclidean, DistanceNorm::city] {
                    let want = naive(&labels, size, radius, norm);
                    assert_eq!(region(&labels, size, radius, norm), want, "{size:?} radius {radius} {norm:?}");
                }
            }
        }
    }

    #[test]
    fn does_not_wrap_from_row_to_row() {
        // Two rows, each of one class along x: a border only between the rows.
        assert_eq!(region(&[0, 0, 0, 0, 0, 0], [1, 2, 3], 1, DistanceNorm::chebyshev), [false; 6]);
        // The end of row 0 and the start of row 1 differ but do not touch; all three columns do.
        assert_eq!(region(&[0, 0, 1, 1, 1, 1], [1, 2, 3], 0, DistanceNorm::chebyshev), [true, true, true, true, true, false]);
        assert_eq!(region(&[0, 0, 1, 0, 0, 1], [1, 2, 3], 0, DistanceNorm::chebyshev), [false, true, true, false, true, true]);
    }

    #[test]
    fn one_class_has_no_border() {
        assert!(region(&[3; 27], [3, 3, 3], 2, DistanceNorm::chebyshev).iter().all(|m| !m));
        assert!(region(&[], [0, 3, 3], 2, DistanceNorm::chebyshev).is_empty());
    }
}
