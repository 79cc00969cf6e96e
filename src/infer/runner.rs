//! What runs a trained network: the executor on a CPU, Burn on any other device.
//!
//! Part of `infer`; may use `net`, `exec` and `text`.

use std::collections::HashMap;

use burn::module::Module;
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array5, ArrayView5, ArrayViewMut3, Axis};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::compile::Program;
use crate::exec::{Executor, Shape};
use crate::net::{self, Network, Settled, failed};
use crate::text::{Code, Diagnostic, Result};

/// How the logits of a network become probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A voxel is of one class: softmax over the channels.
    Classes,
    /// A voxel is in each region or not: sigmoid of each channel.
    Regions,
}

/// A network ready to run. Gradients are not kept.
#[derive(Debug)]
pub struct Runner {
    place: Place,
    answer: Answer,
}

#[derive(Debug)]
enum Place {
    Cpu(Box<Executor>),
    Device(Box<Settled>, Device),
}

impl Runner {
    /// For the device that the network is on. Of a graph with several outputs only what leads to the first one is run.
    ///
    /// # Errors
    /// As [`Executor::new`].
    pub fn new(network: &Network, answer: Answer) -> Result<Self> {
        // Every network here has parameters, and they are all on one device.
        let device = network.devices().into_iter().next().unwrap_or_default();
        if !net::on_cpu(&device) {
            let device = device.inner();
            let settled = Settled::new(network, &[0], &device)?;
            return Ok(Self { place: Place::Device(Box::new(settled), device), answer });
        }
        let trained: HashMap<String, (Vec<usize>, Vec<f32>)> = net::numbers(network).collect();
        let find = |name: &str| trained.get(name).map(|(dims, values)| (dims.as_slice(), values.as_slice()));
        let mut program = Program::clone(network.program());
        program.graph.outputs.truncate(1);
        Ok(Self { place: Place::Cpu(Box::new(Executor::new(&program, &find)?)), answer })
    }

    /// Bytes that `batch` patches of `size` D, H, W take at once in this machine's memory, with their answers and what is kept from one time to the
    /// next; 0 on another device.
    ///
    /// # Errors
    /// E0303 for a size that the network does not take.
    pub fn bytes(&mut self, batch: usize, size: [usize; 3]) -> Result<u64> {
        match &mut self.place {
            Place::Cpu(executor) => {
                let shape = Shape { batch, size };
                let threads = rayon::current_num_threads();
                let outputs = executor.outputs(shape)?.iter().filter_map(|(_, f)| f.elements().ok()).sum::<u64>();
                let channels = executor.program().input_channels() as u64;
                let voxels = size.iter().fold(batch as u64, |n, d| n.saturating_mul(*d as u64));
                // The patches twice: as cut, and as the executor reads it.
                Ok(executor.bytes(shape, threads)?.saturating_add(4 * (outputs + 2 * channels * voxels)))
            }
            Place::Device(..) => Ok(0),
        }
    }

    /// Probabilities `[N, K, D, H, W]` of the classes or regions of patches `[N, C, D, H, W]`.
    ///
    /// # Errors
    /// E0303 for a size that the network does not take, E0901 when the device gives the result up.
    pub fn probabilities(&mut self, patches: ArrayView5<f32>) -> Result<Array5<f32>> {
        let (n, c, d, h, w) = patches.dim();
        let values: Vec<f32> = patches.iter().copied().collect();
        let (values, classes) = match &mut self.place {
            Place::Cpu(executor) => {
                let mut outputs = executor.run(&[&values], Shape { batch: n, size: [d, h, w] })?;
                if outputs.is_empty() {
                    unreachable!("a compiled graph has an output");
                }
                let logits = outputs.swap_remove(0);
                let classes = logits.len() / (n * d * h * w);
                (logits, classes)
            }
            Place::Device(settled, device) => {
                let input = Tensor::<5>::from_data(TensorData::new(values, [n, c, d, h, w]), &*device);
                let Some(logits) = settled.run(vec![input]).pop() else { unreachable!("a compiled graph has an output") };
                let output = match self.answer {
                    Answer::Classes => softmax(logits, 1),
                    Answer::Regions => sigmoid(logits),
                };
                let values = output.try_into_data().map_err(failed)?;
                (values.try_into_vec::<f32>().map_err(|e| lost(&format!("{e:?}")))?, settled.network().program().classes())
            }
        };
        let mut p = Array5::from_shape_vec((n, classes, d, h, w), values).map_err(|e| lost(&e.to_string()))?;
        if matches!(self.place, Place::Cpu(_)) {
            match self.answer {
                Answer::Classes => normalise(&mut p),
                Answer::Regions => squash(&mut p),
            }
        }
        Ok(p)
    }
}

