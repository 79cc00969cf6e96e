//! Data augmentation: random changes of a patch that keep its labels valid: spatial transforms, intensities, mirroring.
//!
//! May use `patch`, `sample`, and `flip`, `noise`, `warp`, `intensity` below it. The changes come in nnU-Net's order: place, noise, blur, brightness,
//! contrast, resolution, gamma of the negative, gamma, flips. What lies beyond the case stays 0, as it is in prediction.

mod flip;
mod intensity;
mod noise;
mod warp;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

pub use flip::Flip;
pub use noise::Noise;
pub use warp::Warp;

use super::patch::Patch;
use super::sample::Sample;

/// How much a patch may be changed. What is not named changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Probability of a reflection, for each axis.
    pub flip: Flip,
    /// Turned about a random axis, in space and not in voxels: spacings may differ. Where slices are thick (over three times the finest
    /// spacing), or the patch is one slice, about the axis across them only; `scale`, `elastic` and `low_resolution` then leave that axis alone.
    #[serde(skip_serializing_if = "Rotate::is_off")]
    pub rotate: Rotate,
    /// Made larger (above 1) or smaller.
    #[serde(skip_serializing_if = "RandomRange::is_off")]
    pub scale: RandomRange,
    /// Bent by a smooth random field.
    #[serde(skip_serializing_if = "Elastic::is_off")]
    pub elastic: Elastic,
    /// Blurred by a Gaussian of this deviation in voxels, channel by channel.
    #[serde(skip_serializing_if = "RandomRange::is_off")]
    pub blur: RandomRange,
    /// Sampled at this part of its resolution and brought back, channel by channel.
    #[serde(skip_serializing_if = "RandomRange::is_off")]
    pub low_resolution: RandomRange,
    /// Intensities within their range to this power, channel by channel; mean and deviation of the channel stay what they were. Where 1 lies
    /// between low and high, half of the powers are below it.
    #[serde(skip_serializing_if = "RandomRange::is_off")]
    pub gamma: RandomRange,
    /// The same of the negative of the intensities.
    #[serde(skip_serializing_if = "RandomRange::is_off")]
    pub gamma_inverted: RandomRange,
    /// What each intensity differs from the mean of the image (the voxels of the channel that are not 0) is multiplied by this, channel by
    /// channel. Where 1 lies between low and high, half of the factors are below it.
    #[serde(skip_serializing_if = "RandomRange::is_off")]
    pub brightness: RandomRange,
    /// What each intensity differs from the mean of the patch is multiplied by this, channel by channel, and held to the range that it had. Half
    /// of the factors are below 1, likewise.
    #[serde(skip_serializing_if = "RandomRange::is_off")]
    pub contrast: RandomRange,
    /// Gaussian noise: a number, from 0 to which its deviation is drawn for every patch, or `(probability: 0.1, low: 0, high: 0.1)`.
    pub noise: Noise,
    /// Of every patch: largest relative change of contrast, and largest shift of brightness in units of normalised intensity, per channel.
    pub intensity: f64,
}

/// A turn by up to so many degrees either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    pub probability: f64,
    pub degrees: f64,
    /// The same where slices are thick, or the patch is one; without it `degrees`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thick_degrees: Option<f64>,
}

/// A change by a number that is drawn evenly between two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomRange {
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

impl RandomRange {
    fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// The number, where the change is to be made. Both are drawn, so that what comes after does not depend on either.
    fn draw(&self, rng: &mut impl Rng) -> Option<f64> {
        self.part(rng).map(|at| self.low + (self.high - self.low) * at)
    }

    /// The same for a factor or a power: where 1 lies within, one half of the numbers is spread over what is below it, the other over what is
    /// above (batchgenerators' `BGContrast`).
    fn draw_about_one(&self, rng: &mut impl Rng) -> Option<f64> {
        let Self { low, high, .. } = *self;
        self.part(rng).map(|at| match low < 1.0 && 1.0 < high {
            true if at < 0.5 => low + (1.0 - low) * 2.0 * at,
            true => 1.0 + (high - 1.0) * (2.0 * at - 1.0),
            false => low + (high - low) * at,
        })
    }

