//! A forward pass, timed as a whole, and part by part: by the executor on the CPU, as a captured graph on a GPU, or by Burn.

use std::collections::HashMap;
use std::time::Instant;

use burn::tensor::Tensor;

use super::case::BenchCase;
use crate::exec::{Executor, Shape};
use crate::ir::{Operator, Value};
use crate::net::{CompiledNetwork, Network, failed};
use crate::net::{Forward as _, Parameter, Weights, arrays};
use crate::text::Result;

/// What runs a forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchEngine {
    /// The compiled program in fused stages, on the CPU.
    Executor,
    /// The compiled program as one captured graph, on a GPU.
    Captured,
    /// The program as it is written, operation by operation, on the device of the case.
    Burn,
}

/// A forward pass that can be repeated.
#[derive(Debug)]
pub struct BenchForward<'a> {
    case: &'a BenchCase,
    way: PassRunner,
}

#[derive(Debug)]
enum PassRunner {
    Executor { executor: Box<Executor>, shape: Shape, outputs: Vec<Vec<f32>> },
    Captured { network: CompiledNetwork, inputs: Vec<Tensor<5>> },
    Burn { inputs: Vec<Tensor<5>>, wanted: Vec<Value> },
}

/// A part of a pass: an operation, or a stage with the operations inside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PassPart {
    /// The path of the operation, or what the executor calls the stage.
    pub name: String,
    pub kind: String,
    /// Seconds from the beginning of the pass.
    pub start: f64,
    pub seconds: f64,
    /// Of a stage: the threads that its operations kept busy, on average over its time.
    pub busy: f64,
    pub macs: u64,
    /// What it reads and writes, once.
    pub bytes: u64,
    /// The operations of a stage, which share its time by what they took over all threads.
    pub inside: Vec<PassPart>,
}

impl<'a> BenchForward<'a> {
    /// All outputs of the graph will be computed.
    ///
    /// # Errors
    /// What keeps the executor from running the program.
    pub fn new(case: &'a BenchCase, engine: BenchEngine) -> Result<Self> {
        let outputs = &case.program.graph.outputs;
        let way = match engine {
            BenchEngine::Burn => PassRunner::Burn { inputs: case.tensors(), wanted: outputs.iter().map(|(_, v)| *v).collect() },
            BenchEngine::Captured => {
                let places: Vec<usize> = (0..outputs.len()).collect();
                PassRunner::Captured { network: CompiledNetwork::new(&case.network, &places, &case.device)?, inputs: case.tensors() }
            }
            BenchEngine::Executor => {
                let executor = Box::new(Executor::new(&case.program, &arrays(&case.network).collect())?);
                let shape = Shape { batch: case.batch, size: executor.compiled().size };
                let outputs = executor.room(shape)?;
                PassRunner::Executor { executor, shape, outputs }
            }
        };
        Ok(Self { case, way })
    }

    /// Runs it once; gives the seconds that it took.
    ///
    /// # Errors
    /// What keeps the executor from running.
    pub fn once(&mut self) -> Result<f64> {
        let start = Instant::now();
        match &mut self.way {
            PassRunner::Burn { inputs, wanted } => {
                let y = self.case.network.run(inputs.clone(), wanted);
                wait(self.case)?;
                let seconds = start.elapsed().as_secs_f64();
                drop(y);
                return Ok(seconds);
            }
            PassRunner::Captured { network, inputs } => {
                network.run(inputs.clone());
                wait(self.case)?;
            }
            PassRunner::Executor { executor, shape, outputs } => {
                let inputs: Vec<&[f32]> = self.case.inputs.iter().map(Vec::as_slice).collect();
                let mut outputs: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
                executor.run_into(&inputs, *shape, &mut outputs)?;
            }
        }
        Ok(start.elapsed().as_secs_f64())
    }

    /// How a device runs it; nothing on the CPU.
    pub fn how(&self) -> Option<String> {
        match &self.way {
            PassRunner::Captured { network, .. } => Some(network.how()),
            _ => None,
        }
    }

    /// Runs it once more and gives all outputs.
    ///
    /// # Errors
    /// As [`BenchForward::once`].
    pub fn outputs(&mut self) -> Result<Vec<Vec<f32>>> {
        let read =
            |all: Vec<Tensor<5>>| all.into_iter().map(|t| t.into_data().convert::<f32>().try_into_vec().unwrap_or_default()).collect();
        match &mut self.way {
            PassRunner::Burn { inputs, wanted } => Ok(read(self.case.network.run(inputs.clone(), wanted))),
            PassRunner::Captured { network, inputs } => Ok(read(network.run(inputs.clone()))),
            PassRunner::Executor { .. } => {
                self.once()?;
                match &self.way {
                    PassRunner::Executor { outputs, .. } => Ok(outputs.clone()),
                    _ => unreachable!("the way stays the same"),
                }
            }
        }
    }

    /// MACs and bytes of the node of that path; none where the graph has no such one.
    fn cost_of(&self, path: &str) -> Option<(u64, u64)> {
        let graph = &self.case.program.graph;
        let node = graph.values().find(|v| graph.node(*v).path == path)?;
        graph.cost(node).ok().map(|cost| (cost.macs, cost.moved()))
    }

