//! The targets of the loss: made of a batch's labels on the host (in the loader's thread), sent to a device, and unpacked there.
//!
//! Part of `train::loss`.

use burn::tensor::{Device, Tensor, TensorData};

use super::Loss;
use super::border;
use super::label_scheme::LabelScheme;
use crate::kernel::{Packed, unpack};
use crate::net::tracked;

/// The targets of a batch for one output of the network, on the host.
#[derive(Clone, Debug)]
pub struct HostTargets {
    /// `[N, P, D, H, W]`: a bit for each of the `K` channels, 1 where a voxel is of the channel's class or in its region, and one after
    /// them for the region around the borders of classes, if it is asked for ([`Packed`]). A volume for each channel would take long
    /// to get to a GPU.
    bits: TensorData,
    channels: usize,
    bordered: bool,
    /// Voxels in the boundary region.
    border_count: usize,
    /// `w_c`, summing to 1 (all 0 for a batch without classes).
    weights: Vec<f32>,
    /// The same of Dice and Tversky: without the background where that is left out.
    overlap: Vec<f32>,
    /// The same of the cross-entropy.
    cross_entropy: Vec<f32>,
    /// What the focal loss is divided by, and the cross-entropy: the weight of all voxels, or the voxels where channels are regions.
    norms: [f64; 2],
}

impl HostTargets {
    /// From labels of the shape `[N, D, H, W]` in row-major order, after the part `along` of the run.
    pub(super) fn new(labels: &[u8], [n, d, h, w]: [usize; 4], loss: &Loss, along: f64) -> Self {
        let volume = d * h * w;
        let (label_scheme, channels) = (&loss.label_scheme, loss.label_scheme.channels());
        let table = label_scheme.table();
        let bordered = loss.objective.boundary != 0.0;
        let (mut counts, mut border_count) = (vec![0u64; channels], 0);
        let mut bits = Packed::new(n, channels + usize::from(bordered), volume);
        for (patch, labels) in labels.chunks_exact(volume.max(1)).enumerate().take(n) {
            for (at, &label) in labels.iter().enumerate() {
                for &c in &table[usize::from(label)] {
                    counts[c] += 1;
                    bits.set(patch, c, at);
                }
            }
        }
        let (weights, cross_entropy) = (loss.weights(&counts), loss.cross_entropy_weights(&counts, along));
        let norms = [&weights, &cross_entropy].map(|weights| match label_scheme {
            LabelScheme::Classes(_) => weights.iter().zip(&counts).map(|(w, &c)| w * c as f64).sum(),
            LabelScheme::Regions(_) => (n * volume) as f64,
        });
        let mut overlap = weights.clone();
        if !loss.objective.background && matches!(label_scheme, LabelScheme::Classes(_)) {
            overlap.iter_mut().take(1).for_each(|w| *w = 0.0);
            overlap = super::weights::normalised(&overlap);
        }

        if bordered {
            let kinds = label_scheme.kinds().map(|kinds| labels.iter().map(|l| kinds[usize::from(*l)]).collect::<Vec<u8>>());
            let (radius, norm) = (loss.objective.radius, loss.objective.norm);
            for (patch, labels) in kinds.as_deref().unwrap_or(labels).chunks_exact(volume.max(1)).enumerate().take(n) {
                for (at, _) in border::region(labels, [d, h, w], radius, norm).into_iter().enumerate().filter(|(_, inside)| *inside) {
                    border_count += 1;
                    bits.set(patch, channels, at);
                }
            }
        }
        let single = |w: Vec<f64>| w.into_iter().map(|w| w as f32).collect::<Vec<f32>>();
        let (bits, parts) = bits.into_values();
        let bits = TensorData::new(bits, [n, parts, d, h, w]);
        let [weights, overlap, cross_entropy] = [weights, overlap, cross_entropy].map(single);
        Self { bits, channels, bordered, border_count, weights, overlap, cross_entropy, norms }
    }

    /// The class weights `w_c`.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Those of the cross-entropy.
    pub fn cross_entropy_weights(&self) -> &[f32] {
        &self.cross_entropy
    }

    /// On a device, all that changes from batch to batch as tensors.
    pub fn on(self, device: &Device) -> DeviceTargets {
        // A count of 0 adds nothing, and is not divided by.
        let inverse = |count: f64| if count > 0.0 { (1.0 / count) as f32 } else { 0.0 };
        let mut numbers = [&self.weights[..], &self.overlap, &self.cross_entropy].concat();
        numbers.push(self.overlap.iter().sum());
        let [focal, cross_entropy] = self.norms;
        numbers.extend([focal, cross_entropy, self.border_count as f64].map(inverse));
        let count = numbers.len();
        DeviceTargets {
            bits: Tensor::from_data(self.bits, device),
            channels: self.channels,
            bordered: self.bordered,
            numbers: Tensor::from_data(TensorData::new(numbers, [count]), device),
        }
    }
}

/// Targets on a device, packed as they are sent.
#[derive(Clone, Debug)]
pub struct DeviceTargets {
    /// `[N, P, D, H, W]`, as in [`HostTargets`].
    bits: Tensor<5>,
    channels: usize,
    bordered: bool,
    /// Those of [`Targets`].
    numbers: Tensor<1>,
}

