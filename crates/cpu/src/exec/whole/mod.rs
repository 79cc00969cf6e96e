//! Operations that run by themselves, on whole volumes: what no stage takes, and vectors. Those that networks use have loops over rows
//! here; any other runs by its definition in float64, which is right and slow.
//!
//! May use `ir` and `op`.

mod attention;
mod conv_transpose;
mod places;
mod tokens;

use rayon::prelude::*;

use super::attention::Learned;
use crate::ir::{Fact, Operator, Volume64};
use crate::op::{Op, Reduction, Statistic};

/// A value `[N, C, D, H, W]`.
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    pub fact: Fact,
    pub data: &'a [f32],
}

impl<'a> TensorView<'a> {
    /// Voxels of a channel.
    pub(super) fn voxels(&self) -> usize {
        self.fact.size.iter().product()
    }

    /// One channel of one batch item.
    fn channel(&self, n: usize, c: usize) -> &'a [f32] {
        let v = self.voxels();
        &self.data[(n * self.fact.channels + c) * v..][..v]
    }
}

/// Whether an operation on volumes has loops of its own here, and does not run by its definition.
pub fn is_fast(op: &Op) -> bool {
    matches!(
        op,
        Op::ConvTranspose3d(_)
            | Op::MaxPool3d(_)
            | Op::AvgPool3d(_)
            | Op::Pad(_)
            | Op::Crop(_)
            | Op::Resize(_)
            | Op::ReduceChannels(_)
            | Op::GlobalReduce(_)
            | Op::GlobalAvgPool(_)
            | Op::Concat(_)
            | Op::Slice(_)
            | Op::Add(_)
            | Op::Sub(_)
            | Op::Mul(_)
            | Op::LayerNorm(_)
            | Op::Attention(_)
            | Op::ChannelAttention(_)
            | Op::LearnedVolume(_)
            | Op::VoxelLinear(_)
            | Op::NormaliseVoxels(_)
            | Op::Reread(_)
            | Op::SpaceToDepth(_)
            | Op::DepthToSpace(_)
            | Op::Regrid(_)
            | Op::ConcatVoxels(_)
            | Op::ClassToken(_)
            | Op::SliceHeads(_)
            | Op::SinePosition(_)
            | Op::DeformableAttention(_)
    )
}

/// The value of an operation. Facts are those that `infer` accepts and gives; `weight` finds a learned tensor by its last name.
pub fn evaluate<'w>(op: &Op, weight: &dyn Fn(&str) -> &'w [f32], x: &[TensorView], y: Fact) -> Vec<f32> {
    let fast = match (op, x) {
        // A linear layer on a vector: sums in float64, as its definition has them.
        (Op::Conv3d(c), [x]) if c.is_pointwise() && x.fact.is_vector() => {
            let (w, b, ins) = (weight("weight"), weight("bias"), x.fact.channels);
            Some(per_channel(y, |n, o, to| {
                let start = if c.bias { f64::from(b[o]) } else { 0.0 };
                let products = w[o * ins..(o + 1) * ins].iter().zip(&x.data[n * ins..(n + 1) * ins]);
                to[0] = products.fold(start, |sum, (w, x)| sum + f64::from(*w) * f64::from(*x)) as f32;
            }))
        }
        (Op::ConvTranspose3d(c), [x]) => Some(conv_transpose::run(c, weight("weight"), weight("bias"), *x, y)),
        (Op::MaxPool3d(p), [x]) => Some(places::max_pool(p, *x, y)),
        (Op::AvgPool3d(p), [x]) => Some(places::avg_pool(p, *x, y)),
        (Op::Pad(p), [x]) => Some(places::pad(p, *x, y)),
        (Op::Crop(c), [x]) => Some(places::crop(c, *x, y)),
        (Op::Resize(r), [x]) => Some(places::resize(r, *x, y)),
        (Op::ReduceChannels(r), [x]) => Some(reduce_channels(r.by, *x, y)),
        (Op::GlobalReduce(r), [x]) => {
            let sum = |x: &[f32]| x.iter().map(|v| f64::from(*v)).sum::<f64>() as f32;
            let max = |x: &[f32]| x.iter().fold(f32::NEG_INFINITY, |m, v| if *v > m || v.is_nan() { *v } else { m });
            Some(per_channel(y, |n, c, to| {
                to[0] = match r.by {
                    Statistic::Sum => sum(x.channel(n, c)),
                    Statistic::Max => max(x.channel(n, c)),
                }
            }))
        }
        (Op::GlobalAvgPool(_), [x]) => Some(per_channel(y, |n, c, to| {
            to[0] = (x.channel(n, c).iter().map(|v| f64::from(*v)).sum::<f64>() / x.voxels() as f64) as f32;
        })),
        (Op::Concat(_), parts) => Some(per_channel(y, |n, c, to| {
            let mut c = c;
            for part in parts {
                if c < part.fact.channels {
                    to.copy_from_slice(part.channel(n, c));
                    return;
                }
                c -= part.fact.channels;
            }
        })),
        (Op::Slice(s), [x]) => Some(per_channel(y, |n, c, to| to.copy_from_slice(x.channel(n, s.start + c)))),
        (Op::Add(_), [a, b]) => Some(zip(*a, *b, y, |a, b| a + b)),
        (Op::Sub(_), [a, b]) => Some(zip(*a, *b, y, |a, b| a - b)),
        (Op::Mul(_), [a, b]) => Some(zip(*a, *b, y, |a, b| a * b)),
        (Op::LayerNorm(l), [x]) => Some(tokens::layer_norm(l, weight("weight"), weight("bias"), *x, y)),
        (Op::Attention(a), [q, k, v]) => {
            let learned = Learned { table: weight("table"), temperature: weight("temperature") };
            Some(super::attention::forward(a, learned, [*q, *k, *v], false).out)
        }
        (Op::ChannelAttention(c), [q, k, v]) => Some(attention::channels(c, weight("temperature"), [*q, *k, *v], y)),
        (Op::LearnedVolume(_), [x]) => Some(tokens::learned_volume(weight("weight"), *x, y)),
        (Op::VoxelLinear(l), [x]) => Some(tokens::voxel_linear(l, weight("weight"), weight("bias"), *x, y)),
        (Op::NormaliseVoxels(l), [x]) => Some(tokens::normalise_voxels(l, *x, y)),
        (Op::Reread(r), [x]) => Some(tokens::reread(r, *x, y)),
        (Op::SpaceToDepth(s), [x]) => Some(tokens::space_to_depth(s, *x, y)),
        (Op::DepthToSpace(s), [x]) => Some(tokens::depth_to_space(s, *x, y)),
        (Op::Regrid(_), [x]) => Some(x.data.to_vec()),
        (Op::Regrid(_), [x, _]) => Some(x.data.to_vec()),
        (Op::ConcatVoxels(_), parts) => Some(tokens::concat_voxels(parts, y)),
        (Op::ClassToken(_), [x]) => Some(tokens::class_token(weight("weight"), *x, y)),
        (Op::SinePosition(s), _) => Some(tokens::sine_position(s, weight("weight"), y)),
        (Op::DeformableAttention(a), x) => Some(attention::deformable(a, x, y)),
        (Op::SliceHeads(s), [x]) => Some(tokens::slice_heads(s, *x, y)),
        _ => None,
    };
    fast.unwrap_or_else(|| by_definition(op, weight, x, y))
}

