//! Random changes of a patch that leave its meaning: flips, noise, brightness and contrast.
//!
//! May use `patch` only.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::patch::Patch;

/// How much a patch may be changed. `Default` changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Probability of a flip, for each axis.
    pub flip: f64,
    /// Largest standard deviation of the noise, in units of normalised intensity. The deviation of each patch is drawn from 0 to this.
    pub noise: f64,
    /// Largest relative change of contrast, and largest shift of brightness in units of normalised intensity, per channel.
    pub intensity: f64,
}

impl Augment {
    /// Says what is wrong with the numbers, if anything: (field, reason).
    pub fn fault(&self) -> Option<(&'static str, String)> {
        if !(0.0..=1.0).contains(&self.flip) {
            return Some(("flip", format!("a probability lies between 0 and 1, not {}", self.flip)));
        }
        if !(0.0..=10.0).contains(&self.noise) {
            return Some(("noise", format!("a standard deviation lies between 0 and 10, not {}", self.noise)));
        }
        if !(0.0..1.0).contains(&self.intensity) {
            return Some(("intensity", format!("a relative change lies between 0 and 1 (1 excluded), not {}", self.intensity)));
        }
        None
    }

    /// Changes the patch in place.
    pub fn apply(&self, patch: &mut Patch, rng: &mut impl Rng) {
        for axis in 0..3 {
            // Drawn even when the probability is 0 or 1: the other draws stay where they are.
            if rng.random::<f64>() < self.flip {
                flip(&mut patch.image, patch.size, axis);
                flip(&mut patch.label, patch.size, axis);
            }
        }
        let volume: usize = patch.size.iter().product();
        let deviation = (rng.random::<f64>() * self.noise) as f32;
        for channel in patch.image.chunks_exact_mut(volume.max(1)) {
            let mut change = || (2.0 * rng.random::<f64>() - 1.0) * self.intensity;
            let (contrast, shift) = (1.0 + change() as f32, change() as f32);
            if self.intensity > 0.0 {
                channel.iter_mut().for_each(|v| *v = *v * contrast + shift);
            }
            if deviation > 0.0 {
                channel.iter_mut().for_each(|v| *v += deviation * bell(rng.next_u64()));
            }
        }
    }
}

/// Reverses one axis of every `[D, H, W]` block of `data`.
pub(super) fn flip<T>(data: &mut [T], size: [usize; 3], axis: usize) {
    let length = size[axis];
    let inner: usize = size[axis + 1..].iter().product();
    if length < 2 || inner == 0 {
        return;
    }
    for block in data.chunks_exact_mut(length * inner) {
        if inner == 1 {
            block.reverse();
            continue;
        }
        for i in 0..length / 2 {
            let (front, back) = block.split_at_mut((length - 1 - i) * inner);
            front[i * inner..(i + 1) * inner].swap_with_slice(&mut back[..inner]);
        }
    }
}

/// A nearly normal number (mean 0, deviation 1, within ±3.46): the sum of the four 16-bit parts of `bits`, each uniform.
///
/// A tenth of the cost of an exact one, and noise for augmentation needs no tails.
fn bell(bits: u64) -> f32 {
    let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
    // Four uniforms on 0..65536: mean 4 * 32767.5, deviation 65536 * sqrt(4 / 12).
    (sum as f32 - 131_070.0) * (1.0 / 37_837.23)
}

#[cfg(test)]
mod tests {
    use super::super::draw::{Purpose, draw};
    use super::*;

    fn patch() -> Patch {
        Patch { channels: 2, size: [2, 3, 4], image: (0..48).map(|v| v as f32).collect(), label: (0..24).collect() }
    }

    #[test]
    fn a_flip_moves_image_and_label_alike() {
        for axis in 0..3 {
            let mut p = patch();
            flip(&mut p.image, p.size, axis);
            flip(&mut p.label, p.size, axis);
            for (n, l) in p.label.iter().enumerate() {
                let mut at = [n / 12, n / 4 % 3, n % 4];
                at[axis] = [2, 3, 4][axis] - 1 - at[axis];
                assert_eq!(usize::from(*l), (at[0] * 3 + at[1]) * 4 + at[2]);
                assert_eq!((p.image[n], p.image[24 + n]), (f32::from(*l), f32::from(*l) + 24.0));
            }
            flip(&mut p.image, p.size, axis);
            assert_eq!(p.image, patch().image, "twice is nothing");
        }
    }

    #[test]
    fn nothing_is_changed_by_default_and_all_by_one() {
        let mut p = patch();
        Augment::default().apply(&mut p, &mut draw(3, Purpose::Patch, 0, 0));
        assert_eq!(p, patch());
        Augment { flip: 1.0, ..Augment::default() }.apply(&mut p, &mut draw(3, Purpose::Patch, 0, 0));
        assert_eq!(p.label, (0..24).rev().collect::<Vec<_>>());
    }

    #[test]
    fn noise_has_its_moments_and_the_label_none() {
        let n = 40usize;
        let mut sums = (0.0, 0.0);
        for i in 0..40 {
            let mut p = Patch { channels: 1, size: [n; 3], image: vec![0.0; n * n * n], label: vec![1; n * n * n] };
            let mut rng = draw(3, Purpose::Patch, 0, i);
            Augment { noise: 0.5, ..Augment::default() }.apply(&mut p, &mut rng);
            let m = p.image.iter().map(|v| f64::from(*v)).sum::<f64>() / p.image.len() as f64;
            let s = (p.image.iter().map(|v| (f64::from(*v) - m).powi(2)).sum::<f64>() / p.image.len() as f64).sqrt();
            assert!(m.abs() < 0.01 && s <= 0.51, "{m} {s}");
            assert!(p.label.iter().all(|l| *l == 1));
            sums = (sums.0 + m, sums.1 + s);
        }
        assert!((sums.1 / 40.0 - 0.25).abs() < 0.06, "deviations are uniform on 0..0.5: {}", sums.1 / 40.0);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        assert_eq!(Augment { flip: 1.5, ..Augment::default() }.fault().unwrap().0, "flip");
        assert_eq!(Augment { noise: f64::NAN, ..Augment::default() }.fault().unwrap().0, "noise");
        assert_eq!(Augment { intensity: 1.0, ..Augment::default() }.fault().unwrap().0, "intensity");
        assert!(Augment { flip: 0.5, noise: 0.1, intensity: 0.1 }.fault().is_none());
    }
}
