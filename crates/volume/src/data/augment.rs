//! Random changes of a patch that leave its meaning: where it is taken from the case, how it looks, which way it lies.
//!
//! May use `patch`, and `flip`, `warp`, `look` below it.

mod flip;
mod look;
mod warp;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

pub use flip::Flip;
pub use warp::Warp;

use super::patch::Patch;

/// How much a patch may be changed. `Default` changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Probability of a reflection, for each axis.
    pub flip: Flip,
    /// Turned about a random axis, in space and not in voxels: spacings may differ. Where slices are thick (over three times the finest
    /// spacing), about the axis across them only.
    #[serde(skip_serializing_if = "Rotate::is_off")]
    pub rotate: Rotate,
    /// Made larger (above 1) or smaller.
    #[serde(skip_serializing_if = "Sometimes::is_off")]
    pub scale: Sometimes,
    /// Bent by a smooth random field.
    #[serde(skip_serializing_if = "Elastic::is_off")]
    pub elastic: Elastic,
    /// Blurred by a Gaussian of this deviation in voxels, channel by channel.
    #[serde(skip_serializing_if = "Sometimes::is_off")]
    pub blur: Sometimes,
    /// Sampled at this part of its resolution and brought back, channel by channel.
    #[serde(skip_serializing_if = "Sometimes::is_off")]
    pub low_resolution: Sometimes,
    /// Intensities within their range to this power; mean and deviation of the channel stay what they were.
    #[serde(skip_serializing_if = "Sometimes::is_off")]
    pub gamma: Sometimes,
    /// Largest standard deviation of the noise, in units of normalised intensity. The deviation of each patch is drawn from 0 to this.
    pub noise: f64,
    /// Largest relative change of contrast, and largest shift of brightness in units of normalised intensity, per channel.
    pub intensity: f64,
}

/// A turn by up to so many degrees either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    pub probability: f64,
    pub degrees: f64,
}

/// A change by a number that is drawn evenly between two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sometimes {
    pub probability: f64,
    pub low: f64,
    pub high: f64,
}

/// A field of displacements on a coarse grid, smooth between its points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elastic {
    pub probability: f64,
    /// Standard deviation of the displacements, in voxels.
    pub voxels: f64,
    /// Voxels from one point of the grid to the next.
    pub grid: f64,
}

impl Rotate {
    fn is_off(&self) -> bool {
        *self == Self::default()
    }
}

impl Sometimes {
    fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// The number, where the change is to be made. Both are drawn, so that what comes after does not depend on either.
    fn draw(&self, rng: &mut impl Rng) -> Option<f64> {
        let (chance, at) = (rng.random::<f64>(), rng.random::<f64>());
        (chance < self.probability).then_some(self.low + (self.high - self.low) * at)
    }
}

impl Elastic {
    fn is_off(&self) -> bool {
        *self == Self::default()
    }
}

