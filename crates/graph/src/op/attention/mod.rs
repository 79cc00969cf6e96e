//! Attention between the voxels of volumes: every voxel is a token.

mod grid;
mod onnx;

use super::{Examples, arity::exactly};
use crate::ir::{
    Cost, Fact, Fault, Init, Length, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Triple, Volume64, Weight, Weights64, count,
};
use crate::text::{Code, several};
use serde::{Deserialize, Serialize};

/// What is added to the logits of two voxels because of where they lie.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttentionBias {
    /// Nothing.
    #[default]
    None,
    /// A learned number for each way from a key to a query within a window, and each head: `table [(2A - 1)(2B - 1)(2C - 1), heads]` for a full
    /// window of `A x B x C`. The entry of query `i` and key `j` is the sum over the axes of `(i - j + full - 1) * steps`.
    ///
    /// Token `t` of a window smaller than the full one has the coordinates that `t` has in the full one (MONAI's SwinUNETR).
    Relative { full: Triple, steps: Triple },
    /// A learned number for each distance along the axes, and each head: `table [heads, D H W]` for keys on the grid `D x H x W`. The entry of
    /// query `i` and key `j` is the place `|stride * i - j|` of that grid (LeViT).
    Offsets { grid: Triple, stride: Triple },
}

/// `softmax(scale q k + bias + mask) v` between volumes: `q [N, h d, ..]`, `k [N, h d, ..]`, `v [N, h e, ..]` give `[N, h e, ..]` on the queries'
/// grid. Channel `head * d + i` belongs to a head. The projections are operations of their own, before and after it.
///
/// Without a window every query sees every key, and the two grids may differ. With one, blocks of so many voxels attend within themselves; with a
/// shift the volume is rolled by it before it is cut and rolled back afterwards (Liu et al. 2021).
///
/// MACs: both products, `N * queries * keys seen * h (d + e)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    pub heads: usize,
    /// The factor of the logits; `d^-0.5` where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Whether each head learns another factor, `temperature [heads]`, which starts at 1.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub temperature: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Triple>,
    /// An axis no longer than the window is one window, without a shift; else such a window is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clamp: bool,
    #[serde(default, skip_serializing_if = "Triple::is_zero")]
    pub shift: Triple,
    /// Whether 100 is taken from the logits of two voxels that lie in one window only because the volume is rolled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mask: bool,
    #[serde(default)]
    pub bias: AttentionBias,
}

/// What the mask adds where two voxels are to be apart.
pub const MASKED: f64 = -100.0;

impl Attention {
    /// Of all voxels, without a bias.
    pub fn new(heads: usize) -> Self {
        Self {
            heads,
            scale: None,
            temperature: false,
            window: None,
            clamp: false,
            shift: Triple::all(0),
            mask: false,
            bias: AttentionBias::None,
        }
    }

    /// The factor of the logits for heads of `d` channels.
    pub fn factor(&self, d: usize) -> f64 {
        self.scale.unwrap_or(1.0 / (d.max(1) as f64).sqrt())
    }

    /// The window over a volume and the shift that is left there.
    ///
    /// # Errors
    /// E0401 for a window of 0 or a shift that is not smaller than the window, E0301 for one that the volume does not hold.
    pub fn window_over(&self, size: [usize; 3]) -> Result<([usize; 3], [usize; 3]), Fault> {
        let Some(window) = self.window else {
            if self.shift.is_zero() {
                return Ok((size, [0; 3]));
            }
            return Err(
                Fault::field("shift", "there is a `shift` but no `window` to be shifted").help("give `window`, or leave `shift` out")
            );
        };
        let (mut w, mut s) = (window.0, self.shift.0);
        for a in 0..3 {
            let axis = ["depth", "height", "width"][a];
            if w[a] == 0 {
                return Err(Fault::field("window", "`window` is 0").help("use 1 or more voxels"));
            }
            if self.clamp && size[a] <= w[a] {
                (w[a], s[a]) = (size[a], 0);
            }
            if w[a] > size[a] {
                let message = format!("a window of {} is larger than the {axis} of {}", several(w[a], "voxel"), size[a]);
                return Err(Fault::new(Code::E0301, message)
                    .on("window")
                    .help("use a smaller window or a larger input; with `clamp: true` the axis becomes one window"));
            }
            if size[a].checked_rem(w[a]) != Some(0) {
                let message = format!("a {axis} of {} does not fall into windows of {}", size[a], several(w[a], "voxel"));
                return Err(Fault::new(Code::E0301, message)
                    .on("window")
                    .help(format!("pad before it: `Pad(x: \"...\", multiple: {})`", w[a])));
            }
            if s[a] >= w[a] && s[a] > 0 {
                return Err(Fault::field("shift", format!("a shift of {} moves a window of {} beyond itself", s[a], w[a]))
                    .help("use less than the window; half of it is usual"));
            }
        }
        Ok((w, s))
    }

