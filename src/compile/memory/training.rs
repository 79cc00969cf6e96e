//! What a training step holds: weights, their gradients, the optimiser's state, the values that the backward pass reads again,
//! and the gradients that flow.
//!
//! Time runs through the operations forward, stops at the loss, and runs back. A value lives from its operation to its last
//! reader, or, when it is kept, until the backward pass of the first operation that keeps it; each once, however many keep it.
//! The gradient of a value lives from the backward pass of its last reader to that of its own operation. The loss reads the
//! outputs and gives their gradients; what it needs beside these is not counted.

use super::{Precision, overflow, parameters};
use crate::ir::{Fact, Fault, Graph, Operator};

/// What updates the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Optimiser {
    /// Two numbers of state for each weight.
    #[default]
    AdamW,
    /// With momentum: one.
    Sgd,
    /// Plain descent: none.
    None,
}

impl Optimiser {
    /// Numbers of state for each weight.
    pub fn state(self) -> u64 {
        match self {
            Optimiser::AdamW => 2,
            Optimiser::Sgd => 1,
            Optimiser::None => 0,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Optimiser::AdamW => "AdamW",
            Optimiser::Sgd => "SGD with momentum",
            Optimiser::None => "no optimiser state",
        }
    }
}

/// Bytes of a training step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Training {
    pub weights: u64,
    /// Of the weights.
    pub gradients: u64,
    pub optimiser: u64,
    /// Values that the backward pass reads again.
    pub kept: u64,
    /// What is alive beside all these at the peak: gradients that flow, and values that are not kept.
    pub transient: u64,
}

impl Training {
    /// All together: the peak.
    pub fn total(&self) -> u64 {
        [self.weights, self.gradients, self.optimiser, self.kept, self.transient].into_iter().fold(0, u64::saturating_add)
    }
}

/// Counts a training step at the sizes of `facts`.
///
/// # Errors
/// E0501 when it is beyond 64 bits.
pub fn training<O: Operator>(graph: &Graph<O>, facts: &[Fact], precision: Precision, optimiser: Optimiser) -> Result<Training, Fault> {
    let weights = parameters(graph)?.checked_mul(4).ok_or_else(overflow)?;
    let state = weights.checked_mul(optimiser.state()).ok_or_else(overflow)?;
    let n = graph.len();
    // The times of the loss, and of an operation's backward pass.
    let loss = n;
    let back = |i: usize| 2 * n - i;

    // What is computed along with what it reads does not keep it.
    let mut along = vec![false; n];
    graph.absorbed().into_iter().flatten().for_each(|v| along[v.0] = true);
    let mut learns = vec![false; n];
    // For each value the end of its life, and of being kept; for its gradient the beginning.
    let (mut read, mut kept, mut gradient) = (vec![0; n], vec![None::<usize>; n], vec![None::<usize>; n]);
    let mut bytes_kept = 0u64;
    let mut alive = Alive::new(2 * n + 1);
    let (mut x, mut l) = (vec![], vec![]);
    for v in graph.values() {
        let inputs = graph.inputs(v);
        read[v.0] = v.0;
        x.clear();
        x.extend(inputs.iter().map(|i| facts[i.0]));
        l.clear();
        l.extend(inputs.iter().map(|i| learns[i.0]));
        inputs.iter().for_each(|i| read[i.0] = v.0);
        let op = &graph.node(v).op;
        learns[v.0] = !inputs.is_empty() && (l.contains(&true) || !op.weights(&x).is_empty());
        if !learns[v.0] {
            continue;
        }
        // Operations come in order, so the first that keeps a value, whose backward pass is the last, stays.
        let mut k = op.kept(&x, &l);
        if along[v.0] {
            k.inputs = k.inputs.map(|_| false);
        }
        for (i, _) in inputs.iter().zip(k.inputs).filter(|(_, keep)| *keep) {
            kept[i.0].get_or_insert(back(v.0));
        }
        if k.output {
            kept[v.0].get_or_insert(back(v.0));
        }
        bytes_kept = bytes_kept.checked_add(k.bytes).ok_or_else(overflow)?;
        alive.add(v.0, back(v.0), k.bytes)?;
        // The last reader's backward pass is the first to give a gradient.
        inputs.iter().filter(|i| learns[i.0]).for_each(|i| gradient[i.0] = Some(back(v.0)));
    }
    for (_, v) in &graph.outputs {
        read[v.0] = loss;
        if learns[v.0] {
            gradient[v.0] = Some(loss);
        }
    }
    for v in graph.values() {
        let bytes = precision.size(&facts[v.0])?;
        if kept[v.0].is_some() {
            bytes_kept = bytes_kept.checked_add(bytes).ok_or_else(overflow)?;
        }
        let end = kept[v.0].unwrap_or(0).max(read[v.0]);
        let start = if graph.inputs(v).is_empty() { 0 } else { v.0 };
        alive.add(start, end, bytes)?;
        if let Some(from) = gradient[v.0] {
            alive.add(from, back(v.0), bytes)?;
        }
    }
    let peak = alive.most()?;
    Ok(Training { weights, gradients: weights, optimiser: state, kept: bytes_kept, transient: peak.saturating_sub(bytes_kept) })
}

/// Bytes that are born and die over time.
struct Alive(Vec<(u64, u64)>);

impl Alive {
    fn new(times: usize) -> Self {
        Self(vec![(0, 0); times + 1])
    }

    /// From `first` to `last`, both included.
    fn add(&mut self, first: usize, last: usize, bytes: u64) -> Result<(), Fault> {
        let (born, died) = (&mut self.0[first].0, bytes);
        *born = born.checked_add(died).ok_or_else(overflow)?;
        let gone = &mut self.0[last + 1].1;
        *gone = gone.checked_add(bytes).ok_or_else(overflow)?;
        Ok(())
    }

    fn most(&self) -> Result<u64, Fault> {
        let (mut now, mut most) = (0u64, 0u64);
        for (born, died) in &self.0 {
            now = (now - died).checked_add(*born).ok_or_else(overflow)?;
            most = most.max(now);
        }
        Ok(most)
    }
}
