//! Planes through a volume and how their voxels become pixels.
//!
//! May use `affine`, `orientation` beside it.

use ndarray::ArrayView3;

use super::affine::{Affine, steps};
use super::errors::Hatch;
use super::orientation::{Orientation, Side};

/// An array axis (0 to 2 of `[D, H, W]`) and whether it is shown backwards.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Way {
    axis: usize,
    backwards: bool,
}

/// A plane: one axis fixed, one shown downwards, one to the right.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plane {
    fixed: usize,
    slice: usize,
    down: Way,
    right: Way,
    /// Voxels down and to the right.
    count: [usize; 2],
    /// Height and width in mm.
    pub extent: [f64; 2],
    /// The sides of the patient at the top, the bottom, the left and the right.
    pub sides: [Side; 4],
}

/// How strongly the inside of a label covers the image, and a line of one that is hatched.
const FILL: f32 = 0.42;
const HATCHED: f32 = 0.85;

/// How a label is painted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ink {
    pub colour: [u8; 3],
    pub hatch: Hatch,
}

impl Ink {
    /// How strongly a pixel inside of the label is covered.
    pub fn cover(self, row: usize, column: usize) -> f32 {
        match self.hatch {
            Hatch::None => FILL,
            hatch if hatch.covers(row, column) => HATCHED,
            _ => 0.0,
        }
    }
}

/// The axial, coronal and sagittal plane of a grid (`size` is D, H, W) with the most voxels in which `labels` are wanted; through the middle
/// when there are none.
pub(super) fn planes(affine: &Affine, size: [usize; 3], labels: Option<&ArrayView3<'_, u8>>, wanted: impl Fn(u8) -> bool) -> [Plane; 3] {
    let marked = marked(size, labels, wanted);
    // Right, front and head are at low rows and columns: the ways run against x, y, z.
    let [x, y, z] = patient_axes(affine);
    let [i, j, k] = steps(affine);
    let spacing = [k, j, i];
    [(z, y, x, [1, 0]), (y, z, x, [2, 0]), (x, z, y, [2, 1])].map(|(fixed, down, right, world)| {
        let marked = &marked[fixed.axis];
        let most = marked.iter().copied().max().unwrap_or(0);
        // The middle one of equals: the ends of a round thing are not in its middle.
        let best: Vec<usize> = (0..marked.len()).filter(|s| marked[*s] == most).collect();
        let slice = if most == 0 { size[fixed.axis] / 2 } else { best.get(best.len() / 2).copied().unwrap_or(0) };
        let along = |w: Way| (size[w.axis], size[w.axis] as f64 * spacing[w.axis]);
        let ((rows, height), (columns, width)) = (along(down), along(right));
        // The high side of each world axis comes first.
        let [top, left] = world.map(|axis| Side::of(axis, true));
        let sides = [top, top.opposite(), left, left.opposite()];
        Plane { fixed: fixed.axis, slice, down, right, count: [rows, columns], extent: [height, width], sides }
    })
}

/// How many voxels are wanted in each slice along D, H and W.
fn marked(size: [usize; 3], labels: Option<&ArrayView3<'_, u8>>, wanted: impl Fn(u8) -> bool) -> [Vec<usize>; 3] {
    let mut marked = size.map(|n| vec![0usize; n]);
    for (at, _) in labels.iter().flat_map(|l| l.indexed_iter()).filter(|(_, l)| wanted(**l)) {
        for (along, n) in marked.iter_mut().zip([at.0, at.1, at.2]) {
            along[n] += 1;
        }
    }
    marked
}

/// The array axes nearest to the patient's x, y, z, shown from high to low.
fn patient_axes(affine: &Affine) -> [Way; 3] {
    let sides = Orientation::of(affine).sides();
    [0, 1, 2].map(|axis| {
        // Every orientation has each world axis once.
        let column = sides.iter().position(|s| s.axis().0 == axis).unwrap_or(axis);
        Way { axis: 2 - column, backwards: sides[column].axis().1 }
    })
}

impl Plane {
    /// The array place of row and column of the plane.
    fn place(&self, row: usize, column: usize) -> [usize; 3] {
        let turn = |w: Way, n: usize, of: usize| if w.backwards { of - 1 - n } else { n };
        let mut at = [0; 3];
        at[self.fixed] = self.slice;
        at[self.down.axis] = turn(self.down, row, self.count[0]);
        at[self.right.axis] = turn(self.right, column, self.count[1]);
        at
    }