/// Softmax over the classes.
fn normalise(logits: &mut Array5<f32>) {
    by_plane(logits, |mut plane| {
        for mut voxel in plane.lanes_mut(Axis(0)) {
            let most = voxel.fold(f32::NEG_INFINITY, |a, b| a.max(*b));
            voxel.mapv_inplace(|v| (v - most).exp());
            let sum = voxel.sum();
            voxel.mapv_inplace(|v| v / sum);
        }
    });
}

/// Sigmoid of each value.
fn squash(logits: &mut Array5<f32>) {
    by_plane(logits, |mut plane| plane.mapv_inplace(|v| 1.0 / (1.0 + (-v).exp())));
}

/// Every `[K, H, W]` of every patch, on all threads.
fn by_plane(logits: &mut Array5<f32>, change: impl Fn(ArrayViewMut3<f32>) + Sync) {
    for mut patch in logits.axis_iter_mut(Axis(0)) {
        let planes: Vec<_> = patch.axis_iter_mut(Axis(1)).collect();
        planes.into_par_iter().for_each(&change);
    }
}

fn lost(why: &str) -> Diagnostic {
    Diagnostic::error(Code::E0901, format!("the device did not give the network's output back: {why}"))
        .help("try a smaller patch, or --device cpu")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::compile::compile;
    use crate::text::Source;

    #[test]
    fn what_leads_to_other_outputs_is_not_run() {
        let text = r#"(
            inputs: { "image": (channels: 1, size: (8, 8, 8)) },
            nodes: {
                "down": Conv3D(x: "image", out: 2, kernel: 3, stride: 2),
                "up": UpConv3D(x: "down", out: 2),
                "head": SegHead(x: "up", classes: 3),
                "deep": SegHead(x: "down", classes: 3),
            },
            outputs: { "logits": "head", "deep": "deep" },
        )"#;
        let program = compile(&Source::new("two.ron", text), &[], None).unwrap();
        let network = Network::new(Arc::new(program), &Device::flex(), 0).unwrap();
        let mut runner = Runner::new(&network, Answer::Classes).unwrap();
        let Place::Cpu(executor) = &runner.place else { panic!("it is on the CPU") };
        let graph = &executor.program().graph;
        assert!(graph.outputs.len() == 1 && !graph.values().any(|v| graph.node(v).path.starts_with("deep")));
        let patches = Array5::from_shape_fn((2, 1, 8, 8, 8), |(n, _, z, y, x)| ((5 * n + z + 2 * y + 3 * x) as f32).sin());
        let p = runner.probabilities(patches.view()).unwrap();
        let input = Tensor::<5>::from_data(TensorData::new(patches.into_raw_vec_and_offset().0, [2, 1, 8, 8, 8]), &Device::flex());
        let want = softmax(network.forward(input), 1).into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(p.dim(), (2, 3, 8, 8, 8));
        assert!(p.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn a_sigmoid_is_sound_to_either_end() {
        let mut p = Array5::from_shape_fn((2, 2, 1, 1, 3), |(_, k, _, _, x)| [-1e4, 0.0, 3.0][x] * (1.0 - 2.0 * k as f32));
        squash(&mut p);
        let want = [0.0, 0.5, 0.952_574_13, 1.0, 0.5, 0.047_425_87];
        assert!(p.iter().zip(want.iter().cycle()).all(|(p, w)| (p - w).abs() < 1e-6), "{p:?}");
    }

    #[test]
    fn probabilities_sum_to_one_whatever_the_logits() {
        let mut p = Array5::from_shape_fn((2, 3, 2, 3, 4), |(n, k, z, y, x)| (k * 700 + n) as f32 - (z * 5 + y * 3 + x) as f32);
        let logits = p.clone();
        normalise(&mut p);
        for (i, v) in p.indexed_iter() {
            let row: Vec<f64> = (0..3).map(|k| f64::from(logits[[i.0, k, i.2, i.3, i.4]])).collect();
            let most = row.iter().fold(f64::MIN, |a, b| a.max(*b));
            let sum: f64 = row.iter().map(|v| (v - most).exp()).sum();
            assert!((f64::from(*v) - (row[i.1] - most).exp() / sum).abs() < 1e-6);
        }
    }
}
