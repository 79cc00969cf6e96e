//! Attention over volumes: which channels and voxels are a head's in a window, and the kernel's blocks over them, forward and backward. Prediction and
//! training on the CPU both run it.
//!
//! May use `ir`, `op`, `kernel::attention`.

mod backward;
mod forward;

use std::borrow::Cow;

pub use backward::{AttentionGradients, backward};
pub use forward::{Attended, forward};

use crate::exec::TensorView;
use crate::kernel::attention::QUERIES;
use crate::op::{Attention, MASKED};

/// Its learned tensors, empty where it has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Learned<'a> {
    /// See [`crate::op::AttentionBias`].
    pub table: &'a [f32],
    /// `[heads]`
    pub temperature: &'a [f32],
}

/// What is the same for every head and window.
struct Layout<'a> {
    a: &'a Attention,
    learned: Learned<'a>,
    /// Channels of a head of queries and keys, and of values.
    d: usize,
    e: usize,
    /// Voxels of queries and of keys.
    own: usize,
    seen: usize,
    /// The voxels of each window.
    windows: Option<Vec<Vec<usize>>>,
    regions: Option<Vec<Vec<usize>>>,
    /// For each pair of tokens the place of its bias, `[queries, keys]`.
    places: Option<Vec<usize>>,
    /// The biases of each head, `[queries, keys]`.
    biases: Vec<Vec<f32>>,
}

impl<'a> Layout<'a> {
    fn new(a: &'a Attention, learned: Learned<'a>, [q, k, v]: &[TensorView; 3]) -> Self {
        let places = a.bias_places(q.fact.size, k.fact.size);
        let of_head = |head: usize| places.iter().flatten().map(|p| learned.table[a.entry(*p, head)]).collect();
        Self {
            a,
            learned,
            d: q.fact.channels / a.heads,
            e: v.fact.channels / a.heads,
            own: q.voxels(),
            seen: k.voxels(),
            windows: a.window.map(|_| a.tokens(q.fact.size)),
            regions: a.regions(q.fact.size),
            biases: if places.is_some() { (0..a.heads).map(of_head).collect() } else { vec![] },
            places,
        }
    }

    /// What the logits of a head are multiplied by.
    fn factor(&self, head: usize) -> f32 {
        self.a.factor(self.d) as f32 * if self.a.temperature { self.learned.temperature[head] } else { 1.0 }
    }

    /// Windows, or blocks of queries where there are none.
    fn parts(&self) -> usize {
        self.windows.as_ref().map_or(self.own.div_ceil(QUERIES), Vec::len)
    }

    /// The voxels that are the queries of a part; all of its keys too where there are windows.
    fn voxels(&self, part: usize) -> Part<'_> {
        match &self.windows {
            Some(all) => Part::Window(&all[part]),
            None => Part::Run(part * QUERIES, ((part + 1) * QUERIES).min(self.own)),
        }
    }

    /// Adds bias and mask to the logits of token `query` of a part and the keys from `key` on.
    fn add(&self, head: usize, part: usize, query: usize, key: usize, logits: &mut [f32]) {
        let keys = self.windows.as_ref().map_or(self.seen, |all| all[part].len());
        if let Some(biases) = self.biases.get(head) {
            let at = self.row(part, query) * keys + key;
            logits.iter_mut().zip(&biases[at..]).for_each(|(l, b)| *l += b);
        }
        if let Some(regions) = &self.regions {
            let regions = &regions[part];
            let own = regions[query];
            logits.iter_mut().zip(&regions[key..]).for_each(|(l, r)| *l += if *r == own { 0.0 } else { MASKED as f32 });
        }
    }

    /// The place of a part's query among all that a bias knows: of a window, or of the volume.
    fn row(&self, part: usize, query: usize) -> usize {
        if self.windows.is_some() { query } else { part * QUERIES + query }
    }
}

/// Some voxels of a volume.
#[derive(Clone, Copy)]
enum Part<'a> {
    Window(&'a [usize]),
    /// From one to before another.
    Run(usize, usize),
}

impl Part<'_> {
    fn len(&self) -> usize {
        match self {
            Part::Window(all) => all.len(),
            Part::Run(from, to) => to - from,
        }
    }

    /// These voxels of each of some channels `[channels, voxels]`, times a factor: `[channels, len]`.
    fn of(&self, x: &[f32], voxels: usize, factor: f32) -> Vec<f32> {
        let mut out = Vec::with_capacity(x.len() / voxels.max(1) * self.len());
        for channel in x.chunks_exact(voxels.max(1)) {
            match self {
                Part::Window(all) => out.extend(all.iter().map(|p| factor * channel[*p])),
                Part::Run(from, to) => out.extend(channel[*from..*to].iter().map(|v| factor * v)),
            }
        }
        out
    }

    /// The inverse of [`Part::of`]: `to[channels, voxels]` gets these voxels of `x [channels, len]`.
    fn put(&self, x: &[f32], to: &mut [f32], voxels: usize) {
        for (x, to) in x.chunks_exact(self.len().max(1)).zip(to.chunks_exact_mut(voxels.max(1))) {
            match self {
                Part::Window(all) => all.iter().zip(x).for_each(|(p, v)| to[*p] = *v),
                Part::Run(from, end) => to[*from..*end].copy_from_slice(x),
            }
        }
    }
}

/// The channels of a head, `[channels, voxels]`.
fn head<'a>(x: &TensorView<'a>, n: usize, head: usize, channels: usize) -> &'a [f32] {
    let v = x.voxels();
    &x.data[(n * x.fact.channels + head * channels) * v..][..channels * v]
}

/// Keys or values of a part: gathered, or as they lie in memory.
fn seen<'a>(x: &'a [f32], voxels: usize, part: Part) -> Cow<'a, [f32]> {
    match part {
        Part::Window(_) => part.of(x, voxels, 1.0).into(),
        Part::Run(..) => x.into(),
    }
}

/// The blocks of so many queries: first and count.
fn blocks(queries: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..queries).step_by(QUERIES).map(move |first| (first, (queries - first).min(QUERIES)))
}

/// Some columns of `x [channels, row]`.
fn columns(x: &[f32], row: usize, (first, count): (usize, usize)) -> Cow<'_, [f32]> {
    if count == row {
        return x.into();
    }
    x.chunks_exact(row.max(1)).flat_map(|c| c[first..first + count].iter().copied()).collect::<Vec<f32>>().into()
}

#[cfg(test)]
mod tests;
