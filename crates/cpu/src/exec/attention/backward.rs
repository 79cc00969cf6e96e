//! The gradients of queries, keys, values and learned tensors. The work is cut into parts whose number does not depend on the threads, and what they
//! give to the same numbers is summed in their order.
//!
//! Part of `exec::attention`.

use rayon::prelude::*;

use super::{Layout, Learned, Part, blocks, columns, head, seen};
use crate::exec::TensorView;
use crate::kernel::attention::{HeadBlock, HeadGradients};
use crate::kernel::lanes::Isa;
use crate::op::Attention;

/// The most parts into which the queries of a head are cut.
const CUTS: usize = 8;

/// Gradients, each as long as what it is of.
#[derive(Clone, Debug, Default)]
pub struct AttentionGradients {
    pub q: Vec<f32>,
    pub k: Vec<f32>,
    pub v: Vec<f32>,
    pub table: Vec<f32>,
    pub temperature: Vec<f32>,
}

/// What a cut of a head's windows or queries gives.
struct Cut {
    /// Of each of its parts, in order.
    q: Vec<Vec<f32>>,
    /// Of each of its parts where there are windows, else one for all keys.
    k: Vec<Vec<f32>>,
    v: Vec<Vec<f32>>,
    /// `[tokens of its queries, keys]`, from the query on that is named; of windows of all together.
    bias: (usize, Vec<f32>),
    temperature: f32,
}

/// From `q`, `k` and `v`, the output and the log-sum-exp that [`super::forward`] gave, and the gradient of the output.
pub fn backward(a: &Attention, learned: Learned, x: [TensorView; 3], found: (&[f32], &[f32]), from: &[f32]) -> AttentionGradients {
    let layout = Layout::new(a, learned, &x);
    let [q, k, v] = x;
    let (batch, heads, parts) = (q.fact.batch, a.heads, layout.parts());
    let cuts = parts.min(CUTS);
    let ends = |cut: usize| (cut * parts / cuts, (cut + 1) * parts / cuts);
    let data = Given { layout: &layout, x: [q, k, v], found, from };
    let done: Vec<Cut> =
        (0..batch * heads * cuts).into_par_iter().map(|i| data.cut(i / cuts / heads, i / cuts % heads, ends(i % cuts))).collect();

    let gathered = |channels: usize, voxels: usize, of: &(dyn Fn(&Cut) -> &[Vec<f32>] + Sync), apart: bool| {
        let mut out = vec![0.0; batch * heads * channels * voxels];
        out.par_chunks_mut((channels * voxels).max(1)).enumerate().for_each(|(i, to)| {
            let own = &done[i * cuts..(i + 1) * cuts];
            if apart {
                own.iter().flat_map(of).enumerate().for_each(|(p, g)| layout.voxels(p).put(g, to, voxels));
            } else {
                own.iter().flat_map(of).for_each(|g| to.iter_mut().zip(g).for_each(|(to, g)| *to += g));
            }
        });
        out
    };
    let windowed = layout.windows.is_some();
    let mut gradients = AttentionGradients {
        q: gathered(layout.d, layout.own, &|c| &c.q, true),
        k: gathered(layout.d, layout.seen, &|c| &c.k, windowed),
        v: gathered(layout.e, layout.seen, &|c| &c.v, windowed),
        table: vec![0.0; learned.table.len()],
        temperature: vec![0.0; learned.temperature.len()],
    };
    if let Some(places) = &layout.places {
        for (i, cut) in done.iter().enumerate() {
            let (first, bias) = &cut.bias;
            let keys = layout.windows.as_ref().and_then(|all| all.first()).map_or(layout.seen, Vec::len);
            bias.iter().zip(&places[first * keys..]).for_each(|(g, p)| gradients.table[a.entry(*p, i / cuts % heads)] += g);
        }
    }
    if a.temperature {
        done.iter().enumerate().for_each(|(i, cut)| gradients.temperature[i / cuts % heads] += cut.temperature);
    }
    gradients
}

