//! Values of a network while it runs: computed, or deferred to the only operation that reads them ([`Operator::takes`]), which may fuse
//! them with others into one kernel.
//!
//! [`Operator::takes`]: crate::ir::Operator::takes

use crate::kernel::{Branch, gate, gates, silu};
use burn::tensor::Tensor;

/// A value, or what is needed to compute it.
#[derive(Clone, Debug)]
pub enum LazyTensor {
    Ready(Tensor<5>),
    /// SiLU of it.
    Silu(Tensor<5>),
    /// One channel of a value of the graph, the one with the number `from`.
    Channel {
        of: Tensor<5>,
        from: usize,
        channel: usize,
    },
    Gated(Gated),
}

/// Branches of a gate, each with the channel of `by` that it is multiplied by.
#[derive(Clone, Debug)]
pub struct Gated {
    branches: Vec<(usize, Branch)>,
    by: Tensor<5>,
    /// Which value of the graph `by` is; none where it has the channel of one branch only.
    from: Option<usize>,
}

impl LazyTensor {
    /// Whether an operation on it is better deferred to its reader.
    pub fn defers(&self) -> bool {
        match self {
            LazyTensor::Ready(x) => gates(x),
            LazyTensor::Silu(_) | LazyTensor::Channel { .. } | LazyTensor::Gated(_) => true,
        }
    }

    /// The value, computed now if it was deferred.
    pub fn compute(self) -> Tensor<5> {
        match self {
            LazyTensor::Ready(x) => x,
            LazyTensor::Silu(x) => silu(x),
            LazyTensor::Channel { of, channel, .. } => of.narrow(1, channel, 1),
            LazyTensor::Gated(gated) => gated.compute(),
        }
    }

    /// The product, where one is a volume and the other has a single channel for all of its channels.
    ///
    /// # Errors
    /// Else the two as they are.
    pub fn times(self, other: LazyTensor) -> Result<LazyTensor, Vec<LazyTensor>> {
        if let (Some(x), Some(shape)) = (self.volume(), other.single())
            && x.gated_by(shape)
        {
            return Ok(self.gated(other));
        }
        if let (Some(x), Some(shape)) = (other.volume(), self.single())
            && x.gated_by(shape)
        {
            return Ok(other.gated(self));
        }
        Err(vec![self, other])
    }

    /// The sum, where both are branches of one gate.
    ///
    /// # Errors
    /// Else the two as they are.
    pub fn plus(self, other: LazyTensor) -> Result<LazyTensor, Vec<LazyTensor>> {
        match (self, other) {
            (LazyTensor::Gated(mut a), LazyTensor::Gated(b)) if a.joins(&b) => {
                a.branches.extend(b.branches);
                Ok(LazyTensor::Gated(a))
            }
            (a, b) => Err(vec![a, b]),
        }
    }

    /// What a branch may be.
    fn volume(&self) -> Option<&Tensor<5>> {
        match self {
            LazyTensor::Ready(x) | LazyTensor::Silu(x) => Some(x),
            LazyTensor::Channel { .. } | LazyTensor::Gated(_) => None,
        }
    }

    /// What has the shape, but for its channels, and the type of what a branch may be multiplied by.
    fn single(&self) -> Option<&Tensor<5>> {
        match self {
            LazyTensor::Ready(x) if x.dims()[1] == 1 => Some(x),
            LazyTensor::Channel { of, .. } => Some(of),
            _ => None,
        }
    }

    fn gated(self, by: LazyTensor) -> LazyTensor {
        let branch = match self {
            LazyTensor::Silu(x) => Branch { x, silu: true },
            other => Branch { x: other.compute(), silu: false },
        };
        let (channel, by, from) = match by {
            LazyTensor::Channel { of, from, channel } => (channel, of, Some(from)),
            other => (0, other.compute(), None),
        };
        LazyTensor::Gated(Gated { branches: vec![(channel, branch)], by, from })
    }
}

trait GatedBy {
    /// Whether a tensor of this type and extent, with one channel, stands for all channels of this.
    fn gated_by(&self, by: &Tensor<5>) -> bool;
}

impl GatedBy for Tensor<5> {
    fn gated_by(&self, by: &Tensor<5>) -> bool {
        let ([n, channels, volume @ ..], [m, _, extent @ ..]) = (self.dims(), by.dims());
        n == m && channels > 1 && volume == extent && self.dtype() == by.dtype()
    }
}

