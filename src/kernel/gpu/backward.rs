//! The backward passes of the network's operations. Convolution, its transpose and its weight gradient are each other's gradients.

use super::gate::{BRANCHES, Branches};
use super::raw::Kernels;
use crate::kernel::conv3d::Geometry;
use burn::backend::TensorMetadata;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::ops::{ActivationOps, FloatTensorOps};
use burn::backend::tensor::FloatTensor;
use burn::tensor::Slice;
use burn_cubecl::Cube;

#[derive(Debug)]
pub struct Conv3dBackward;
#[derive(Debug)]
pub struct BiasedConv3dBackward;
#[derive(Debug)]
pub struct ConvTransposeBackward;
#[derive(Debug)]
pub struct BiasedConvTransposeBackward;

/// What a convolution saves for its backward pass.
pub type SavedConv = (NodeId, NodeId, Geometry, usize);
/// What a transposed convolution saves.
pub type SavedConvTranspose = (NodeId, NodeId, Geometry);

impl Backward<Cube, 2> for Conv3dBackward {
    type State = SavedConv;

    fn backward(self, ops: Ops<SavedConv, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let [x, w] = ops.parents;
        conv3d_backward(g, ops.state, [x, w].map(|n| n.map(|n| n.id)), grads, checkpointer);
    }
}

impl Backward<Cube, 3> for BiasedConv3dBackward {
    type State = SavedConv;

    fn backward(self, ops: Ops<SavedConv, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let [x, w, bias] = ops.parents;
        if let Some(node) = bias {
            grads.register::<Cube>(node.id, Cube::channel_sums(g.clone()));
        }
        conv3d_backward(g, ops.state, [x, w].map(|n| n.map(|n| n.id)), grads, checkpointer);
    }
}

impl Backward<Cube, 2> for ConvTransposeBackward {
    type State = SavedConvTranspose;

    fn backward(self, ops: Ops<SavedConvTranspose, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let [x, w] = ops.parents;
        conv_transpose_backward(g, ops.state, [x, w].map(|n| n.map(|n| n.id)), grads, checkpointer);
    }
}

impl Backward<Cube, 3> for BiasedConvTransposeBackward {
    type State = SavedConvTranspose;

    fn backward(self, ops: Ops<SavedConvTranspose, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let [x, w, bias] = ops.parents;
        if let Some(node) = bias {
            grads.register::<Cube>(node.id, Cube::channel_sums(g.clone()));
        }
        conv_transpose_backward(g, ops.state, [x, w].map(|n| n.map(|n| n.id)), grads, checkpointer);
    }
}

fn conv3d_backward(
    g: FloatTensor<Cube>,
    (x, w, geometry, groups): SavedConv,
    [x_node, w_node]: [Option<NodeId>; 2],
    grads: &mut Gradients,
    checkpointer: &mut Checkpointer,
) {
    let x: FloatTensor<Cube> = checkpointer.retrieve_node_output(x);
    let w: FloatTensor<Cube> = checkpointer.retrieve_node_output(w);
    let [_, _, volume @ ..]: [usize; 5] = x.shape().dims();
    if let Some(node) = x_node {
        grads.register::<Cube>(node, Cube::conv3d_grad_input(g.clone(), w, geometry, groups, volume));
    }
    if let Some(node) = w_node {
        grads.register::<Cube>(node, Cube::conv3d_grad_weight(x, g, geometry, groups));
    }
}

fn conv_transpose_backward(
    g: FloatTensor<Cube>,
    (x, w, geometry): SavedConvTranspose,
    [x_node, w_node]: [Option<NodeId>; 2],
    grads: &mut Gradients,
    checkpointer: &mut Checkpointer,
) {
    let x: FloatTensor<Cube> = checkpointer.retrieve_node_output(x);
    let w: FloatTensor<Cube> = checkpointer.retrieve_node_output(w);
    if let Some(node) = x_node {
        grads.register::<Cube>(node, Cube::conv3d_forward(g.clone(), w, geometry, 1));
    }
    if let Some(node) = w_node {
        grads.register::<Cube>(node, Cube::conv3d_grad_weight(g, x, geometry, 1));
    }
}

