//! A forward pass whose backward pass is still to come, in the segments of activation checkpointing.
//!
//! A segment that is run for its gradients takes its inputs as leaves of its own and begins its backward pass with the gradients that later
//! segments have left for its outputs. So the graphs of gradients of two segments have nothing in common, and no more than one is there.

use std::ops::Range;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{DType, Device, Gradients, Tensor};

use super::Network;
use super::device::tracked;
use super::forward::{Observed, TrainingPass};
use crate::compile::memory::Segments;
use crate::ir::Value;
use crate::kernel::backward_from;

/// The outputs of a forward pass, and what its backward pass needs.
pub struct ForwardPass {
    network: Network,
    segments: Vec<Range<usize>>,
    wanted: Vec<Value>,
    needed: Vec<bool>,
    /// Whether a value depends on weights.
    learns: Vec<bool>,
    /// The checkpoints: what segments read of those before them, without gradients.
    stored: Vec<Option<Tensor<5>>>,
    /// Of the network.
    device: Device,
    /// The leaves that the last segment has read, or the loss.
    leaves: Leaves,
    outputs: Vec<Tensor<5>>,
    training: TrainingPass,
}

/// Tensors whose gradients are asked for, by the value they stand for.
type Leaves = Vec<(usize, Tensor<5>)>;

impl Network {
    /// A pass forward on the first input `[N, C, D, H, W]`, to the outputs with these places in the graph's list.
    pub fn pass(&self, x: Tensor<5>, places: &[usize], segments: &Segments, mut training: TrainingPass) -> ForwardPass {
        training.first = true;
        let graph = &self.program().graph;
        let wanted: Vec<Value> = places.iter().filter_map(|i| Some(graph.outputs.get(*i)?.1)).collect();
        let needed = graph.reaching(&wanted);
        let segments = segments.ranges(graph.len());
        let (last, before) = match segments.split_last() {
            Some((last, before)) => (last.clone(), before),
            None => unreachable!("there is a segment at least"),
        };
        let device = x.device();
        let mut stored = self.given(vec![x]);
        if !before.is_empty() {
            let plain = self.valid();
            stored = stored.into_iter().map(|x| Some(x?.inner())).collect();
            for range in before {
                let mut values: Vec<Option<Tensor<5>>> = stored.clone();
                // What this segment itself is given stays in its place, to be run again.
                plain.walk(range.clone(), &needed, &wanted, &mut values, Some(&training), |_, _| ());
                for (v, made) in values.into_iter().enumerate().take(range.end).skip(range.start) {
                    let read = || wanted.contains(&Value(v)) || graph.users(Value(v)).any(|r| r.0 >= range.end);
                    stored[v] = stored[v].take().or_else(|| made.filter(|_| read()));
                }
            }
        }
        let learns = self.learns();
        let mut pass = ForwardPass {
            network: self.clone(),
            segments,
            wanted,
            needed,
            learns,
            stored,
            device,
            leaves: vec![],
            outputs: vec![],
            training,
        };
        let mut values = if pass.segments.len() > 1 { pass.read(&last) } else { std::mem::take(&mut pass.stored) };
        let mut outputs: Vec<Option<Tensor<5>>> = pass.wanted.iter().map(|v| values.get(v.0)?.clone()).collect();
        let wanted = pass.wanted.clone();
        self.walk(last, &pass.needed, &wanted, &mut values, Some(&pass.training), |i, y| {
            wanted.iter().zip(&mut outputs).filter(|(v, _)| v.0 == i).for_each(|(_, out)| *out = Some(y.clone()));
        });
        pass.outputs = outputs.into_iter().flatten().map(|y| y.cast(DType::F32)).collect();
        pass
    }
}

impl ForwardPass {
    /// The outputs (`f32`), with gradients.
    pub fn outputs(&self) -> &[Tensor<5>] {
        &self.outputs
    }

    /// The statistics of the batch, for [`Network::observe`].
    pub fn observed(&self) -> Vec<Observed> {
        self.training.take()
    }

    /// Lets go of the outputs, where nobody looks at them any more.
    pub fn release(&mut self) {
        self.outputs.clear();
    }

    /// The backward pass to the gradients of the weights, from those of a loss on the outputs.
    pub fn backward(mut self, gradients: Gradients) -> GradientsParams {
        self.release();
        // What is computed from here on has been computed before.
        self.training.first = false;
        let mut pending: Vec<Option<Tensor<5>>> = vec![None; self.needed.len()];
        let mut all = GradientsAccumulator::new();
        let network = self.network.clone();
        self.gather(gradients, &mut pending, &mut all);
        while self.segments.len() > 1 {
            self.segments.pop();
            let Some(range) = self.segments.last().cloned() else { break };
            let mut values = self.read(&range);
            let mut starts: Vec<Tensor<1>> = vec![];
            network.walk(range, &self.needed, &self.wanted, &mut values, Some(&self.training), |i, y| {
                if let Some(gradient) = pending[i].take() {
                    starts.push(backward_from(y.clone(), gradient));
                }
            });
            drop(values);
            if let Some(start) = starts.into_iter().reduce(|a, b| a + b) {
                self.gather(start.backward(), &mut pending, &mut all);
            }
        }
        all.grads()
    }