    /// One pass with each of its parts timed.
    ///
    /// # Errors
    /// As [`BenchForward::once`].
    pub fn profile(&mut self) -> Result<Vec<PassPart>> {
        match &self.way {
            PassRunner::Burn { inputs, .. } => return one_by_one(self.case, &self.case.network, inputs),
            PassRunner::Captured { network, inputs } => return one_by_one(self.case, network.network(), inputs),
            PassRunner::Executor { .. } => {}
        }
        if let PassRunner::Executor { executor, .. } = &mut self.way {
            // What has been counted so far is of other passes.
            executor.report();
        }
        self.once()?;
        let PassRunner::Executor { executor, .. } = &mut self.way else { unreachable!("the way stays the same") };
        let mut at = 0.0;
        let mut all = vec![];
        for stage in executor.report() {
            let over_threads: f64 = stage.nodes.iter().map(|n| n.seconds).sum();
            let scale = if over_threads > 0.0 { stage.seconds / over_threads } else { 0.0 };
            let mut inside_at = at;
            let mut inside = vec![];
            for n in stage.nodes {
                let seconds = n.seconds * scale;
                inside.push(PassPart { name: n.name, start: inside_at, seconds, ..PassPart::default() });
                inside_at += seconds;
            }
            // A node that is run by itself, whose name has the way in brackets: its cost is that of the graph's node.
            let alone = stage.name.split_once(" (").filter(|_| stage.bytes == 0).and_then(|(path, _)| self.cost_of(path));
            let (macs, bytes) = alone.unwrap_or((stage.macs, stage.bytes));
            let seconds = stage.seconds;
            let busy = if seconds > 0.0 { over_threads / seconds } else { 0.0 };
            all.push(PassPart { name: stage.name, kind: "stage".into(), start: at, seconds, busy, macs, bytes, inside });
            at += seconds;
        }
        Ok(all)
    }
}

/// Waits for a device that computes on its own time.
///
/// # Errors
/// E0901 when it has failed at what it was given.
pub(super) fn wait(case: &BenchCase) -> Result<()> {
    case.device.sync().map_err(|e| failed(e).into())
}

/// One pass with each operation timed by itself. Where the device computes on its own time, each is waited for.
fn one_by_one(case: &BenchCase, network: &Network, inputs: &[Tensor<5>]) -> Result<Vec<PassPart>> {
    let graph = &network.program().graph;
    let precision = network.dtype();
    let mut owned: HashMap<Value, Vec<(&'static str, &Parameter)>> = HashMap::new();
    for ((v, _, w), (_, learned)) in graph.weights().into_iter().zip(network.weights()) {
        owned.entry(v).or_default().push((w.name, learned));
    }
    let mut held: HashMap<Value, Vec<(&'static str, usize, &Tensor<1>)>> = HashMap::new();
    for (place, ((v, _, w), (_, numbers))) in graph.buffers().into_iter().zip(network.buffers()).enumerate() {
        held.entry(v).or_default().push((w.name, place, numbers));
    }
    let mut last: Vec<usize> = (0..graph.len()).collect();
    graph.values().for_each(|v| graph.inputs(v).iter().for_each(|i| last[i.0] = v.0));
    let mut values = vec![None; graph.len()];
    for ((_, v), x) in network.program().inputs.iter().zip(inputs) {
        values[v.0] = Some(x.clone().cast(precision));
    }
    let begun = Instant::now();
    let mut parts = vec![];
    for v in graph.values().filter(|v| !graph.inputs(*v).is_empty()) {
        let node = graph.node(v);
        // A value is given away at its last use, so that an operation may work in place; one that is used twice at once is copied.
        let twice = |i: &Value| node.inputs.iter().filter(|j| *j == i).count() > 1;
        let x = node.inputs.iter().filter_map(|i| if last[i.0] == v.0 && !twice(i) { values[i.0].take() } else { values[i.0].clone() });
        let x = x.collect();
        let none = vec![];
        let all = owned.get(&node.shares.unwrap_or(v)).unwrap_or(&none);
        let buffers = held.get(&node.shares.unwrap_or(v)).map_or(&[][..], Vec::as_slice);
        let weights = Weights { all, views: &[], buffers, precision, training: None, place: v.0 };
        let start = begun.elapsed().as_secs_f64();
        let y = node.op.forward(&weights, x);
        wait(case)?;
        node.inputs.iter().filter(|i| last[i.0] == v.0).for_each(|i| values[i.0] = None);
        let seconds = begun.elapsed().as_secs_f64() - start;
        let cost = graph.cost(v).unwrap_or_default();
        let (macs, bytes) = (cost.macs, cost.moved());
        parts.push(PassPart { name: node.path.clone(), kind: node.op.kind().into(), start, seconds, macs, bytes, ..PassPart::default() });
        values[v.0] = Some(y);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::BenchSetup;
    use crate::compile::compile;
    use crate::text::Source;
    use burn::tensor::Device;

    #[test]
    fn both_engines_give_the_same_and_say_where_the_time_went() {
        let text = "(name:\"n\",inputs:{\"x\":(channels:2,size:(6,8,10))},nodes:{\"g\":GhostConv3D(x:\"x\",out:4),\
                    \"p\":PointwiseConv3D(x:\"g\",out:3,norm:1,activation:silu)},outputs:{\"y\":\"p\"})";
        let program = compile(&Source::new("n.ron", text), &[], None).expect("it compiles");
        let case = BenchCase::new(program, 2, BenchSetup::default(), &Device::flex()).expect("it fits");
        let mut outputs = vec![];
        for engine in [BenchEngine::Burn, BenchEngine::Executor] {
            let mut forward = BenchForward::new(&case, engine).expect("it runs");
            assert!(forward.once().expect("it runs") > 0.0);
            let parts = forward.profile().expect("it runs");
            assert!(!parts.is_empty() && parts.iter().all(|p| p.seconds >= 0.0 && !p.name.is_empty()), "{parts:?}");
            outputs.push(forward.outputs().expect("it runs"));
        }
        let [burn, executor] = &outputs[..] else { panic!("two engines") };
        assert_eq!(burn[0].len(), 2 * 3 * 6 * 8 * 10);
        let largest = burn[0].iter().zip(&executor[0]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(largest < 1e-4, "{largest}");
    }
}
