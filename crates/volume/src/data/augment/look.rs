//! How a patch looks: blur, resolution, gamma. Labels are not touched.
//!
//! May use `patch`, and `augment` above it.

use rand::Rng;

use super::Augment;
use crate::data::patch::Patch;

/// A Gaussian is cut off at this many deviations.
const REACH: f64 = 3.0;

/// Changes each channel by itself.
pub(super) fn change(augment: &Augment, patch: &mut Patch, rng: &mut impl Rng) {
    let size = patch.size;
    let volume: usize = size.iter().product();
    for channel in patch.image.chunks_exact_mut(volume.max(1)) {
        // Drawn for each channel whether or not it is used.
        let (blurred, lowered, bent) = (augment.blur.draw(rng), augment.low_resolution.draw(rng), augment.gamma.draw(rng));
        if let Some(deviation) = blurred {
            blur(channel, size, deviation);
        }
        if let Some(part) = lowered {
            lower(channel, size, part);
        }
        if let Some(power) = bent {
            gamma(channel, power);
        }
    }
}

/// A Gaussian of `deviation` voxels along each axis; the edge goes on.
fn blur(channel: &mut [f32], size: [usize; 3], deviation: f64) {
    let reach = (REACH * deviation).ceil() as usize;
    if reach == 0 {
        return;
    }
    let mut weights: Vec<f64> = (0..=reach).map(|n| (-0.5 * (n as f64 / deviation).powi(2)).exp()).collect();
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.iter_mut().for_each(|w| *w /= sum);
    along(channel, size, |line, out| {
        let last = line.len() - 1;
        for (at, to) in out.iter_mut().enumerate() {
            let around = (1..=reach).map(|n| weights[n] * f64::from(line[at.saturating_sub(n)] + line[(at + n).min(last)]));
            *to = (weights[0] * f64::from(line[at]) + around.sum::<f64>()) as f32;
        }
    });
}

/// Sampled at `part` of the resolution, nearest, and brought back, linear.
fn lower(channel: &mut [f32], size: [usize; 3], part: f64) {
    along(channel, size, |line, out| {
        let (n, last) = (line.len(), line.len() - 1);
        let coarse = ((n as f64 * part).round() as usize).clamp(1, n);
        let ratio = n as f64 / coarse as f64;
        let held = |c: usize| line[(((c as f64 + 0.5) * ratio - 0.5).round() as usize).min(last)];
        for (at, to) in out.iter_mut().enumerate() {
            let place = ((at as f64 + 0.5) / ratio - 0.5).clamp(0.0, (coarse - 1) as f64);
            let low = place.floor() as usize;
            let t = place.fract() as f32;
            *to = held(low) * (1.0 - t) + held((low + 1).min(coarse - 1)) * t;
        }
    });
}

/// Each intensity's place in the channel's range, to a power; then the mean and the deviation as they were.
fn gamma(channel: &mut [f32], power: f64) {
    let (low, high) = channel.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    let range = high - low;
    if range.is_nan() || range <= 0.0 {
        return;
    }
    let before = moments(channel);
    channel.iter_mut().for_each(|v| *v = ((*v - low) / range).powf(power as f32));
    let after = moments(channel);
    let factor = if after.1 > 0.0 { before.1 / after.1 } else { 0.0 };
    channel.iter_mut().for_each(|v| *v = ((f64::from(*v) - after.0) * factor + before.0) as f32);
}

/// Mean and standard deviation.
fn moments(values: &[f32]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    (mean, (values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n).sqrt())
}