    /// What a segment reads of those before it, as leaves where it depends on weights. What no earlier segment reads is freed.
    fn read(&mut self, range: &Range<usize>) -> Vec<Option<Tensor<5>>> {
        let graph = &self.network.program().graph;
        let mut values = vec![None; graph.len()];
        let last = range.end == graph.len();
        for (v, value) in values.iter_mut().enumerate().take(range.end) {
            let given = graph.inputs(Value(v)).is_empty();
            let read_in = |range: &Range<usize>| graph.users(Value(v)).any(|r| range.contains(&r.0));
            let here = read_in(range) || (given && range.contains(&v)) || (last && self.wanted.contains(&Value(v)));
            if !here {
                continue;
            }
            let own_end = self.segments.iter().find(|s| s.contains(&v)).map_or(0, |s| s.end);
            let done = !given && !read_in(&(own_end..range.start));
            let Some(x) = (if done { self.stored[v].take() } else { self.stored[v].clone() }) else { continue };
            let x = tracked(x, &self.device);
            *value = Some(if self.learns[v] {
                let leaf = x.require_grad();
                self.leaves.push((v, leaf.clone()));
                leaf
            } else {
                x
            });
        }
        values
    }

    /// Takes the gradients of the weights and of the leaves.
    fn gather(&mut self, gradients: Gradients, pending: &mut [Option<Tensor<5>>], all: &mut GradientsAccumulator<Network>) {
        for (v, leaf) in std::mem::take(&mut self.leaves) {
            let own = leaf.grad(&gradients);
            pending[v] = match (pending[v].take(), own) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            };
        }
        let params = GradientsParams::from_grads(gradients, &self.network);
        all.accumulate(&self.network, params);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use burn::tensor::{Device, TensorData};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::compile::memory::Precision;
    use crate::compile::{Program, compile};
    use crate::net::Parameter;
    use crate::text::Source;

    fn random(dims: [usize; 5], rng: &mut ChaCha8Rng) -> Tensor<5> {
        let values: Vec<f32> = (0..dims.iter().product()).map(|_| rng.random::<f32>() - 0.5).collect();
        Tensor::from_data(TensorData::new(values, dims), &Device::flex().autodiff())
    }

    /// The gradients of all weights, of a weighted sum over the elements of each output.
    fn gradients(network: &Network, x: &Tensor<5>, places: &[usize], segments: &Segments) -> Vec<(String, Vec<f32>)> {
        let pass = network.pass(x.clone(), places, segments, TrainingPass::default());
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let weigh = |y: &Tensor<5>| (y.clone() * random(y.dims(), &mut rng)).sum();
        let Some(total) = pass.outputs().iter().map(weigh).reduce(|a, b| a + b) else { panic!("no outputs") };
        let all = pass.backward(total.backward());
        let own = |w: &Parameter| {
            let data = all.get::<1>(w.id()).map(|g| g.into_data());
            data.map_or(vec![], |d| d.try_to_vec().unwrap())
        };
        network.weights().iter().map(|(name, w)| (name.clone(), own(w))).collect()
    }

    fn program(file: &str) -> Arc<Program> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("graphs").join(file);
        Arc::new(compile(&Source::read(&path).unwrap(), &[], Some([16, 16, 32])).unwrap())
    }

    /// With all segments the gradients are those of one; with one, of a pass through Burn alone.
    fn agree(network: &Network, places: &[usize], all: &[Segments]) {
        let x = random([2, 4, 16, 16, 32], &mut ChaCha8Rng::seed_from_u64(3));
        let whole = gradients(network, &x, places, &Segments::whole());
        assert!(whole.iter().all(|(_, g)| !g.is_empty()) || places.len() < network.program().graph.outputs.len());
        let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let length = norm(&mut whole.iter().flat_map(|(_, g)| g.iter().copied()));
        for segments in all {
            let cut = gradients(network, &x, places, segments);
            for ((name, a), (_, b)) in whole.iter().zip(&cut) {
                assert_eq!(a.len(), b.len(), "{name} with {segments:?}");
                let difference = norm(&mut a.iter().zip(b).map(|(a, b)| a - b));
                assert!(difference <= 1e-6 * length, "{name} with {segments:?}: {difference} of {length}");
            }
        }
    }

    #[test]
    fn gradients_are_the_same_wherever_the_order_is_cut() {
        let program = program("lightmedseg-deep.ron");
        let network = Network::new(program.clone(), &Device::flex().autodiff(), 0).unwrap();
        let graph = &program.graph;
        let absorbed = graph.fused_epilogues();
        let free = |c: &usize| !absorbed.iter().enumerate().any(|(v, next)| next.is_some_and(|n| v < *c && n.0 >= *c));
        let places: Vec<usize> = (1..graph.len()).filter(free).collect();
        let every = |n: usize, from: usize| Segments::cut(places.iter().copied().skip(from).step_by(n).collect());
        let least = Segments::least(graph, &graph.facts(), Precision::F32).unwrap();
        assert!(least.ranges(graph.len()).len() > 1);
        agree(&network, &[0, 1, 2], &[every(1, 0), every(7, 3), every(40, 11), every(90, 60), least]);
    }

    #[test]
    fn of_outputs_that_nobody_asked_for_nothing_comes_back() {
        let network = Network::new(program("lightmedseg-deep.ron"), &Device::flex().autodiff(), 0).unwrap();
        let n = network.program().graph.len();
        let cuts = [Segments::cut(vec![n / 2]), Segments::cut((1..n).step_by(25).collect())];
        let parted = |s: &Segments| {
            let absorbed = network.program().graph.fused_epilogues();
            s.ranges(n).iter().any(|r| absorbed.iter().enumerate().any(|(v, next)| next.is_some_and(|x| v < r.start && x.0 >= r.start)))
        };
        let cuts: Vec<Segments> = cuts.into_iter().filter(|s| !parted(s)).collect();
        assert!(!cuts.is_empty());
        agree(&network, &[2], &cuts);
    }
}