    /// Rows of the table of biases, where there is one.
    fn rows(&self) -> Result<Option<usize>, Fault> {
        let (axes, field) = match &self.bias {
            AttentionBias::None => return Ok(None),
            AttentionBias::Relative { full, .. } => (full.0.map(|n| n.checked_mul(2).and_then(|n| n.checked_sub(1))), "window"),
            AttentionBias::Offsets { grid, .. } => (grid.0.map(|n| (n > 0).then_some(n)), "bias"),
        };
        let rows = axes.into_iter().try_fold(1usize, |n, a| n.checked_mul(a?));
        let rows = rows.filter(|n| n.checked_mul(self.heads).is_some_and(|n| n < isize::MAX as usize / 8));
        rows.map(Some).ok_or_else(|| {
            Fault::new(Code::E0401, "the table of biases would have no entries, or too many")
                .on(field)
                .help("use a window of 1 to a few voxels")
        })
    }

    /// Refuses a bias whose table has no entry for some pair of voxels.
    fn check_bias(&self, q: [usize; 3], k: [usize; 3]) -> Result<(), Fault> {
        let Some(rows) = self.rows()? else { return Ok(()) };
        match &self.bias {
            AttentionBias::None => Ok(()),
            AttentionBias::Relative { full, steps } => {
                let (window, _) = self.window_over(q)?;
                let tokens = |size: [usize; 3]| count(&size).unwrap_or(u64::MAX);
                if q != k {
                    return Err(Fault::new(Code::E0301, "a relative bias needs queries and keys on one grid")
                        .on("bias")
                        .help("use `bias: none`"));
                }
                if tokens(window) > tokens(full.0) {
                    let message =
                        format!("a window of {} has no place in the table, which is for {}", tokens(window), several(full.0[0], "voxel"));
                    return Err(Fault::new(Code::E0301, message).on("bias").help("use a larger `table`, or a smaller window"));
                }
                let largest = (0..3).try_fold(0usize, |n, a| n.checked_add((2 * full.0[a] - 2).checked_mul(steps.0[a])?));
                if largest.is_none_or(|n| n >= rows) {
                    let message =
                        format!("the entry {} is outside of a table of {}", largest.unwrap_or(usize::MAX), several(rows, "entry"));
                    return Err(Fault::new(Code::E0401, message)
                        .on("steps")
                        .help("leave `steps` out: each pair of places then has its own entry"));
                }
                Ok(())
            }
            AttentionBias::Offsets { grid, stride } => {
                let [d, h, w] = grid.0;
                if self.window.is_some() {
                    return Err(Fault::field("bias", "a bias by offsets is for attention without a window").help("use `bias: relative`"));
                }
                if k != grid.0 {
                    let message = format!("the biases were learned for keys on {d}x{h}x{w}, but they lie on {}x{}x{}", k[0], k[1], k[2]);
                    return Err(Fault::new(Code::E0301, message).on("bias").help("a network with such biases takes images of one size"));
                }
                for a in 0..3 {
                    if stride.0[a].checked_mul(q[a].saturating_sub(1)).is_none_or(|far| far >= k[a].max(1)) {
                        let message = format!("{} queries, {} apart, reach beyond {} keys", q[a], several(stride.0[a], "voxel"), k[a]);
                        return Err(Fault::new(Code::E0301, message)
                            .on("bias")
                            .help("let `stride` be how many keys lie between two queries"));
                    }
                }
                Ok(())
            }
        }
    }

