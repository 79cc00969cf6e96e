//! The network compiled for inference on a GPU.

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor};

#[cfg(feature = "gpu")]
use super::device::on_cpu;
use super::network::Network;
use super::weights::arrays;
use crate::compile::passes::optimise;
use crate::ir::{Arrays, Value};
#[cfg(feature = "gpu")]
use crate::kernel::CapturedGraph;
use crate::kernel::in_order;
use crate::text::{Code, Diagnostic, Result};

/// An inference session: the optimised program with its weights. What comes a second time in the same shape is captured as a CUDA graph, and
/// replayed from then on.
#[derive(Debug)]
pub struct CompiledNetwork {
    network: Network,
    #[cfg(feature = "gpu")]
    device: Device,
    #[cfg(feature = "gpu")]
    last: Last,
}

/// The last input shapes, and their captured graph.
#[cfg(feature = "gpu")]
#[derive(Debug, Default)]
enum Last {
    #[default]
    None,
    Seen(Vec<[usize; 5]>),
    Captured(Box<CapturedGraph>),
}

impl CompiledNetwork {
    /// Of the outputs those with these places in the graph's list will be computed, in this order.
    ///
    /// # Errors
    /// As [`crate::exec::Executor::new`].
    pub fn new(network: &Network, places: &[usize], device: &Device) -> Result<Self> {
        // Also of a network in training: inference keeps no gradients.
        let device = &device.clone().inner();
        let network = network.compiled(places, device)?;
        Ok(Self {
            network,
            #[cfg(feature = "gpu")]
            device: device.clone(),
            #[cfg(feature = "gpu")]
            last: Last::None,
        })
    }

    /// What is run: the program after all passes of the compiler, with its weights.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// How it was last run: as one graph, or operation by operation and why.
    pub fn how(&self) -> String {
        #[cfg(feature = "gpu")]
        if let Last::Captured(captured) = &self.last {
            return captured.how();
        }
        "operation by operation".into()
    }

    /// The outputs (`f32`) for one tensor per input of the graph, in its order. They are to be read before the next run, which may write over them.
    #[cfg(feature = "gpu")]
    pub fn run(&mut self, inputs: Vec<Tensor<5>>) -> Vec<Tensor<5>> {
        let shapes: Vec<[usize; 5]> = inputs.iter().map(Tensor::dims).collect();
        match &mut self.last {
            Last::Captured(captured) if captured.fits(&inputs) => return captured.replay_on(inputs).to_vec(),
            Last::Seen(seen) if *seen == shapes && !on_cpu(&self.device) => {
                let network = self.network.clone();
                let largest = shapes.first().map_or(0, |shape| network.largest(*shape));
                let mut captured = CapturedGraph::new(&self.device, inputs, largest, move |inputs| network.all(inputs));
                let outputs = captured.replay().to_vec();
                self.last = Last::Captured(Box::new(captured));
                return outputs;
            }
            // The memory of a captured graph is free before that of another shape is taken.
            last => *last = Last::Seen(shapes),
        }
        self.network.all(inputs)
    }

    /// As on a GPU, without capture.
    #[cfg(not(feature = "gpu"))]
    pub fn run(&mut self, inputs: Vec<Tensor<5>>) -> Vec<Tensor<5>> {
        self.network.all(inputs)
    }
}

impl Network {
    /// All outputs.
    fn all(&self, inputs: Vec<Tensor<5>>) -> Vec<Tensor<5>> {
        let wanted: Vec<Value> = self.program().graph.outputs.iter().map(|(_, v)| *v).collect();
        self.run(inputs, &wanted)
    }

    /// The program after all passes of the compiler, with weights that follow from this network's and are held in the precision that it
    /// computes in. Of the outputs those with these places in the graph's list are left, in this order.
    ///
    /// # Errors
    /// As [`crate::exec::Executor::new`].
    fn compiled(&self, places: &[usize], device: &Device) -> Result<Self> {
        let mut program = self.program().as_ref().clone();
        let all = std::mem::take(&mut program.graph.outputs);
        program.graph.outputs = places.iter().filter_map(|i| all.get(*i).cloned()).collect();
        let fault = |f: crate::ir::Fault| Diagnostic::error(f.code, f.message);
        let o = optimise(&program).map_err(fault)?;
        let trained: Arrays = arrays(self).collect();
        let weights = o.refits.weights(&o.program.graph, &trained).map_err(|f| Diagnostic::error(Code::E0802, f.message))?;
        let network = Network::from_arrays(Arc::new(o.program), &weights, device)?.computing_as(self);
        Ok(network.held_in(self.dtype()))
    }

    /// With weights of this type, in order.
    fn held_in(mut self, dtype: DType) -> Self {
        for (_, w) in self.weights_mut() {
            w.map_flat(|w| in_order(w.cast(dtype)));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use burn::module::Module;
    use burn::tensor::TensorData;

    use super::*;
    use crate::compile::compile;
    use crate::text::Source;

    #[test]
    fn a_network_compiled_in_training_keeps_no_gradients() {
        let learning = Device::flex().autodiff();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("graphs/lightmedseg.ron");
        let program = compile(&Source::read(&path).unwrap(), &[], Some([16, 16, 32])).unwrap();
        let network = Network::new(Arc::new(program), &learning, 3).unwrap();
        assert_eq!(network.devices().into_iter().next(), Some(learning.clone()));
        let mut compiled = CompiledNetwork::new(&network, &[0], &learning).unwrap();
        assert_eq!(compiled.network().devices().into_iter().collect::<Vec<_>>(), [Device::flex()]);
        let x = Tensor::<5>::ones([1, 4, 16, 16, 32], &Device::flex());
        assert_eq!(compiled.run(vec![x])[0].dims(), [1, 4, 16, 16, 32]);
    }

    #[test]
    fn a_compiled_network_computes_the_same_outputs() {
        let device = Device::flex();
        for (file, places) in [("lightmedseg.ron", vec![0]), ("lightmedseg-deep.ron", vec![1, 0])] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("graphs").join(file);
            let program = compile(&Source::read(&path).unwrap(), &[], Some([16, 16, 32])).unwrap();
            let network = Network::new(Arc::new(program), &device, 3).unwrap();
            let mut compiled = CompiledNetwork::new(&network, &places, &device).unwrap();
            let macs = |n: &Network| {
                let g = &n.program().graph;
                g.values().map(|v| g.cost(v).unwrap().macs).sum::<u64>()
            };
            assert!(macs(compiled.network()) < macs(&network), "the passes save something here");
            for round in 0..3 {
                let values: Vec<f32> = (0..4 * 16 * 16 * 32).map(|i| ((i * 7 + round * 5) as f32 * 0.37).sin()).collect();
                let x = Tensor::<5>::from_data(TensorData::new(values, [1, 4, 16, 16, 32]), &device);
                let (ours, theirs) = (compiled.run(vec![x.clone()]), network.outputs(x, &places));
                assert_eq!(ours.len(), places.len());
                for (a, b) in ours.into_iter().zip(theirs) {
                    let largest = (a - b.clone()).abs().max().into_scalar::<f32>() / b.abs().max().into_scalar::<f32>();
                    assert!(largest < 1e-4, "{file}: {largest}");
                }
            }
        }
    }
}
