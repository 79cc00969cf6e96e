//! Attention that looks at a few places which it finds itself.

use super::{Examples, arity::exactly};
use crate::ir::{
    Cost, Fact, Fault, Length, OnnxAttribute, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Volume64, Weights64, count, places,
};
use crate::text::{Code, several};
use serde::{Deserialize, Serialize};

/// Every query of one volume takes `points` samples of each of several volumes (levels) for each head, at its own place and an offset, and sums them by a
/// softmax over a head's samples (Zhu et al. 2021, in three dimensions: Xie et al. 2021).
///
/// Inputs: offsets `[N, heads L points 3, ..]` and logits `[N, heads L points, ..]` on the queries' grid, then `L` values `[N, heads d, D_l, H_l, W_l]`.
/// Output: `[N, heads d, ..]` on the queries' grid. Samples are trilinear, of zeros outside. No MACs by the usual convention.
///
/// The axes are those of CoTr's code, with which it is trained: an offset's components move along depth, width and height, and the sampler takes them
/// for width, height and depth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeformableAttention {
    pub heads: usize,
    pub points: usize,
}

/// One sample: the places of its corners in memory with their shares; corners outside have none.
pub type SampleCorners = [(usize, f64); 8];

impl DeformableAttention {
    /// Where a query's place lies in a level, before its offset: for each query of a grid the three coordinates that the sampler takes, from 0 to 1.
    pub fn own_places(&self, grid: [usize; 3]) -> Vec<[f64; 3]> {
        let part = |p: usize, n: usize| (p as f64 + 0.5) / n as f64;
        places(grid).map(|(_, [z, y, x])| [part(z, grid[0]), part(x, grid[2]), part(y, grid[1])]).collect()
    }

    /// The corners of a sample of a level at a place and an offset as the network gives it.
    pub fn corners(size: [usize; 3], place: [f64; 3], offset: [f64; 3]) -> SampleCorners {
        let [d, h, w] = size;
        // Not a slip: see the operation.
        let x = (place[0] + offset[0] / d as f64) * w as f64 - 0.5;
        let y = (place[1] + offset[1] / w as f64) * h as f64 - 0.5;
        let z = (place[2] + offset[2] / h as f64) * d as f64 - 0.5;
        std::array::from_fn(|k| {
            let one = |v: f64, far: usize, n: usize| {
                let at = v.floor() + far as f64;
                let inside = at >= 0.0 && at < n as f64;
                if inside { (at as usize, 1.0 - (v - at).abs()) } else { (0, 0.0) }
            };
            let ((a, p), (b, q), (c, r)) = (one(z, k >> 2, d), one(y, k >> 1 & 1, h), one(x, k & 1, w));
            ((a * h + b) * w + c, p * q * r)
        })
    }
}

