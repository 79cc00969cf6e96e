//! What computes a trained network's probabilities: the executor on a CPU, or what a caller brings for another device.
//!
//! Part of `infer`; may use `exec` and `text`.

use std::fmt::Debug;

use ndarray::{Array3, Array5, ArrayView4, ArrayView5, ArrayViewMut3, Axis};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::last_layer::LastLayer;
use super::window::argmax;
use crate::compile::Program;
use crate::exec::{Executor, Shape};
use crate::ir::Arrays;
use crate::text::{Code, Diagnostic, Result};

/// How the logits of a network become probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputActivation {
    /// A voxel is of one class: softmax over the channels.
    Classes,
    /// A voxel is in each region or not: sigmoid of each channel.
    Regions,
    /// The logits as they are.
    Logits,
}

/// A network ready to run on some device. Of a graph with several outputs the first one is computed.
pub trait Engine: Debug + Send {
    /// Bytes that `batch` patches of `size` D, H, W take at once in this machine's memory, with their results and what is kept from one time
    /// to the next; 0 where the memory is another device's.
    ///
    /// # Errors
    /// E0303 for a size that the network does not take.
    fn bytes(&mut self, batch: usize, size: [usize; 3]) -> Result<u64>;

    /// As [`Engine::bytes`], of [`Engine::classes`].
    ///
    /// # Errors
    /// As [`Engine::bytes`].
    fn bytes_of_classes(&mut self, size: [usize; 3]) -> Result<u64> {
        self.bytes(1, size)
    }

    /// Probabilities `[N, K, D, H, W]` of the classes or regions of patches `[N, C, D, H, W]`.
    ///
    /// # Errors
    /// E0303 for a size that the network does not take, E0901 when the device fails.
    fn probabilities(&mut self, patches: ArrayView5<f32>, answer: OutputActivation) -> Result<Array5<f32>>;

    /// The class of every voxel `[D, H, W]` of one patch `[C, D, H, W]`: the place of its greatest logit, the first of several. Where the engine
    /// can it holds no more than a part of the logits at once.
    ///
    /// # Errors
    /// As [`Engine::probabilities`].
    fn classes(&mut self, patch: ArrayView4<f32>) -> Result<Array3<u8>> {
        by_logits(self, patch)
    }

    /// Channels `F` of what its last layer reads, where that layer can be done afterwards, by [`Engine::classes_of`].
    fn feature_channels(&self) -> Option<usize> {
        None
    }

    /// What the last layer reads, `[N, F, D, H, W]`, of patches `[N, C, D, H, W]`; of an engine with [`Engine::feature_channels`].
    ///
    /// # Errors
    /// As [`Engine::probabilities`].
    fn features(&mut self, patches: ArrayView5<f32>) -> Result<Array5<f32>> {
        self.probabilities(patches, OutputActivation::Logits)
    }

    /// The class of every voxel `[D, H, W]` from what the last layer reads, `[F, D, H, W]`.
    ///
    /// # Errors
    /// As [`Engine::probabilities`].
    fn classes_of(&mut self, features: ArrayView4<f32>) -> Result<Array3<u8>> {
        Ok(argmax(features))
    }

    /// What the depth, height and width of a patch must be multiples of.
    fn multiple(&self) -> [usize; 3];

    /// Gives back what is kept from one time to the next, until the next time.
    fn release(&mut self) {}
}

/// The executor on a CPU.
#[derive(Debug)]
pub struct CpuEngine {
    executor: Executor,
    /// The network in two parts, for [`Engine::classes`].
    head: Option<LastLayer>,
}

impl CpuEngine {
    /// What leads to other outputs than the first one is not run.
    ///
    /// # Errors
    /// As [`Executor::new`].
    pub fn new(program: &Program, weights: &Arrays) -> Result<Self> {
        let mut program = program.clone();
        program.graph.outputs.truncate(1);
        Ok(Self { executor: Executor::new(&program, weights)?, head: None })
    }

    /// The same, that gives classes without all logits where its last layer is a pointwise convolution. Weights are held twice.
    ///
    /// # Errors
    /// As [`Executor::new`].
    pub fn for_classes(program: &Program, weights: &Arrays) -> Result<Self> {
        Ok(Self { head: LastLayer::new(program, weights)?, ..Self::new(program, weights)? })
    }
}

impl Engine for CpuEngine {
    fn bytes(&mut self, batch: usize, size: [usize; 3]) -> Result<u64> {
        let shape = Shape { batch, size };
        let threads = rayon::current_num_threads();
        let outputs = self.executor.outputs(shape)?.iter().filter_map(|(_, f)| f.elements().ok()).sum::<u64>();
        let channels = self.executor.program().input_channels() as u64;
        let voxels = size.iter().fold(batch as u64, |n, d| n.saturating_mul(*d as u64));
        // The patches twice: as cut, and as the executor reads it.
        Ok(self.executor.bytes(shape, threads)?.saturating_add(4 * (outputs + 2 * channels * voxels)))
    }

