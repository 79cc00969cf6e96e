//! Several replicas of a network that share a batch.
//!
//! Part of `train`; may use `net` and Burn.
//!
//! The loss is no sum over patches: Dice and the class weights look at the whole batch. So the replicas do what is independent for each
//! patch, the passes through the network; the logits are gathered, the loss and its gradient with respect to them are computed once, and each replica
//! takes its part of that back through its own pass. The gradients of the weights are then sums over the parts. That is the step of one
//! worker, but for the order in which numbers are added. What travels is the logits and their gradients once, the weights and theirs
//! once; everything by Burn's own copies between devices, so that it is the same code for threads and for GPUs.

use std::ops::Range;
use std::panic::resume_unwind;
use std::thread::scope;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};

use super::loader::TrainBatch;
use super::loss::{DeviceTargets, Loss, Targets, Terms};
use crate::compile::memory::Segments;
use crate::kernel::backward_from;
use crate::net::{self, Network};
use crate::text::Result;

/// The devices of the replicas, with autodiff; the first one holds the weights and the optimiser.
#[derive(Clone, Debug)]
pub struct Workers {
    devices: Vec<Device>,
    /// Those of activation checkpointing.
    segments: Segments,
}

/// A batch on the main device, without gradients.
#[derive(Clone, Debug)]
pub struct DeviceBatch {
    /// `[N, C, D, H, W]`
    pub image: Tensor<5>,
    /// One for each output that is trained on.
    pub targets: Vec<DeviceTargets>,
}

impl DeviceBatch {
    pub fn new(batch: TrainBatch, device: &Device) -> Self {
        let plain = &device.clone().inner();
        let image = Tensor::from_data(TensorData::new(batch.image, batch.shape), plain);
        Self { image, targets: batch.targets.into_iter().map(|t| t.on(plain)).collect() }
    }
}

/// What all replicas' passes through the network have in common.
#[derive(Clone, Copy, Debug)]
pub struct PassSettings {
    pub seed: u64,
    /// Batches before.
    pub step: u64,
    pub frozen_statistics: bool,
}

impl PassSettings {
    /// The pass of the part of the batch that begins with this sample.
    fn of_part(self, first_sample: usize) -> net::TrainingPass {
        let pass = net::TrainingPass::new(self.seed, self.step).of_part(first_sample);
        if self.frozen_statistics { pass.frozen() } else { pass }
    }
}

/// A batch after the forward pass of all replicas.
pub struct ReplicatedForward {
    pub terms: Terms,
    /// One where one network sees the whole batch.
    parts: Vec<ReplicaPart>,
    /// The gathered logits of each output, with gradients of their own; none where they are those of one network.
    gathered: Vec<Tensor<5>>,
}

/// One replica's forward pass over its part of the batch.
struct ReplicaPart {
    network: Network,
    patches: Range<usize>,
    pass: net::ForwardPass,
}

impl Workers {
    /// So many, the first one on `device`: on the CPU threads, else as many devices of the kind. Each goes through the network in these
    /// segments.
    ///
    /// # Errors
    /// E0602 when a device is not there.
    pub fn new(device: &Device, count: usize, segments: Segments) -> Result<Self> {
        Ok(Self { devices: net::peers(device, count)?.iter().map(net::learning).collect(), segments })
    }

    /// Whether one network sees the whole batch.
    pub fn single(&self) -> bool {
        self.devices.len() < 2
    }

    /// The device of the weights and the loss.
    pub fn main(&self) -> &Device {
        &self.devices[0]
    }

