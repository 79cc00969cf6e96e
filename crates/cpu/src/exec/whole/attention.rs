//! Attention, block by block of queries and keys: the matrix of all their pairs is never in memory.
//!
//! A block of logits is made, its exponentials are summed beside those before it, and what was summed so far is scaled where a larger logit
//! turns up (Milakov and Gimelshein 2018, Dao et al. 2022).

use rayon::prelude::*;

use super::TensorView;
use crate::ir::Fact;
use crate::op::{Attention, ChannelAttention, DeformableAttention, MASKED};

/// Queries of a task where there are no windows.
const QUERIES: usize = 64;
/// Keys of a block.
const KEYS: usize = 512;
/// Numbers that are summed side by side.
const LANES: usize = 16;

/// The numbers of one head in a window, channel by channel.
struct Rows<'a> {
    tokens: usize,
    channels: Vec<std::borrow::Cow<'a, [f32]>>,
}

impl<'a> Rows<'a> {
    /// Those of `count` channels from `first` on at some places; at all of them as they lie in memory.
    fn of(x: TensorView<'a>, n: usize, (first, count): (usize, usize), places: Option<&[usize]>) -> Self {
        let channel = |c: usize| {
            let all = x.channel(n, c);
            match places {
                None => all.into(),
                Some(places) => places.iter().map(|p| all[*p]).collect::<Vec<f32>>().into(),
            }
        };
        Self { tokens: places.map_or(x.voxels(), <[usize]>::len), channels: (first..first + count).map(channel).collect() }
    }
}

/// What is added to the logit of a query and a key.
struct Added<'a> {
    table: &'a [f32],
    places: Option<&'a [usize]>,
    regions: Option<&'a [usize]>,
    head: usize,
}

/// `q`, `k` and `v` as the operation takes them; `weight` finds its learned tensors.
pub fn run<'w>(a: &Attention, weight: &dyn Fn(&str) -> &'w [f32], [q, k, v]: [TensorView; 3], y: Fact) -> Vec<f32> {
    let (d, e, heads) = (q.fact.channels / a.heads, v.fact.channels / a.heads, a.heads);
    let (table, temperature) = (weight("table"), weight("temperature"));
    let windows = a.window.map(|_| a.tokens(q.fact.size));
    let regions = a.regions(q.fact.size);
    let places = a.bias_places(q.fact.size, k.fact.size);
    let voxels = q.voxels();
    let count = windows.as_ref().map_or(voxels.div_ceil(QUERIES), Vec::len);
    // A task: a sample, a head, and a window or a block of queries.
    let task = |i: usize| {
        let (n, head, w) = (i / count / heads, i / count % heads, i % count);
        let own = windows.as_ref().map(|all| all[w].as_slice());
        let (keys, values) = (Rows::of(k, n, (head * d, d), own), Rows::of(v, n, (head * e, e), own));
        let queries: Vec<usize> = match own {
            Some(own) => own.to_vec(),
            None => (w * QUERIES..((w + 1) * QUERIES).min(voxels)).collect(),
        };
        let factor = a.factor(d) as f32 * if a.temperature { temperature[head] } else { 1.0 };
        let first = if own.is_some() { 0 } else { w * QUERIES };
        let added = Added { table, places: places.as_deref(), regions: regions.as_ref().map(|r| r[w].as_slice()), head };
        let mut out = vec![0.0; e * queries.len()];
        let mut row = Row { logits: vec![0.0; KEYS], sums: vec![0.0; e], query: vec![0.0; d] };
        for (i, at) in queries.iter().enumerate() {
            row.query.iter_mut().enumerate().for_each(|(c, to)| *to = factor * q.channel(n, head * d + c)[*at]);
            row.attend(a, &keys, &values, &added, first + i);
            row.sums.iter().enumerate().for_each(|(c, sum)| out[c * queries.len() + i] = *sum);
        }
        out
    };
    let done: Vec<Vec<f32>> = (0..y.batch * heads * count).into_par_iter().map(task).collect();
    let mut out = vec![0.0; y.batch * y.channels * voxels];
    out.par_chunks_mut((e * voxels).max(1)).enumerate().for_each(|(i, to)| {
        for (w, part) in done[i * count..(i + 1) * count].iter().enumerate() {
            let tokens = part.len() / e.max(1);
            for c in 0..e {
                let (from, to) = (&part[c * tokens..(c + 1) * tokens], &mut to[c * voxels..(c + 1) * voxels]);
                match &windows {
                    Some(all) => all[w].iter().zip(from).for_each(|(at, v)| to[*at] = *v),
                    None => to[w * QUERIES..w * QUERIES + tokens].copy_from_slice(from),
                }
            }
        }
    });
    out
}

/// What is held for one query.
struct Row {
    /// Of a block of keys.
    logits: Vec<f32>,
    /// By channel of the values.
    sums: Vec<f32>,
    /// Its channels, times the factor of the logits.
    query: Vec<f32>,
}

impl Row {
    /// Leaves the values' sum by the softmax in `sums`; `query` is its place among the queries.
    fn attend(&mut self, a: &Attention, keys: &Rows, values: &Rows, added: &Added, query: usize) {
        let (mut largest, mut total) = (f32::NEG_INFINITY, 0.0f32);
        self.sums.fill(0.0);
        let mut start = 0;
        while start < keys.tokens {
            let end = (start + KEYS).min(keys.tokens);
            let row = &mut self.logits[..end - start];
            row.fill(0.0);
            for (q, k) in self.query.chunks(4).zip(keys.channels.chunks(4)) {
                products(row, q, k, start);
            }
            if let Some(places) = added.places {
                let own = &places[query * keys.tokens + start..query * keys.tokens + end];
                row.iter_mut().zip(own).for_each(|(l, p)| *l += added.table[a.entry(*p, added.head)]);
            }
            if let Some(regions) = added.regions {
                let own = regions[query];
                row.iter_mut().zip(&regions[start..end]).for_each(|(l, r)| *l += if *r == own { 0.0 } else { MASKED as f32 });
            }
            let top = row.iter().fold(largest, |m, l| if *l > m || l.is_nan() { *l } else { m });
            let before = if top == largest { 1.0 } else { exp(largest - top) };
            largest = top;
            row.iter_mut().for_each(|l| *l = exp(*l - top));
            total = total * before + sum(row);
            for (to, v) in self.sums.iter_mut().zip(&values.channels) {
                *to = *to * before + dot(row, &v[start..end]);
            }
            start = end;
        }
        let share = 1.0 / total;
        self.sums.iter_mut().for_each(|v| *v *= share);
    }
}

/// Adds the products of up to four channels of a query and of keys from `start` on.
fn products(row: &mut [f32], q: &[f32], k: &[std::borrow::Cow<[f32]>], start: usize) {
    let part = |i: usize| &k[i][start..start + row.len()];
    if let ([a, b, c, d], 4) = (q, k.len()) {
        let (k0, k1, k2, k3) = (part(0), part(1), part(2), part(3));
        for (i, l) in row.iter_mut().enumerate() {
            *l += a * k0[i] + b * k1[i] + c * k2[i] + d * k3[i];
        }
        return;
    }
    for (q, k) in q.iter().zip(k) {
        row.iter_mut().zip(&k[start..]).for_each(|(l, k)| *l += q * k);
    }
}

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