    fn part(&self, rng: &mut impl Rng) -> Option<f64> {
        let (chance, at) = (rng.random::<f64>(), rng.random::<f64>());
        (chance < self.probability).then_some(at)
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
        let noise = match self.noise {
            Noise::Sometimes(range) => range,
            Noise::Always(_) => RandomRange::default(),
        };
        let chances = [
            ("rotate.probability", self.rotate.probability),
            ("scale.probability", self.scale.probability),
            ("elastic.probability", self.elastic.probability),
            ("blur.probability", self.blur.probability),
            ("low_resolution.probability", self.low_resolution.probability),
            ("gamma.probability", self.gamma.probability),
            ("gamma_inverted.probability", self.gamma_inverted.probability),
            ("brightness.probability", self.brightness.probability),
            ("contrast.probability", self.contrast.probability),
            ("noise.probability", noise.probability),
        ];
        if let Some((field, p)) = chances.into_iter().find(|(_, p)| !(0.0..=1.0).contains(p)) {
            return Some((field, format!("a probability lies between 0 and 1, not {p}")));
        }
        let turns = [("rotate.degrees", self.rotate.degrees), ("rotate.thick_degrees", self.rotate.thick_degrees.unwrap_or_default())];
        if let Some((field, degrees)) = turns.into_iter().find(|(_, d)| !(0.0..=180.0).contains(d)) {
            return Some((field, format!("a turn is 0 to 180 degrees, not {degrees}")));
        }
        let ranges = [
            ("scale", self.scale, 0.1, 10.0),
            ("blur", self.blur, 0.0, 20.0),
            ("low_resolution", self.low_resolution, 0.05, 1.0),
            ("gamma", self.gamma, 0.05, 20.0),
            ("gamma_inverted", self.gamma_inverted, 0.05, 20.0),
            ("brightness", self.brightness, 0.0, 10.0),
            ("contrast", self.contrast, 0.0, 10.0),
            ("noise", noise, 0.0, 10.0),
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
        if let Noise::Always(most) = self.noise
            && !(0.0..=10.0).contains(&most)
        {
            return Some(("noise", format!("a standard deviation lies between 0 and 10, not {most}")));
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

    /// Changes how a patch of `sample` looks, in place: noise, blur, brightness, contrast, resolution, gamma.
    pub fn change_intensities(&self, patch: &mut Patch, sample: &Sample, rng: &mut impl Rng) {
        intensity::change(self, patch, sample, rng);
    }

    /// Turns the patch over, in place.
    pub fn reflect(&self, patch: &mut Patch, rng: &mut impl Rng) {
        for (axis, probability) in self.flip.0.into_iter().enumerate() {
            // Drawn even when the probability is 0 or 1: the other draws stay where they are.
            if rng.random::<f64>() < probability {
                flip::reverse(&mut patch.image, patch.size, axis);
                flip::reverse(&mut patch.label, patch.size, axis);
                flip::reverse(&mut patch.inside, patch.size, axis);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng::{RngStream, draw};
    use super::*;

    fn patch() -> Patch {
        let image = (0..48).map(|v| v as f32).collect();
        Patch { channels: 2, size: [2, 3, 4], image, label: (0..24).collect(), inside: (0..24).map(|v| v % 5 > 0).collect() }
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
        Augment { flip: Flip([0.0, 1.0, 0.0]), ..Augment::default() }.reflect(&mut p, &mut draw(3, RngStream::Patch, 0, 0));
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
        Augment::default().reflect(&mut p, &mut draw(3, RngStream::Patch, 0, 0));
        assert_eq!(p, patch());
        Augment { flip: Flip::all(1.0), ..Augment::default() }.reflect(&mut p, &mut draw(3, RngStream::Patch, 0, 0));
        assert_eq!(p.label, (0..24).rev().collect::<Vec<_>>());
    }

    #[test]
    fn factors_lie_half_below_one_and_half_above() {
        let range = RandomRange { probability: 1.0, low: 0.5, high: 3.0 };
        let all: Vec<f64> = (0..2000).map(|i| range.draw_about_one(&mut draw(3, RngStream::Intensity, 0, i)).unwrap()).collect();
        let part = |from: f64, to: f64| all.iter().filter(|v| (from..to).contains(*v)).count() as f64 / 2000.0;
        for (from, to, want) in [(0.5, 1.0, 0.5), (1.0, 3.0, 0.5), (0.5, 0.75, 0.25), (1.0, 2.0, 0.25)] {
            assert!((part(from, to) - want).abs() < 0.04, "{from} to {to}: {}", part(from, to));
        }
        let above = RandomRange { probability: 1.0, low: 1.5, high: 2.0 };
        assert!((0..50).all(|i| (1.5..2.0).contains(&above.draw_about_one(&mut draw(3, RngStream::Intensity, 0, i)).unwrap())));
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        assert_eq!(Augment { flip: Flip([0.5, 0.0, 1.5]), ..Augment::default() }.fault().unwrap().0, "flip");
        assert_eq!(Augment { noise: Noise::Always(f64::NAN), ..Augment::default() }.fault().unwrap().0, "noise");
        assert_eq!(Augment { intensity: 1.0, ..Augment::default() }.fault().unwrap().0, "intensity");
        let range = |low, high| RandomRange { probability: 0.5, low, high };
        let with = |change: fn(&mut Augment)| {
            let mut a = Augment {
                flip: Flip::all(0.5),
                noise: Noise::Sometimes(range(0.0, 0.1)),
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
        assert_eq!(with(|a| a.gamma_inverted.probability = 0.3), Some("gamma_inverted"));
        assert_eq!(with(|a| a.brightness = RandomRange { probability: -1.0, low: 0.9, high: 1.1 }), Some("brightness.probability"));
        assert_eq!(with(|a| a.contrast = RandomRange { probability: 0.1, low: -0.9, high: 1.1 }), Some("contrast"));
        assert_eq!(with(|a| a.noise = Noise::Sometimes(RandomRange { probability: 0.1, low: 0.2, high: 0.1 })), Some("noise"));
        assert_eq!(with(|a| a.rotate.degrees = f64::NAN), Some("rotate.degrees"));
        assert_eq!(with(|a| a.blur.probability = 2.0), Some("blur.probability"));
        assert_eq!(with(|a| a.elastic.voxels = 3.0), Some("elastic"));
    }
}
