//! The last layer of a network by itself, where it is a pointwise convolution: each voxel's class without all logits. What it reads may be averaged over
//! windows and resampled before, as the logits would be: all three are linear.
//!
//! Part of `infer`; may use `compile`, `exec`, `ir`, `op`, `text`. Of 104 classes the logits of 256^3 voxels take 6.5 GiB; the 21 channels of which
//! they are made take 1.3, and logits of a few thousand voxels at a time stay in the cache.

use ndarray::{Array3, Array5, ArrayView4, ArrayView5, ShapeError};
use rayon::prelude::*;

use crate::compile::Program;
use crate::exec::{Executor, Shape};
use crate::ir::{Arrays, Fact, Graph};
use crate::op::{Input, Op};
use crate::text::{Code, Diagnostic, Diagnostics, Result};

/// Logits that are held at once, at the most: 2 MiB of them.
const LOGITS: usize = 1 << 19;
/// Voxels of a row of a block.
const ROW: usize = 64;
/// Voxels for which one thread finds the greatest logits.
const SHARE: usize = 1024;

/// A network in two parts.
#[derive(Debug)]
pub struct LastLayer {
    /// All but the last layer.
    features: Executor,
    last: Executor,
    channels: usize,
    classes: usize,
}

impl LastLayer {
    /// Of a program whose first output is made by a pointwise convolution; none of another.
    ///
    /// # Errors
    /// As [`Executor::new`].
    pub fn new(program: &Program, weights: &Arrays) -> Result<Option<Self>> {
        let mut features = program.clone();
        features.graph.outputs.truncate(1);
        let Some((_, output)) = features.graph.outputs.first().cloned() else { return Ok(None) };
        let node = features.graph.node(output).clone();
        let (Some(channels), Op::Conv3d(conv), [x]) = (Self::channels(&features), &node.op, node.inputs.as_slice()) else {
            return Ok(None);
        };
        let (x, classes) = (*x, conv.out);
        let path = node.shares.map_or(node.path.clone(), |owner| features.graph.node(owner).path.clone());
        let mut graph: Graph<Op> = Graph::default();
        let seen = graph.input("x".into(), Input.into(), Fact { channels, size: block(classes), ..features.graph.fact(x) });
        let told = |message: String| Diagnostic::error(Code::E0901, message);
        let y = graph.add(path, node.op.clone(), &[seen]).map_err(|f| told(f.message))?;
        graph.outputs.push(("logits".into(), y));
        let last = Program::from_graph("head", graph, vec![("x".into(), seen)]);
        features.graph.outputs[0].1 = x;
        Ok(Some(Self { features: Executor::new(&features, weights)?, last: Executor::new(&last, weights)?, channels, classes }))
    }

    /// Channels of what the last layer of a program reads, where it can stand by itself.
    pub fn channels(program: &Program) -> Option<usize> {
        let graph = &program.graph;
        let node = graph.node(graph.outputs.first()?.1);
        let (Op::Conv3d(conv), [x]) = (&node.op, node.inputs.as_slice()) else { return None };
        let alone = conv.is_pointwise() && conv.groups == 1 && !graph.inputs(*x).is_empty();
        alone.then(|| graph.fact(*x).channels)
    }

    /// What the last layer reads, `[N, F, D, H, W]`, of patches `[N, C, D, H, W]`.
    ///
    /// # Errors
    /// E0303 for a size that the network does not take; memory that cannot be had.
    pub fn features(&mut self, patches: ArrayView5<f32>) -> Result<Array5<f32>> {
        let (n, _, d, h, w) = patches.dim();
        let values: Vec<f32> = patches.iter().copied().collect();
        let made = self.features.run(&[&values], Shape { batch: n, size: [d, h, w] })?;
        Array5::from_shape_vec((n, self.channels, d, h, w), made.into_iter().next().unwrap_or_default()).map_err(other_size)
    }

    /// Bytes that a patch of `size` D, H, W takes.
    ///
    /// # Errors
    /// E0303 for a size that the network does not take.
    pub fn bytes(&mut self, size: [usize; 3]) -> Result<u64> {
        let threads = rayon::current_num_threads();
        let voxels = size.iter().fold(1u64, |n, d| n.saturating_mul(*d as u64));
        let inputs = self.features.program().input_channels() as u64;
        let all = self.features.bytes(Shape { batch: 1, size }, threads)?;
        let logits = self.last.bytes(Shape { batch: 1, size: block(self.classes) }, threads)?;
        Ok(all.saturating_add(logits).saturating_add(4 * LOGITS as u64).saturating_add((4 * (inputs + self.channels as u64) + 1) * voxels))
    }

    /// The place of the greatest logit of every voxel `[D, H, W]`, the first of several, of a patch `[C, D, H, W]`.
    ///
    /// # Errors
    /// E0303 for a size that the network does not take; memory that cannot be had.
    pub fn classes(&mut self, patch: ArrayView4<f32>) -> Result<Array3<u8>> {
        let (_, d, h, w) = patch.dim();
        let values: Vec<f32> = patch.iter().copied().collect();
        let made = self.features.run(&[&values], Shape { batch: 1, size: [d, h, w] })?;
        drop(values);
        self.features.release();
        self.classes_of(&made.into_iter().next().unwrap_or_default(), [d, h, w])
    }

    /// The same of what the last layer reads, `[F, D, H, W]` in a row.
    ///
    /// # Errors
    /// As [`LastLayer::classes`].
    pub fn classes_of(&mut self, features: &[f32], [d, h, w]: [usize; 3]) -> Result<Array3<u8>> {
        let all = features.len() / self.channels.max(1);
        let size = block(self.classes);
        let step: usize = size.iter().product();
        let mut labels = vec![0u8; all];
        let mut seen = vec![0f32; self.channels * step];
        let mut logits = vec![0f32; self.classes * step];
        for (first, labels) in (0..).step_by(step).zip(labels.chunks_mut(step)) {
            let count = labels.len();
            for (to, from) in seen.chunks_mut(step).zip(features.chunks(all.max(1))) {
                to[..count].copy_from_slice(&from[first..first + count]);
            }
            self.last.run_into(&[&seen], Shape { batch: 1, size }, &mut [&mut logits])?;
            let parts = labels.par_chunks_mut(SHARE).enumerate();
            parts.for_each(|(n, labels)| greatest(&logits, step, n * SHARE, labels));
        }
        Array3::from_shape_vec((d, h, w), labels).map_err(other_size)
    }

    /// Gives back the memory that is kept from one time to the next.
    pub fn release(&mut self) {
        self.features.release();
        self.last.release();
    }
}

fn other_size(e: ShapeError) -> Diagnostics {
    Diagnostic::error(Code::E0901, format!("the network's answer has another size than what it was given: {e}")).into()
}

/// D, H, W of the voxels whose logits are made at once.
fn block(classes: usize) -> [usize; 3] {
    [1, (LOGITS / classes.max(1) / ROW).max(1), ROW]
}

/// The places of the greatest of logits `[K, step]` from voxel `first` on.
fn greatest(logits: &[f32], step: usize, first: usize, labels: &mut [u8]) {
    let mut most = [f32::NEG_INFINITY; SHARE];
    labels.fill(0);
    for (class, row) in (0..=u8::MAX).zip(logits.chunks(step.max(1))) {
        let row = &row[first..first + labels.len()];
        for ((label, most), v) in labels.iter_mut().zip(&mut most).zip(row) {
            if *v > *most {
                (*most, *label) = (*v, class);
            }
        }
    }
}
