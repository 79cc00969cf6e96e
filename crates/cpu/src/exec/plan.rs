//! Everything that is decided for one batch and one size: stages in order, places of volumes and vectors.
//!
//! May use `ir`, `op`, `compile`, `kernel::tile`.

use std::collections::HashMap;

use super::build::{Builder, Entry, StageContext, Table, Weights};
use super::choose::{Class, StageChoice, choose, is_vector, reads};
use crate::compile::memory::{ALIGNMENT, Life, place};
use crate::ir::{Fact, Graph, Value};
use crate::kernel::tile::{BufferRef as Place, Isa as Form, Space, TiledKernel};
use crate::op::Op;

/// One thing after the other.
#[derive(Debug)]
pub enum Step {
    /// A vector for the table.
    Vector(Value),
    /// A separable value for the table.
    Separable(Value),
    /// An operation by itself.
    Whole(Value),
    Stage(Box<StageStep>),
}

#[derive(Debug)]
pub struct StageStep {
    pub sweep: TiledKernel,
    pub moments: Vec<(Value, usize)>,
    pub asks: Vec<Entry>,
    pub name: String,
    pub macs: u64,
    pub bytes: u64,
}

/// A plan.
#[derive(Debug)]
pub struct Plan {
    pub facts: Vec<Fact>,
    pub class: Vec<Class>,
    pub steps: Vec<Step>,
    pub spaces: HashMap<Value, Space>,
    pub table: Table,
    /// Floats of the arena.
    pub arena: usize,
    /// Wall seconds of each step since the last report.
    pub seconds: Vec<f64>,
}

/// Plans a graph at the facts of all its values.
///
/// # Errors
/// What does not fit: a size beyond what can be addressed, or a mistake of the planner.
pub fn plan(graph: &Graph<Op>, inputs: &[Value], facts: Vec<Fact>, weights: &dyn Weights, widest: Form) -> Result<Plan, String> {
    for v in graph.values() {
        facts[v.0].elements().ok().filter(|n| *n < (isize::MAX as u64) / 8).ok_or("a value beyond what can be addressed")?;
    }
    let choice = choose(graph, &facts);
    let batch = inputs.first().map_or(1, |v| facts[v.0].batch);
    let mut spaces: HashMap<Value, Space> = HashMap::new();
    for (i, v) in inputs.iter().enumerate() {
        spaces.insert(*v, Space::Input(i));
    }
    for (i, (_, v)) in graph.outputs.iter().enumerate() {
        if !is_vector(&facts[v.0]) && choice.class[v.0] != Class::Input {
            spaces.entry(*v).or_insert(Space::Output(i));
        }
    }
    let order = order(graph, &choice);
    // Volumes of the arena live from the step that makes them to the last that reads them.
    let mut lives = lives(graph, &choice, &facts, &spaces, &order);
    lend(&mut lives, &mut spaces, &facts, |v| order.iter().position(|o| o.makes(&choice, v)));
    let all: Vec<Life> = lives.iter().map(|(_, l)| *l).collect();
    let (offsets, arena) = place(&all).map_err(|f| f.message)?;
    let floats = |bytes: u64| usize::try_from(bytes / 4).map_err(|_| "an arena beyond what can be addressed");
    for ((v, _), at) in lives.iter().zip(&offsets) {
        spaces.insert(*v, Space::Arena(floats(*at)?));
    }
    let arena = floats(arena)?;
    let mut table = Table::default();
    for v in graph.values() {
        let f = &facts[v.0];
        if is_vector(f) {
            table.column(Entry::Value(v), f.channels, f.batch);
        } else if choice.class[v.0] == Class::Separable {
            table.column(Entry::Value(v), f.channels * f.size.iter().sum::<usize>(), f.batch);
        }
    }
    let mut steps = vec![];
    for s in order {
        steps.push(match s {
            Order::Value(v) => match choice.class[v.0] {
                Class::Vector => Step::Vector(v),
                Class::Separable => Step::Separable(v),
                _ => Step::Whole(v),
            },
            Order::Stage(key) => {
                let sinks = &choice.stages[&key];
                let form = widest.for_rows(key.1[2]).available();
                let known = StageContext { graph, facts: &facts, choice: &choice, weights, spaces: &spaces, form };
                let built = Builder::new(known, &mut table, key, batch).build(sinks);
                let bytes = built.stage.volumes.iter().map(|v| 4 * (batch * v.channels * v.size.iter().product::<usize>()) as u64).sum();
                let names: Vec<&str> = sinks.iter().map(|v| graph.node(*v).path.as_str()).collect();
                let name = names.join(", ");
                let sweep = TiledKernel::new(built.stage, form).map_err(|e| format!("{name}: {e}"))?;
                let macs = macs(graph, &facts, &sweep);
                Step::Stage(Box::new(StageStep { sweep, moments: built.moments, asks: built.asks, name, macs, bytes }))
            }
        });
    }
    let seconds = vec![0.0; steps.len()];
    Ok(Plan { class: choice.class, facts, steps, spaces, table, arena, seconds })
}

