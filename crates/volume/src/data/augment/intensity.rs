//! The intensities of a patch: noise, blur, brightness, contrast, resolution, gamma. Labels are not touched, nor what lies beyond the case.
//!
//! May use `patch`, `sample`, and `augment` above it.

use std::ops::Range;

use rand::{Rng, RngExt};

use super::noise::bell;
use super::{Augment, warp};
use crate::data::patch::Patch;
use crate::data::sample::{Sample, Scale};

/// A Gaussian is cut off at this many deviations.
const REACH: f64 = 3.0;

/// What is done to a channel.
struct Changes {
    blur: Option<f64>,
    brightness: Option<f64>,
    contrast: Option<f64>,
    low_resolution: Option<f64>,
    gamma_inverted: Option<f64>,
    gamma: Option<f64>,
    /// A factor and what is added, of every patch.
    intensity: [f32; 2],
}

impl Changes {
    /// All are drawn, whether or not they are used.
    fn draw(augment: &Augment, rng: &mut impl Rng) -> Self {
        let mut change = || ((2.0 * rng.random::<f64>() - 1.0) * augment.intensity) as f32;
        let intensity = [1.0 + change(), change()];
        Self {
            blur: augment.blur.draw(rng),
            brightness: augment.brightness.draw_about_one(rng),
            contrast: augment.contrast.draw_about_one(rng),
            low_resolution: augment.low_resolution.draw(rng),
            gamma_inverted: augment.gamma_inverted.draw_about_one(rng),
            gamma: augment.gamma.draw_about_one(rng),
            intensity,
        }
    }
}

/// Changes each channel by itself; the strength of the noise is that of all.
pub(super) fn change(augment: &Augment, patch: &mut Patch, sample: &Sample, rng: &mut impl Rng) {
    let (size, thick) = (patch.size, warp::thick(sample.spacing));
    let volume: usize = size.iter().product();
    let (plain, relative) = augment.noise.draw(rng);
    let changes: Vec<Changes> = (0..patch.channels).map(|_| Changes::draw(augment, rng)).collect();
    let inside = &patch.inside;
    for ((channel, c), scale) in patch.image.chunks_exact_mut(volume.max(1)).zip(changes).zip(&sample.scales) {
        let deviation = (plain + relative * scale.deviation) as f32;
        if deviation > 0.0 {
            values(channel, inside).for_each(|v| *v += deviation * bell(rng.next_u64()));
        }
        if let Some(deviation) = c.blur {
            blur(channel, inside, size, deviation);
        }
        if let Some(factor) = c.brightness {
            let mean = scale.mean;
            values(channel, inside).for_each(|v| *v = (mean + (f64::from(*v) - mean) * factor) as f32);
        }
        if let Some(factor) = c.contrast {
            contrast(channel, inside, factor);
        }
        if augment.intensity > 0.0 {
            let [factor, shift] = c.intensity;
            values(channel, inside).for_each(|v| *v = *v * factor + shift);
        }
        if let Some(part) = c.low_resolution {
            lower(channel, inside, size, thick, part);
        }
        if let Some(power) = c.gamma_inverted {
            channel.iter_mut().for_each(|v| *v = -*v);
            gamma(channel, inside, power);
            channel.iter_mut().for_each(|v| *v = -*v);
        }
        if let Some(power) = c.gamma {
            gamma(channel, inside, power);
        }
    }
}

/// The values within the case.
fn values<'a>(channel: &'a mut [f32], inside: &'a [bool]) -> impl Iterator<Item = &'a mut f32> {
    channel.iter_mut().zip(inside).filter_map(|(v, inside)| inside.then_some(v))
}

/// A Gaussian of `deviation` voxels along each axis; the edge goes on.
fn blur(channel: &mut [f32], inside: &[bool], size: [usize; 3], deviation: f64) {
    let reach = (REACH * deviation).ceil() as usize;
    if reach == 0 {
        return;
    }
    let mut weights: Vec<f64> = (0..=reach).map(|n| (-0.5 * (n as f64 / deviation).powi(2)).exp()).collect();
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.iter_mut().for_each(|w| *w /= sum);
    along(channel, inside, size, None, |line, run, out| {
        let (first, last) = (run.start, run.end - 1);
        for at in run {
            let around = (1..=reach).map(|n| weights[n] * f64::from(line[at.saturating_sub(n).max(first)] + line[(at + n).min(last)]));
            out[at] = (weights[0] * f64::from(line[at]) + around.sum::<f64>()) as f32;
        }
    });
}