impl DeviceTargets {
    /// Unpacked, on the device with autodiff.
    pub fn unpack(self, device: &Device) -> Targets {
        let Self { bits, channels, bordered, numbers } = self;
        Targets {
            one_hot: tracked(unpack(bits.clone(), 0, channels), device),
            border: bordered.then(|| tracked(unpack(bits, channels, 1), device)),
            numbers: tracked(numbers, device),
        }
    }

    /// Its tensors, which [`DeviceTargets::like`] takes.
    #[cfg(feature = "gpu")]
    pub fn tensors(self) -> [Tensor<5>; 2] {
        let count = self.numbers.dims()[0];
        [self.bits, self.numbers.reshape([1, 1, 1, 1, count])]
    }

    /// One of the shape of this one, from the tensors that come next.
    #[cfg(feature = "gpu")]
    pub fn like(&self, tensors: &mut impl Iterator<Item = Tensor<5>>) -> Self {
        let mut next = || tensors.next().unwrap_or_else(|| unreachable!("as many tensors as it was made into"));
        Self { bits: next(), numbers: next().reshape(self.numbers.dims()), ..self.clone() }
    }
}

/// Targets as the loss reads them.
#[derive(Clone, Debug)]
pub struct Targets {
    /// `[N, K, D, H, W]`
    pub one_hot: Tensor<5>,
    /// `[N, 1, D, H, W]`; none where the boundary loss weighs nothing.
    pub border: Option<Tensor<5>>,
    /// The class weights `[K]`, those of Dice and Tversky `[K]`, those of the cross-entropy `[K]`, the sum of the second, and what
    /// the focal loss, the cross-entropy and the boundary loss are multiplied by: `[3 K + 4]`.
    numbers: Tensor<1>,
}

impl Targets {
    fn channels(&self) -> usize {
        self.one_hot.dims()[1]
    }

    fn slice(&self, from: usize, len: usize) -> Tensor<1> {
        self.numbers.clone().narrow(0, from, len)
    }

    /// `w_c`, `[K]`.
    pub(super) fn weights(&self) -> Tensor<1> {
        self.slice(0, self.channels())
    }

    /// The same of Dice and Tversky, `[K]`.
    pub(super) fn overlap(&self) -> Tensor<1> {
        self.slice(self.channels(), self.channels())
    }

    /// The same of the cross-entropy, `[K]`.
    pub(super) fn cross_entropy(&self) -> Tensor<1> {
        self.slice(2 * self.channels(), self.channels())
    }

    /// The sum of the weights of Dice and Tversky, `[1]`.
    pub(super) fn overlap_sum(&self) -> Tensor<1> {
        self.slice(3 * self.channels(), 1)
    }

    /// What the weighted sum of the focal loss over all voxels is multiplied by, `[1]`.
    pub(super) fn focal_share(&self) -> Tensor<1> {
        self.slice(3 * self.channels() + 1, 1)
    }

    /// The same of the cross-entropy, `[1]`.
    pub(super) fn cross_entropy_share(&self) -> Tensor<1> {
        self.slice(3 * self.channels() + 2, 1)
    }

    /// What a sum over the boundary region is multiplied by, `[1]`.
    pub(super) fn border_share(&self) -> Tensor<1> {
        self.slice(3 * self.channels() + 3, 1)
    }
}

/// Labels `[N, D, H, W]` resampled to another size by nearest neighbour (PyTorch's `nearest-exact`); of two equally near the upper one.
pub fn resized(labels: &[u8], n: usize, from: [usize; 3], to: [usize; 3]) -> Vec<u8> {
    if from == to {
        return labels.to_vec();
    }
    let place = |axis: usize| -> Vec<usize> {
        (0..to[axis]).map(|i| ((2 * i + 1) * from[axis] / (2 * to[axis]).max(1)).min(from[axis].saturating_sub(1))).collect()
    };
    let places = [place(0), place(1), place(2)];
    let volume = from.iter().product::<usize>();
    let mut out = Vec::with_capacity(n * to.iter().product::<usize>());
    for labels in labels.chunks_exact(volume.max(1)).take(n) {
        for z in &places[0] {
            for y in &places[1] {
                let row = (z * from[1] + y) * from[2];
                out.extend(places[2].iter().map(|x| labels[row + x]));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_taken_where_the_middle_of_a_voxel_lies() {
        // As torch.nn.functional.interpolate(mode="nearest-exact") takes them.
        assert_eq!(resized(&[0, 1, 2, 3, 4, 5], 1, [1, 1, 6], [1, 1, 3]), [1, 3, 5]);
        assert_eq!(resized(&[0, 1, 2, 3, 4, 5], 1, [1, 1, 6], [1, 1, 2]), [1, 4]);
        assert_eq!(resized(&[0, 1, 2, 3, 4], 1, [1, 1, 5], [1, 1, 3]), [0, 2, 4]);
        assert_eq!(resized(&[0, 1, 2, 3, 4, 5, 6, 7], 2, [1, 2, 2], [1, 1, 2]), [2, 3, 6, 7]);
        assert_eq!(resized(&[7, 8], 1, [1, 1, 2], [1, 1, 2]), [7, 8]);
    }
}
