//! The operations of the network with their gradients: what PyTorch calls autograd functions.

use super::backward::{
    AddBackward, AddBroadcastBackward, BiasedConv3dBackward, BiasedConvTransposeBackward, ConcatBackward, Conv3dBackward,
    ConvTransposeBackward, GateBackward, GroupNormBackward, MaxPoolBackward, MeanBackward, MulBackward, PositionMapBackward,
    ResizeBackward, SiluBackward, SoftmaxBackward,
};
use super::gate::{BRANCHES, Branches};
use super::raw::Kernels;
use super::recompute::Recompute;
use crate::kernel::conv3d::Geometry;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, OpsKind};
use burn::backend::ops::{ActivationOps, FloatTensorOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, TensorMetadata, backend_extension};
use burn::tensor::Shape;
use burn_cubecl::Cube;

#[backend_extension(Cube, Autodiff)]
pub trait AutogradExt: Backend {
    fn conv_volume(x: FloatTensor<Self>, w: FloatTensor<Self>, geometry: Geometry, groups: usize) -> FloatTensor<Self>;
    fn conv_volume_biased(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        groups: usize,
    ) -> FloatTensor<Self>;
    fn conv_transpose_volume_biased(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        volume: [usize; 3],
    ) -> FloatTensor<Self>;
    /// The transpose of a convolution of one group, to the extent `volume`.
    fn conv_transpose_volume(x: FloatTensor<Self>, w: FloatTensor<Self>, geometry: Geometry, volume: [usize; 3]) -> FloatTensor<Self>;
    fn group_norm_volume(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> FloatTensor<Self>;
    fn resize_volume(x: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self>;
    fn max_pool_volume(x: FloatTensor<Self>, kernel: [usize; 3]) -> FloatTensor<Self>;
    /// Softmax over the channels, or its logarithm.
    fn softmax_volume(x: FloatTensor<Self>, log: bool) -> FloatTensor<Self>;
    fn mean_volume(x: FloatTensor<Self>) -> FloatTensor<Self>;
    fn position_map_volume(anchors: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self>;
    /// `x [N, C, D, H, W]` times `by`, which lacks the channels or the voxels.
    fn mul_broadcast(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self>;
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
    fn add_broadcast(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self>;
    fn silu_volume(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// The sum of two of one shape.
    fn add_volumes(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
    /// One after the other along the channels.
    fn concat_volumes(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl AutogradExt for Cube {
    fn conv_volume(x: FloatTensor<Self>, w: FloatTensor<Self>, geometry: Geometry, groups: usize) -> FloatTensor<Self> {
        Self::conv3d_forward(x, w, geometry, groups)
    }

    fn conv_volume_biased(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        groups: usize,
    ) -> FloatTensor<Self> {
        Self::conv3d_biased_forward(x, w, bias, geometry, groups)
    }

    fn conv_transpose_volume_biased(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        volume: [usize; 3],
    ) -> FloatTensor<Self> {
        Self::conv_transpose3d_biased_forward(x, w, bias, geometry, volume)
    }

    fn conv_transpose_volume(x: FloatTensor<Self>, w: FloatTensor<Self>, geometry: Geometry, volume: [usize; 3]) -> FloatTensor<Self> {
        Self::conv3d_grad_input(x, w, geometry, 1, volume)
    }

    fn group_norm_volume(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> FloatTensor<Self> {
        let statistics = Self::group_norm_statistics(x.clone(), groups, eps);
        Self::group_norm_apply(x, statistics, weight, bias, silu)
    }

    fn resize_volume(x: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self> {
        Self::resize_forward(x, to)
    }

    fn max_pool_volume(x: FloatTensor<Self>, kernel: [usize; 3]) -> FloatTensor<Self> {
        Self::max_pool3d_forward(x, kernel)
    }

    fn softmax_volume(x: FloatTensor<Self>, log: bool) -> FloatTensor<Self> {
        Self::softmax_forward(x, log)
    }

    fn mean_volume(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::mean_volume_forward(x)
    }

    fn position_map_volume(anchors: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self> {
        Self::position_map_forward(anchors, to)
    }

    fn mul_broadcast(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self> {
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
        Self::gate_forward(x0, x1, x2, x3, by, branches)
    }

    fn add_broadcast(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_add(x, by)
    }

    fn silu_volume(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_mul(x.clone(), Self::sigmoid(x))
    }

    fn add_volumes(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_add(a, b)
    }

    fn concat_volumes(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_cat(vec![a, b], 1)
    }
}

/// Whether a convolution is computed again in the backward pass: it reads each value once, and its input is saved for the gradient of its
/// weights and is smaller than its output.
fn recomputes(x: &Shape, w: &Shape, geometry: &Geometry, groups: usize) -> bool {
    let volume = x.iter().skip(2).product::<usize>() > 1;
    volume && groups == 1 && geometry.is_pointwise() && w[0] > w[1]
}

impl<C: CheckpointStrategy> AutogradExt for Autodiff<Cube, C> {
    fn conv_volume(x: FloatTensor<Self>, w: FloatTensor<Self>, geometry: Geometry, groups: usize) -> FloatTensor<Self> {
        let prep = Conv3dBackward.prepare::<C>([x.node(), w.node()]);
        let prep = if recomputes(&x.shape(), &w.shape(), &geometry, groups) {
            let make = move |[x, w]: [_; 2]| Cube::conv3d_forward(x, w, geometry, groups);
            let recompute = Recompute { ids: [x.node().id(), w.node().id()], make };
            prep.memory_bound().retro_forward(recompute).parents([&x, &w])
        } else {
            prep.compute_bound()
        };
        match prep.stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&w), geometry, groups);
                prep.finish(state, Cube::conv3d_forward(x.into_primitive(), w.into_primitive(), geometry, groups))
            }
            OpsKind::UnTracked(prep) => prep.finish(Cube::conv3d_forward(x.into_primitive(), w.into_primitive(), geometry, groups)),
        }
    }

    fn conv_transpose_volume(x: FloatTensor<Self>, w: FloatTensor<Self>, geometry: Geometry, volume: [usize; 3]) -> FloatTensor<Self> {
        match ConvTransposeBackward.prepare::<C>([x.node(), w.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&w), geometry);
                prep.finish(state, Cube::conv3d_grad_input(x.into_primitive(), w.into_primitive(), geometry, 1, volume))
            }
            OpsKind::UnTracked(prep) => prep.finish(Cube::conv3d_grad_input(x.into_primitive(), w.into_primitive(), geometry, 1, volume)),
        }
    }

    fn conv_volume_biased(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        groups: usize,
    ) -> FloatTensor<Self> {
        let prep = BiasedConv3dBackward.prepare::<C>([x.node(), w.node(), bias.node()]);
        let prep = if recomputes(&x.shape(), &w.shape(), &geometry, groups) {
            let make = move |[x, w, bias]: [_; 3]| Cube::conv3d_biased_forward(x, w, bias, geometry, groups);
            let recompute = Recompute { ids: [x.node().id(), w.node().id(), bias.node().id()], make };
            prep.memory_bound().retro_forward(recompute).parents([&x, &w, &bias])
        } else {
            prep.compute_bound()
        };
        match prep.stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&w), geometry, groups);
                prep.finish(
                    state,
                    Cube::conv3d_biased_forward(x.into_primitive(), w.into_primitive(), bias.into_primitive(), geometry, groups),
                )
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(Cube::conv3d_biased_forward(x.into_primitive(), w.into_primitive(), bias.into_primitive(), geometry, groups))
            }
        }
    }

    fn conv_transpose_volume_biased(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        volume: [usize; 3],
    ) -> FloatTensor<Self> {
        match BiasedConvTransposeBackward.prepare::<C>([x.node(), w.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&w), geometry);
                prep.finish(
                    state,
                    Cube::conv_transpose3d_biased_forward(x.into_primitive(), w.into_primitive(), bias.into_primitive(), geometry, volume),
                )
            }
            OpsKind::UnTracked(prep) => prep.finish(Cube::conv_transpose3d_biased_forward(
                x.into_primitive(),
                w.into_primitive(),
                bias.into_primitive(),
                geometry,
                volume,
            )),
        }
    }

    fn group_norm_volume(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> FloatTensor<Self> {
        let statistics = Cube::group_norm_statistics(x.clone().into_primitive(), groups, eps);
        let ids = [x.node().id(), weight.node().id(), bias.node().id()];
        let kept = statistics.clone();
        let make = move |[x, weight, bias]: [_; 3]| Cube::group_norm_apply(x, kept.clone(), weight, bias, silu);
        let prep = GroupNormBackward.prepare::<C>([x.node(), weight.node(), bias.node()]).memory_bound();
        let prep = prep.retro_forward(Recompute { ids, make }).parents([&x, &weight, &bias]);
        let apply = |x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>| {
            Cube::group_norm_apply(x.into_primitive(), statistics.clone(), weight.into_primitive(), bias.into_primitive(), silu)
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
        let recompute = Recompute { ids: [x.node().id()], make: move |[x]: [_; 1]| Cube::resize_forward(x, to) };
        match ResizeBackward.prepare::<C>([x.node()]).memory_bound().retro_forward(recompute).parents([&x]).stateful() {
            OpsKind::Tracked(prep) => prep.finish(from, Cube::resize_forward(x.into_primitive(), to)),
            OpsKind::UnTracked(prep) => prep.finish(Cube::resize_forward(x.into_primitive(), to)),
        }
    }

    fn max_pool_volume(x: FloatTensor<Self>, kernel: [usize; 3]) -> FloatTensor<Self> {
        match MaxPoolBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), kernel);
                prep.finish(state, Cube::max_pool3d_forward(x.into_primitive(), kernel))
            }
            OpsKind::UnTracked(prep) => prep.finish(Cube::max_pool3d_forward(x.into_primitive(), kernel)),
        }
    }

    fn softmax_volume(x: FloatTensor<Self>, log: bool) -> FloatTensor<Self> {
        match SoftmaxBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let y = Cube::softmax_forward(x.into_primitive(), log);
                prep.finish((y.clone(), log), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(Cube::softmax_forward(x.into_primitive(), log)),
        }
    }

    fn mean_volume(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let [_, _, from @ ..]: [usize; 5] = x.shape().dims();
        match MeanBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(from, Cube::mean_volume_forward(x.into_primitive())),
            OpsKind::UnTracked(prep) => prep.finish(Cube::mean_volume_forward(x.into_primitive())),
        }
    }

    fn position_map_volume(anchors: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self> {
        let recompute = Recompute { ids: [anchors.node().id()], make: move |[anchors]: [_; 1]| Cube::position_map_forward(anchors, to) };
        match PositionMapBackward.prepare::<C>([anchors.node()]).memory_bound().retro_forward(recompute).parents([&anchors]).stateful() {
            OpsKind::Tracked(prep) => prep.finish((), Cube::position_map_forward(anchors.into_primitive(), to)),
            OpsKind::UnTracked(prep) => prep.finish(Cube::position_map_forward(anchors.into_primitive(), to)),
        }
    }

    fn mul_broadcast(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self> {
        let recompute = Recompute { ids: [x.node().id(), by.node().id()], make: |[x, by]: [_; 2]| Cube::float_mul(x, by) };
        match MulBackward.prepare::<C>([x.node(), by.node()]).memory_bound().retro_forward(recompute).parents([&x, &by]).stateful() {
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
        let prep = GateBackward.prepare::<C>(all.each_ref().map(|x| x.node())).compute_bound();
        let apply = |[x0, x1, x2, x3, by]: [FloatTensor<Self>; 5]| {
            Cube::gate_forward(
                x0.into_primitive(),
                x1.into_primitive(),
                x2.into_primitive(),
                x3.into_primitive(),
                by.into_primitive(),
                branches,
            )
        };
        match prep.stateful() {
            OpsKind::Tracked(mut prep) => {
                // The last is `by`; what stands for no branch is not read in the backward pass.
                let ids = all[..branches.count].iter().map(|x| prep.checkpoint(x)).collect();
                let by = prep.checkpoint(&all[BRANCHES]);
                prep.finish((ids, by, branches), apply(all))
            }
            OpsKind::UnTracked(prep) => prep.finish(apply(all)),
        }
    }

    fn add_broadcast(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self> {
        let [_, channels, ..]: [usize; 5] = by.shape().dims();
        let [_, all, ..]: [usize; 5] = x.shape().dims();
        match AddBroadcastBackward.prepare::<C>([x.node(), by.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(channels < all, Cube::float_add(x.into_primitive(), by.into_primitive())),
            OpsKind::UnTracked(prep) => prep.finish(Cube::float_add(x.into_primitive(), by.into_primitive())),
        }
    }

    fn silu_volume(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let recompute = Recompute { ids: [x.node().id()], make: |[x]: [_; 1]| Cube::silu_volume(x) };
        match SiluBackward.prepare::<C>([x.node()]).memory_bound().retro_forward(recompute).parents([&x]).stateful() {
            OpsKind::Tracked(mut prep) => {
                let id = prep.checkpoint(&x);
                prep.finish(id, Cube::silu_volume(x.into_primitive()))
            }
            OpsKind::UnTracked(prep) => prep.finish(Cube::silu_volume(x.into_primitive())),
        }
    }

    fn add_volumes(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let prep = AddBackward.prepare::<C>([a.node(), b.node()]).compute_bound();
        prep.stateless(Cube::float_add(a.into_primitive(), b.into_primitive()))
    }

    fn concat_volumes(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let channels = [&a, &b].map(|x| x.shape()[1]);
        let recompute = Recompute { ids: [a.node().id(), b.node().id()], make: |parts: [_; 2]| Cube::float_cat(parts.to_vec(), 1) };
        let join = |a: FloatTensor<Self>, b: FloatTensor<Self>| Cube::float_cat(vec![a.into_primitive(), b.into_primitive()], 1);
        match ConcatBackward.prepare::<C>([a.node(), b.node()]).memory_bound().retro_forward(recompute).parents([&a, &b]).stateful() {
            OpsKind::Tracked(prep) => prep.finish(channels, join(a, b)),
            OpsKind::UnTracked(prep) => prep.finish(join(a, b)),
        }
    }
}
