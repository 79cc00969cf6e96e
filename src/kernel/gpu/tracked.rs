//! The operations of the network with their gradients. Convolution, its transpose and its weight gradient are each other's
//! gradients.

use super::raw::Kernels;
use crate::kernel::conv3d::Geometry;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, TensorMetadata, backend_extension};
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
    fn softmax_volume(x: FloatTensor<Self>) -> FloatTensor<Self>;
    fn mean_volume(x: FloatTensor<Self>) -> FloatTensor<Self>;
    fn map_places(anchors: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self>;
    /// `x [N, C, D, H, W]` times `by`, which lacks the channels or the voxels.
    fn scale_volume(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self>;
    /// The same plus `by`.
    fn shift_volume(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self>;
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

    fn softmax_volume(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::channel_shares(x)
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

    fn shift_volume(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_add(x, by)
    }
}

impl<C: CheckpointStrategy> Tracked for Autodiff<Cube, C> {
    fn convolve_volume(x: FloatTensor<Self>, w: FloatTensor<Self>, geometry: Geometry, groups: usize) -> FloatTensor<Self> {
        match Convolution.prepare::<C>([x.node(), w.node()]).compute_bound().stateful() {
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
        match BiasedConvolution.prepare::<C>([x.node(), w.node(), bias.node()]).compute_bound().stateful() {
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
        match Normalisation.prepare::<C>([x.node(), weight.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let ids = [prep.checkpoint(&x), prep.checkpoint(&weight), prep.checkpoint(&bias)];
                let x = x.into_primitive();
                let statistics = Cube::group_statistics(x.clone(), groups, eps);
                let y = Cube::group_apply(x, statistics.clone(), weight.into_primitive(), bias.into_primitive(), silu);
                prep.finish((ids, statistics, silu), y)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(Cube::normalise_groups(x.into_primitive(), weight.into_primitive(), bias.into_primitive(), groups, eps, silu))
            }
        }
    }

    fn resize_volume(x: FloatTensor<Self>, to: [usize; 3]) -> FloatTensor<Self> {
        let [_, _, from @ ..]: [usize; 5] = x.shape().dims();
        match Resizing.prepare::<C>([x.node()]).compute_bound().stateful() {
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

    fn softmax_volume(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match Shares.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let y = Cube::channel_shares(x.into_primitive());
                prep.finish(y.clone(), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(Cube::channel_shares(x.into_primitive())),
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
        match Placing.prepare::<C>([anchors.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((), Cube::place_map(anchors.into_primitive(), to)),
            OpsKind::UnTracked(prep) => prep.finish(Cube::place_map(anchors.into_primitive(), to)),
        }
    }

    fn scale_volume(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self> {
        match Scaling.prepare::<C>([x.node(), by.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&by));
                prep.finish(state, Cube::float_mul(x.into_primitive(), by.into_primitive()))
            }
            OpsKind::UnTracked(prep) => prep.finish(Cube::float_mul(x.into_primitive(), by.into_primitive())),
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
}

#[derive(Debug)]
struct Convolution;
#[derive(Debug)]
struct BiasedConvolution;
#[derive(Debug)]
struct Spreading;
#[derive(Debug)]
struct BiasedSpreading;

/// What a convolution's way back needs.
type Slid = (NodeId, NodeId, Geometry, usize);
/// What its transpose's needs.
type Spread = (NodeId, NodeId, Geometry);

impl Backward<Cube, 2> for Convolution {
    type State = Slid;

    fn backward(self, ops: Ops<Slid, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let [x, w] = ops.parents;
        back_from_sliding(g, ops.state, [x, w].map(|n| n.map(|n| n.id)), grads, checkpointer);
    }
}

impl Backward<Cube, 3> for BiasedConvolution {
    type State = Slid;

    fn backward(self, ops: Ops<Slid, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let [x, w, bias] = ops.parents;
        if let Some(node) = bias {
            grads.register::<Cube>(node.id, Cube::channel_sums(g.clone()));
        }
        back_from_sliding(g, ops.state, [x, w].map(|n| n.map(|n| n.id)), grads, checkpointer);
    }
}

impl Backward<Cube, 2> for Spreading {
    type State = Spread;

    fn backward(self, ops: Ops<Spread, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let [x, w] = ops.parents;
        back_from_spreading(g, ops.state, [x, w].map(|n| n.map(|n| n.id)), grads, checkpointer);
    }
}

impl Backward<Cube, 3> for BiasedSpreading {
    type State = Spread;

    fn backward(self, ops: Ops<Spread, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let [x, w, bias] = ops.parents;
        if let Some(node) = bias {
            grads.register::<Cube>(node.id, Cube::channel_sums(g.clone()));
        }
        back_from_spreading(g, ops.state, [x, w].map(|n| n.map(|n| n.id)), grads, checkpointer);
    }
}

fn back_from_sliding(
    g: FloatTensor<Cube>,
    (x, w, geometry, groups): Slid,
    [x_node, w_node]: [Option<NodeId>; 2],
    grads: &mut Gradients,
    checkpointer: &mut Checkpointer,
) {
    let x: FloatTensor<Cube> = checkpointer.retrieve_node_output(x);
    let w: FloatTensor<Cube> = checkpointer.retrieve_node_output(w);
    let [_, _, volume @ ..]: [usize; 5] = x.shape().dims();
    if let Some(node) = x_node {
        grads.register::<Cube>(node, Cube::gather(g.clone(), w, geometry, groups, volume));
    }
    if let Some(node) = w_node {
        grads.register::<Cube>(node, Cube::correlate(x, g, geometry, groups));
    }
}

fn back_from_spreading(
    g: FloatTensor<Cube>,
    (x, w, geometry): Spread,
    [x_node, w_node]: [Option<NodeId>; 2],
    grads: &mut Gradients,
    checkpointer: &mut Checkpointer,
) {
    let x: FloatTensor<Cube> = checkpointer.retrieve_node_output(x);
    let w: FloatTensor<Cube> = checkpointer.retrieve_node_output(w);
    if let Some(node) = x_node {
        grads.register::<Cube>(node, Cube::slide(g.clone(), w, geometry, 1));
    }
    if let Some(node) = w_node {
        grads.register::<Cube>(node, Cube::correlate(g, x, geometry, 1));
    }
}

#[derive(Debug)]
struct Normalisation;

impl Backward<Cube, 3> for Normalisation {
    type State = ([NodeId; 3], FloatTensor<Cube>, bool);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let (ids, statistics, silu) = ops.state;
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let [x, weight, bias]: [FloatTensor<Cube>; 3] = ids.map(|id| checkpointer.retrieve_node_output(id));
        let g = if silu { Cube::group_bend(x.clone(), g, statistics.clone(), weight.clone(), bias) } else { g };
        let sums = Cube::group_sums(x.clone(), g.clone(), statistics.clone());
        let [x_node, weight_node, bias_node] = ops.parents;
        if weight_node.is_some() || bias_node.is_some() {
            let (by_weight, by_bias) = Cube::group_vectors(sums.clone(), weight.clone());
            if let Some(node) = weight_node {
                grads.register::<Cube>(node.id, by_weight);
            }
            if let Some(node) = bias_node {
                grads.register::<Cube>(node.id, by_bias);
            }
        }
        if let Some(node) = x_node {
            grads.register::<Cube>(node.id, Cube::group_slope(x, g, weight, statistics, sums));
        }
    }
}

#[derive(Debug)]
struct Resizing;

impl Backward<Cube, 1> for Resizing {
    /// The input's extent.
    type State = [usize; 3];

    fn backward(self, ops: Ops<[usize; 3], 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<Cube>(node.id, Cube::interpolate_back(g, ops.state));
        }
    }
}

#[derive(Debug)]
struct Averaging;

impl Backward<Cube, 1> for Averaging {
    /// The input's extent.
    type State = [usize; 3];

    fn backward(self, ops: Ops<[usize; 3], 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<Cube>(node.id, Cube::volume_means_back(g, ops.state));
        }
    }
}

#[derive(Debug)]
struct Placing;

impl Backward<Cube, 1> for Placing {
    type State = ();

    fn backward(self, ops: Ops<(), 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<Cube>(node.id, Cube::place_map_back(g));
        }
    }
}

#[derive(Debug)]
struct Scaling;

impl Backward<Cube, 2> for Scaling {
    type State = (NodeId, NodeId);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let x: FloatTensor<Cube> = checkpointer.retrieve_node_output(ops.state.0);
        let by: FloatTensor<Cube> = checkpointer.retrieve_node_output(ops.state.1);
        let ([_, channels, ..], [_, all, ..]): ([usize; 5], [usize; 5]) = (by.shape().dims(), x.shape().dims());
        let [x_node, by_node] = ops.parents;
        if let Some(node) = by_node {
            grads.register::<Cube>(node.id, Cube::dots_over(g.clone(), x, channels < all));
        }
        if let Some(node) = x_node {
            grads.register::<Cube>(node.id, Cube::float_mul(g, by));
        }
    }
}

#[derive(Debug)]
struct Shifting;

impl Backward<Cube, 2> for Shifting {
    /// Whether it is the channels that the smaller one lacks.
    type State = bool;

    fn backward(self, ops: Ops<bool, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let [x_node, by_node] = ops.parents;
        if let Some(node) = by_node {
            grads.register::<Cube>(node.id, Cube::sums_over(g.clone(), ops.state));
        }
        if let Some(node) = x_node {
            grads.register::<Cube>(node.id, g);
        }
    }
}

#[derive(Debug)]
struct Pooling;

impl Backward<Cube, 1> for Pooling {
    type State = (NodeId, [usize; 3]);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let (x, kernel) = ops.state;
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let x: FloatTensor<Cube> = checkpointer.retrieve_node_output(x);
        if let [Some(node)] = ops.parents {
            grads.register::<Cube>(node.id, Cube::largest_back(x, g, kernel));
        }
    }
}

#[derive(Debug)]
struct Shares;

impl Backward<Cube, 1> for Shares {
    /// The output.
    type State = FloatTensor<Cube>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<Cube>(node.id, Cube::channel_slopes(ops.state, g));
        }
    }
}