/// Replaces every line along each axis in turn.
fn along(channel: &mut [f32], size: [usize; 3], each: impl Fn(&[f32], &mut [f32])) {
    for axis in 0..3 {
        let (count, inner) = (size[axis], size[axis + 1..].iter().product::<usize>());
        if count < 2 {
            continue;
        }
        let (mut line, mut out) = (vec![0.0; count], vec![0.0; count]);
        for block in channel.chunks_exact_mut(count * inner) {
            for i in 0..inner {
                line.iter_mut().enumerate().for_each(|(n, v)| *v = block[n * inner + i]);
                each(&line, &mut out);
                out.iter().enumerate().for_each(|(n, v)| block[n * inner + i] = *v);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sometimes;
    use super::*;
    use crate::data::draw::{Purpose, draw};

    const BLURRED: [f32; 7] = [0.054006, 0.242036, 0.421216, 0.534229, 1.55638, 3.502059, 4.707807];

    // Expected: scipy 1.17.1, gaussian_filter1d([0, 0, 1, 0, 0, 5, 5], 1.0, mode="nearest", truncate=3).
    #[test]
    fn a_line_is_blurred_as_by_scipy() {
        let mut line = vec![0.0, 0.0, 1.0, 0.0, 0.0, 5.0, 5.0];
        blur(&mut line, [1, 1, 7], 1.0);
        for (a, b) in line.iter().zip(BLURRED) {
            assert!((a - b).abs() < 1e-5, "{line:?}");
        }
    }

    #[test]
    fn a_blur_keeps_constants_and_sums() {
        let size = [12, 13, 14];
        let mut flat = vec![3.0; 12 * 13 * 14];
        blur(&mut flat, size, 1.4);
        assert!(flat.iter().all(|v| (v - 3.0).abs() < 1e-5));
        let mut spot = vec![0.0; 12 * 13 * 14];
        spot[(6 * 13 + 6) * 14 + 7] = 1.0;
        blur(&mut spot, size, 0.8);
        assert!((spot.iter().sum::<f32>() - 1.0).abs() < 1e-5 && spot[(6 * 13 + 6) * 14 + 7] < 0.2);
    }

    #[test]
    fn half_the_resolution_by_hand() {
        // Eight voxels in four: those at 1, 3, 5, 7 (0.5, 2.5, ... are rounded up), back at quarter steps.
        let mut line: Vec<f32> = (0..8).map(|v| v as f32).collect();
        lower(&mut line, [1, 1, 8], 0.5);
        assert_eq!(line, [1.0, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.0]);
        let mut whole: Vec<f32> = (0..60).map(|v| (v * v % 17) as f32).collect();
        let before = whole.clone();
        lower(&mut whole, [3, 4, 5], 1.0);
        assert_eq!(whole, before);
    }

    #[test]
    fn gamma_bends_and_keeps_the_moments() {
        let before: Vec<f32> = (0..100).map(|v| v as f32 / 10.0 - 3.0).collect();
        let mut after = before.clone();
        gamma(&mut after, 2.0);
        let (a, b) = (moments(&before), moments(&after));
        assert!((a.0 - b.0).abs() < 1e-5 && (a.1 - b.1).abs() < 1e-5);
        assert!(after.windows(2).all(|w| w[0] <= w[1]) && after[50] < before[50]);
        let mut one = before.clone();
        gamma(&mut one, 1.0);
        assert!(one.iter().zip(&before).all(|(a, b)| (a - b).abs() < 1e-5));
        let mut flat = vec![2.0; 5];
        gamma(&mut flat, 3.0);
        assert_eq!(flat, [2.0; 5]);
    }

    #[test]
    fn only_intensities_change_and_only_when_asked() {
        let patch = Patch { channels: 2, size: [4, 5, 6], image: (0..240).map(|v| (v % 23) as f32).collect(), label: vec![1; 120] };
        let mut same = patch.clone();
        Augment::default().look(&mut same, &mut draw(1, Purpose::Look, 0, 0));
        assert_eq!(same, patch);
        let always = |low, high| Sometimes { probability: 1.0, low, high };
        for augment in [
            Augment { blur: always(0.5, 1.0), ..Augment::default() },
            Augment { low_resolution: always(0.4, 0.6), ..Augment::default() },
            Augment { gamma: always(1.4, 1.5), ..Augment::default() },
        ] {
            let mut other = patch.clone();
            augment.look(&mut other, &mut draw(1, Purpose::Look, 0, 0));
            assert!(other.image != patch.image && other.label == patch.label);
            assert!(other.image.iter().all(|v| v.is_finite()));
        }
    }
}