/// Sampled at `part` of the resolution, nearest, and brought back, linear; across thick slices it stays what it is.
fn lower(channel: &mut [f32], inside: &[bool], size: [usize; 3], thick: Option<usize>, part: f64) {
    along(channel, inside, size, thick, |line, run, out| {
        let n = line.len();
        let coarse = ((n as f64 * part).round() as usize).clamp(1, n);
        let ratio = n as f64 / coarse as f64;
        let (first, last) = (run.start, run.end - 1);
        let held = |c: usize| line[(((c as f64 + 0.5) * ratio - 0.5).round() as usize).clamp(first, last)];
        for at in run {
            let place = ((at as f64 + 0.5) / ratio - 0.5).clamp(0.0, (coarse - 1) as f64);
            let low = place.floor() as usize;
            let t = place.fract() as f32;
            out[at] = held(low) * (1.0 - t) + held((low + 1).min(coarse - 1)) * t;
        }
    });
}

/// What each intensity differs from the mean times `factor`, within the range that it had.
fn contrast(channel: &mut [f32], inside: &[bool], factor: f64) {
    let (low, high) = range(values(channel, inside));
    if low > high {
        return;
    }
    let mean = moments(channel, inside).mean;
    values(channel, inside).for_each(|v| *v = ((mean + (f64::from(*v) - mean) * factor) as f32).clamp(low, high));
}

/// Each intensity's place in the channel's range, to a power; then the mean and the deviation as they were.
fn gamma(channel: &mut [f32], inside: &[bool], power: f64) {
    let (low, high) = range(values(channel, inside));
    let range = high - low;
    if range.is_nan() || range <= 0.0 {
        return;
    }
    let before = moments(channel, inside);
    values(channel, inside).for_each(|v| *v = ((*v - low) / range).powf(power as f32));
    let after = moments(channel, inside);
    let factor = if after.deviation > 0.0 { before.deviation / after.deviation } else { 0.0 };
    values(channel, inside).for_each(|v| *v = ((f64::from(*v) - after.mean) * factor + before.mean) as f32);
}

/// The least and the largest; the first above the second where there is none.
fn range<'a>(values: impl Iterator<Item = &'a mut f32>) -> (f32, f32) {
    values.fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)))
}

/// Mean and standard deviation of the values within the case.
fn moments(channel: &mut [f32], inside: &[bool]) -> Scale {
    Scale::of(values(channel, inside).map(|v| *v))
}

