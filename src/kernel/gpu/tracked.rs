//! The operations of the network with their gradients.

use super::gate::{BRANCHES, Branches};
use super::gradients::{
    Adding, Averaging, Bending, BiasedConvolution, BiasedSpreading, Convolution, Gating, Joining, Normalisation, Placing, Pooling,
    Resizing, Scaling, Shares, Shifting, Spreading,
};
use super::raw::Kernels;
use super::retro::Again;
use crate::kernel::conv3d::Geometry;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, OpsKind};
use burn::backend::ops::{ActivationOps, FloatTensorOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, TensorMetadata, backend_extension};
use burn::tensor::Shape;
use burn_cubecl::Cube;

#[backend_extension(Cube, Autodiff)]
pub trait Tracked: Backend {
    fn convolve_volume(x: FloatTensor<Self>, w: FloatTensor<Self>, geometry: Geometry, groups: usize) -> FloatTensor<Self>;
    fn convolve_volume_biased(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        groups: usize,
    ) -> FloatTensor<Self>;
    fn spread_volume_biased(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        volume: [usize; 3],
    ) -> FloatTensor<Self>;
    /// The transpose of a convolution of one group, to the extent `volume`.
    fn spread_volume(x: FloatTensor<Self>, w: FloatTensor<Self>, geometry: Geometry, volume: [usize; 3]) -> FloatTensor<Self>;
    fn normalise_groups(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> FloatTensor<Self>;
    fn resize_volume(x: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self>;
    fn pool_volume(x: FloatTensor<Self>, kernel: [usize; 3]) -> FloatTensor<Self>;
    /// Softmax over the channels, or its logarithm.
    fn softmax_volume(x: FloatTensor<Self>, log: bool) -> FloatTensor<Self>;
    fn mean_volume(x: FloatTensor<Self>) -> FloatTensor<Self>;
    fn map_places(anchors: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self>;
    /// `x [N, C, D, H, W]` times `by`, which lacks the channels or the voxels.
    fn scale_volume(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self>;
    /// The sum over the branches of each one, or its SiLU, times its channel of `by`. Beyond their number the tensors are any.
    fn gate_volumes(
        x0: FloatTensor<Self>,
        x1: FloatTensor<Self>,
        x2: FloatTensor<Self>,
        x3: FloatTensor<Self>,
        by: FloatTensor<Self>,
        branches: Branches,
    ) -> FloatTensor<Self>;
    /// `x` plus `by`, which lacks the channels or the voxels.
    fn shift_volume(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self>;
    fn bend_volume(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// The sum of two of one shape.
    fn add_volumes(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
    /// One after the other along the channels.
    fn join_volumes(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Tracked for Cube {
    fn convolve_volume(x: FloatTensor<Self>, w: FloatTensor<Self>, geometry: Geometry, groups: usize) -> FloatTensor<Self> {
        Self::slide(x, w, geometry, groups)
    }

    fn convolve_volume_biased(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        groups: usize,
    ) -> FloatTensor<Self> {
        Self::slide_biased(x, w, bias, geometry, groups)
    }

    fn spread_volume_biased(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        volume: [usize; 3],
    ) -> FloatTensor<Self> {
        Self::gather_biased(x, w, bias, geometry, volume)
    }

    fn spread_volume(x: FloatTensor<Self>, w: FloatTensor<Self>, geometry: Geometry, volume: [usize; 3]) -> FloatTensor<Self> {
        Self::gather(x, w, geometry, 1, volume)
    }

    fn normalise_groups(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> FloatTensor<Self> {
        let statistics = Self::group_statistics(x.clone(), groups, eps);
        Self::group_apply(x, statistics, weight, bias, silu)
    }

    fn resize_volume(x: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self> {
        Self::interpolate(x, to)
    }

    fn pool_volume(x: FloatTensor<Self>, kernel: [usize; 3]) -> FloatTensor<Self> {
        Self::largest(x, kernel)
    }

    fn softmax_volume(x: FloatTensor<Self>, log: bool) -> FloatTensor<Self> {
        Self::channel_shares(x, log)
    }

    fn mean_volume(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::volume_means(x)
    }

    fn map_places(anchors: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self> {
        Self::place_map(anchors, to)
    }

    fn scale_volume(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_mul(x, by)
    }

    fn gate_volumes(
        x0: FloatTensor<Self>,
        x1: FloatTensor<Self>,
        x2: FloatTensor<Self>,
        x3: FloatTensor<Self>,
        by: FloatTensor<Self>,
        branches: Branches,
    ) -> FloatTensor<Self> {
        Self::gated(x0, x1, x2, x3, by, branches)
    }

    fn shift_volume(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_add(x, by)
    }

    fn bend_volume(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_mul(x.clone(), Self::sigmoid(x))
    }

    fn add_volumes(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_add(a, b)
    }

    fn join_volumes(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_cat(vec![a, b], 1)
    }
}

/// Whether a convolution is done again on the way back: it reads each value once, and what it reads is kept for the gradient of its
/// weights and is less than what it makes.
fn again(x: &Shape, w: &Shape, geometry: &Geometry, groups: usize) -> bool {
    let volume = x.iter().skip(2).product::<usize>() > 1;
    volume && groups == 1 && geometry.is_pointwise() && w[0] > w[1]
}

impl<C: CheckpointStrategy> Tracked for Autodiff<Cube, C> {
    fn convolve_volume(x: FloatTensor<Self>, w: FloatTensor<Self>, geometry: Geometry, groups: usize) -> FloatTensor<Self> {
        let prep = Convolution.prepare::<C>([x.node(), w.node()]);
        let prep = if again(&x.shape(), &w.shape(), &geometry, groups) {
            let make = move |[x, w]: [_; 2]| Cube::slide(x, w, geometry, groups);
            let retro = Again { ids: [x.node().id(), w.node().id()], make };
            prep.memory_bound().retro_forward(retro).parents([&x, &w])
        } else {
            prep.compute_bound()
        };
        match prep.stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&w), geometry, groups);
                prep.finish(state, Cube::slide(x.into_primitive(), w.into_primitive(), geometry, groups))
            }
            OpsKind::UnTracked(prep) => prep.finish(Cube::slide(x.into_primitive(), w.into_primitive(), geometry, groups)),
        }
    }

    fn spread_volume(x: FloatTensor<Self>, w: FloatTensor<Self>, geometry: Geometry, volume: [usize; 3]) -> FloatTensor<Self> {
        match Spreading.prepare::<C>([x.node(), w.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&w), geometry);
                prep.finish(state, Cube::gather(x.into_primitive(), w.into_primitive(), geometry, 1, volume))
            }
            OpsKind::UnTracked(prep) => prep.finish(Cube::gather(x.into_primitive(), w.into_primitive(), geometry, 1, volume)),
        }
    }

    fn convolve_volume_biased(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        groups: usize,
    ) -> FloatTensor<Self> {
        let prep = BiasedConvolution.prepare::<C>([x.node(), w.node(), bias.node()]);
        let prep = if again(&x.shape(), &w.shape(), &geometry, groups) {
            let make = move |[x, w, bias]: [_; 3]| Cube::slide_biased(x, w, bias, geometry, groups);
            let retro = Again { ids: [x.node().id(), w.node().id(), bias.node().id()], make };
            prep.memory_bound().retro_forward(retro).parents([&x, &w, &bias])
        } else {
            prep.compute_bound()
        };
        match prep.stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&w), geometry, groups);
                prep.finish(state, Cube::slide_biased(x.into_primitive(), w.into_primitive(), bias.into_primitive(), geometry, groups))
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(Cube::slide_biased(x.into_primitive(), w.into_primitive(), bias.into_primitive(), geometry, groups))
            }
        }
    }

    fn spread_volume_biased(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        volume: [usize; 3],
    ) -> FloatTensor<Self> {
        match BiasedSpreading.prepare::<C>([x.node(), w.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&w), geometry);
                prep.finish(state, Cube::gather_biased(x.into_primitive(), w.into_primitive(), bias.into_primitive(), geometry, volume))
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(Cube::gather_biased(x.into_primitive(), w.into_primitive(), bias.into_primitive(), geometry, volume))
            }
        }
    }