impl Augment {
    /// Says what is wrong with the numbers, if anything: (field, reason).
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let chances = [
            ("rotate.probability", self.rotate.probability),
            ("scale.probability", self.scale.probability),
            ("elastic.probability", self.elastic.probability),
            ("blur.probability", self.blur.probability),
            ("low_resolution.probability", self.low_resolution.probability),
            ("gamma.probability", self.gamma.probability),
        ];
        if let Some((field, p)) = chances.into_iter().find(|(_, p)| !(0.0..=1.0).contains(p)) {
            return Some((field, format!("a probability lies between 0 and 1, not {p}")));
        }
        if !(0.0..=180.0).contains(&self.rotate.degrees) {
            return Some(("rotate.degrees", format!("a turn is 0 to 180 degrees, not {}", self.rotate.degrees)));
        }
        let ranges = [
            ("scale", self.scale, 0.1, 10.0),
            ("blur", self.blur, 0.0, 20.0),
            ("low_resolution", self.low_resolution, 0.05, 1.0),
            ("gamma", self.gamma, 0.05, 20.0),
        ];
        for (field, range, least, most) in ranges {
            if !(range.is_off() || least <= range.low && range.low <= range.high && range.high <= most) {
                return Some((
                    field,
                    format!("low and high lie between {least} and {most}, low first, not {} and {}", range.low, range.high),
                ));
            }
        }
        let e = &self.elastic;
        if !(e.is_off() || (0.0..=100.0).contains(&e.voxels) && (2.0..=1000.0).contains(&e.grid)) {
            return Some((
                "elastic",
                format!("displacements are up to 100 voxels on a grid of 2 to 1000, not {} and {}", e.voxels, e.grid),
            ));
        }
        if let Some(p) = self.flip.0.into_iter().find(|p| !(0.0..=1.0).contains(p)) {
            return Some(("flip", format!("a probability lies between 0 and 1, not {p}")));
        }
        if !(0.0..=10.0).contains(&self.noise) {
            return Some(("noise", format!("a standard deviation lies between 0 and 10, not {}", self.noise)));
        }
        if !(0.0..1.0).contains(&self.intensity) {
            return Some(("intensity", format!("a relative change lies between 0 and 1 (1 excluded), not {}", self.intensity)));
        }
        None
    }

    /// How a patch of `size` lies in its case, if not straight. `spacing` is the case's, in mm along D, H, W.
    pub fn warp(&self, size: [usize; 3], spacing: [f64; 3], rng: &mut impl Rng) -> Option<Warp> {
        warp::drawn(self, size, spacing, rng)
    }

    /// Changes how the patch looks, in place: blur, resolution, gamma.
    pub fn look(&self, patch: &mut Patch, rng: &mut impl Rng) {
        look::change(self, patch, rng);
    }

    /// Changes the patch in place: flips, contrast, brightness and noise.
    pub fn apply(&self, patch: &mut Patch, rng: &mut impl Rng) {
        for (axis, probability) in self.flip.0.into_iter().enumerate() {
            // Drawn even when the probability is 0 or 1: the other draws stay where they are.
            if rng.random::<f64>() < probability {
                flip::reverse(&mut patch.image, patch.size, axis);
                flip::reverse(&mut patch.label, patch.size, axis);
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
    fn a_flip_is_one_number_or_three() {
        let read = |text: &str| ron::from_str::<Augment>(&format!("(flip: {text})"));
        assert_eq!(read("0.5").unwrap().flip, Flip::all(0.5));
        assert_eq!(read("1").unwrap().flip, Flip::all(1.0));
        assert_eq!(read("(0.5, 0, 0.25)").unwrap().flip, Flip([0.5, 0.0, 0.25]));
        for text in ["(0.5, 0)", "(0, 0, 0, 0)", "true"] {
            assert!(read(text).is_err(), "{text}");
        }
        for flip in [Flip::all(0.5), Flip([0.5, 0.0, 0.0])] {
            assert_eq!(read(&ron::to_string(&flip).unwrap()).unwrap().flip, flip);
        }
    }

    #[test]
    fn only_the_axes_that_may_are_flipped() {
        let (mut p, whole) = (patch(), patch());
        Augment { flip: Flip([0.0, 1.0, 0.0]), ..Augment::default() }.apply(&mut p, &mut draw(3, Purpose::Patch, 0, 0));
        flip::reverse(&mut p.image, p.size, 1);
        assert_eq!(p.image, whole.image);
    }

    #[test]
    fn a_flip_moves_image_and_label_alike() {
        for axis in 0..3 {
            let mut p = patch();
            flip::reverse(&mut p.image, p.size, axis);
            flip::reverse(&mut p.label, p.size, axis);
            for (n, l) in p.label.iter().enumerate() {
                let mut at = [n / 12, n / 4 % 3, n % 4];
                at[axis] = [2, 3, 4][axis] - 1 - at[axis];
                assert_eq!(usize::from(*l), (at[0] * 3 + at[1]) * 4 + at[2]);
                assert_eq!((p.image[n], p.image[24 + n]), (f32::from(*l), f32::from(*l) + 24.0));
            }
            flip::reverse(&mut p.image, p.size, axis);
            assert_eq!(p.image, patch().image, "twice is nothing");
        }
    }

    #[test]
    fn nothing_is_changed_by_default_and_all_by_one() {
        let mut p = patch();
        Augment::default().apply(&mut p, &mut draw(3, Purpose::Patch, 0, 0));
        assert_eq!(p, patch());
        Augment { flip: Flip::all(1.0), ..Augment::default() }.apply(&mut p, &mut draw(3, Purpose::Patch, 0, 0));
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
        assert_eq!(Augment { flip: Flip([0.5, 0.0, 1.5]), ..Augment::default() }.fault().unwrap().0, "flip");
        assert_eq!(Augment { noise: f64::NAN, ..Augment::default() }.fault().unwrap().0, "noise");
        assert_eq!(Augment { intensity: 1.0, ..Augment::default() }.fault().unwrap().0, "intensity");
        let range = |low, high| Sometimes { probability: 0.5, low, high };
        let with = |change: fn(&mut Augment)| {
            let mut a = Augment {
                flip: Flip::all(0.5),
                noise: 0.1,
                intensity: 0.1,
                scale: range(0.7, 1.4),
                blur: range(0.5, 1.0),
                ..Augment::default()
            };
            change(&mut a);
            a.fault().map(|f| f.0)
        };
        assert_eq!(with(|_| ()), None);
        assert_eq!(with(|a| a.scale.low = 2.0), Some("scale"));
        assert_eq!(with(|a| a.gamma.probability = 0.3), Some("gamma"));
        assert_eq!(with(|a| a.rotate.degrees = f64::NAN), Some("rotate.degrees"));
        assert_eq!(with(|a| a.blur.probability = 2.0), Some("blur.probability"));
        assert_eq!(with(|a| a.elastic.voxels = 3.0), Some("elastic"));
    }
}
