//! Spatial augmentation: patches sampled rotated, scaled or elastically deformed from their case.
//!
//! May use `patch`, `sample`, `volume`, and `augment` above it.

use rand::{Rng, RngExt};

use super::Augment;
use crate::data::patch::Patch;
use crate::data::sample::Sample;
use crate::volume::{Grid, heaviest, spline_weights};

/// Where the voxels of a patch lie in its case: a linear map about the patch's middle, and what is added to it.
#[derive(Clone, Debug)]
pub struct Warp {
    size: [usize; 3],
    /// From steps of the patch to steps of the case, in voxels along D, H, W.
    steps: [[f64; 3]; 3],
    /// Displacements in voxels of the case, `[3][D * H * W]`; empty where there are none.
    bent: [Vec<f32>; 3],
}

/// Draws one; `None` where nothing is changed. A slice is turned, scaled and bent in its plane, as thick slices are.
pub(super) fn drawn(augment: &Augment, size: [usize; 3], spacing: [f64; 3], rng: &mut impl Rng) -> Option<Warp> {
    let slice = (0..3).find(|a| size[*a] == 1);
    let across = slice.or_else(|| thick(spacing));
    let axis = direction(rng, across);
    let (chance, at) = (rng.random::<f64>(), 2.0 * rng.random::<f64>() - 1.0);
    let r = augment.rotate;
    let degrees = r.thick_degrees.filter(|_| across.is_some()).unwrap_or(r.degrees);
    let turn = (chance < r.probability && degrees > 0.0).then_some(at * degrees.to_radians());
    let scale = augment.scale.draw(rng);
    let e = augment.elastic;
    let bend = rng.random::<f64>() < e.probability && e.voxels > 0.0;
    if turn.is_none() && scale.is_none() && !bend {
        return None;
    }
    // A larger picture is one of fewer voxels of the case. Thick slices are not mixed: what lies between them is not known.
    let zoom = |axis: usize| if across == Some(axis) { 1.0 } else { 1.0 / scale.unwrap_or(1.0) };
    let rotation = rotation(axis, turn.unwrap_or(0.0));
    let steps = std::array::from_fn(|r| std::array::from_fn(|c| rotation[r][c] * zoom(c) * spacing[c] / spacing[r]));
    let mut bent = |axis: usize| if bend && across != Some(axis) { field(size, e.grid, e.voxels, rng) } else { vec![] };
    let bent = [bent(0), bent(1), bent(2)];
    Some(Warp { size, steps, bent })
}

/// The axis across thick slices, of D, H, W, if slices are thick.
pub(super) fn thick([sd, sh, sw]: [f64; 3]) -> Option<usize> {
    crate::volume::thick(&Grid {
        size: [1; 3],
        affine: [[sw, 0.0, 0.0, 0.0], [0.0, sh, 0.0, 0.0], [0.0, 0.0, sd, 0.0], [0.0, 0.0, 0.0, 1.0]],
    })
}

/// A random direction along D, H, W in space; across slices where there are some.
fn direction(rng: &mut impl Rng, across: Option<usize>) -> [f64; 3] {
    let (z, angle) = (2.0 * rng.random::<f64>() - 1.0, 2.0 * std::f64::consts::PI * rng.random::<f64>());
    match across {
        Some(across) => std::array::from_fn(|a| f64::from(u8::from(a == across))),
        None => [z, (1.0 - z * z).sqrt() * angle.cos(), (1.0 - z * z).sqrt() * angle.sin()],
    }
}

/// The rotation about a unit vector by an angle (Rodrigues).
fn rotation(n: [f64; 3], angle: f64) -> [[f64; 3]; 3] {
    let (s, c) = angle.sin_cos();
    let cross = [[0.0, -n[2], n[1]], [n[2], 0.0, -n[0]], [-n[1], n[0], 0.0]];
    std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j)) * c + (1.0 - c) * n[i] * n[j] + s * cross[i][j]))
}

