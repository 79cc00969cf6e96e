//! Steps that change intensities, each channel by itself, in float32 as the programs do from which they come.
//!
//! Part of `infer::pipeline`; may use `volume`.

use ndarray::{ArrayView3, ArrayViewMut3};

use super::resize::nearest;
use super::step::{Divisor, PipelineStep, QuantileRule};
use crate::volume::percentile;

/// Changes the intensities of a channel `[D, H, W]`, if that is what the step does.
pub fn scale(step: &PipelineStep, mut channel: ArrayViewMut3<'_, f32>) {
    match *step {
        PipelineStep::MinMax => {
            let (least, most) = channel.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
            by(channel, least, most - least);
        }
        PipelineStep::Quantiles { low, high, clip, add, by: rule, of } => {
            let [low, high] = match of {
                // D, H, W are z, y, x.
                Some([x, y, z]) => quantiles(nearest(channel.view(), [z, y, x]).view(), [low, high], rule),
                None => quantiles(channel.view(), [low, high], rule),
            };
            by(channel.view_mut(), low, (f64::from(high - low) + add) as f32);
            if clip {
                channel.mapv_inplace(|v| v.clamp(0.0, 1.0));
            }
        }
        PipelineStep::ZScore { unbiased } => {
            let count = channel.len() as f64;
            let mean = channel.iter().map(|v| f64::from(*v)).sum::<f64>() / count.max(1.0);
            let squares: f64 = channel.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum();
            let deviation = (squares / (count - f64::from(u8::from(unbiased))).max(1.0)).sqrt();
            // Rounding alone leaves about this much of a constant channel.
            let deviation = if deviation > 1e-7 * mean.abs() { deviation } else { 0.0 };
            by(channel, mean as f32, deviation as f32);
        }
        PipelineStep::Divide(Divisor::Max) => {
            let most = channel.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
            by(channel, 0.0, most);
        }
        PipelineStep::Divide(Divisor::By(v)) => by(channel, 0.0, v as f32),
        PipelineStep::Affine { scale, shift } => channel.mapv_inplace(|v| scale as f32 * v + shift as f32),
        PipelineStep::Conform | PipelineStep::Orient(_) | PipelineStep::Box(_) | PipelineStep::Resize { .. } => {}
    }
}

/// `(v - from) / range`; 0 where there is no range.
fn by(mut channel: ArrayViewMut3<'_, f32>, from: f32, range: f32) {
    if range == 0.0 || !range.is_finite() {
        channel.fill(0.0);
    } else {
        channel.mapv_inplace(|v| (v - from) / range);
    }
}

fn quantiles(channel: ArrayView3<'_, f32>, of: [f64; 2], rule: QuantileRule) -> [f32; 2] {
    let mut all: Vec<f32> = channel.iter().copied().collect();
    let count = all.len();
    match rule {
        QuantileRule::Linear => of.map(|q| percentile(&mut all, 100.0 * q)),
        QuantileRule::NearestRank => {
            let [low, high] = [(of[0] * count as f64).floor(), (of[1] * count as f64).ceil() - 1.0];
            [low, high].map(|at| {
                let at = (at.max(0.0) as usize).min(count.saturating_sub(1));
                if count == 0 { 0.0 } else { *all.select_nth_unstable_by(at, f32::total_cmp).1 }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    fn after(step: PipelineStep, values: &[f32]) -> Vec<f32> {
        let mut channel = Array3::from_shape_vec((1, 1, values.len()), values.to_vec()).unwrap();
        scale(&step, channel.view_mut());
        channel.into_raw_vec_and_offset().0
    }

    #[test]
    fn intensities_are_scaled_by_hand() {
        let quantiles = |clip, add, by, of| PipelineStep::Quantiles { low: 0.25, high: 0.75, clip, add, by, of };
        let values = [9.0, 1.0, 3.0, 7.0, 5.0];
        assert_eq!(after(PipelineStep::MinMax, &values), [1.0, 0.0, 0.25, 0.75, 0.5]);
        assert_eq!(after(quantiles(false, 0.0, QuantileRule::Linear, None), &values), [1.5, -0.5, 0.0, 1.0, 0.5]);
        assert_eq!(after(quantiles(true, 4.0, QuantileRule::Linear, None), &values), [0.75, 0.0, 0.0, 0.5, 0.25]);
        // Of five: those at places 1 and 3; of four at 1 and 2.
        assert_eq!(after(quantiles(false, 0.0, QuantileRule::NearestRank, None), &values), [1.5, -0.5, 0.0, 1.0, 0.5]);
        assert_eq!(after(quantiles(false, 0.0, QuantileRule::NearestRank, None), &[8.0, 2.0, 4.0, 0.0]), [3.0, 0.0, 1.0, -1.0]);
        // Of the nearest three: 9, 3, 5, whose quartiles are 4 and 7.
        assert_eq!(after(quantiles(false, 0.0, QuantileRule::Linear, Some([3, 1, 1])), &values)[4], 1.0 / 3.0);
        assert_eq!(after(PipelineStep::ZScore { unbiased: false }, &[1.0, 3.0]), [-1.0, 1.0]);
        let half = std::f32::consts::FRAC_1_SQRT_2;
        assert_eq!(after(PipelineStep::ZScore { unbiased: true }, &[1.0, 3.0]), [-half, half]);
        assert_eq!(after(PipelineStep::Divide(Divisor::Max), &[1.0, 4.0]), [0.25, 1.0]);
        assert_eq!(after(PipelineStep::Divide(Divisor::By(2.0)), &[1.0, 4.0]), [0.5, 2.0]);
        assert_eq!(after(PipelineStep::Affine { scale: 0.5, shift: 1.0 }, &[1.0, 4.0]), [1.5, 3.0]);
        for step in [PipelineStep::MinMax, PipelineStep::ZScore { unbiased: true }, quantiles(false, 0.0, QuantileRule::Linear, None)] {
            assert_eq!(after(step, &[7.0, 7.0]), [0.0, 0.0], "one intensity has no scale");
        }
    }
}