    fn probabilities(&mut self, patches: ArrayView5<f32>, answer: OutputActivation) -> Result<Array5<f32>> {
        let (n, _, d, h, w) = patches.dim();
        let values: Vec<f32> = patches.iter().copied().collect();
        let mut outputs = self.executor.run(&[&values], Shape { batch: n, size: [d, h, w] })?;
        if outputs.is_empty() {
            unreachable!("a compiled graph has an output");
        }
        let logits = outputs.swap_remove(0);
        let classes = logits.len() / (n * d * h * w);
        let mut p = Array5::from_shape_vec((n, classes, d, h, w), logits)
            .map_err(|e| Diagnostic::error(Code::E0901, format!("the executor's output has another shape than its graph says: {e}")))?;
        match answer {
            OutputActivation::Classes => normalise(&mut p),
            OutputActivation::Regions => squash(&mut p),
            OutputActivation::Logits => {}
        }
        Ok(p)
    }

    fn classes(&mut self, patch: ArrayView4<f32>) -> Result<Array3<u8>> {
        match &mut self.head {
            Some(head) => head.classes(patch),
            None => by_logits(self, patch),
        }
    }

    fn feature_channels(&self) -> Option<usize> {
        self.head.as_ref().and_then(|_| LastLayer::channels(self.executor.program()))
    }

    fn features(&mut self, patches: ArrayView5<f32>) -> Result<Array5<f32>> {
        match &mut self.head {
            Some(head) => head.features(patches),
            None => self.probabilities(patches, OutputActivation::Logits),
        }
    }

    fn classes_of(&mut self, features: ArrayView4<f32>) -> Result<Array3<u8>> {
        let (_, d, h, w) = features.dim();
        match &mut self.head {
            Some(head) => head.classes_of(&features.iter().copied().collect::<Vec<f32>>(), [d, h, w]),
            None => Ok(argmax(features)),
        }
    }

    fn bytes_of_classes(&mut self, size: [usize; 3]) -> Result<u64> {
        match &mut self.head {
            Some(head) => head.bytes(size),
            None => self.bytes(1, size),
        }
    }

    fn multiple(&self) -> [usize; 3] {
        self.executor.program().multiple()
    }

    fn release(&mut self) {
        self.executor.release();
        self.head.iter_mut().for_each(LastLayer::release);
    }
}

/// The classes of a patch from all of its logits.
fn by_logits<E: Engine + ?Sized>(engine: &mut E, patch: ArrayView4<f32>) -> Result<Array3<u8>> {
    let logits = engine.probabilities(patch.insert_axis(Axis(0)), OutputActivation::Logits)?;
    Ok(argmax(logits.index_axis(Axis(0), 0)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::compile;
    use crate::store;
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
        let weights = store::init(&program, 0).unwrap();
        let mut engine = CpuEngine::new(&program, &weights).unwrap();
        let graph = &engine.executor.program().graph;
        assert!(graph.outputs.len() == 1 && !graph.values().any(|v| graph.node(v).path.starts_with("deep")));
        let patches = Array5::from_shape_fn((2, 1, 8, 8, 8), |(n, _, z, y, x)| ((5 * n + z + 2 * y + 3 * x) as f32).sin());
        let p = engine.probabilities(patches.view(), OutputActivation::Classes).unwrap();
        assert_eq!(p.dim(), (2, 3, 8, 8, 8));
        let mut whole = Executor::new(&program, &weights).unwrap();
        let values = patches.into_raw_vec_and_offset().0;
        let logits = whole.run(&[&values], Shape { batch: 2, size: [8; 3] }).unwrap().swap_remove(0);
        let mut want = Array5::from_shape_vec((2, 3, 8, 8, 8), logits).unwrap();
        normalise(&mut want);
        assert!(p.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-6));
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

    #[test]
    fn classes_are_those_of_the_greatest_logits_whether_parted_or_not() {
        let text = |head: &str| {
            format!(
                r#"(inputs: {{ "image": (channels: 1, size: (8, 8, 8)) }}, nodes: {{
                "conv": Conv(x: "image", out: 4, norm: instance(affine: false), activation: elu), "head": {head} }},
                outputs: {{ "logits": "head" }})"#
            )
        };
        for (head, parted) in [(r#"Conv(x: "conv", out: 5, kernel: 1)"#, true), (r#"Conv(x: "conv", out: 5)"#, false)] {
            let program = compile(&Source::new("net.ron", text(head)), &[], None).unwrap();
            let weights = store::init(&program, 3).unwrap();
            let mut engine = CpuEngine::for_classes(&program, &weights).unwrap();
            assert_eq!(engine.head.is_some(), parted);
            // More voxels than one block holds, and not a whole number of blocks.
            let size = if parted { [41, 59, 47] } else { [4, 5, 6] };
            let patch =
                ndarray::Array4::from_shape_fn((1, size[0], size[1], size[2]), |(_, z, y, x)| ((5 * z + 2 * y + 3 * x * y) as f32).sin());
            let want = by_logits(&mut engine, patch.view()).unwrap();
            assert_eq!(engine.classes(patch.view()).unwrap(), want);
            let features = engine.features(patch.view().insert_axis(Axis(0))).unwrap();
            assert_eq!(features.dim().1, engine.feature_channels().unwrap_or(5));
            assert_eq!(engine.classes_of(features.index_axis(Axis(0), 0)).unwrap(), want);
            assert!((0..5).all(|class| want.iter().any(|c| *c == class)), "every class is somewhere");
            assert!(engine.bytes_of_classes(size).unwrap() > 0);
        }
    }
}