/// Displacements of one axis: normal numbers on a coarse grid, cubic B-splines between them.
fn field(size: [usize; 3], grid: f64, deviation: f64, rng: &mut impl Rng) -> Vec<f32> {
    // One point before the first voxel and two behind the last carry the splines at the ends.
    let points = size.map(|n| ((n.max(1) - 1) as f64 / grid).floor() as usize + 4);
    let mut values: Vec<f32> = (0..points.iter().product()).map(|_| (normal(rng) * deviation) as f32).collect();
    let mut held = points;
    for axis in [2, 1, 0] {
        let outer: usize = held[..axis].iter().product();
        let inner: usize = held[axis + 1..].iter().product();
        let mut out = vec![0.0; outer * size[axis] * inner];
        for at in 0..size[axis] {
            let place = at as f64 / grid;
            let (first, t) = (place.floor() as usize, place.fract());
            let weights = spline_weights(t);
            for o in 0..outer {
                for (n, weight) in weights.iter().enumerate() {
                    let from = (o * held[axis] + first + n) * inner;
                    let to = (o * size[axis] + at) * inner;
                    let weight = *weight as f32;
                    for i in 0..inner {
                        out[to + i] += weight * values[from + i];
                    }
                }
            }
        }
        values = out;
        held[axis] = size[axis];
    }
    values
}