impl Operator for DeformableAttention {
    fn kind(&self) -> &'static str {
        "deformable_attention"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [offsets, logits, values @ ..] = x else {
            return exactly::<3>(self.kind(), x).map(|[f, ..]| f);
        };
        let Some(first) = values.first() else {
            return exactly::<3>(self.kind(), x).map(|[f, ..]| f);
        };
        if self.heads == 0 || first.channels % self.heads != 0 || first.channels == 0 {
            let message = format!("{} cannot be split into {}", several(first.channels, "channel"), several(self.heads, "head"));
            return Err(Fault::new(Code::E0302, message).on("heads").help("use a number of heads that divides the channels"));
        }
        let samples = count(&[self.heads, values.len(), self.points])?;
        if self.points == 0 || logits.channels as u64 != samples || samples.checked_mul(3) != Some(offsets.channels as u64) {
            let message = format!(
                "{} of {} in {} take {samples} logits and three offsets each, but {} and {} channels are given",
                several(self.points, "point"),
                several(self.heads, "head"),
                several(values.len(), "level"),
                logits.channels,
                offsets.channels
            );
            return Err(Fault::new(Code::E0302, message)
                .on("points")
                .help("project to `heads * levels * points` logits, and three times as many offsets"));
        }
        let fits = offsets.size == logits.size && offsets.batch == logits.batch;
        if !fits || values.iter().any(|v| v.batch != offsets.batch || v.channels != first.channels) {
            return Err(Fault::new(Code::E0301, format!("{offsets}, {logits} and {first} do not fit together"))
                .on("values")
                .help("offsets and logits lie on one grid; all are of one batch, and all levels of one width"));
        }
        Ok(Fact { channels: first.channels, ..*offsets })
    }

    fn work(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let levels = x.len().saturating_sub(2) as u64;
        // Eight corners, each a product and a sum.
        let other = y.elements()?.saturating_mul(levels).saturating_mul(self.points as u64).saturating_mul(16);
        Ok(Cost { other, ..Cost::default() })
    }

    /// All inputs, and for each corner of each sample the channels that were taken there.
    fn saved(&self, x: &[Fact], _: &[bool]) -> SavedForBackward {
        let made = self.infer(x).and_then(|y| y.elements()).unwrap_or(u64::MAX);
        let samples = (x.len().saturating_sub(2) as u64).saturating_mul(self.points as u64);
        SavedForBackward { inputs: (0..x.len()).collect(), output: false, bytes: made.saturating_mul(samples).saturating_mul(8 * 4) }
    }

    fn length(&self, x: &[Length], _: usize) -> Option<Length> {
        x.first().copied()
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let [offsets, logits, values @ ..] = x else { return None };
        let (own, d, per) = (self.own_places(y.size), y.channels / self.heads, values.len() * self.points);
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            for head in 0..self.heads {
                for (at, place) in own.iter().enumerate() {
                    let mut shares: Vec<f64> = (0..per).map(|s| logits.channel(n, head * per + s)[at]).collect();
                    let largest = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    shares.iter_mut().for_each(|s| *s = (*s - largest).exp());
                    let sum: f64 = shares.iter().sum();
                    for (s, share) in shares.iter().enumerate() {
                        let level = values[s / self.points];
                        let offset = std::array::from_fn(|k| offsets.channel(n, (head * per + s) * 3 + k)[at]);
                        for (corner, part) in Self::corners(level.fact.size, *place, offset) {
                            for c in head * d..(head + 1) * d {
                                out.channel_mut(n, c)[at] += share / sum * part * level.channel(n, c)[corner];
                            }
                        }
                    }
                }
            }
        }
        Some(out)
    }

    /// Corners are gathered one by one, since a sampler of volumes is in few engines.
    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let (own, points) = (self.own_places(n.fixed_size(0)?), self.points);
        let int = |v: usize| i64::try_from(v).unwrap_or(i64::MAX);
        let (offsets, logits) = (n.heads(0, self.heads), n.heads(1, self.heads));
        let shares = n.node("Softmax", &[logits], vec![("axis", 2usize.into())]);
        let part = |n: &mut OnnxBuilder<'_>, x: &OnnxValue, from: usize, to: usize, step: usize| {
            let inputs = [x.clone(), n.ints(&[int(from)]), n.ints(&[int(to)]), n.ints(&[2]), n.ints(&[int(step)])];
            n.node("Slice", &inputs, vec![])
        };
        let mut sum: Option<OnnxValue> = None;
        for level in 0..n.inputs().len().checked_sub(2)? {
            let [d, h, w] = n.fixed_size(level + 2)?;
            let values = n.heads(level + 2, self.heads);
            let share = part(n, &shares, level * points, (level + 1) * points, 1);
            // Along width, height and depth of the level: by which length an offset is divided, see the operation.
            let axes = [(w, d), (h, w), (d, h)].into_iter().enumerate().map(|(k, (to, by))| {
                let offset = part(n, &offsets, 3 * level * points + k, 3 * (level + 1) * points, 3);
                let (factor, places) = (n.scalar(to as f64 / by as f64), own.iter().map(|p| (p[k] * to as f64 - 0.5) as f32).collect());
                let places = n.floats([own.len()], places);
                let moved = n.node("Mul", &[offset, factor], vec![]);
                let at = n.node("Add", &[moved, places], vec![]);
                neighbours(n, at, to)
            });
            let axes: Vec<[(OnnxValue, OnnxValue); 2]> = axes.collect();
            for corner in 0..8usize {
                let [(x, p), (y, q), (z, r)] = [&axes[0][corner & 1], &axes[1][corner >> 1 & 1], &axes[2][corner >> 2]].map(Clone::clone);
                let (high, wide) = (n.scalar(h as f64), n.scalar(w as f64));
                let rows = n.node("Mul", &[z, high], vec![]);
                let rows = n.node("Add", &[rows, y], vec![]);
                let places = n.node("Mul", &[rows, wide], vec![]);
                let places = n.node("Add", &[places, x], vec![]);
                let places = n.node("Cast", &[places], vec![("to", OnnxAttribute::Int(INT64))]);
                let places = n.reshape(places, &[0, 0, 1, -1]);
                let all = n.ints(&[1, 1, int(n.channels(2) / self.heads.max(1)), 1]);
                let places = n.node("Expand", &[places, all], vec![]);
                let taken = n.node("GatherElements", &[values.clone(), places], vec![("axis", 3usize.into())]);
                let weight = n.node("Mul", &[p, q], vec![]);
                let weight = n.node("Mul", &[weight, r], vec![]);
                let weight = n.node("Mul", &[weight, share.clone()], vec![]);
                let weight = n.reshape(weight, &[0, 0, 1, -1]);
                let own = n.node("Mul", &[taken, weight], vec![]);
                sum = Some(match sum {
                    None => own,
                    Some(before) => n.node("Add", &[before, own], vec![]),
                });
            }
        }
        let apart = n.reshape(sum?, &[0, 0, 0, int(points), -1]);
        let sums = n.reduce("ReduceSum", apart, &[3]);
        Some(n.volume(sums, n.channels(2), 0))
    }

    fn fixed_in_onnx(&self) -> Option<&'static str> {
        Some("its places are laid out for one size")
    }
}

