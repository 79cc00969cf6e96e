//! What is alive when in a training step: the way forward, the loss, the way back.
//!
//! Time runs through the operations forward, stops at the loss, and runs back. A value lives from its operation to its last
//! reader, or, when it is kept, until the backward pass of the first operation that keeps it; each once, however many keep it.
//! The gradient of a value lives from the backward pass of its last reader to that of its own operation. The loss reads the
//! outputs and gives their gradients; what it needs beside these is not counted.
//!
//! Of several segments only the last does so. Each of the others runs forward and keeps nothing but what later ones read; when the way
//! back has come to its end, it runs forward once more, now as if the loss stood behind it, and back.

use super::{Precision, Segments, overflow};
use crate::ir::{Fact, Fault, Graph, Operator};

/// A graph as the way back sees it.
pub(super) struct Backward<'a, O> {
    graph: &'a Graph<O>,
    /// Bytes of each value.
    sizes: Vec<u64>,
    /// Whether a value follows from weights.
    learns: Vec<bool>,
    /// The values that an operation's backward pass reads again, and bytes beside them.
    keeps: Vec<(Vec<usize>, u64)>,
}

/// What is alive: at the loss for the way back, and at the most around each segment's loss.
pub(super) struct Count {
    pub kept: u64,
    pub peaks: Vec<u64>,
}

impl Count {
    pub fn peak(&self) -> u64 {
        self.peaks.iter().copied().max().unwrap_or_default()
    }
}

/// When an operation of a training step runs: forward, forward for its gradients (the same in the last segment), and back.
struct Times {
    /// The segment of each operation.
    segment: Vec<usize>,
    again: Vec<usize>,
    back: Vec<usize>,
    /// For each segment the time between its ways forward and back, and that of its end.
    turn: Vec<usize>,
    end: Vec<usize>,
}

impl Times {
    fn new(segments: &Segments, n: usize) -> Self {
        let ranges = segments.ranges(n);
        let mut t =
            Times { segment: vec![0; n], again: vec![0; n], back: vec![0; n], turn: vec![0; ranges.len()], end: vec![0; ranges.len()] };
        // The last one has come to its loss when all have run forward.
        let mut begin = ranges.last().map_or(0, |r| r.start);
        for (s, r) in ranges.iter().enumerate().rev() {
            (t.turn[s], t.end[s]) = (begin + r.len(), begin + 2 * r.len());
            for i in r.clone() {
                (t.segment[i], t.again[i], t.back[i]) = (s, begin + i - r.start, t.turn[s] + r.end - i);
            }
            begin = t.end[s] + 1;
        }
        t
    }
}

impl<'a, O: Operator> Backward<'a, O> {
    /// # Errors
    /// E0501 when a value is beyond 64 bits.
    pub fn new(graph: &'a Graph<O>, facts: &[Fact], precision: Precision) -> Result<Self, Fault> {
        let n = graph.len();
        // What is computed along with what it reads does not keep it.
        let mut along = vec![false; n];
        graph.fused_epilogues().into_iter().flatten().for_each(|v| along[v.0] = true);
        let (mut learns, mut keeps) = (vec![false; n], vec![(vec![], 0); n]);
        let (mut x, mut l) = (vec![], vec![]);
        for v in graph.values() {
            let inputs = graph.inputs(v);
            x.clear();
            x.extend(inputs.iter().map(|i| facts[i.0]));
            l.clear();
            l.extend(inputs.iter().map(|i| learns[i.0]));
            let op = &graph.node(v).op;
            learns[v.0] = !inputs.is_empty() && (l.contains(&true) || !op.weights(&x).is_empty());
            if !learns[v.0] {
                continue;
            }
            let k = op.saved(&x, &l);
            let read = k.inputs.iter().filter(|_| !along[v.0]).filter_map(|slot| inputs.get(*slot)).map(|i| i.0);
            keeps[v.0] = (read.chain(k.output.then_some(v.0)).collect(), k.bytes);
        }
        let sizes = facts.iter().map(|f| precision.size(f)).collect::<Result<_, _>>()?;
        Ok(Self { graph, sizes, learns, keeps })
    }

    /// Bytes of the values that are read on the other side of a place before each operation.
    pub fn crossing(&self) -> Vec<u64> {
        let n = self.sizes.len();
        let mut last: Vec<usize> = (0..n).collect();
        self.graph.values().for_each(|v| self.graph.inputs(v).iter().for_each(|i| last[i.0] = v.0));
        let mut change = vec![0i128; n + 1];
        for (i, end) in last.into_iter().enumerate().filter(|(i, end)| end > i) {
            change[i + 1] += i128::from(self.sizes[i]);
            change[end + 1] -= i128::from(self.sizes[i]);
        }
        let mut now = 0i128;
        let sum = |change: i128| {
            now += change;
            u64::try_from(now).unwrap_or(u64::MAX)
        };
        change.into_iter().take(n).map(sum).collect()
    }