/// A normal number (Box and Muller).
fn normal(rng: &mut impl Rng) -> f64 {
    let (u, v) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
    (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
}

impl Warp {
    /// The patch whose straight form would begin at `start`: intensities linear between voxels, the label that weighs most; zeros
    /// (background) beyond the case.
    pub fn cut(&self, sample: &Sample, start: [i64; 3]) -> Patch {
        let [pd, ph, pw] = self.size;
        let (channels, volume) = (sample.image.dim().0, pd * ph * pw);
        let image = sample.image.as_standard_layout();
        let (image, label) = (image.as_slice().unwrap_or_default(), sample.label.as_standard_layout());
        let label = label.as_slice().unwrap_or_default();
        let held = sample.size();
        let whole = held.iter().product::<usize>();
        let (image_of, label_of, inside) = (vec![0.0; channels * volume], vec![0; volume], vec![false; volume]);
        let mut patch = Patch { channels, size: self.size, image: image_of, label: label_of, inside };
        let middle = self.size.map(|n| (n as f64 - 1.0) / 2.0);
        for n in 0..volume {
            let step = [n / (ph * pw), n / pw % ph, n % pw].map(|v| v as f64);
            let step: [f64; 3] = std::array::from_fn(|a| step[a] - middle[a]);
            let at: [f64; 3] = std::array::from_fn(|a| {
                let moved: f64 = (0..3).map(|c| self.steps[a][c] * step[c]).sum();
                start[a] as f64 + middle[a] + moved + self.bent[a].get(n).map_or(0.0, |v| f64::from(*v))
            });
            let Some(taps) = taps(at, held) else { continue };
            for c in 0..channels {
                let own = &image[c * whole..(c + 1) * whole];
                patch.image[c * volume + n] = taps.iter().map(|(i, w)| own[*i] * w).sum();
            }
            patch.inside[n] = true;
            patch.label[n] = heaviest(&taps.map(|(i, w)| (label[i], w)));
        }
        patch
    }
}

/// The eight voxels around a place with their weights; `None` beyond the case.
fn taps(at: [f64; 3], size: [usize; 3]) -> Option<[(usize, f32); 8]> {
    if (0..3).any(|a| !(at[a] >= -0.5 && at[a] <= size[a] as f64 - 0.5)) {
        return None;
    }
    let at: [f64; 3] = std::array::from_fn(|a| at[a].clamp(0.0, (size[a] - 1) as f64));
    let low = at.map(|v| v.floor() as usize);
    let t: [f32; 3] = std::array::from_fn(|a| (at[a] - low[a] as f64) as f32);
    Some(std::array::from_fn(|n| {
        let bit = |a: usize| n >> (2 - a) & 1;
        let voxel: [usize; 3] = std::array::from_fn(|a| (low[a] + bit(a)).min(size[a] - 1));
        let weight: f32 = (0..3).map(|a| if bit(a) == 1 { t[a] } else { 1.0 - t[a] }).product();
        ((voxel[0] * size[1] + voxel[1]) * size[2] + voxel[2], weight)
    }))
}

#[cfg(test)]
mod tests {
    use super::super::{Elastic, RandomRange, Rotate};
    use super::*;
    use crate::data::patch::cut;
    use crate::data::rng::{RngStream, draw};
    use ndarray::{Array3, Array4};

    /// A case whose intensity is linear in space: 1 + 2 d + 3 h + 5 w, in mm. Linear interpolation gives it back anywhere.
    fn sample(size: [usize; 3], spacing: [f64; 3]) -> Sample {
        let [d, h, w] = size;
        let value = |z: f64, y: f64, x: f64| (1.0 + 2.0 * z * spacing[0] + 3.0 * y * spacing[1] + 5.0 * x * spacing[2]) as f32;
        let image = Array4::from_shape_fn((1, d, h, w), |(_, z, y, x)| value(z as f64, y as f64, x as f64));
        let label = Array3::from_shape_fn((d, h, w), |(_, _, x)| u8::from(x >= w / 2));
        Sample::new("s", image, label, spacing)
    }

    fn warp(steps: [[f64; 3]; 3], size: [usize; 3]) -> Warp {
        Warp { size, steps, bent: Default::default() }
    }

    #[test]
    fn a_straight_one_is_a_plain_cut() {
        let s = sample([9, 10, 11], [1.0; 3]);
        let straight = warp(rotation([1.0, 0.0, 0.0], 0.0), [5, 6, 7]);
        for start in [[0, 0, 0], [2, 3, 4], [-2, 5, -3], [6, -1, 9]] {
            assert_eq!(straight.cut(&s, start), cut(&s, [5, 6, 7], start), "{start:?}");
        }
    }

    #[test]
    fn a_quarter_turn_is_a_permutation() {
        let s = sample([7, 9, 9], [1.0; 3]);
        let plain = cut(&s, [7, 9, 9], [0; 3]);
        let turned = warp(rotation([1.0, 0.0, 0.0], std::f64::consts::FRAC_PI_2), [7, 9, 9]).cut(&s, [0; 3]);
        for n in 0..7 * 81 {
            let (z, y, x) = (n / 81, n / 9 % 9, n % 9);
            // (h, w) = R (y, x) about the middle: h = -x, w = y.
            let from = z * 81 + (8 - x) * 9 + y;
            assert!((turned.image[n] - plain.image[from]).abs() < 1e-4 && turned.label[n] == plain.label[from], "{n}");
        }
    }

    #[test]
    fn turns_and_scales_are_made_in_space() {
        let spacing = [2.0, 0.8, 1.0];
        let s = sample([30, 60, 60], spacing);
        let augment = Augment {
            rotate: Rotate { probability: 1.0, degrees: 60.0, ..Rotate::default() },
            scale: RandomRange { probability: 1.0, low: 0.8, high: 1.3 },
            ..Augment::default()
        };
        for i in 0..20 {
            let size = [5, 8, 8];
            let w = augment.warp(size, spacing, &mut draw(1, RngStream::Warp, 0, i)).unwrap();
            let p = w.cut(&s, [12, 26, 26]);
            // The length of a step in mm is the zoom's, whatever the direction: a rotation between two scalings by the spacing.
            let lengths: Vec<f64> =
                (0..3).map(|c| (0..3).map(|r| (w.steps[r][c] * spacing[r] / spacing[c]).powi(2)).sum::<f64>().sqrt()).collect();
            assert!(lengths.iter().all(|l| (l - lengths[0]).abs() < 1e-9 && (1.0 / 1.3..1.0 / 0.8 + 1e-9).contains(l)), "{lengths:?}");
            // The middle stays, and the intensity goes along the steps.
            let value = |at: [f64; 3]| 1.0 + 2.0 * at[0] * spacing[0] + 3.0 * at[1] * spacing[1] + 5.0 * at[2] * spacing[2];
            for n in [0, 100, 319] {
                let step = [n / 64, n / 8 % 8, n % 8].map(|v| v as f64);
                let at: [f64; 3] = std::array::from_fn(|a| {
                    let own = [12.0, 26.0, 26.0][a] + [2.0, 3.5, 3.5][a];
                    own + (0..3).map(|c| w.steps[a][c] * (step[c] - [2.0, 3.5, 3.5][c])).sum::<f64>()
                });
                assert!((f64::from(p.image[n]) - value(at)).abs() < 2e-3, "{n}: {} {}", p.image[n], value(at));
            }
        }
    }

    #[test]
    fn thick_slices_stay_slices() {
        // Turned, scaled and bent in their planes alone, whichever axis lies across them.
        for (spacing, thick) in [([10.0, 1.0, 1.0], 0), ([1.0, 5.0, 1.0], 1), ([1.5, 1.0, 4.0], 2)] {
            for (i, augment) in [
                Augment { rotate: Rotate { probability: 1.0, degrees: 90.0, ..Rotate::default() }, ..Augment::default() },
                Augment { scale: RandomRange { probability: 1.0, low: 0.7, high: 1.4 }, ..Augment::default() },
                Augment { elastic: Elastic { probability: 1.0, voxels: 2.0, grid: 4.0 }, ..Augment::default() },
            ]
            .into_iter()
            .enumerate()
            {
                for n in 0..10 {
                    let w = augment.warp([6, 6, 6], spacing, &mut draw(1, RngStream::Warp, 0, n)).unwrap();
                    for a in 0..3 {
                        let across = if a == thick { 1.0 } else { 0.0 };
                        assert_eq!((w.steps[thick][a], w.steps[a][thick]), (across, across), "{i} {spacing:?}");
                    }
                    assert!(w.bent[thick].is_empty(), "{i} {spacing:?}");
                }
            }
        }
        let whole = Augment { rotate: Rotate { probability: 1.0, degrees: 1.0, thick_degrees: Some(180.0) }, ..Augment::default() };
        let most = |spacing| {
            let cosines = (0..40).map(|n| whole.warp([6; 3], spacing, &mut draw(1, RngStream::Warp, 0, n)).unwrap().steps[1][1]);
            cosines.fold(1.0, f64::min)
        };
        assert!(most([1.0; 3]) > 0.999 && most([5.0, 1.0, 1.0]) < -0.5, "turned as far as is said for thick slices");
        let scale = Augment { scale: RandomRange { probability: 1.0, low: 0.7, high: 0.7 }, ..Augment::default() };
        let plain = scale.warp([6; 3], [3.0, 1.0, 1.0], &mut draw(1, RngStream::Warp, 0, 0)).unwrap();
        assert!((plain.steps[0][0] - 1.0 / 0.7).abs() < 1e-12, "three times the finest spacing is not yet thick");
    }

    #[test]
    fn what_lies_beyond_the_case_is_known() {
        let s = sample([9, 10, 11], [1.0; 3]);
        let turned = warp(rotation([1.0, 0.0, 0.0], 0.4), [5, 12, 14]);
        let p = turned.cut(&s, [1, -1, -2]);
        assert!(p.inside.iter().zip(&p.image).all(|(inside, v)| *inside == (*v != 0.0)));
        assert!(p.inside.iter().any(|i| *i) && p.inside.iter().any(|i| !*i));
    }

    #[test]
    fn a_bent_field_is_smooth_and_as_large_as_asked() {
        let size = [20, 24, 28];
        let mut squares = 0.0;
        for i in 0..10 {
            let f = field(size, 8.0, 3.0, &mut draw(5, RngStream::Warp, 0, i));
            assert_eq!(f.len(), 20 * 24 * 28);
            let step = f.windows(2).enumerate().filter(|(n, _)| (n + 1) % 28 != 0).map(|(_, w)| (w[1] - w[0]).abs()).fold(0.0, f32::max);
            assert!(step < 3.0, "a jump of {step} voxels between neighbours");
            squares += f.iter().map(|v| f64::from(v * v)).sum::<f64>() / f.len() as f64 / 10.0;
        }
        // Splines average: a cubic B-spline of independent points keeps (about 0.48)^3 of their variance in the mean over places.
        let deviation = squares.sqrt();
        assert!((0.6..1.5).contains(&deviation), "{deviation}");
        let elastic = Augment { elastic: Elastic { probability: 1.0, voxels: 2.0, grid: 8.0 }, ..Augment::default() };
        let s = sample([20, 24, 28], [1.0; 3]);
        let p = elastic.warp([16; 3], [1.0; 3], &mut draw(1, RngStream::Warp, 0, 0)).unwrap().cut(&s, [2, 4, 6]);
        assert_ne!(p, cut(&s, [16; 3], [2, 4, 6]));
        assert!(Augment::default().warp([16; 3], [1.0; 3], &mut draw(1, RngStream::Warp, 0, 0)).is_none());
    }
}