    /// The loss of a batch that is on the main device; its patches are divided among the workers, in order. Random zeros follow from the seed
    /// and the number of batches before.
    pub fn forward(&self, network: &Network, given: DeviceBatch, loss: &Loss, settings: PassSettings) -> ReplicatedForward {
        let DeviceBatch { image, targets } = given;
        let outputs: Vec<usize> = if loss.heads.is_empty() { vec![0] } else { loss.heads.iter().map(|h| h.output).collect() };
        let targets: Vec<Targets> = targets.into_iter().map(|t| t.unpack(self.main())).collect();
        let part = |network: Network, patches: Range<usize>, device: &Device| {
            let own = image.clone().narrow(0, patches.start, patches.len()).to_device(&device.clone().inner());
            let pass = network.pass(net::tracked(own, device), &outputs, &self.segments, settings.of_part(patches.start));
            ReplicaPart { network, patches, pass }
        };
        let patches = shares(image.dims()[0], self.devices.len());
        if patches.len() < 2 {
            let pass = network.pass(net::tracked(image, self.main()), &outputs, &self.segments, settings.of_part(0));
            let terms = loss.terms(pass.outputs().to_vec(), &targets);
            return ReplicatedForward {
                terms,
                parts: vec![ReplicaPart { network: network.clone(), patches: 0..0, pass }],
                gathered: vec![],
            };
        }
        let parts: Vec<ReplicaPart> = each(patches.into_iter().zip(&self.devices), |(patches, device)| {
            // Leaves of its own: the graphs of the replicas have nothing in common.
            part(network.clone().fork(device), patches, device)
        });
        let main = self.main().clone().inner();
        let gather = |at: usize| {
            let all = parts.iter().map(|p| p.pass.outputs()[at].clone().inner().to_device(&main)).collect();
            net::tracked(Tensor::cat(all, 0), self.main()).require_grad()
        };
        let gathered: Vec<Tensor<5>> = (0..outputs.len()).map(gather).collect();
        let terms = loss.terms(gathered.clone(), &targets);
        ReplicatedForward { terms, parts, gathered }
    }
}

impl ReplicatedForward {
    /// The statistics of the batch for running ones; those of several replicas are averaged.
    pub fn observed(&self, workers: &Workers) -> Vec<net::Observed> {
        let main = workers.main().clone().inner();
        let mut parts = self.parts.iter().map(|p| p.pass.observed());
        let mut all = parts.next().unwrap_or_default();
        for part in parts {
            for (sum, one) in all.iter_mut().zip(part) {
                sum.value = sum.value.clone() + one.value.to_device(&main);
            }
        }
        let count = self.parts.len().max(1) as f64;
        all.iter_mut().for_each(|o| o.value = o.value.clone().to_device(&main) / count);
        all
    }

    /// The gradients of the weights of `network`, of which the pass was made, on its device: of the loss times `factor [1]`.
    pub fn backward(self, network: &Network, workers: &Workers, factor: Option<Tensor<1>>) -> GradientsParams {
        let Self { terms: Terms { total, .. }, mut parts, .. } = self;
        if self.gathered.is_empty() {
            // What the backward pass needs of the logits is saved.
            parts.iter_mut().for_each(|p| p.pass.release());
        }
        let gradients = factor.map_or(total.clone(), |factor| total * net::tracked(factor, workers.main())).backward();
        if self.gathered.is_empty() {
            return parts.pop().map(|part| part.pass.backward(gradients)).unwrap_or_default();
        }
        let of_logits: Vec<Option<Tensor<5>>> = self.gathered.iter().map(|t| t.grad(&gradients)).collect();
        let main = workers.main().clone().inner();
        let all = each(parts.into_iter().zip(&workers.devices), |(part, device)| {
            let ReplicaPart { network, patches, pass } = part;
            let own = device.clone().inner();
            let starts = pass.outputs().iter().zip(&of_logits).filter_map(|(logits, gradient)| {
                let gradient = gradient.clone()?.narrow(0, patches.start, patches.len()).to_device(&own);
                Some(backward_from(logits.clone(), net::tracked(gradient, device)))
            });
            let start = starts.reduce(|a, b| a + b);
            start.map(|start| pass.backward(start.backward()).to_device(&main, &network))
        });
        let mut sum = GradientsAccumulator::new();
        all.into_iter().flatten().for_each(|own| sum.accumulate(network, own));
        sum.grads()
    }
}

/// `count` things for so many workers, in order, none empty, sizes as alike as can be.
fn shares(count: usize, workers: usize) -> Vec<Range<usize>> {
    let workers = workers.clamp(1, count.max(1));
    (0..workers).map(|i| i * count / workers..(i + 1) * count / workers).collect()
}

/// Does all of them, each in a thread; the results in order.
fn each<T: Send, R: Send>(all: impl Iterator<Item = T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    scope(|scope| {
        let work = &work;
        let threads: Vec<_> = all.map(|one| scope.spawn(move || work(one))).collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_and_alike() {
        assert_eq!(shares(4, 2), [0..2, 2..4]);
        assert_eq!(shares(5, 4), [0..1, 1..2, 2..3, 3..5]);
        assert_eq!(shares(2, 4), [0..1, 1..2]);
        assert_eq!(shares(3, 1), vec![0..3; 1]);
    }
}