/// What every cut reads.
struct Given<'a> {
    layout: &'a Layout<'a>,
    x: [TensorView<'a>; 3],
    found: (&'a [f32], &'a [f32]),
    from: &'a [f32],
}

impl Given<'_> {
    /// The parts from one to before another of a sample's head.
    fn cut(&self, n: usize, h: usize, (begin, end): (usize, usize)) -> Cut {
        let (layout, [q, k, v]) = (self.layout, &self.x);
        let (d, e, voxels, heads) = (layout.d, layout.e, layout.own, layout.a.heads);
        let (factor, isa) = (layout.factor(h), Isa::widest());
        let of_head = (n * heads + h) * e * voxels;
        let (out, from) = (&self.found.0[of_head..][..e * voxels], &self.from[of_head..][..e * voxels]);
        let log_sum_exp = &self.found.1[(n * heads + h) * voxels..][..voxels];
        let windowed = layout.windows.is_some();
        let (all_k, all_v) = (head(k, n, h, d), head(v, n, h, e));
        let first_row = if windowed { 0 } else { layout.row(begin, 0) };
        let rows = if windowed { layout.voxels(begin).len() } else { (begin..end).map(|p| layout.voxels(p).len()).sum() };
        let keys = if windowed { rows } else { layout.seen };
        let mut bias = vec![0.0f32; if layout.places.is_some() { rows * keys } else { 0 }];
        let mut cut = Cut { q: vec![], k: vec![], v: vec![], bias: (first_row, vec![]), temperature: 0.0 };
        let (mut dk, mut dv) = (vec![0.0; d * keys], vec![0.0; e * keys]);
        for p in begin..end {
            let part = layout.voxels(p);
            let tokens = part.len();
            let own = part.of(head(q, n, h, d), voxels, factor);
            let (keyed, valued) = (seen(all_k, layout.seen, part), seen(all_v, layout.seen, part));
            let (out, from) = (part.of(out, voxels, 1.0), part.of(from, voxels, 1.0));
            // Tokens of a head are in the order of windows and their tokens, which for blocks of queries is that of the voxels.
            let at = match part {
                Part::Window(_) => p * tokens,
                Part::Run(first, _) => first,
            };
            let mut dq = vec![0.0; d * tokens];
            for block in blocks(tokens) {
                let (first, count) = block;
                let own = columns(&own, tokens, block);
                let one = HeadBlock::new(count, keys, [&own, &keyed, &valued], isa);
                let mut to = vec![0.0; d * count];
                let g = HeadGradients {
                    out: &columns(&out, tokens, block),
                    from: &columns(&from, tokens, block),
                    log_sum_exp: &log_sum_exp[at + first..][..count],
                    q: &mut to,
                    k: &mut dk,
                    v: &mut dv,
                };
                let add = |i: usize, key: usize, logits: &mut [f32]| layout.add(h, p, first + i, key, logits);
                let seen = |i: usize, key: usize, gradient: &[f32]| {
                    if !bias.is_empty() {
                        let row = layout.row(p, first + i) - first_row;
                        bias[row * keys + key..].iter_mut().zip(gradient).for_each(|(to, g)| *to += g);
                    }
                };
                one.gradients(g, add, seen);
                // Of the scaled queries: the sum of the logits times their gradients is the temperature's.
                if layout.a.temperature {
                    cut.temperature += own.iter().zip(&to).map(|(q, g)| q * g).sum::<f32>() / layout.learned.temperature[h];
                }
                for (dq, to) in dq.chunks_exact_mut(tokens).zip(to.chunks_exact(count)) {
                    dq[first..first + count].iter_mut().zip(to).for_each(|(dq, g)| *dq = factor * g);
                }
            }
            cut.q.push(dq);
            if windowed {
                cut.k.push(std::mem::replace(&mut dk, vec![0.0; d * keys]));
                cut.v.push(std::mem::replace(&mut dv, vec![0.0; e * keys]));
            }
        }
        if !windowed {
            (cut.k, cut.v) = (vec![dk], vec![dv]);
        }
        cut.bias.1 = bias;
        cut
    }
}
