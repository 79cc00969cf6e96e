//! Plans once for a batch and a size, and runs.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use super::build::{Entry, Weights};
use super::choose::{is_vector, reads};
use super::plan::{Plan, Step, plan};
use super::report::{NodeReport, StageReport};
use super::table::Filler;
use super::whole::{self, TensorView};
use crate::compile::passes::{Optimised, legalise, optimise_from};
use crate::compile::{Program, memory::facts_at};
use crate::ir::{Arrays, Fact, Fault, Value};
use crate::kernel::tile::{Arena, Bound, Isa as Form, Moments, Space, run, zeros};
use crate::op::Op;
use crate::text::{Code, Diagnostic, Result};

/// What a run is given: the batch, and the size `[D, H, W]` of the first input (and of those that follow it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    pub batch: usize,
    pub size: [usize; 3],
}

/// What the executor runs as it is; the passes before it bring batch norms into other weights.
fn has_kernel(op: &Op) -> bool {
    !matches!(op, Op::Linear(_) | Op::ResponseNorm(_) | Op::PRelu(_) | Op::Dropout(_) | Op::Other(_))
}

/// Plans that are held for sizes that come again.
const PLANS: usize = 4;

/// The program with its weights, ready to run on the CPU.
#[derive(Debug)]
pub struct Executor {
    program: Program,
    weights: Named,
    form: Form,
    plans: Vec<(Shape, Plan)>,
    arena: Arena,
    table: Vec<f32>,
}

#[derive(Debug)]
struct Named(HashMap<String, Vec<f32>>);

impl Weights for Named {
    fn get(&self, name: &str) -> &[f32] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

impl Executor {
    /// The optimised program with weights from the `trained` ones, in PyTorch's layouts.
    ///
    /// # Errors
    /// E0802 for a weight that is missing or has another shape.
    pub fn new(program: &Program, trained: &Arrays) -> Result<Self> {
        let told = |f: Fault| Diagnostic::error(f.code, f.message);
        let o = legalise(Optimised::new(program), has_kernel).and_then(optimise_from).map_err(told)?;
        let all = o.refits.weights(&o.program.graph, trained).map_err(|f| Diagnostic::error(Code::E0802, f.message))?;
        let weights = Named(all.into_iter().map(|(n, w)| (n, w.values)).collect());
        Ok(Self { program: o.program, weights, form: Form::widest(), plans: vec![], arena: Arena::default(), table: vec![] })
    }

    /// With vectors no wider than a form's.
    pub fn with_lanes(self, form: Form) -> Self {
        Self { form, plans: vec![], ..self }
    }

    /// The program as it runs.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The shape that the program was compiled for, with a batch of 1.
    pub fn compiled(&self) -> Shape {
        let size = self.program.inputs.first().map_or([1; 3], |(_, v)| self.program.graph.fact(*v).size);
        Shape { batch: 1, size }
    }

    fn facts(&self, shape: Shape) -> Result<Vec<Fact>> {
        facts_at(&self.program, shape.batch, Some(shape.size)).map_err(|(v, f)| {
            let d = Diagnostic::error(f.code, format!("`{}`: {}", self.program.graph.node(v).path, f.message));
            f.help.into_iter().fold(d, Diagnostic::help).into()
        })
    }

    /// Plans for a shape, unless it has been. Takes no memory for volumes yet.
    ///
    /// # Errors
    /// A size that the program does not take.
    pub fn prepare(&mut self, shape: Shape) -> Result<()> {
        if let Some(i) = self.plans.iter().position(|(s, _)| *s == shape) {
            let held = self.plans.remove(i);
            self.plans.push(held);
            return Ok(());
        }
        let facts = self.facts(shape)?;
        let inputs: Vec<Value> = self.program.inputs.iter().map(|(_, v)| *v).collect();
        let plan = plan(&self.program.graph, &inputs, facts, &self.weights, self.form).map_err(|e| Diagnostic::error(Code::E0501, e))?;
        if self.plans.len() == PLANS {
            self.plans.remove(0);
        }
        self.plans.push((shape, plan));
        Ok(())
    }

    /// Bytes that a run at a shape takes beside its inputs and outputs, with so many threads.
    ///
    /// # Errors
    /// A size that the program does not take.
    pub fn bytes(&mut self, shape: Shape, threads: usize) -> Result<u64> {
        self.prepare(shape)?;
        let (all, each) = self.plans.last().map_or((0, 0), |(_, p)| p.bytes());
        Ok(all as u64 + each as u64 * threads as u64)
    }

