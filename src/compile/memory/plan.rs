//! A place in one arena for each value: values that are never alive together share bytes, and an operation that may writes over
//! an input that nobody needs after it.

use std::collections::BTreeSet;

use super::{Precision, Schedule, overflow};
use crate::ir::{Fact, Fault, Graph, Operator, Reach, Value};

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
        let allowed = step.values().iter().all(|v| match graph.node(*v).op.reach() {
            Reach::Place => true,
            Reach::Own => !whole,
            Reach::Any => false,
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
    let bytes = place(&mut buffers, schedule.steps.len())?;
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

/// After so many looks at buffers that are alive together the rest is put behind the others: where a hundred thousand values live
/// at once there is little to share, and looking at each pair of them takes minutes.
const LOOKS: usize = 1 << 25;

/// The largest first, each into the tightest gap between those that are alive with it. Gives the end of the last.
fn place(buffers: &mut [Buffer], steps: usize) -> Result<u64, Fault> {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|i| (std::cmp::Reverse(buffers[*i].bytes), buffers[*i].first, *i));
    let mut placed = Lifetimes::new(steps + 1);
    let mut end = 0;
    let mut taken: Vec<(u64, u64)> = vec![];
    let mut looks = 0;
    for i in order {
        let (first, last, bytes) = (buffers[i].first, buffers[i].last, buffers[i].bytes);
        if looks > LOOKS {
            buffers[i].offset = end;
            end = end.checked_add(bytes).ok_or_else(overflow)?;
            continue;
        }
        taken.clear();
        placed.meeting(first, last, |j| taken.push((buffers[j].offset, buffers[j].offset + buffers[j].bytes)));
        looks += taken.len();
        taken.sort_unstable();
        let mut free = 0;
        let mut best: Option<(u64, u64)> = None;
        for (from, to) in &taken {
            let gap = from.saturating_sub(free);
            if gap >= bytes && best.is_none_or(|(g, _)| gap < g) {
                best = Some((gap, free));
            }
            free = free.max(*to);
        }
        let offset = best.map_or(free, |(_, o)| o);
        buffers[i].offset = offset;
        end = end.max(offset.checked_add(bytes).ok_or_else(overflow)?);
        placed.insert(i, first, last);
    }
    Ok(end)
}

/// Lifetimes that can be asked which of them meet another: a segment tree for those that began before it, and an ordered set for
/// those that begin within it. So placing a chain takes `n log n`.
struct Lifetimes {
    leaves: usize,
    tree: Vec<Vec<usize>>,
    begin: BTreeSet<(usize, usize)>,
}

impl Lifetimes {
    fn new(steps: usize) -> Self {
        let leaves = steps.next_power_of_two();
        Self { leaves, tree: vec![vec![]; 2 * leaves], begin: BTreeSet::new() }
    }

    fn insert(&mut self, i: usize, first: usize, last: usize) {
        self.begin.insert((first, i));
        let (mut from, mut to) = (first + self.leaves, last + self.leaves + 1);
        while from < to {
            if from % 2 == 1 {
                self.tree[from].push(i);
                from += 1;
            }
            if to % 2 == 1 {
                to -= 1;
                self.tree[to].push(i);
            }
            from /= 2;
            to /= 2;
        }
    }

    fn meeting(&self, first: usize, last: usize, mut found: impl FnMut(usize)) {
        let mut at = first + self.leaves;
        while at > 0 {
            self.tree[at].iter().for_each(|i| found(*i));
            at /= 2;
        }
        if first < last {
            self.begin.range((first + 1, 0)..=(last, usize::MAX)).for_each(|(_, i)| found(*i));
        }
    }
}