/// Multiply-accumulates of a stage's nodes, those of a node that is made in several stages in each.
fn macs(graph: &Graph<Op>, facts: &[Fact], sweep: &TiledKernel) -> u64 {
    use crate::ir::Operator;
    let by_path: HashMap<&str, Value> = graph.values().map(|v| (graph.node(v).path.as_str(), v)).collect();
    let one = |path: &str| {
        let v = by_path.get(path)?;
        let x: Vec<Fact> = graph.inputs(*v).iter().map(|i| facts[i.0]).collect();
        graph.node(*v).op.work(&x, &facts[v.0]).ok().map(|c| c.macs)
    };
    sweep.stage().nodes.iter().filter_map(|n| one(&n.name)).fold(0, u64::saturating_add)
}

enum Order {
    Value(Value),
    Stage((usize, [usize; 3])),
}

impl Order {
    fn makes(&self, choice: &StageChoice, v: Value) -> bool {
        match self {
            Order::Value(o) => *o == v,
            Order::Stage(key) => choice.stages[key].contains(&v),
        }
    }
}

/// By epoch: first what the table needs, then the stages.
fn order(graph: &Graph<Op>, choice: &StageChoice) -> Vec<Order> {
    let mut all = vec![];
    let last = choice.epoch.iter().copied().max().unwrap_or(0);
    for epoch in 0..=last {
        let alone = |v: &Value| matches!(choice.class[v.0], Class::Vector | Class::Separable | Class::Whole) && choice.epoch[v.0] == epoch;
        all.extend(graph.values().filter(alone).map(Order::Value));
        // The finest grid last: what it gives lives shortest.
        all.extend(choice.stages.keys().filter(|k| k.0 == epoch).map(|k| Order::Stage(*k)));
    }
    all
}

/// Until an output is written its memory is lent to volumes that are read for the last time before, the largest first and of these the latest; one
/// at a time. So of a chain every second one before the output is there, and the others share one place. `made` gives the step that makes a value.
fn lend(lives: &mut Vec<(Value, Life)>, spaces: &mut HashMap<Value, Space>, facts: &[Fact], made: impl Fn(Value) -> Option<usize>) {
    let mut outputs: Vec<(usize, Value)> =
        spaces.iter().filter_map(|(v, s)| if let Space::Output(i) = s { Some((*i, *v)) } else { None }).collect();
    outputs.sort_unstable();
    for (i, output) in outputs {
        let Some(written) = made(output) else { continue };
        let floats = |v: Value| facts[v.0].dims().iter().product::<usize>();
        let mut taken: Vec<Life> = vec![];
        let mut wish: Vec<(Value, Life)> =
            lives.iter().filter(|(v, l)| floats(*v) <= floats(output) && l.last < written).copied().collect();
        wish.sort_by_key(|(v, l)| (std::cmp::Reverse((l.bytes, l.last)), *v));
        for (v, life) in wish {
            if taken.iter().all(|t| t.last < life.first || life.last < t.first) {
                taken.push(life);
                spaces.insert(v, Space::Output(i));
            }
        }
        lives.retain(|(v, _)| !spaces.contains_key(v));
    }
}