    /// The facts of the outputs at a shape, in the program's order.
    ///
    /// # Errors
    /// A size that the program does not take.
    pub fn outputs(&self, shape: Shape) -> Result<Vec<(String, Fact)>> {
        let facts = self.facts(shape)?;
        Ok(self.program.graph.outputs.iter().map(|(n, v)| (n.clone(), facts[v.0])).collect())
    }

    /// The stages of a shape, node by node.
    ///
    /// # Errors
    /// A size that the program does not take.
    pub fn listing(&mut self, shape: Shape) -> Result<String> {
        self.prepare(shape)?;
        Ok(self.plans.last().map_or_else(String::new, |(_, p)| p.listing()))
    }

    /// Runs: one slice `[N, C, D, H, W]` for each input, in the program's order; gives one for each output.
    ///
    /// # Errors
    /// A size that the program does not take, inputs of other lengths, or memory that cannot be had.
    pub fn run(&mut self, inputs: &[&[f32]], shape: Shape) -> Result<Vec<Vec<f32>>> {
        let mut outputs = self.room(shape)?;
        let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        self.run_into(inputs, shape, &mut slices)?;
        Ok(outputs)
    }

    /// Room for each output at a shape, for [`Executor::run_into`], in large pages where the system gives them.
    ///
    /// # Errors
    /// A size that the program does not take, or memory that cannot be had.
    pub fn room(&self, shape: Shape) -> Result<Vec<Vec<f32>>> {
        let one = |(_, f): (String, Fact)| {
            let n = f.elements().ok().and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
            zeros(n).map_err(|_| no_memory("an output").into())
        };
        self.outputs(shape)?.into_iter().map(one).collect()
    }

    /// As [`Executor::run`], into slices that the caller holds. Until an output is written its slice is used for other volumes.
    ///
    /// # Errors
    /// As [`Executor::run`]; outputs of other lengths.
    pub fn run_into(&mut self, inputs: &[&[f32]], shape: Shape, outputs: &mut [&mut [f32]]) -> Result<()> {
        self.prepare(shape)?;
        // On one of the threads that compute, so that no stage begins and ends with a change of threads.
        rayon::scope(|_| self.steps(inputs, shape, outputs))
    }

