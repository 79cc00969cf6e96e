//! Trained networks ready to predict on any device: the executor on a CPU, the compiled network on a GPU.
//!
//! Part of `net`; may use `infer`.

use std::path::Path;

use burn::module::Module;
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array5, ArrayView5};

use super::compiled::CompiledNetwork;
use super::device::on_cpu;
use super::failure::failed;
use super::network::Network;
use super::weights::arrays;
use crate::infer::{Card, CpuEngine, Engine, Model, OutputActivation};
use crate::text::{Code, Diagnostic, Result};

/// A network that was just trained, ready to predict on its own device. Gradients are not kept.
///
/// # Errors
/// As [`CpuEngine::new`].
pub fn model(network: &Network, card: Card) -> Result<Model> {
    // Every network here has parameters, and they are all on one device.
    let device = network.devices().into_iter().next().unwrap_or_default();
    if on_cpu(&device) {
        return Ok(Model::new(CpuEngine::new(network.program(), &arrays(network).collect())?, card));
    }
    let device = device.inner();
    Ok(Model::new(GpuEngine { network: CompiledNetwork::new(network, &[0], &device)?, device }, card))
}

/// A checkpoint, ready to predict on a device.
///
/// # Errors
/// As [`Model::read`] and [`model`].
pub fn load_model(path: &Path, device: &Device) -> Result<Model> {
    if on_cpu(device) {
        return Model::load(path);
    }
    Model::load_with(path, &|program, weights, _| {
        let network = Network::from_arrays(program.clone(), weights, device)?;
        let device = device.clone().inner();
        Ok(GpuEngine { network: CompiledNetwork::new(&network, &[0], &device)?, device })
    })
}

#[derive(Debug)]
struct GpuEngine {
    network: CompiledNetwork,
    device: Device,
}

impl Engine for GpuEngine {
    fn bytes(&mut self, _: usize, _: [usize; 3]) -> Result<u64> {
        Ok(0)
    }

    fn probabilities(&mut self, patches: ArrayView5<f32>, answer: OutputActivation) -> Result<Array5<f32>> {
        let (n, c, d, h, w) = patches.dim();
        let values: Vec<f32> = patches.iter().copied().collect();
        let input = Tensor::<5>::from_data(TensorData::new(values, [n, c, d, h, w]), &self.device);
        let Some(logits) = self.network.run(vec![input]).pop() else { unreachable!("a compiled graph has an output") };
        let output = match answer {
            OutputActivation::Classes => softmax(logits, 1),
            OutputActivation::Regions => sigmoid(logits),
            OutputActivation::Logits => logits,
        };
        let values = output.try_into_data().map_err(failed)?;
        let values = values.try_into_vec::<f32>().map_err(|e| lost(&format!("{e:?}")))?;
        let classes = self.network.network().program().classes();
        Array5::from_shape_vec((n, classes, d, h, w), values).map_err(|e| lost(&e.to_string()).into())
    }

    fn multiple(&self) -> [usize; 3] {
        self.network.network().program().multiple()
    }
}

fn lost(why: &str) -> Diagnostic {
    Diagnostic::error(Code::E0901, format!("the device did not give the network's output back: {why}"))
        .help("try a smaller patch, or --device cpu")
}