    /// Keys that each query sees.
    fn seen(&self, q: &Fact, k: &Fact) -> Result<u64, Fault> {
        if self.window.is_some() { count(&self.window_over(q.size)?.0) } else { k.voxels() }
    }
}

impl Operator for Attention {
    fn kind(&self) -> &'static str {
        "attention"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [q, k, v] = exactly::<3>(self.kind(), x)?;
        for (port, f) in [("q", q), ("k", k), ("v", v)] {
            if self.heads == 0 || f.channels % self.heads != 0 || f.channels == 0 {
                let message =
                    format!("the {} of `{port}` cannot be split into {}", several(f.channels, "channel"), several(self.heads, "head"));
                return Err(Fault::new(Code::E0302, message).on("heads").help("use a number of heads that divides the channels"));
            }
        }
        if q.channels != k.channels {
            let message = format!("queries have {} and keys {}", several(q.channels, "channel"), k.channels);
            return Err(Fault::new(Code::E0302, message).on("k").help("bring both to one width"));
        }
        if q.batch != k.batch || k.batch != v.batch || k.size != v.size {
            return Err(Fault::new(Code::E0301, format!("{q}, {k} and {v} do not fit together"))
                .on("v")
                .help("keys and values lie on one grid; all are of one batch"));
        }
        if self.scale.is_some_and(|s| !s.is_finite()) {
            return Err(Fault::field("scale", "`scale` is not a finite number")
                .help("leave it out: it is then one by the root of a head's channels"));
        }
        if self.window.is_some() && q.size != k.size {
            return Err(Fault::new(Code::E0301, format!("windows need queries and keys on one grid, but {q} and {k} are given"))
                .on("window")
                .help("leave `window` out"));
        }
        self.window_over(q.size)?;
        self.check_bias(q.size, k.size)?;
        Ok(Fact::new(q.batch, v.channels, q.size))
    }

    fn weights(&self, _: &[Fact]) -> Vec<Weight> {
        let rows = self.rows().ok().flatten().unwrap_or(0);
        let table = match self.bias {
            AttentionBias::None => None,
            AttentionBias::Relative { .. } => Some(Weight::new("table", [rows, self.heads], Init::TruncatedNormal(0.02))),
            AttentionBias::Offsets { .. } => Some(Weight::new("table", [self.heads, rows], Init::Zeros)),
        };
        let temperature = self.temperature.then(|| Weight::new("temperature", [self.heads], Init::Ones));
        table.into_iter().chain(temperature).collect()
    }

    fn work(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let [q, k, v] = exactly::<3>(self.kind(), x)?;
        let pairs = count(&[y.batch, y.size[0], y.size[1], y.size[2]])?.checked_mul(self.seen(&q, &k)?).ok_or_else(too_many)?;
        let macs = pairs.checked_mul((q.channels as u64).saturating_add(v.channels as u64)).ok_or_else(too_many)?;
        // Scale, bias, the largest, the exponential, the sum, the share.
        Ok(Cost { macs, other: pairs.saturating_mul(self.heads as u64).saturating_mul(6), ..Cost::default() })
    }

    /// Inputs and output, and the log-sum-exp of each query's logits, as the CPU's kernel holds them. A composition of
    /// tensor operations, as on a GPU, holds the exponentials and the shares of every pair.
    fn saved(&self, x: &[Fact], _: &[bool]) -> SavedForBackward {
        let queries = x.first().and_then(|q| q.voxels().ok()?.checked_mul(q.batch as u64));
        let bytes = queries.unwrap_or(u64::MAX).saturating_mul(self.heads as u64).saturating_mul(4);
        SavedForBackward { inputs: vec![0, 1, 2], output: true, bytes }
    }

    fn length(&self, x: &[Length], _: usize) -> Option<Length> {
        x.first().copied()
    }

    fn reference(&self, weights: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let [q, k, v] = x else { return None };
        let (d, e) = (q.fact.channels / self.heads, v.fact.channels / self.heads);
        let (table, temperature) = (weights("table"), weights("temperature"));
        let (queries, keys) = (self.tokens(q.fact.size), self.tokens(k.fact.size));
        let regions = self.regions(q.fact.size);
        let places = self.bias_places(q.fact.size, k.fact.size);
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            for head in 0..self.heads {
                let factor = self.factor(d) * if self.temperature { temperature[head] } else { 1.0 };
                for (w, (own, seen)) in queries.iter().zip(&keys).enumerate() {
                    for (i, from) in own.iter().enumerate() {
                        let mut row: Vec<f64> = seen
                            .iter()
                            .map(|to| {
                                factor * (head * d..(head + 1) * d).map(|c| q.channel(n, c)[*from] * k.channel(n, c)[*to]).sum::<f64>()
                            })
                            .collect();
                        for (j, logit) in row.iter_mut().enumerate() {
                            *logit += places.as_ref().map_or(0.0, |p| table[self.entry(p[i * seen.len() + j], head)]);
                            *logit += regions.as_ref().map_or(0.0, |r| if r[w][i] == r[w][j] { 0.0 } else { MASKED });
                        }
                        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                        row.iter_mut().for_each(|p| *p = (*p - largest).exp());
                        let sum: f64 = row.iter().sum();
                        for c in head * e..(head + 1) * e {
                            let from_v = v.channel(n, c);
                            out.channel_mut(n, c)[*from] = row.iter().zip(seen).map(|(p, to)| p * from_v[*to]).sum::<f64>() / sum;
                        }
                    }
                }
            }
        }
        Some(out)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        onnx::write(self, n)
    }

    fn fixed_in_onnx(&self) -> Option<&'static str> {
        if self.window.is_some() {
            Some("its windows are cut for one size")
        } else if self.bias != AttentionBias::None {
            Some("its biases are laid out for one size")
        } else {
            None
        }
    }
}

