//! A place in one arena for each value: values that are never alive together share bytes, and an operation that may writes over
//! an input that nobody needs after it.

use super::place::{Life, place};
use super::{Precision, Schedule, overflow};
use crate::ir::{Access, Fact, Fault, Graph, Operator, Value};

/// Every buffer begins at a multiple of this: a cache line, and the widest vector of a CPU.
pub const ALIGNMENT: u64 = 64;

/// Bytes of the arena, held from one step of the schedule to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    pub offset: u64,
    /// A multiple of [`ALIGNMENT`].
    pub bytes: u64,
    /// The step that writes it first.
    pub first: usize,
    /// The last step that reads it, itself included; the number of steps for an output of the graph.
    pub last: usize,
    /// What lies in it, one after the other.
    pub values: Vec<Value>,
}

/// Where each value lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub buffers: Vec<Buffer>,
    /// The size of the arena.
    pub bytes: u64,
    /// The most bytes that are alive at once: no plan of this schedule is smaller.
    pub alive: u64,
    homes: Vec<Option<usize>>,
}

impl Plan {
    /// The buffer of a value; none for one that exists only inside a sweep.
    pub fn buffer(&self, v: Value) -> Option<&Buffer> {
        self.buffers.get((*self.homes.get(v.0)?)?)
    }
}

/// For each value the input that its operation writes over, if there is one: of its shape, not needed afterwards, and neither an
/// input nor an output of the graph.
pub fn in_place<O: Operator>(graph: &Graph<O>, facts: &[Fact], schedule: &Schedule) -> Vec<Option<Value>> {
    over(graph, facts, schedule, &last_uses(graph, schedule))
}

fn over<O: Operator>(graph: &Graph<O>, facts: &[Fact], schedule: &Schedule, last: &[usize]) -> Vec<Option<Value>> {
    let mut all = vec![None; graph.len()];
    for (at, step) in schedule.steps.iter().enumerate() {
        let whole = step.values().len() > 1;
        let allowed = step.values().iter().all(|v| match graph.node(*v).op.access() {
            Access::Elementwise => true,
            Access::InPlace => !whole,
            Access::Arbitrary => false,
        });
        let y = step.output();
        let free = |x: &Value| last[x.0] == at && facts[x.0] == facts[y.0] && !graph.inputs(*x).is_empty();
        if allowed {
            all[y.0] = match step.values() {
                [v] => graph.inputs(*v).iter().copied().find(free),
                _ => step.inputs(graph).into_iter().find(free),
            };
        }
    }
    all
}

/// The last step that reads each value; that which makes it when none does, and the number of steps for an output.
fn last_uses<O: Operator>(graph: &Graph<O>, schedule: &Schedule) -> Vec<usize> {
    let mut last = vec![0; graph.len()];
    for (at, step) in schedule.steps.iter().enumerate() {
        for v in step.values() {
            last[v.0] = at;
            graph.inputs(*v).iter().for_each(|i| last[i.0] = at);
        }
    }
    graph.outputs.iter().for_each(|(_, v)| last[v.0] = schedule.steps.len());
    last
}

/// Plans the arena of a forward pass. Inputs of the graph lie in it from the first step on, outputs until after the last.
///
/// # Errors
/// E0501 when it is beyond 64 bits.
pub fn plan<O: Operator>(graph: &Graph<O>, facts: &[Fact], schedule: &Schedule, precision: Precision) -> Result<Plan, Fault> {
    let last = last_uses(graph, schedule);
    let over = over(graph, facts, schedule, &last);
    let mut homes = vec![None; graph.len()];
    let mut buffers: Vec<Buffer> = Vec::with_capacity(schedule.steps.len());
    for (at, step) in schedule.steps.iter().enumerate() {
        let y = step.output();
        let home = match over[y.0].and_then(|x| homes[x.0]) {
            Some(home) => {
                let b: &mut Buffer = &mut buffers[home];
                b.last = last[y.0];
                b.values.push(y);
                home
            }
            None => {
                let bytes = precision.size(&facts[y.0])?.checked_next_multiple_of(ALIGNMENT).ok_or_else(overflow)?;
                let first = if graph.inputs(y).is_empty() { 0 } else { at };
                buffers.push(Buffer { offset: 0, bytes, first, last: last[y.0], values: vec![y] });
                buffers.len() - 1
            }
        };
        homes[y.0] = Some(home);
    }
    let alive = most_alive(&buffers, schedule.steps.len())?;
    let lives: Vec<Life> = buffers.iter().map(|b| Life { bytes: b.bytes, first: b.first, last: b.last }).collect();
    let (offsets, bytes) = place(&lives)?;
    buffers.iter_mut().zip(offsets).for_each(|(b, at)| b.offset = at);
    Ok(Plan { buffers, bytes, alive, homes })
}

fn most_alive(buffers: &[Buffer], steps: usize) -> Result<u64, Fault> {
    let mut change = vec![(0u64, 0u64); steps + 2];
    for b in buffers {
        let (born, died) = (b.first, b.last + 1);
        change[born].0 = change[born].0.checked_add(b.bytes).ok_or_else(overflow)?;
        change[died].1 = change[died].1.checked_add(b.bytes).ok_or_else(overflow)?;
    }
    let (mut now, mut most) = (0u64, 0u64);
    for (born, died) in change {
        now = (now - died).checked_add(born).ok_or_else(overflow)?;
        most = most.max(now);
    }
    Ok(most)
}
