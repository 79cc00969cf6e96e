//! A patch: a box cut from a case.
//!
//! May use `volume` through `sample`.

use rand::{Rng, RngExt};

use super::sample::Sample;

/// A box of a case. Flat, in the order `[C, D, H, W]` and `[D, H, W]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    pub channels: usize,
    /// D, H, W.
    pub size: [usize; 3],
    pub image: Vec<f32>,
    pub label: Vec<u8>,
    /// `[D, H, W]`: whether a voxel lies in the case; beyond it the image is 0 and the label background.
    pub inside: Vec<bool>,
}

/// Where a box is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchSampling {
    /// Anywhere.
    Anywhere,
    /// At random among the places that hold a foreground voxel.
    Holding,
    /// With a foreground voxel in its middle, as far as the box stays within the case.
    Centred,
}

/// The first voxel of a box of `size` D, H, W at a random place; negative where the case is smaller and stands in the middle.
///
/// The foreground voxel that is aimed at is drawn: a class that is present, then one of its voxels. A case without foreground gives a plain
/// random box.
pub fn place(sample: &Sample, size: [usize; 3], rng: &mut impl Rng, aim: PatchSampling) -> [i64; 3] {
    let held = sample.size();
    let target = if aim == PatchSampling::Anywhere { None } else { target(sample, rng) };
    std::array::from_fn(|a| {
        let (n, p) = (held[a] as i64, size[a] as i64);
        if p >= n {
            // The target, if any, is inside anyway. The extra voxel of an odd margin goes behind.
            return -((p - n) / 2);
        }
        let (low, high) = match target {
            Some(t) if aim == PatchSampling::Centred => return (t[a] as i64 - p / 2).clamp(0, n - p),
            Some(t) => ((t[a] as i64 - p + 1).max(0), (t[a] as i64).min(n - p)),
            None => (0, n - p),
        };
        rng.random_range(low..=high)
    })
}

/// A random voxel of a random class that is present.
fn target(sample: &Sample, rng: &mut impl Rng) -> Option<[usize; 3]> {
    if sample.foreground.is_empty() {
        return None;
    }
    let class = sample.foreground.get(rng.random_range(0..sample.foreground.len() as u64) as usize)?;
    let at = *class.get(rng.random_range(0..class.len() as u64) as usize)? as usize;
    let [_, h, w] = sample.size();
    Some([at / (h * w), at / w % h, at % w])
}

/// Copies the box that starts at `start`, row by row; zeros (background) where it reaches beyond the case.
pub fn cut(sample: &Sample, size: [usize; 3], start: [i64; 3]) -> Patch {
    let channels = sample.image.dim().0;
    let held = sample.size();
    let [pd, ph, pw] = size;
    let mut image = vec![0.0; channels * pd * ph * pw];
    let mut label = vec![0; pd * ph * pw];
    let mut inside = vec![false; pd * ph * pw];
    // Along each axis: first place in the patch, first voxel of the case, how many.
    let [d, h, w] = std::array::from_fn(|a| {
        let to = (-start[a]).max(0) as usize;
        let from = start[a].max(0) as usize;
        (to, from, held[a].saturating_sub(from).min(size[a].saturating_sub(to)))
    });
    let whole = sample.image.as_standard_layout();
    let whole = whole.as_slice().unwrap_or_default();
    let labels = sample.label.as_standard_layout();
    let labels = labels.as_slice().unwrap_or_default();
    for z in 0..d.2 {
        for y in 0..h.2 {
            let to = ((d.0 + z) * ph + h.0 + y) * pw + w.0;
            let from = ((d.1 + z) * held[1] + h.1 + y) * held[2] + w.1;
            label[to..to + w.2].copy_from_slice(&labels[from..from + w.2]);
            inside[to..to + w.2].fill(true);
            for c in 0..channels {
                let (to, from) = (c * pd * ph * pw + to, c * held[0] * held[1] * held[2] + from);
                image[to..to + w.2].copy_from_slice(&whole[from..from + w.2]);
            }
        }
    }
    Patch { channels, size, image, label, inside }
}

