//! Attention between channels, and at places that the network finds. Attention between voxels is [`crate::exec::attention`].

use rayon::prelude::*;

use super::TensorView;
use crate::ir::Fact;
use crate::op::{ChannelAttention, DeformableAttention};

/// Numbers that are summed side by side.
const LANES: usize = 16;

/// The sum of products, in lanes.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (x, y) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = x.remainder().iter().zip(y.remainder()).map(|(a, b)| a * b).sum();
    for (x, y) in x.zip(y) {
        lanes.iter_mut().zip(x.iter().zip(y)).for_each(|(l, (a, b))| *l += a * b);
    }
    lanes.iter().sum::<f32>() + rest
}

fn sum(a: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let all = a.chunks_exact(LANES);
    let rest: f32 = all.remainder().iter().sum();
    all.for_each(|x| lanes.iter_mut().zip(x).for_each(|(l, a)| *l += a));
    lanes.iter().sum::<f32>() + rest
}

/// `exp(x)` of a number that is not above 0, without branches, so that many are made at once; within 4e-7 of itself, and 0 for what rounds to less
/// than the smallest normal number.
fn exp(x: f32) -> f32 {
    /// Adding it leaves a whole number in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    /// The logarithm of the smallest normal number.
    const LOWEST: f32 = -87.336_54;
    /// The logarithm of 2 in two parts, of which the first has so few bits that its multiples are exact (Cody and Waite 1980).
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    let t = x.max(LOWEST);
    let whole = t * std::f32::consts::LOG2_E + MAGIC;
    let n = whole - MAGIC;
    // The series of the exponential for what is left, between -log(2) / 2 and log(2) / 2.
    let f = (t - n * LN_2.0) - n * LN_2.1;
    let p = 1.0 + f * (1.0 + f * (0.5 + f * (1.0 / 6.0 + f * (1.0 / 24.0 + f * (1.0 / 120.0 + f * (1.0 / 720.0))))));
    let scale = f32::from_bits(whole.to_bits().wrapping_add(127).wrapping_shl(23));
    let y = if x > LOWEST { p * scale } else { 0.0 };
    if x.is_nan() { x } else { y }
}

/// Attention between the channels of each head.
pub fn channels(c: &ChannelAttention, temperature: &[f32], [q, k, v]: [TensorView; 3], y: Fact) -> Vec<f32> {
    let d = y.channels / c.heads;
    super::per_channel(y, |n, channel, to| {
        let (head, first) = (channel / d, channel / d * d);
        let own = q.channel(n, channel);
        let mut row: Vec<f32> = (first..first + d).map(|j| temperature[head] * dot(own, k.channel(n, j))).collect();
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut().for_each(|p| *p = exp(*p - top));
        let share = 1.0 / sum(&row);
        for (j, p) in row.iter().enumerate() {
            let share = p * share;
            to.iter_mut().zip(v.channel(n, first + j)).for_each(|(y, v)| *y += share * v);
        }
    })
}

/// Samples of the levels at places that the network found: `x` as the operation takes it.
pub fn deformable(a: &DeformableAttention, x: &[TensorView], y: Fact) -> Vec<f32> {
    let [offsets, logits, levels @ ..] = x else { return vec![] };
    let (own, d, per) = (a.own_places(y.size), y.channels / a.heads, levels.len() * a.points);
    let voxels = own.len();
    let mut out = vec![0.0; y.batch * y.channels * voxels];
    // A sample and a head at a time.
    out.par_chunks_mut((d * voxels).max(1)).enumerate().for_each(|(i, to)| {
        let (n, head) = (i / a.heads, i % a.heads);
        let mut shares = vec![0.0f32; per];
        for (at, place) in own.iter().enumerate() {
            shares.iter_mut().enumerate().for_each(|(s, to)| *to = logits.channel(n, head * per + s)[at]);
            let top = shares.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            shares.iter_mut().for_each(|s| *s = exp(*s - top));
            let whole = 1.0 / sum(&shares);
            for (s, share) in shares.iter().enumerate() {
                let level = levels[s / a.points];
                let offset = std::array::from_fn(|k| f64::from(offsets.channel(n, (head * per + s) * 3 + k)[at]));
                for (corner, part) in DeformableAttention::corners(level.fact.size, *place, offset) {
                    let part = part as f32 * share * whole;
                    if part != 0.0 {
                        (0..d).for_each(|c| to[c * voxels + at] += part * level.channel(n, head * d + c)[corner]);
                    }
                }
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn exponentials_are_near() {
        for i in 0..20_000 {
            let x = -(i as f32) * 0.005;
            let exact = f64::from(x).exp();
            let off = (f64::from(exp(x)) - exact).abs();
            assert!(off <= 4e-7 * exact || exact < 1.2e-38, "{x}: {} for {exact}", exp(x));
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(f32::NAN).is_nan());
    }
}
