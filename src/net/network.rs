//! The network: the op graph with its weights, run operation by operation.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use burn::module::{Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor};
use burn::tensor::{DType, Device, Tensor, TensorData};

use super::forward::{Forward, LazyTensor, Observed, Parameter, TrainingPass, Weights};
use crate::compile::Program;
use crate::compile::memory::{Precision, facts_at};
use crate::ir::{Array, Arrays, Operator, Value};
use crate::op::Op;
use crate::store::{check_shapes, init};
use crate::text::{Code, Diagnostic, Result};

/// Parameter tensors under the names that the graph gives them: `enc1.ghost1.primary.weight`.
#[derive(Clone, Debug)]
pub struct NamedParameters(pub Vec<(String, Parameter)>);

/// The program as a Burn module.
#[derive(Module, Debug)]
pub struct Network {
    weights: NamedParameters,
    /// Running statistics by name: nothing learns them, and every pass in training moves them ([`Network::observe`]).
    #[module(skip)]
    buffers: Vec<(String, Tensor<1>)>,
    #[module(skip)]
    plan: Plan,
}

/// What is run, in order.
#[derive(Clone, Debug)]
struct Plan {
    program: Arc<Program>,
    steps: Arc<Vec<Step>>,
    precision: Precision,
}

/// One operation: its inputs, its weights, the values whose last use it is.
#[derive(Clone, Debug)]
struct Step {
    inputs: Vec<usize>,
    weights: Vec<(&'static str, usize)>,
    buffers: Vec<(&'static str, usize)>,
    done: Vec<usize>,
    /// The value that is computed along with this one, its only reader.
    absorbed: Option<Value>,
    /// The operation that it may be deferred to, its only reader.
    taken: Option<usize>,
}

impl Network {
    /// The network with these weights.
    ///
    /// # Errors
    /// E0802 for every weight that is missing or has another shape, all at once.
    pub fn from_arrays(program: Arc<Program>, arrays: &Arrays, device: &Device) -> Result<Self> {
        let all = program.graph.tensors();
        check_shapes(all.iter().map(|(_, name, w)| (name.clone(), w.dims.clone())), arrays, "the weights given")?;
        let array = |name: &str| match arrays.get(name) {
            Some(array) => array,
            None => unreachable!("every weight has an array of its shape"),
        };
        let graph = &program.graph;
        let unknown = |v: &Value| matches!(&graph.node(*v).op, Op::Other(op) if op.expand(&graph.input_facts(*v)).is_none());
        if let Some(v) = graph.values().find(unknown) {
            let message = format!("nothing runs `{}` ({})", graph.node(v).path, graph.node(v).op.kind());
            return Err(Diagnostic::error(Code::E0302, message)
                .help("an operation of your own gives `expand`, the operations that it stands for")
                .into());
        }
        let mut named = vec![];
        let mut owned = Owned::new();
        for (v, name, w) in program.graph.weights() {
            owned.entry(v.0).or_default().0.push((w.name, named.len()));
            let parameter = Parameter::new(&name, array(&name), device);
            named.push((name, parameter));
        }
        let mut buffers = vec![];
        for (v, name, w) in program.graph.buffers() {
            owned.entry(v.0).or_default().1.push((w.name, buffers.len()));
            let numbers = vector(array(&name), device);
            buffers.push((name, numbers));
        }
        let plan = Plan { steps: Arc::new(steps(&program, &owned)), program, precision: Precision::F32 };
        Ok(Self { weights: NamedParameters(named), buffers, plan })
    }

    /// The network with random weights, initialised as PyTorch does by default, from `seed`.
    ///
    /// # Errors
    /// E0501 when a weight would not fit into memory.
    pub fn new(program: Arc<Program>, device: &Device, seed: u64) -> Result<Self> {
        let arrays = init(&program, seed)?;
        Self::from_arrays(program, &arrays, device)
    }

    /// Computes in this precision from now on: activations have it, the weights and the outputs stay `f32`.
    ///
    /// # Errors
    /// E0602 when the device does not compute in it.
    pub fn in_precision(mut self, precision: Precision, device: &Device) -> Result<Self> {
        if !device.supports_dtype(kind(precision)) {
            let half = if device.supports_dtype(DType::F16) { "`precision: f16`, or " } else { "" };
            return Err(Diagnostic::error(Code::E0602, format!("this device does not compute in {}", precision.name()))
                .help(format!("use {half}`precision: f32`"))
                .into());
        }
        self.plan.precision = precision;
        Ok(self)
    }

    /// In the precision of another network on the same device.
    pub(super) fn computing_as(mut self, other: &Network) -> Self {
        self.plan.precision = other.plan.precision;
        self
    }

    /// The first output (logits `[N, classes, D, H, W]`) for the first input `[N, C, D, H, W]`.
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        match self.outputs(x, &[0]).pop() {
            Some(y) => y,
            None => unreachable!("a compiled graph has an output"),
        }
    }

    /// The outputs with these places in the graph's list, for the first input `[N, C, D, H, W]`. Operations that none of them needs are not run.
    pub fn outputs(&self, x: Tensor<5>, places: &[usize]) -> Vec<Tensor<5>> {
        let all = &self.plan.program.graph.outputs;
        let wanted: Vec<Value> = places.iter().filter_map(|i| Some(all.get(*i)?.1)).collect();
        self.run(vec![x], &wanted)
    }

    /// The wanted values (`f32`), for one tensor per input of the graph, in its order.
    pub fn run(&self, inputs: Vec<Tensor<5>>, wanted: &[Value]) -> Vec<Tensor<5>> {
        let mut values = self.given(inputs);
        let mut kept: Vec<Option<Tensor<5>>> = vec![None; wanted.len()];
        let needed = self.plan.program.graph.reaching(wanted);
        self.walk(0..values.len(), &needed, wanted, &mut values, None, |i, y| {
            for (k, _) in wanted.iter().enumerate().filter(|(_, v)| v.0 == i) {
                kept[k] = Some(y.clone().cast(DType::F32));
            }
        });
        kept.into_iter().flatten().collect()
    }

    /// The inputs of the graph in their places among its values, in the type of the activations.
    pub(super) fn given(&self, inputs: Vec<Tensor<5>>) -> Vec<Option<Tensor<5>>> {
        let program = &self.plan.program;
        let mut values = vec![None; program.graph.len()];
        for ((_, v), x) in program.inputs.iter().zip(inputs) {
            values[v.0] = Some(x.cast(self.dtype()));
        }
        values
    }

    /// Runs the `needed` operations of a range on the values before it, and shows each of their outputs. A value is freed after its
    /// last use.
    pub(super) fn walk(
        &self,
        range: Range<usize>,
        needed: &[bool],
        wanted: &[Value],
        values: &mut [Option<Tensor<5>>],
        training: Option<&TrainingPass>,
        mut made: impl FnMut(usize, &Tensor<5>),
    ) {
        let mut left: HashMap<usize, LazyTensor> = HashMap::new();
        for i in range.clone() {
            let step = &self.plan.steps[i];
            if !needed[i] {
                // It may have been the last to ask for a value.
                step.done.iter().for_each(|j| values[*j] = None);
                continue;
            }
            let absorbed = step.absorbed.filter(|_| !wanted.contains(&Value(i)));
            let held = match values[i].take() {
                Some(x) => LazyTensor::Ready(x),
                None => {
                    let x = step.inputs.iter().filter_map(|j| {
                        let mut there = || if step.done.contains(j) { take(values, step, *j) } else { values[*j].clone() };
                        left.remove(j).or_else(|| there().map(LazyTensor::Ready))
                    });
                    self.compute(i, x.collect(), absorbed, training)
                }
            };
            for j in &step.done {
                values[*j] = None;
            }
            // What reads it beyond the range needs it made.
            if step.taken.is_some_and(|reader| reader < range.end) && !wanted.contains(&Value(i)) && !matches!(held, LazyTensor::Ready(_)) {
                left.insert(i, held);
                continue;
            }
            let y = held.compute();
            made(i, &y);
            values[absorbed.map_or(i, |next| next.0)] = Some(y);
        }
    }

    /// One operation, with the one that is computed along with it; what it is to be made of, where another may make it.
    fn compute(&self, i: usize, x: Vec<LazyTensor>, absorbed: Option<Value>, training: Option<&TrainingPass>) -> LazyTensor {
        let (graph, step) = (&self.plan.program.graph, &self.plan.steps[i]);
        let op = &graph.node(Value(i)).op;
        let w: Vec<(&'static str, &Parameter)> = step.weights.iter().map(|(n, k)| (*n, &self.weights.0[*k].1)).collect();
        let buffers: Vec<(&'static str, usize, &Tensor<1>)> = step.buffers.iter().map(|(n, k)| (*n, *k, &self.buffers[*k].1)).collect();
        let w = Weights { all: &w, views: &[], buffers: &buffers, precision: self.dtype(), training, place: i };
        let ready = |x: Vec<LazyTensor>| x.into_iter().map(LazyTensor::compute).collect();
        if let Some(next) = absorbed {
            return LazyTensor::Ready(op.forward_with(&w, ready(x), &graph.node(next).op));
        }
        match if x.first().is_some_and(LazyTensor::defers) { op.defer(x, &step.inputs) } else { Err(x) } {
            Ok(held) => held,
            Err(x) => LazyTensor::Ready(op.forward(&w, ready(x))),
        }
    }

    /// For each value of the graph whether it follows from weights.
    pub(super) fn learns(&self) -> Vec<bool> {
        let mut all: Vec<bool> = Vec::with_capacity(self.plan.steps.len());
        for step in self.plan.steps.iter() {
            all.push(!step.weights.is_empty() || step.inputs.iter().any(|i| all[*i]));
        }
        all
    }

    /// Bytes of the largest value for a first input `[N, C, D, H, W]`; 0 where there are none of its size.
    pub fn largest(&self, [n, _, size @ ..]: [usize; 5]) -> usize {
        let facts = facts_at(&self.plan.program, n, Some(size)).unwrap_or_default();
        let bytes = facts.iter().filter_map(|fact| self.plan.precision.size(fact).ok()).max();
        bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0)
    }

    /// The type of the activations.
    pub fn dtype(&self) -> DType {
        kind(self.plan.precision)
    }

    pub fn program(&self) -> &Arc<Program> {
        &self.plan.program
    }

    /// Every learned tensor by name, in the graph's order.
    pub fn weights(&self) -> &[(String, Parameter)] {
        &self.weights.0
    }

    /// Every running statistic by name, `[C]`, in the graph's order.
    pub fn buffers(&self) -> &[(String, Tensor<1>)] {
        &self.buffers
    }

    /// The same to be changed.
    pub fn buffers_mut(&mut self) -> &mut Vec<(String, Tensor<1>)> {
        &mut self.buffers
    }

    /// Takes the statistics of a batch into the running ones: `r + momentum go (s - r)`, where `go [1]` is 0 for a batch that does not count.
    pub fn observe(&mut self, all: Vec<Observed>, go: &Tensor<1>) {
        for Observed { buffer, value, momentum } in all {
            if let Some((_, running)) = self.buffers.get_mut(buffer) {
                // What is not finite must not come through a factor of 0.
                let off = (value - running.clone()) * momentum;
                let off = off.clone().mask_fill(off.is_finite().bool_not(), 0.0);
                *running = running.clone() + off * go.clone();
            }
        }
    }

    /// The same to be changed.
    pub fn weights_mut(&mut self) -> &mut Vec<(String, Parameter)> {
        &mut self.weights.0
    }
}

/// Numbers of a buffer, without gradients.
pub(super) fn vector(array: &Array, device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(array.values.clone(), [array.values.len()]), &device.clone().inner())
}

fn kind(precision: Precision) -> DType {
    match precision {
        Precision::F32 => DType::F32,
        Precision::Bf16 => DType::BF16,
        Precision::F16 => DType::F16,
    }
}

/// Takes a value out for its last use, so that an operation may work in place; a step that uses it twice gets a copy first.
fn take(values: &mut [Option<Tensor<5>>], step: &Step, j: usize) -> Option<Tensor<5>> {
    if step.inputs.iter().filter(|k| **k == j).count() > 1 { values[j].clone() } else { values[j].take() }
}

/// The places of each operation's weights and buffers among the network's.
type Owned = HashMap<usize, (Vec<(&'static str, usize)>, Vec<(&'static str, usize)>)>;

fn steps(program: &Program, owned: &Owned) -> Vec<Step> {
    let g = &program.graph;
    let (absorbed, taken) = (g.fused_epilogues(), g.fused_producers());
    let mut last = vec![0; g.len()];
    for v in g.values() {
        g.inputs(v).iter().for_each(|i| last[i.0] = v.0);
    }
    let mut all: Vec<Step> = g
        .values()
        .map(|v| Step {
            inputs: g.inputs(v).iter().map(|i| i.0).collect(),
            weights: owned.get(&g.node(v).shares.unwrap_or(v).0).map(|o| o.0.clone()).unwrap_or_default(),
            buffers: owned.get(&g.node(v).shares.unwrap_or(v).0).map(|o| o.1.clone()).unwrap_or_default(),
            done: vec![],
            absorbed: absorbed[v.0],
            taken: taken[v.0].map(|reader| reader.0),
        })
        .collect();
    for (i, l) in last.into_iter().enumerate().filter(|(i, l)| l > i) {
        all[l].done.push(i);
    }
    all
}

impl Module for NamedParameters {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (name, w) in &self.0 {
            visitor.enter_module(name, "Named");
            w.visit(visitor);
            visitor.exit_module(name, "Named");
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let each = |(name, w): (String, Parameter)| {
            mapper.enter_module(&name, "Named");
            let w = w.map(mapper);
            mapper.exit_module(&name, "Named");
            (name, w)
        };
        Self(self.0.into_iter().map(each).collect())
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        self.0.iter().fold(devices, |d, (_, w)| w.collect_devices(d))
    }

    fn fork(self, device: &Device) -> Self {
        Self(self.0.into_iter().map(|(n, w)| (n, w.fork(device))).collect())
    }

    fn to_device(self, device: &Device) -> Self {
        Self(self.0.into_iter().map(|(n, w)| (n, w.to_device(device))).collect())
    }

    fn train(self) -> Self {
        Self(self.0.into_iter().map(|(n, w)| (n, w.train())).collect())
    }

    fn valid(&self) -> Self {
        Self(self.0.iter().map(|(n, w)| (n.clone(), w.valid())).collect())
    }

    fn materialize(self) -> Self {
        Self(self.0.into_iter().map(|(n, w)| (n, w.materialize())).collect())
    }
}

impl ModuleDisplayDefault for NamedParameters {
    fn content(&self, content: Content) -> Option<Content> {
        self.0.iter().fold(content, |c, (n, w)| c.add(n, w)).optional()
    }
}

impl ModuleDisplay for NamedParameters {}