fn too_many() -> Fault {
    Fault::new(Code::E0501, "the pairs of voxels are beyond 64 bits").help("use a window, or fewer voxels")
}

impl Examples for Attention {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let on = |c: usize, size: [usize; 3]| Fact::new(2, c, size);
        let three = |size: [usize; 3]| vec![on(6, size), on(6, size), on(4, size)];
        let windows = Attention { window: Some(Triple([2, 3, 2])), ..Attention::new(2) };
        let relative = |full: [usize; 3], steps: [usize; 3]| AttentionBias::Relative { full: Triple(full), steps: Triple(steps) };
        let shifted = Attention { shift: Triple([1, 1, 1]), mask: true, bias: relative([2, 3, 2], [15, 3, 1]), ..windows.clone() };
        let clamped = Attention { window: Some(Triple::all(3)), clamp: true, bias: relative([3, 3, 3], [25, 5, 1]), ..shifted.clone() };
        let learned = Attention { scale: Some(1.0), temperature: true, ..Attention::new(2) };
        let offsets = |stride: [usize; 3]| AttentionBias::Offsets { grid: Triple([1, 4, 3]), stride: Triple(stride) };
        vec![
            (Attention::new(2), three([2, 3, 2])),
            (learned, vec![on(6, [2, 3, 2]), on(6, [1, 1, 5]), on(4, [1, 1, 5])]),
            (windows, three([4, 3, 2])),
            (shifted, three([4, 6, 4])),
            (clamped, three([6, 2, 3])),
            (Attention { bias: offsets([1, 1, 1]), ..Attention::new(2) }, three([1, 4, 3])),
            (Attention { bias: offsets([1, 2, 2]), ..Attention::new(2) }, vec![on(6, [1, 2, 2]), on(6, [1, 4, 3]), on(2, [1, 4, 3])]),
        ]
    }
}