    /// The steps of the plan that was made or found last.
    fn steps(&mut self, inputs: &[&[f32]], shape: Shape, outputs: &mut [&mut [f32]]) -> Result<()> {
        let Some((_, plan)) = self.plans.last_mut() else { unreachable!("it has just been planned") };
        let graph = &self.program.graph;
        let lengths = |v: Value| plan.facts[v.0].dims().iter().product::<usize>();
        let wanted: Vec<usize> = self.program.inputs.iter().map(|(_, v)| lengths(*v)).collect();
        if inputs.len() != wanted.len() || inputs.iter().zip(&wanted).any(|(x, n)| x.len() != *n) {
            let given: Vec<usize> = inputs.iter().map(|x| x.len()).collect();
            return Err(Diagnostic::error(Code::E0301, format!("the inputs have {given:?} numbers, but the graph takes {wanted:?}")).into());
        }
        let made: Vec<usize> = graph.outputs.iter().map(|(_, v)| lengths(*v)).collect();
        if outputs.len() != made.len() || outputs.iter().zip(&made).any(|(y, n)| y.len() != *n) {
            let given: Vec<usize> = outputs.iter().map(|x| x.len()).collect();
            return Err(Diagnostic::error(Code::E0301, format!("there is room for {given:?} numbers, but the graph gives {made:?}")).into());
        }
        if self.arena.len() < plan.arena {
            self.arena = Arena::default();
            self.arena = Arena::new(plan.arena).map_err(|n| no_memory(&format!("an arena of {n} bytes")))?;
        }
        if self.table.len() < plan.table.len {
            self.table.resize(plan.table.len, 0.0);
        }
        for (i, (_, v)) in self.program.inputs.iter().enumerate() {
            if let Some(c) = plan.table.at.get(&Entry::Value(*v)) {
                self.table[c.offset..c.offset + inputs[i].len()].copy_from_slice(inputs[i]);
            }
        }
        let mut moments: HashMap<Value, Vec<Moments>> = HashMap::new();
        for (step, seconds) in plan.steps.iter().zip(&mut plan.seconds) {
            let start = Instant::now();
            let filler =
                Filler { graph, facts: &plan.facts, class: &plan.class, weights: &self.weights, places: &plan.table, moments: &moments };
            match step {
                Step::Vector(v) => filler.vector(&mut self.table, *v),
                Step::Separable(v) => filler.separable(&mut self.table, *v),
                Step::Whole(v) => {
                    let owner = graph.node(*v).shares.unwrap_or(*v);
                    let path = &graph.node(owner).path;
                    let x: Vec<TensorView> = reads(graph, *v)
                        .iter()
                        .map(|i| {
                            let fact = plan.facts[i.0];
                            let n = fact.dims().iter().product::<usize>();
                            let data = match (plan.table.at.get(&Entry::Value(*i)), plan.spaces.get(i)) {
                                (Some(c), _) if is_vector(&fact) => &self.table[c.offset..c.offset + n],
                                (_, Some(Space::Arena(at))) => &self.arena.floats()[*at..at + n],
                                (_, Some(Space::Input(k))) => inputs[*k],
                                (_, Some(Space::Output(k))) => &outputs[*k][..n],
                                _ => unreachable!("what an operation by itself reads is in memory"),
                            };
                            TensorView { fact, data }
                        })
                        .collect();
                    let y = whole::evaluate(&graph.node(*v).op, &|name| self.weights.get(&format!("{path}.{name}")), &x, plan.facts[v.0]);
                    if is_vector(&plan.facts[v.0]) {
                        if let Some(c) = plan.table.at.get(&Entry::Value(*v)) {
                            self.table[c.offset..c.offset + y.len()].copy_from_slice(&y);
                        }
                    } else {
                        match plan.spaces.get(v) {
                            Some(Space::Arena(at)) => self.arena.floats_mut()[*at..at + y.len()].copy_from_slice(&y),
                            Some(Space::Output(k)) => outputs[*k][..y.len()].copy_from_slice(&y),
                            _ => unreachable!("an operation by itself writes a volume"),
                        }
                    }
                }
                Step::Stage(s) => {
                    s.asks.iter().for_each(|e| filler.asked(&mut self.table, *e));
                    let bound = Bound { arena: self.arena.floats_mut(), inputs, outputs, table: &self.table };
                    let found = run(&s.sweep, bound).map_err(|e| Diagnostic::error(Code::E0501, format!("{}: {e}", s.name)))?;
                    let per = s.sweep.stage().moments;
                    for (v, first) in &s.moments {
                        let channels = plan.facts[v.0].channels;
                        let own = (0..shape.batch).flat_map(|n| found[n * per + first..n * per + first + channels].to_vec());
                        moments.insert(*v, own.collect());
                    }
                }
            }
            *seconds += start.elapsed().as_secs_f64();
        }
        for (i, (_, v)) in graph.outputs.iter().enumerate() {
            if is_vector(&plan.facts[v.0]) {
                if let Some(c) = plan.table.at.get(&Entry::Value(*v)) {
                    let n = outputs[i].len();
                    outputs[i].copy_from_slice(&self.table[c.offset..c.offset + n]);
                }
                continue;
            }
            match plan.spaces.get(v) {
                Some(Space::Input(k)) => outputs[i].copy_from_slice(inputs[*k]),
                Some(Space::Output(k)) if *k < i => {
                    let (before, after) = outputs.split_at_mut(i);
                    after[0].copy_from_slice(before[*k]);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives back the memory that volumes lie in, until the next run.
    pub fn release(&mut self) {
        self.arena = Arena::default();
    }

    /// What each step of the last planned shape took since the last report.
    pub fn report(&mut self) -> Vec<StageReport> {
        let Some((_, plan)) = self.plans.last_mut() else { return vec![] };
        let graph = &self.program.graph;
        let mut all: Vec<StageReport> = vec![];
        let mut between: BTreeMap<&str, f64> = BTreeMap::new();
        for (step, seconds) in plan.steps.iter().zip(&mut plan.seconds) {
            let seconds = std::mem::take(seconds);
            match step {
                Step::Vector(_) | Step::Separable(_) => *between.entry("vectors").or_default() += seconds,
                Step::Whole(v) => {
                    let node = graph.node(*v);
                    let how = if whole::is_fast(&node.op) { "by itself" } else { "by its definition: slow" };
                    all.push(StageReport { name: format!("{} ({how})", node.path), macs: 0, bytes: 0, seconds, nodes: vec![] });
                }
                Step::Stage(s) => {
                    let names = s.sweep.stage().nodes.iter().map(|n| n.name.clone());
                    let nodes = names.zip(s.sweep.spent()).map(|(name, seconds)| NodeReport { name, seconds }).collect();
                    all.push(StageReport { name: s.name.clone(), macs: s.macs, bytes: s.bytes, seconds, nodes });
                }
            }
        }
        all.extend(between.into_iter().map(|(n, seconds)| StageReport { name: n.into(), macs: 0, bytes: 0, seconds, nodes: vec![] }));
        all
    }
}

fn no_memory(what: &str) -> Diagnostic {
    Diagnostic::error(Code::E0501, format!("{what} does not fit into memory")).help("use a smaller size or batch")
}
