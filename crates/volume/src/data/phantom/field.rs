//! Smooth random fields over the cube [-1, 1]³, and a soft blur.
//!
//! Depends on nothing of this crate.

use rand::{Rng, RngExt};

/// A point of the cube: z, y, x.
pub(super) type Point = [f32; 3];

/// Random values on a lattice, joined smoothly; within -1 and 1.
pub(super) struct Field {
    cells: usize,
    values: Vec<f32>,
}

impl Field {
    /// `cells` per axis: more cells, finer detail.
    pub fn new(cells: usize, rng: &mut impl Rng) -> Self {
        let n = cells + 1;
        Self { cells, values: (0..n * n * n).map(|_| rng.random_range(-1.0f32..=1.0)).collect() }
    }

    pub fn at(&self, p: Point) -> f32 {
        let n = self.cells + 1;
        let mut cell = [0usize; 3];
        let mut part = [0f32; 3];
        for a in 0..3 {
            let x = ((p[a] + 1.0) * 0.5 * self.cells as f32).clamp(0.0, self.cells as f32 - 1e-3);
            cell[a] = x as usize;
            let t = x - cell[a] as f32;
            part[a] = t * t * (3.0 - 2.0 * t);
        }
        let value = |z: usize, y: usize, x: usize| self.values[((cell[0] + z) * n + cell[1] + y) * n + cell[2] + x];
        let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
        let line = |z, y| mix(value(z, y, 0), value(z, y, 1), part[2]);
        let plane = |z| mix(line(z, 0), line(z, 1), part[1]);
        mix(plane(0), plane(1), part[0])
    }
}

/// 0 below `from`, 1 above `to`, smooth between.
pub(super) fn step(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A blur by (1, 2, 1) / 4 along each axis of `[D, H, W]`; edges repeat.
pub(super) fn blur(data: &mut [f32], size: [usize; 3]) {
    let [d, h, w] = size;
    let mut line = vec![0.0; d.max(h).max(w)];
    for (length, stride, starts) in [(w, 1, [(d, h * w), (h, w)]), (h, w, [(d, h * w), (w, 1)]), (d, h * w, [(h, w), (w, 1)])] {
        let [(n0, s0), (n1, s1)] = starts;
        for start in (0..n0).flat_map(|a| (0..n1).map(move |b| a * s0 + b * s1)) {
            for i in 0..length {
                line[i] = data[start + i * stride];
            }
            for i in 0..length {
                let (before, after) = (line[i.saturating_sub(1)], line[(i + 1).min(length - 1)]);
                data[start + i * stride] = 0.25 * (before + after) + 0.5 * line[i];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::rng::{RngStream, draw};
    use super::*;

    #[test]
    fn a_field_is_bounded_and_smooth() {
        let f = Field::new(4, &mut draw(1, RngStream::Phantom, 0, 0));
        let mut last = f.at([0.3, -0.2, -1.0]);
        for i in 1..=1000 {
            let v = f.at([0.3, -0.2, -1.0 + 0.002 * i as f32]);
            assert!(v.abs() <= 1.0 && (v - last).abs() < 0.02);
            last = v;
        }
    }

    #[test]
    fn a_blur_spreads_a_point_evenly() {
        let mut data = vec![0.0; 5 * 5 * 5];
        data[62] = 64.0;
        blur(&mut data, [5, 5, 5]);
        assert_eq!((data[62], data[61], data[57], data[37], data[31]), (8.0, 4.0, 4.0, 4.0, 1.0));
        assert_eq!(data.iter().sum::<f32>(), 64.0);
    }
}