    /// The image (finite) as `rows` x `columns` pixels, smooth between voxels (Catmull and Rom's cubic).
    pub fn smooth(&self, image: &ArrayView3<'_, f32>, rows: usize, columns: usize) -> Vec<f32> {
        let [h, w] = self.count;
        let voxel = |r: usize, c: usize| image[self.place(r, c)];
        let (down, across) = (taps(rows, h), taps(columns, w));
        // Along rows first, then along columns.
        let wide: Vec<f32> = (0..h).flat_map(|r| across.iter().map(move |t| t.iter().map(|(c, k)| k * voxel(r, *c)).sum())).collect();
        down.iter().flat_map(|t| (0..columns).map(|c| t.iter().map(|(r, k)| k * wide[r * columns + c]).sum()).collect::<Vec<_>>()).collect()
    }

    /// Paints labels over pixels: a tint inside, a line at the edge. The voxels' own corners are kept.
    pub fn paint(&self, labels: &ArrayView3<'_, u8>, inks: &[Ink; 256], rows: usize, columns: usize, pixels: &mut [[f32; 3]]) {
        // Three by three points a pixel, so that lines are smooth.
        const FINE: usize = 3;
        let (h, w) = (rows * FINE, columns * FINE);
        let class: Vec<u8> = (0..h)
            .flat_map(|y| (0..w).map(move |x| (y, x)))
            .map(|(y, x)| labels[self.place(y * self.count[0] / h, x * self.count[1] / w)])
            .collect();
        let line = (FINE * 5 / 3) as isize;
        let edge = |y: usize, x: usize| {
            let own = class[y * w + x];
            let other = |dy: isize, dx: isize| {
                let (Some(y), Some(x)) = (y.checked_add_signed(dy), x.checked_add_signed(dx)) else { return false };
                y < h && x < w && class[y * w + x] != own
            };
            [(line, 0), (-line, 0), (0, line), (0, -line), (line, line), (line, -line), (-line, line), (-line, -line)]
                .iter()
                .any(|(dy, dx)| other(*dy, *dx))
        };
        for (n, pixel) in pixels.iter_mut().enumerate() {
            let mut sum = [0f32; 3];
            for point in 0..FINE * FINE {
                let (y, x) = (n / columns * FINE + point / FINE, n % columns * FINE + point % FINE);
                let own = class[y * w + x];
                let ink = inks[usize::from(own)];
                let cover = match own {
                    0 => 0.0,
                    _ if edge(y, x) => 1.0,
                    _ => ink.cover(n / columns, n % columns),
                };
                (0..3).for_each(|c| sum[c] += pixel[c] + (f32::from(ink.colour[c]) - pixel[c]) * cover);
            }
            *pixel = sum.map(|s| s / (FINE * FINE) as f32);
        }
    }
}

/// For each of `to` pixels over `from` voxels: the four voxels around it and their weights.
fn taps(to: usize, from: usize) -> Vec<[(usize, f32); 4]> {
    (0..to)
        .map(|n| {
            let at = (n as f32 + 0.5) * from as f32 / to as f32 - 0.5;
            let (first, t) = (at.floor() as isize, at - at.floor());
            let weights = [
                0.5 * (-t + 2.0 * t * t - t * t * t),
                0.5 * (2.0 - 5.0 * t * t + 3.0 * t * t * t),
                0.5 * (t + 4.0 * t * t - 3.0 * t * t * t),
                0.5 * (-t * t + t * t * t),
            ];
            std::array::from_fn(|i| ((first - 1 + i as isize).clamp(0, from as isize - 1) as usize, weights[i]))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_found_in_a_turned_grid() {
        // i runs to the feet, j to the left, k to the front, tilted a little.
        let a = [[0.0, -2.0, 0.1, 0.0], [0.1, 0.0, 3.0, 0.0], [-1.0, 0.1, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
        let [x, y, z] = patient_axes(&a);
        assert_eq!((x, y), (Way { axis: 1, backwards: false }, Way { axis: 0, backwards: true }));
        assert_eq!(z, Way { axis: 2, backwards: false });
    }

    #[test]
    fn weights_sum_to_one_and_meet_the_voxels() {
        for t in taps(37, 11) {
            assert!((t.iter().map(|(_, w)| w).sum::<f32>() - 1.0).abs() < 1e-5);
        }
        for (n, t) in taps(5, 5).iter().enumerate() {
            assert_eq!(t[1], (n, 1.0));
        }
    }
}