/// By [`Operator::reference`], in float64.
fn by_definition<'w>(op: &Op, weight: &dyn Fn(&str) -> &'w [f32], x: &[TensorView], y: Fact) -> Vec<f32> {
    let wide: Vec<Volume64> = x.iter().map(|t| Volume64::from_f32(t.fact, t.data)).collect();
    let held = |name: &str| weight(name).iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    match op.reference(&held, &wide.iter().collect::<Vec<_>>(), y) {
        Some(y) => y.values.into_iter().map(|v| v as f32).collect(),
        None => unreachable!("what has no definition is expanded before the executor plans"),
    }
}

/// Fills each channel of each batch item.
fn per_channel(y: Fact, f: impl Fn(usize, usize, &mut [f32]) + Sync) -> Vec<f32> {
    let space = y.size.iter().product::<usize>();
    let mut out = vec![0.0; y.batch * y.channels * space];
    out.par_chunks_mut(space.max(1)).enumerate().for_each(|(i, to)| f(i / y.channels, i % y.channels, to));
    out
}

fn reduce_channels(by: Reduction, x: TensorView, y: Fact) -> Vec<f32> {
    per_channel(y, |n, _, to| {
        let channels = x.fact.channels;
        to.copy_from_slice(x.channel(n, 0));
        for c in 1..channels {
            let from = x.channel(n, c);
            match by {
                Reduction::Mean => to.iter_mut().zip(from).for_each(|(y, x)| *y += x),
                Reduction::Max => to.iter_mut().zip(from).for_each(|(y, x)| *y = if *x > *y || x.is_nan() { *x } else { *y }),
            }
        }
        if by == Reduction::Mean {
            let share = 1.0 / channels as f32;
            to.iter_mut().for_each(|y| *y *= share);
        }
    })
}

/// A function of two values number by number; a dimension of 1 is repeated.
fn zip(a: TensorView, b: TensorView, y: Fact, f: impl Fn(f32, f32) -> f32 + Sync) -> Vec<f32> {
    let [_, h, w] = y.size;
    let row = |t: &TensorView, n: usize, c: usize, i: usize, j: usize| {
        let pick = |at: usize, n: usize| if n == 1 { 0 } else { at };
        let [d0, h0, w0] = t.fact.size;
        let (n, c) = (pick(n, t.fact.batch), pick(c, t.fact.channels));
        (((n * t.fact.channels + c) * d0 + pick(i, d0)) * h0 + pick(j, h0)) * w0
    };
    per_channel(y, |n, c, to| {
        for (k, to) in to.chunks_mut(w.max(1)).enumerate() {
            let (i, j) = (k / h, k % h);
            let (p, q) = (row(&a, n, c, i, j), row(&b, n, c, i, j));
            match (a.fact.size[2] == w, b.fact.size[2] == w) {
                (true, true) => to.iter_mut().zip(&a.data[p..p + w]).zip(&b.data[q..q + w]).for_each(|((y, a), b)| *y = f(*a, *b)),
                (true, false) => to.iter_mut().zip(&a.data[p..p + w]).for_each(|(y, a)| *y = f(*a, b.data[q])),
                (false, true) => to.iter_mut().zip(&b.data[q..q + w]).for_each(|(y, b)| *y = f(a.data[p], *b)),
                (false, false) => to.fill(f(a.data[p], b.data[q])),
            }
        }
    })
}