impl Gated {
    /// Whether the branches of another are branches of this gate, too.
    fn joins(&self, other: &Gated) -> bool {
        let shape = |gated: &Gated| gated.branches.first().map(|(_, branch)| branch.x.dims());
        let apart = self.branches.iter().all(|(k, _)| other.branches.iter().all(|(l, _)| k != l));
        self.from.is_some() && self.from == other.from && apart && shape(self) == shape(other)
    }

    fn compute(mut self) -> Tensor<5> {
        let channels = self.by.dims()[1];
        self.branches.sort_by_key(|(channel, _)| *channel);
        if self.branches.len() == channels {
            return gate(self.branches.into_iter().map(|(_, branch)| branch).collect(), self.by);
        }
        // Some of the channels, which others may read.
        let products = self.branches.into_iter().map(|(channel, branch)| gate(vec![branch], self.by.clone().narrow(1, channel, 1)));
        match products.reduce(crate::kernel::add) {
            Some(y) => y,
            None => unreachable!("a gate has a branch"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    /// Numbers that differ from place to place.
    fn wave(channels: usize, phase: f32) -> Tensor<5> {
        let values: Vec<f32> = (0..2 * channels * 6).map(|i| (i as f32 * 0.7 + phase).sin()).collect();
        Tensor::from_data(TensorData::new(values, [2, channels, 1, 2, 3]), &Device::flex())
    }

    fn channel(of: &Tensor<5>, from: usize, channel: usize) -> LazyTensor {
        LazyTensor::Channel { of: of.clone(), from, channel }
    }

    fn same(a: LazyTensor, b: Tensor<5>) {
        let off = (a.compute() - b).abs().max().into_scalar::<f32>();
        assert!(off < 1e-6, "{off}");
    }

    /// What the branches of a gate become does not depend on the order in which they come.
    #[test]
    fn branches_of_one_gate_become_one() {
        let (x, y, by) = (wave(3, 0.0), wave(3, 1.0), wave(2, 2.0));
        let a = channel(&by, 7, 1).times(LazyTensor::Silu(x.clone())).expect("a branch");
        let b = LazyTensor::Ready(y.clone()).times(channel(&by, 7, 0)).expect("a branch");
        let Ok(LazyTensor::Gated(gate)) = a.plus(b) else { panic!("one gate") };
        assert_eq!(gate.branches.len(), 2);
        same(LazyTensor::Gated(gate), silu(x) * by.clone().narrow(1, 1, 1) + y * by.narrow(1, 0, 1));
    }

    #[test]
    fn some_channels_of_many_are_a_gate_too() {
        let (x, y, by) = (wave(3, 0.0), wave(3, 1.0), wave(6, 2.0));
        let branch = |x: &Tensor<5>, k: usize| LazyTensor::Silu(x.clone()).times(channel(&by, 7, k)).expect("a branch");
        let sum = branch(&x, 4).plus(branch(&y, 2)).expect("one gate");
        same(sum, silu(x) * by.clone().narrow(1, 4, 1) + silu(y) * by.clone().narrow(1, 2, 1));
    }

    #[test]
    fn what_is_no_gate_stays_as_it_is() {
        let (x, by, other) = (wave(3, 0.0), wave(2, 1.0), wave(2, 2.0));
        assert!(LazyTensor::Ready(x.clone()).times(LazyTensor::Ready(wave(3, 1.0))).is_err(), "two volumes");
        let vector = Tensor::ones([2, 3, 1, 1, 1], &Device::flex());
        assert!(LazyTensor::Ready(x.clone()).times(LazyTensor::Ready(vector)).is_err(), "a number for each channel");
        let branch = |of: &Tensor<5>, from: usize, k: usize| LazyTensor::Ready(x.clone()).times(channel(of, from, k)).expect("a branch");
        assert!(branch(&by, 7, 0).plus(branch(&other, 8, 1)).is_err(), "channels of two volumes");
        assert!(branch(&by, 7, 0).plus(branch(&by, 7, 0)).is_err(), "the same channel twice");
        assert!(branch(&by, 7, 0).plus(LazyTensor::Ready(x.clone())).is_err(), "no product");
        let map = wave(1, 3.0);
        let alone = |map: &Tensor<5>| LazyTensor::Ready(x.clone()).times(LazyTensor::Ready(map.clone())).expect("a branch");
        let [a, b] = <[LazyTensor; 2]>::try_from(alone(&map).plus(alone(&map)).expect_err("maps of their own")).expect("two");
        same(a, x.clone() * map.clone());
        same(b, x.clone() * map);
    }
}