#[derive(Debug)]
pub struct GroupNormBackward;

impl Backward<Cube, 3> for GroupNormBackward {
    type State = ([NodeId; 3], FloatTensor<Cube>, bool);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let (ids, statistics, silu) = ops.state;
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let [x, weight, bias]: [FloatTensor<Cube>; 3] = ids.map(|id| checkpointer.retrieve_node_output(id));
        let g = if silu { Cube::group_norm_silu_backward(x.clone(), g, statistics.clone(), weight.clone(), bias) } else { g };
        let sums = Cube::group_norm_sums(x.clone(), g.clone(), statistics.clone());
        let [x_node, weight_node, bias_node] = ops.parents;
        if weight_node.is_some() || bias_node.is_some() {
            let (by_weight, by_bias) = Cube::group_norm_grad_affine(sums.clone(), weight.clone());
            if let Some(node) = weight_node {
                grads.register::<Cube>(node.id, by_weight);
            }
            if let Some(node) = bias_node {
                grads.register::<Cube>(node.id, by_bias);
            }
        }
        if let Some(node) = x_node {
            grads.register::<Cube>(node.id, Cube::group_norm_grad_input(x, g, weight, statistics, sums));
        }
    }
}

#[derive(Debug)]
pub struct ResizeBackward;

impl Backward<Cube, 1> for ResizeBackward {
    /// The input's extent.
    type State = [usize; 3];

    fn backward(self, ops: Ops<[usize; 3], 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<Cube>(node.id, Cube::resize_backward(g, ops.state));
        }
    }
}

#[derive(Debug)]
pub struct MeanBackward;

impl Backward<Cube, 1> for MeanBackward {
    /// The input's extent.
    type State = [usize; 3];

    fn backward(self, ops: Ops<[usize; 3], 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<Cube>(node.id, Cube::mean_volume_backward(g, ops.state));
        }
    }
}

#[derive(Debug)]
pub struct PositionMapBackward;

impl Backward<Cube, 1> for PositionMapBackward {
    type State = ();

    fn backward(self, ops: Ops<(), 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<Cube>(node.id, Cube::position_map_backward(g));
        }
    }
}

#[derive(Debug)]
pub struct MulBackward;

impl Backward<Cube, 2> for MulBackward {
    type State = (NodeId, NodeId);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let x: FloatTensor<Cube> = checkpointer.retrieve_node_output(ops.state.0);
        let by: FloatTensor<Cube> = checkpointer.retrieve_node_output(ops.state.1);
        let ([_, channels, ..], [_, all, ..]): ([usize; 5], [usize; 5]) = (by.shape().dims(), x.shape().dims());
        if channels < all {
            let alone = Branches { count: 1, silu: [false; BRANCHES] };
            let nodes = ops.parents.map(|node| node.map(|node| node.id));
            return gate_backward(vec![x], by, g, alone, &nodes, grads);
        }
        let [x_node, by_node] = ops.parents;
        if let Some(node) = by_node {
            grads.register::<Cube>(node.id, Cube::dots_over(g.clone(), x, false));
        }
        if let Some(node) = x_node {
            grads.register::<Cube>(node.id, Cube::float_mul(g, by));
        }
    }
}

#[derive(Debug)]
pub struct GateBackward;

impl Backward<Cube, 5> for GateBackward {
    /// The branches that are meant, and what they are multiplied by.
    type State = (Vec<NodeId>, NodeId, Branches);

    fn backward(self, ops: Ops<Self::State, 5>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let (ids, by, branches) = ops.state;
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let x: Vec<FloatTensor<Cube>> = ids.into_iter().map(|id| checkpointer.retrieve_node_output(id)).collect();
        let by: FloatTensor<Cube> = checkpointer.retrieve_node_output(by);
        let [first @ .., last] = ops.parents.map(|node| node.map(|node| node.id));
        let nodes: Vec<_> = first.into_iter().take(branches.count).chain([last]).collect();
        gate_backward(x, by, g, branches, &nodes, grads);
    }
}