    fn normalise_groups(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> FloatTensor<Self> {
        let statistics = Cube::group_statistics(x.clone().into_primitive(), groups, eps);
        let ids = [x.node().id(), weight.node().id(), bias.node().id()];
        let kept = statistics.clone();
        let make = move |[x, weight, bias]: [_; 3]| Cube::group_apply(x, kept.clone(), weight, bias, silu);
        let prep = Normalisation.prepare::<C>([x.node(), weight.node(), bias.node()]).memory_bound();
        let prep = prep.retro_forward(Again { ids, make }).parents([&x, &weight, &bias]);
        let apply = |x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>| {
            Cube::group_apply(x.into_primitive(), statistics.clone(), weight.into_primitive(), bias.into_primitive(), silu)
        };
        match prep.stateful() {
            OpsKind::Tracked(mut prep) => {
                let ids = [prep.checkpoint(&x), prep.checkpoint(&weight), prep.checkpoint(&bias)];
                let y = apply(x, weight, bias);
                prep.finish((ids, statistics, silu), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(apply(x, weight, bias)),
        }
    }

    fn resize_volume(x: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self> {
        let [_, _, from @ ..]: [usize; 5] = x.shape().dims();
        let retro = Again { ids: [x.node().id()], make: move |[x]: [_; 1]| Cube::interpolate(x, to) };
        match Resizing.prepare::<C>([x.node()]).memory_bound().retro_forward(retro).parents([&x]).stateful() {
            OpsKind::Tracked(prep) => prep.finish(from, Cube::interpolate(x.into_primitive(), to)),
            OpsKind::UnTracked(prep) => prep.finish(Cube::interpolate(x.into_primitive(), to)),
        }
    }

    fn pool_volume(x: FloatTensor<Self>, kernel: [usize; 3]) -> FloatTensor<Self> {
        match Pooling.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), kernel);
                prep.finish(state, Cube::largest(x.into_primitive(), kernel))
            }
            OpsKind::UnTracked(prep) => prep.finish(Cube::largest(x.into_primitive(), kernel)),
        }
    }