    /// Counts a step in these segments.
    ///
    /// # Errors
    /// E0501 when it is beyond 64 bits.
    pub fn count(&self, segments: &Segments) -> Result<Count, Fault> {
        let (g, n) = (self.graph, self.sizes.len());
        let t = Times::new(segments, n);
        let last = t.turn.len() - 1;
        let loss = t.turn[last];
        let mut alive = Alive::new(t.end[0]);
        // The ends of a value's life: on the way forward, in its segment's run for gradients, and where a later segment reads it.
        let (mut forward, mut own): (Vec<usize>, Vec<usize>) = ((0..n).collect(), t.again.clone());
        let (mut stored, mut gradient) = (vec![None::<usize>; n], vec![None::<usize>; n]);
        let mut waits = vec![false; n];
        let mut kept = 0u64;
        for v in g.values().map(|v| v.0) {
            for i in g.inputs(crate::ir::Value(v)).iter().map(|i| i.0) {
                if t.segment[i] == t.segment[v] {
                    (forward[i], own[i]) = (v, own[i].max(t.again[v]));
                } else {
                    // The first to read it is the last to run back.
                    stored[i].get_or_insert(t.end[t.segment[v]]);
                    waits[i] |= t.segment[v] < last;
                }
                if self.learns[i] {
                    gradient[i] = Some(t.back[v]);
                }
            }
            let (values, bytes) = &self.keeps[v];
            for i in values.iter().copied() {
                if t.segment[i] == t.segment[v] {
                    own[i] = own[i].max(t.back[v]);
                }
                waits[i] |= t.segment[v] == last;
            }
            alive.add(t.again[v], t.back[v], *bytes)?;
            if t.segment[v] == last {
                kept = kept.checked_add(*bytes).ok_or_else(overflow)?;
            }
        }
        for v in g.outputs.iter().map(|(_, v)| v.0) {
            if t.segment[v] == last {
                own[v] = own[v].max(loss);
            } else {
                stored[v] = stored[v].max(Some(loss));
            }
            if self.learns[v] {
                gradient[v] = Some(loss);
            }
        }
        for v in 0..n {
            let (bytes, s) = (self.sizes[v], t.segment[v]);
            let given = g.inputs(crate::ir::Value(v)).is_empty();
            if given {
                alive.add(0, own[v].max(stored[v].unwrap_or(0)), bytes)?;
                waits[v] |= s < last;
            } else if s == last {
                alive.add(v, own[v], bytes)?;
            } else {
                alive.add(v, forward[v].max(stored[v].unwrap_or(0)), bytes)?;
                // Its gradient is given to it when its segment turns.
                let from_outside = self.learns[v] && stored[v].is_some();
                alive.add(t.again[v], own[v].max(if from_outside { t.turn[s] } else { 0 }), bytes)?;
            }
            if waits[v] {
                kept = kept.checked_add(bytes).ok_or_else(overflow)?;
            }
            if let Some(from) = gradient[v] {
                alive.add(from, t.back[v], bytes)?;
            }
        }
        let begins = t.turn.iter().zip(&t.end).map(|(turn, end)| 2 * turn - end);
        Ok(Count { kept, peaks: alive.most(begins.zip(t.end.iter().copied()).collect())? })
    }
}

/// Bytes that are born and die over time.
struct Alive(Vec<(u64, u64)>);

impl Alive {
    fn new(last: usize) -> Self {
        Self(vec![(0, 0); last + 2])
    }

    /// From `first` to `last`, both included.
    fn add(&mut self, first: usize, last: usize, bytes: u64) -> Result<(), Fault> {
        let born = &mut self.0[first].0;
        *born = born.checked_add(bytes).ok_or_else(overflow)?;
        let gone = &mut self.0[last + 1].1;
        *gone = gone.checked_add(bytes).ok_or_else(overflow)?;
        Ok(())
    }

    /// The most that is alive within each of some stretches of time, which follow each other backward from the last.
    fn most(&self, stretches: Vec<(usize, usize)>) -> Result<Vec<u64>, Fault> {
        let mut now = 0u64;
        let mut at = Vec::with_capacity(self.0.len());
        for (born, died) in &self.0 {
            now = (now - died).checked_add(*born).ok_or_else(overflow)?;
            at.push(now);
        }
        let last = stretches.len() - 1;
        let most = |(s, (from, to)): (usize, (usize, usize))| {
            // The way forward of all is counted with the last.
            let from = if s == last { 0 } else { from };
            at[from..=to].iter().copied().max().unwrap_or_default()
        };
        Ok(stretches.into_iter().enumerate().map(most).collect())
    }
}
