//! Activation checkpointing: where the order of operations is cut into segments of which all but the last are computed again on the way
//! back, so that a training step holds less at once (T. Chen et al., "Training deep nets with sublinear memory cost", arXiv 1604.06174).

use std::ops::Range;

use super::Precision;
use super::backward::{Backward, Count};
use crate::ir::{Fact, Fault, Graph, Operator};

/// Parts of the order of operations, one after the other, each from its cut to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    /// The first operation of each segment but the first, rising.
    cuts: Vec<usize>,
}

/// Places to cut that are tried.
const PLACES: usize = 128;

/// No more cuts are made.
const MOST: usize = 32;

impl Segments {
    /// One: nothing is computed again.
    pub fn whole() -> Self {
        Self::default()
    }

    /// Cut before these operations.
    pub fn cut(mut before: Vec<usize>) -> Self {
        before.sort_unstable();
        before.dedup();
        before.retain(|c| *c > 0);
        Self { cuts: before }
    }

    /// The segments of `n` operations, at least one.
    pub fn ranges(&self, n: usize) -> Vec<Range<usize>> {
        let starts = [0].into_iter().chain(self.cuts.iter().copied());
        let ends = self.cuts.iter().copied().chain([n]);
        starts.zip(ends).map(|(a, b)| a.min(n)..b.min(n)).collect()
    }

    /// Those of a training step: with activation checkpointing the least, else one.
    ///
    /// # Errors
    /// As [`Segments::least`].
    pub fn of<O: Operator>(checkpointing: bool, graph: &Graph<O>, facts: &[Fact], precision: Precision) -> Result<Self, Fault> {
        if checkpointing { Self::least(graph, facts, precision) } else { Ok(Self::whole()) }
    }

    /// The cuts with which a training step at the sizes of `facts` holds least: one after the other where it helps most, then each moved to where
    /// it helps more.
    ///
    /// # Errors
    /// E0501 when a count is beyond 64 bits.
    pub fn least<O: Operator>(graph: &Graph<O>, facts: &[Fact], precision: Precision) -> Result<Self, Fault> {
        let way = Backward::new(graph, facts, precision)?;
        let places = places(graph, &way);
        let try_out = |cuts: Vec<usize>| -> Result<(Self, Score), Fault> {
            let segments = Self::cut(cuts);
            let score = Score::of(&way.count(&segments)?);
            Ok((segments, score))
        };
        let mut best = try_out(vec![])?;
        while best.0.cuts.len() < MOST {
            let mut next = best.clone();
            for place in places.iter().filter(|p| !best.0.cuts.contains(p)) {
                let tried = try_out([&best.0.cuts[..], &[*place]].concat())?;
                if tried.1 < next.1 {
                    next = tried;
                }
            }
            if next.0 == best.0 {
                break;
            }
            best = next;
        }
        for at in 0..best.0.cuts.len() {
            for place in places.iter().filter(|p| !best.0.cuts.contains(p)).copied().collect::<Vec<_>>() {
                let mut cuts = best.0.cuts.clone();
                cuts[at] = place;
                let tried = try_out(cuts)?;
                if tried.1 < best.1 {
                    best = tried;
                }
            }
        }
        Ok(best.0)
    }
}

/// What is better is less: the peak, then what the segments hold together, since of two that hold alike one has to be cut first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Score(u64, u128);

impl Score {
    fn of(count: &Count) -> Self {
        let squares = count.peaks.iter().map(|p| u128::from(p >> 10).saturating_mul(u128::from(p >> 10)));
        Self(count.peak(), squares.fold(0, u128::saturating_add))
    }
}

/// The places where fewest bytes are read on the other side, spread over the order; none parts an operation from one that is computed
/// along with it.
fn places<O: Operator>(graph: &Graph<O>, way: &Backward<O>) -> Vec<usize> {
    let n = graph.len();
    let mut together = vec![0isize; n + 1];
    for (v, next) in graph.fused_epilogues().into_iter().enumerate() {
        if let Some(next) = next {
            together[v + 1] += 1;
            together[next.0 + 1] -= 1;
        }
    }
    let mut within = 0;
    let free: Vec<bool> = together[..n]
        .iter()
        .map(|change| {
            within += change;
            within == 0
        })
        .collect();
    let crossing = way.crossing();
    let buckets = PLACES.min(n);
    (0..buckets)
        .filter_map(|b| (b * n / buckets..(b + 1) * n / buckets).filter(|i| *i > 0 && free[*i]).min_by_key(|i| crossing[*i]))
        .collect()
}