    fn softmax_volume(x: FloatTensor<Self>, log: bool) -> FloatTensor<Self> {
        match Shares.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let y = Cube::channel_shares(x.into_primitive(), log);
                prep.finish((y.clone(), log), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(Cube::channel_shares(x.into_primitive(), log)),
        }
    }

    fn mean_volume(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let [_, _, from @ ..]: [usize; 5] = x.shape().dims();
        match Averaging.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(from, Cube::volume_means(x.into_primitive())),
            OpsKind::UnTracked(prep) => prep.finish(Cube::volume_means(x.into_primitive())),
        }
    }

    fn map_places(anchors: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self> {
        let retro = Again { ids: [anchors.node().id()], make: move |[anchors]: [_; 1]| Cube::place_map(anchors, to) };
        match Placing.prepare::<C>([anchors.node()]).memory_bound().retro_forward(retro).parents([&anchors]).stateful() {
            OpsKind::Tracked(prep) => prep.finish((), Cube::place_map(anchors.into_primitive(), to)),
            OpsKind::UnTracked(prep) => prep.finish(Cube::place_map(anchors.into_primitive(), to)),
        }
    }

    fn scale_volume(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self> {
        let retro = Again { ids: [x.node().id(), by.node().id()], make: |[x, by]: [_; 2]| Cube::float_mul(x, by) };
        match Scaling.prepare::<C>([x.node(), by.node()]).memory_bound().retro_forward(retro).parents([&x, &by]).stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&by));
                prep.finish(state, Cube::float_mul(x.into_primitive(), by.into_primitive()))
            }
            OpsKind::UnTracked(prep) => prep.finish(Cube::float_mul(x.into_primitive(), by.into_primitive())),
        }
    }

    fn gate_volumes(
        x0: FloatTensor<Self>,
        x1: FloatTensor<Self>,
        x2: FloatTensor<Self>,
        x3: FloatTensor<Self>,
        by: FloatTensor<Self>,
        branches: Branches,
    ) -> FloatTensor<Self> {
        let all = [x0, x1, x2, x3, by];
        let prep = Gating.prepare::<C>(all.each_ref().map(|x| x.node())).compute_bound();
        let apply = |[x0, x1, x2, x3, by]: [FloatTensor<Self>; 5]| {
            Cube::gated(x0.into_primitive(), x1.into_primitive(), x2.into_primitive(), x3.into_primitive(), by.into_primitive(), branches)
        };
        match prep.stateful() {
            OpsKind::Tracked(mut prep) => {
                // The last is `by`; what stands for no branch is not looked at again.
                let ids = all[..branches.count].iter().map(|x| prep.checkpoint(x)).collect();
                let by = prep.checkpoint(&all[BRANCHES]);
                prep.finish((ids, by, branches), apply(all))
            }
            OpsKind::UnTracked(prep) => prep.finish(apply(all)),
        }
    }

    fn shift_volume(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self> {
        let [_, channels, ..]: [usize; 5] = by.shape().dims();
        let [_, all, ..]: [usize; 5] = x.shape().dims();
        match Shifting.prepare::<C>([x.node(), by.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(channels < all, Cube::float_add(x.into_primitive(), by.into_primitive())),
            OpsKind::UnTracked(prep) => prep.finish(Cube::float_add(x.into_primitive(), by.into_primitive())),
        }
    }

    fn bend_volume(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let retro = Again { ids: [x.node().id()], make: |[x]: [_; 1]| Cube::bend_volume(x) };
        match Bending.prepare::<C>([x.node()]).memory_bound().retro_forward(retro).parents([&x]).stateful() {
            OpsKind::Tracked(mut prep) => {
                let id = prep.checkpoint(&x);
                prep.finish(id, Cube::bend_volume(x.into_primitive()))
            }
            OpsKind::UnTracked(prep) => prep.finish(Cube::bend_volume(x.into_primitive())),
        }
    }

    fn add_volumes(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let prep = Adding.prepare::<C>([a.node(), b.node()]).compute_bound();
        prep.stateless(Cube::float_add(a.into_primitive(), b.into_primitive()))
    }

    fn join_volumes(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let channels = [&a, &b].map(|x| x.shape()[1]);
        let retro = Again { ids: [a.node().id(), b.node().id()], make: |parts: [_; 2]| Cube::float_cat(parts.to_vec(), 1) };
        let join = |a: FloatTensor<Self>, b: FloatTensor<Self>| Cube::float_cat(vec![a.into_primitive(), b.into_primitive()], 1);
        match Joining.prepare::<C>([a.node(), b.node()]).memory_bound().retro_forward(retro).parents([&a, &b]).stateful() {
            OpsKind::Tracked(prep) => prep.finish(channels, join(a, b)),
            OpsKind::UnTracked(prep) => prep.finish(join(a, b)),
        }
    }
}