#[cfg(test)]
mod tests {
    use super::super::rng::{RngStream, draw};
    use super::*;
    use ndarray::{Array3, Array4};

    fn crop(sample: &Sample, size: [usize; 3], rng: &mut impl Rng, aim: PatchSampling) -> Patch {
        cut(sample, size, place(sample, size, rng, aim))
    }

    /// Image = 1 + flat position (+ 1000 per channel), label 1 at one voxel.
    fn sample(size: [usize; 3]) -> Sample {
        let [d, h, w] = size;
        let image = Array4::from_shape_fn((2, d, h, w), |(c, z, y, x)| (1000 * c + 1 + (z * h + y) * w + x) as f32);
        let label = Array3::from_shape_fn((d, h, w), |p| u8::from(p == (d - 1, 0, w / 2)));
        Sample::new("s", image, label, [1.0; 3])
    }

    #[test]
    fn a_box_is_a_piece_of_the_case() {
        let s = sample([7, 8, 9]);
        for i in 0..50 {
            let p = crop(&s, [3, 4, 5], &mut draw(1, RngStream::Patch, 0, i), PatchSampling::Anywhere);
            let first = p.image[0] as usize - 1;
            let (z0, y0, x0) = (first / 72, first / 9 % 8, first % 9);
            for (n, v) in p.image.iter().enumerate() {
                let (c, z, y, x) = (n / 60, n / 20 % 3, n / 5 % 4, n % 5);
                assert_eq!(*v, s.image[[c, z0 + z, y0 + y, x0 + x]]);
            }
        }
    }

    #[test]
    fn foreground_is_inside_always_and_everywhere() {
        let s = sample([7, 8, 9]);
        let mut places = std::collections::BTreeSet::new();
        for i in 0..300 {
            let p = crop(&s, [3, 4, 5], &mut draw(1, RngStream::Patch, 0, i), PatchSampling::Holding);
            places.extend(p.label.iter().position(|l| *l == 1));
            assert_eq!(p.label.iter().filter(|l| **l == 1).count(), 1);
        }
        // The voxel lies on two faces of the case: only W is free, and every place along it comes up.
        assert_eq!(places.into_iter().collect::<Vec<_>>(), [40, 41, 42, 43, 44]);
    }

    #[test]
    fn a_box_has_the_voxel_in_its_middle_where_the_case_is_large_enough() {
        let label = Array3::from_shape_fn((9, 11, 13), |p| u8::from(p == (4, 1, 12)));
        let s = Sample::new("s", Array4::zeros((1, 9, 11, 13)), label, [1.0; 3]);
        for i in 0..20 {
            let start = place(&s, [4, 5, 6], &mut draw(1, RngStream::Patch, 0, i), PatchSampling::Centred);
            assert_eq!(start, [2, 0, 7]);
            assert_eq!(place(&s, [4, 21, 6], &mut draw(1, RngStream::Patch, 0, i), PatchSampling::Centred), [2, -5, 7]);
        }
        let empty = Sample::new("s", Array4::zeros((1, 9, 11, 13)), Array3::zeros((9, 11, 13)), [1.0; 3]);
        let starts: std::collections::BTreeSet<_> =
            (0..20).map(|i| place(&empty, [4, 5, 6], &mut draw(1, RngStream::Patch, 0, i), PatchSampling::Centred)).collect();
        assert!(starts.len() > 10, "without foreground it is anywhere");
    }

    #[test]
    fn a_small_case_stands_in_the_middle() {
        let s = sample([2, 3, 4]);
        let p = crop(&s, [4, 4, 4], &mut draw(1, RngStream::Patch, 0, 0), PatchSampling::Holding);
        let want =
            Array4::from_shape_fn((2, 4, 4, 4), |(c, z, y, x)| if (1..3).contains(&z) && y < 3 { s.image[[c, z - 1, y, x]] } else { 0.0 });
        let want = want.into_raw_vec_and_offset().0;
        assert!(p.inside.iter().zip(&want).all(|(inside, v)| *inside == (*v != 0.0)));
        assert_eq!(p.image, want);
        assert_eq!(p.label.iter().map(|l| u32::from(*l)).sum::<u32>(), 1);
    }
}