/// Registers the gradients of a gate's branches and, last, of what they were multiplied by, where they are asked for.
fn gate_backward(
    x: Vec<FloatTensor<Cube>>,
    by: FloatTensor<Cube>,
    g: FloatTensor<Cube>,
    branches: Branches,
    nodes: &[Option<NodeId>],
    grads: &mut Gradients,
) {
    // A branch that nobody else holds is written over; the gradient stands for those that are not meant.
    let mut x = x.into_iter();
    let [x0, x1, x2, x3] = std::array::from_fn(|_| x.next().unwrap_or_else(|| g.clone()));
    let (x0, x1, x2, x3, by_by) = Cube::gate_backward(x0, x1, x2, x3, by, g, branches);
    let gradients = [x0, x1, x2, x3].into_iter().take(branches.count).chain([by_by]);
    for (node, gradient) in nodes.iter().zip(gradients) {
        if let Some(node) = node {
            grads.register::<Cube>(*node, gradient);
        }
    }
}

#[derive(Debug)]
pub struct AddBroadcastBackward;

impl Backward<Cube, 2> for AddBroadcastBackward {
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
pub struct SiluBackward;

impl Backward<Cube, 1> for SiluBackward {
    type State = NodeId;

    fn backward(self, ops: Ops<NodeId, 1>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let x: FloatTensor<Cube> = checkpointer.retrieve_node_output(ops.state);
        if let [Some(node)] = ops.parents {
            let share = Cube::sigmoid(x.clone());
            let rest = Cube::float_add_scalar(Cube::float_neg(share.clone()), 1.0.into());
            // s (1 + x (1 - s))
            let derivative = Cube::float_mul(share, Cube::float_add_scalar(Cube::float_mul(x, rest), 1.0.into()));
            grads.register::<Cube>(node.id, Cube::float_mul(g, derivative));
        }
    }
}

#[derive(Debug)]
pub struct AddBackward;

impl Backward<Cube, 2> for AddBackward {
    type State = ();

    fn backward(self, ops: Ops<(), 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        ops.parents.into_iter().flatten().for_each(|node| grads.register::<Cube>(node.id, g.clone()));
    }
}

#[derive(Debug)]
pub struct ConcatBackward;

impl Backward<Cube, 2> for ConcatBackward {
    /// The channels of each part.
    type State = [usize; 2];

    fn backward(self, ops: Ops<[usize; 2], 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let mut start = 0;
        for (node, channels) in ops.parents.into_iter().zip(ops.state) {
            if let Some(node) = node {
                let mut part: Vec<Slice> = g.shape().iter().map(|n| Slice::from(0..*n)).collect();
                part[1] = Slice::from(start..start + channels);
                grads.register::<Cube>(node.id, Cube::float_slice(g.clone(), &part));
            }
            start += channels;
        }
    }
}

#[derive(Debug)]
pub struct MaxPoolBackward;

impl Backward<Cube, 1> for MaxPoolBackward {
    type State = (NodeId, [usize; 3]);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let (x, kernel) = ops.state;
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let x: FloatTensor<Cube> = checkpointer.retrieve_node_output(x);
        if let [Some(node)] = ops.parents {
            grads.register::<Cube>(node.id, Cube::max_pool3d_backward(x, g, kernel));
        }
    }
}

#[derive(Debug)]
pub struct SoftmaxBackward;

impl Backward<Cube, 1> for SoftmaxBackward {
    /// The output, and whether it is the logarithm.
    type State = (FloatTensor<Cube>, bool);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        if let [Some(node)] = ops.parents {
            let (y, log) = ops.state;
            grads.register::<Cube>(node.id, Cube::softmax_backward(y, g, log));
        }
    }
}