/// Bytes of a volume that can be addressed, to the end of its last line.
fn bytes(facts: &[Fact], v: Value) -> u64 {
    (4 * facts[v.0].dims().iter().product::<usize>() as u64).next_multiple_of(ALIGNMENT)
}

/// The lives of the volumes that lie in the arena.
fn lives(graph: &Graph<Op>, choice: &StageChoice, facts: &[Fact], spaces: &HashMap<Value, Space>, order: &[Order]) -> Vec<(Value, Life)> {
    let mut lives: HashMap<Value, Life> = HashMap::new();
    for (at, o) in order.iter().enumerate() {
        let (made, epoch): (Vec<Value>, usize) = match o {
            Order::Value(v) if choice.class[v.0] == Class::Whole => (vec![*v], choice.epoch[v.0]),
            Order::Value(_) => continue,
            Order::Stage(key) => (choice.stages[key].clone(), key.0),
        };
        let mut seen = vec![false; graph.len()];
        let mut stack: Vec<Value> = made.iter().flat_map(|v| reads(graph, *v).to_vec()).collect();
        // Sinks that are in memory already are only measured.
        stack.extend(made.iter().filter(|v| matches!(choice.class[v.0], Class::Input | Class::Whole) && matches!(o, Order::Stage(_))));
        while let Some(v) = stack.pop() {
            if std::mem::replace(&mut seen[v.0], true) || is_vector(&facts[v.0]) || choice.class[v.0] == Class::Separable {
                continue;
            }
            if choice.kept[v.0] && (choice.class[v.0] == Class::Input || choice.far[v.0] <= epoch) {
                if let Some(l) = lives.get_mut(&v) {
                    l.last = at;
                }
                continue;
            }
            stack.extend(reads(graph, v));
        }
        for v in made {
            let own = choice.kept[v.0] && !is_vector(&facts[v.0]) && !spaces.contains_key(&v);
            if own {
                lives.entry(v).or_insert(Life { bytes: bytes(facts, v), first: at, last: at });
            }
        }
    }
    let mut all: Vec<(Value, Life)> = lives.into_iter().collect();
    all.sort_by_key(|(v, _)| *v);
    all
}

impl Plan {
    /// Bytes of the arena, the table and the weights as tiles read them, and of the scratch of one thread.
    pub fn bytes(&self) -> (usize, usize) {
        let stages = || self.steps.iter().filter_map(|s| if let Step::Stage(s) = s { Some(&s.sweep) } else { None });
        let scratch = stages().map(TiledKernel::scratch_bytes).max().unwrap_or(0);
        ((self.arena + self.table.len) * 4 + stages().map(TiledKernel::weight_bytes).sum::<usize>(), scratch)
    }

    /// Where a stage reads or writes, for those who look at plans.
    pub fn listing(&self) -> String {
        let mut text = String::new();
        for s in &self.steps {
            let Step::Stage(s) = s else { continue };
            let st = s.sweep.stage();
            let [rows, planes, step] = s.sweep.shape();
            let scratch = s.sweep.scratch_bytes() / 1024;
            let (size, [deep, high]) = s.sweep.grids();
            let grids = if deep * high == 1 { String::new() } else { format!("{deep} x {high} grids, ") };
            text.push_str(&format!("{size:?} {} ({grids}tiles of {rows} rows and {planes} planes by {step}, {scratch} KiB)\n", s.name));
            for n in &st.nodes {
                let kind = format!("{:?}", n.kind);
                let to = match n.to {
                    Place::Volume(_) => "volume",
                    Place::Local(_) if n.keep.is_some() => "local, kept",
                    Place::Local(_) => "local",
                };
                let word = kind.split(' ').next().unwrap_or_default();
                text.push_str(&format!(
                    "    {word:10} {:4} {} -> {to}{}\n",
                    n.channels,
                    n.name,
                    if n.moments.is_some() { ", moments" } else { "" }
                ));
            }
        }
        text
    }
}