/// ONNX's numbers of the types that are cast to.
const FLOAT: i64 = 1;
const INT64: i64 = 7;

/// The voxels on both sides of a place along an axis of `len`, with their shares: outside there is none, of the voxel that is nearest.
fn neighbours(n: &mut OnnxBuilder<'_>, at: OnnxValue, len: usize) -> [(OnnxValue, OnnxValue); 2] {
    let near = n.node("Floor", std::slice::from_ref(&at), vec![]);
    let beyond = n.node("Sub", &[at, near.clone()], vec![]);
    let (one, zero, last) = (n.scalar(1.0), n.scalar(0.0), n.scalar(len.saturating_sub(1) as f64));
    let before = n.node("Sub", &[one.clone(), beyond.clone()], vec![]);
    let far = n.node("Add", &[near.clone(), one], vec![]);
    [(near, before), (far, beyond)].map(|(place, share)| {
        let held = n.node("Clip", &[place.clone(), zero.clone(), last.clone()], vec![]);
        let inside = n.node("Equal", &[held.clone(), place], vec![]);
        let inside = n.node("Cast", &[inside], vec![("to", OnnxAttribute::Int(FLOAT))]);
        (held, n.node("Mul", &[share, inside], vec![]))
    })
}

impl Examples for DeformableAttention {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let grid = [2, 3, 4];
        let one = Self { heads: 2, points: 2 };
        vec![
            (one.clone(), vec![Fact::new(2, 12, grid), Fact::new(2, 4, grid), Fact::new(2, 4, grid)]),
            (one, vec![Fact::new(1, 24, grid), Fact::new(1, 8, grid), Fact::new(1, 2, grid), Fact::new(1, 2, [2, 1, 3])]),
        ]
    }
}