/// Replaces every line along each axis but `except` in turn: `each` gets the line, a run of its voxels that lie within the case, and where
/// to write these.
fn along(channel: &mut [f32], inside: &[bool], size: [usize; 3], except: Option<usize>, each: impl Fn(&[f32], Range<usize>, &mut [f32])) {
    for axis in (0..3).filter(|a| except != Some(*a)) {
        let (count, inner) = (size[axis], size[axis + 1..].iter().product::<usize>());
        if count < 2 {
            continue;
        }
        let (mut line, mut out) = (vec![0.0; count], vec![0.0; count]);
        for (block, inside) in channel.chunks_exact_mut(count * inner).zip(inside.chunks_exact(count * inner)) {
            for i in 0..inner {
                line.iter_mut().enumerate().for_each(|(n, v)| *v = block[n * inner + i]);
                let within = |n: &usize| inside[n * inner + i];
                let mut at = 0;
                while let Some(start) = (at..count).find(within) {
                    let end = (start..count).find(|n| !within(n)).unwrap_or(count);
                    each(&line, start..end, &mut out);
                    (start..end).for_each(|n| block[n * inner + i] = out[n]);
                    at = end;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Noise, RandomRange};
    use super::*;
    use crate::data::patch::cut;
    use crate::data::rng::{RngStream, draw};
    use ndarray::{Array3, Array4};

    const BLURRED: [f32; 7] = [0.054006, 0.242036, 0.421216, 0.534229, 1.55638, 3.502059, 4.707807];

    const ALL: [bool; 12 * 13 * 14] = [true; 12 * 13 * 14];

    fn of(values: &[f32]) -> (f64, f64) {
        let scale = Scale::of(values.iter().copied());
        (scale.mean, scale.deviation)
    }

    // Expected: scipy 1.17.1, gaussian_filter1d([0, 0, 1, 0, 0, 5, 5], 1.0, mode="nearest", truncate=3).
    #[test]
    fn a_line_is_blurred_as_by_scipy() {
        let mut line = vec![0.0, 0.0, 1.0, 0.0, 0.0, 5.0, 5.0];
        blur(&mut line, &ALL, [1, 1, 7], 1.0);
        for (a, b) in line.iter().zip(BLURRED) {
            assert!((a - b).abs() < 1e-5, "{line:?}");
        }
        // Between paddings it is the same line.
        let inside: Vec<bool> = (0..12).map(|n| (3..10).contains(&n)).collect();
        let mut line = vec![9.0, 9.0, 9.0, 0.0, 0.0, 1.0, 0.0, 0.0, 5.0, 5.0, 9.0, 9.0];
        blur(&mut line, &inside, [1, 1, 12], 1.0);
        assert!(line[3..10].iter().zip(BLURRED).all(|(a, b)| (a - b).abs() < 1e-5), "{line:?}");
        assert_eq!((&line[..3], &line[10..]), (&[9.0; 3][..], &[9.0; 2][..]));
    }

    #[test]
    fn a_blur_keeps_constants_and_sums() {
        let size = [12, 13, 14];
        let mut flat = vec![3.0; 12 * 13 * 14];
        blur(&mut flat, &ALL, size, 1.4);
        assert!(flat.iter().all(|v| (v - 3.0).abs() < 1e-5));
        let mut spot = vec![0.0; 12 * 13 * 14];
        spot[(6 * 13 + 6) * 14 + 7] = 1.0;
        blur(&mut spot, &ALL, size, 0.8);
        assert!((spot.iter().sum::<f32>() - 1.0).abs() < 1e-5 && spot[(6 * 13 + 6) * 14 + 7] < 0.2);
    }

    #[test]
    fn half_the_resolution_by_hand() {
        // Eight voxels in four: those at 1, 3, 5, 7 (0.5, 2.5, ... are rounded up), back at quarter steps.
        let mut line: Vec<f32> = (0..8).map(|v| v as f32).collect();
        lower(&mut line, &ALL, [1, 1, 8], None, 0.5);
        assert_eq!(line, [1.0, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.0]);
        let mut whole: Vec<f32> = (0..60).map(|v| (v * v % 17) as f32).collect();
        let before = whole.clone();
        lower(&mut whole, &ALL, [3, 4, 5], None, 1.0);
        assert_eq!(whole, before);
        // Across thick slices nothing is mixed: the same in every slice, as many values as slices.
        for thick in 0..3 {
            let place = |n: usize| [n / 64, n / 8 % 8, n % 8][thick] as f32;
            let mut slices: Vec<f32> = (0..512).map(|n| place(n) * place(n)).collect();
            lower(&mut slices, &ALL, [8; 3], Some(thick), 0.5);
            assert!((0..512).all(|n| slices[n] == place(n) * place(n)), "{thick}");
        }
    }

    #[test]
    fn gamma_bends_and_keeps_the_moments() {
        let before: Vec<f32> = (0..100).map(|v| v as f32 / 10.0 - 3.0).collect();
        let mut after = before.clone();
        gamma(&mut after, &ALL, 2.0);
        let (a, b) = (of(&before), of(&after));
        assert!((a.0 - b.0).abs() < 1e-5 && (a.1 - b.1).abs() < 1e-5);
        assert!(after.windows(2).all(|w| w[0] <= w[1]) && after[50] < before[50]);
        let mut one = before.clone();
        gamma(&mut one, &ALL, 1.0);
        assert!(one.iter().zip(&before).all(|(a, b)| (a - b).abs() < 1e-5));
        let mut flat = vec![2.0; 5];
        gamma(&mut flat, &ALL, 3.0);
        assert_eq!(flat, [2.0; 5]);
    }

    #[test]
    fn contrast_keeps_mean_and_range() {
        let before = [0.0f32, 1.0, 2.0, 3.0, 4.0, 50.0];
        let inside = [true, true, true, true, true, false];
        let mut after = before;
        contrast(&mut after, &inside, 0.5);
        assert_eq!(after, [1.0, 1.5, 2.0, 2.5, 3.0, 50.0]);
        let mut after = before;
        contrast(&mut after, &inside, 1.5);
        assert_eq!(after, [0.0, 0.5, 2.0, 3.5, 4.0, 50.0]);
    }

    /// A case of two channels on scales of their own, and a patch of it that reaches beyond.
    fn given() -> (Sample, Patch) {
        let image = Array4::from_shape_fn((2, 8, 20, 20), |(c, z, y, x)| {
            let v = ((z * 31 + y * 17 + x * 7) % 23) as f32 + 1.0;
            if c == 0 { v } else { 100.0 - 10.0 * v }
        });
        let s = Sample::new("s", image, Array3::from_elem((8, 20, 20), 1), [1.0; 3]);
        let p = cut(&s, [12, 16, 24], [-2, 3, -1]);
        (s, p)
    }

    fn always(low: f64, high: f64) -> RandomRange {
        RandomRange { probability: 1.0, low, high }
    }

    #[test]
    fn only_intensities_change_and_only_when_asked_and_padding_never() {
        let (s, patch) = given();
        assert!(patch.inside.iter().any(|i| !*i));
        let mut same = patch.clone();
        Augment::default().change_intensities(&mut same, &s, &mut draw(1, RngStream::Intensity, 0, 0));
        assert_eq!(same, patch);
        let base = Augment::default();
        for augment in [
            Augment { blur: always(0.5, 1.0), ..base },
            Augment { low_resolution: always(0.4, 0.6), ..base },
            Augment { gamma: always(1.4, 1.5), ..base },
            Augment { gamma_inverted: always(1.4, 1.5), ..base },
            Augment { brightness: always(1.1, 1.2), ..base },
            Augment { contrast: always(0.7, 0.8), ..base },
            Augment { noise: Noise::Sometimes(always(0.1, 0.2)), ..base },
            Augment { noise: Noise::Always(0.5), ..base },
            Augment { intensity: 0.1, ..base },
        ] {
            let mut other = patch.clone();
            augment.change_intensities(&mut other, &s, &mut draw(1, RngStream::Intensity, 0, 0));
            assert!(other.label == patch.label && other.image.iter().all(|v| v.is_finite()));
            for (channel, before) in other.image.chunks(12 * 16 * 24).zip(patch.image.chunks(12 * 16 * 24)) {
                let beyond = patch.inside.iter().zip(channel).filter(|(inside, _)| !**inside);
                assert!(beyond.into_iter().all(|(_, v)| *v == 0.0), "{augment:?}");
                assert_ne!(channel, before, "{augment:?}");
            }
        }
    }

    #[test]
    fn noise_is_as_strong_as_the_image_says() {
        let (s, patch) = given();
        let volume = 12 * 16 * 24;
        let noise = |noise: Noise| {
            let mut p = patch.clone();
            Augment { noise, ..Augment::default() }.change_intensities(&mut p, &s, &mut draw(3, RngStream::Intensity, 0, 0));
            [0, 1].map(|c| {
                let all = (c * volume..(c + 1) * volume).filter(|n| patch.inside[n % volume]).map(|n| p.image[n] - patch.image[n]);
                of(&all.collect::<Vec<f32>>())
            })
        };
        for ((mean, deviation), scale) in noise(Noise::Sometimes(always(0.2, 0.2))).into_iter().zip(&s.scales) {
            assert!(mean.abs() < 0.02 * scale.deviation && (deviation / scale.deviation - 0.2).abs() < 0.01, "{mean} {deviation}");
        }
        // Numbers as they were before: in units of the image, between 0 and what is given.
        let [(_, a), (_, b)] = noise(Noise::Always(0.5));
        assert!((a / b - 1.0).abs() < 0.1 && a < 0.51, "{a} {b}");
        let never = RandomRange { probability: 0.0, low: 0.2, high: 0.2 };
        assert_eq!(noise(Noise::Sometimes(never)), [(0.0, 0.0); 2]);
    }

    #[test]
    fn brightness_is_about_the_mean_of_the_image_whatever_its_scale() {
        let (s, patch) = given();
        let mut p = patch.clone();
        Augment { brightness: always(2.0, 2.0), ..Augment::default() }.change_intensities(
            &mut p,
            &s,
            &mut draw(3, RngStream::Intensity, 0, 0),
        );
        let volume = 12 * 16 * 24;
        for n in (0..2 * volume).filter(|n| patch.inside[n % volume]) {
            let mean = s.scales[n / volume].mean;
            assert!((f64::from(p.image[n]) - mean - 2.0 * (f64::from(patch.image[n]) - mean)).abs() < 1e-3);
        }
    }

    #[test]
    fn the_gamma_of_the_negative_bends_the_other_way() {
        let (s, patch) = given();
        let made = |augment: Augment| {
            let mut p = patch.clone();
            augment.change_intensities(&mut p, &s, &mut draw(3, RngStream::Intensity, 0, 0));
            p.image
        };
        let (plain, inverted) = (
            made(Augment { gamma: always(2.0, 2.0), ..Augment::default() }),
            made(Augment { gamma_inverted: always(2.0, 2.0), ..Augment::default() }),
        );
        // The middle of the range falls with one and rises with the other.
        let middle = patch.image.iter().position(|v| *v == 12.0).unwrap();
        assert!(plain[middle] < 12.0 && inverted[middle] > 12.0, "{} {}", plain[middle], inverted[middle]);
    }
}
