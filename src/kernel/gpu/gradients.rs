//! The ways back of the operations of the network. Convolution, its transpose and its weight gradient are each other's gradients.

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
pub struct Convolution;
#[derive(Debug)]
pub struct BiasedConvolution;
#[derive(Debug)]
pub struct Spreading;
#[derive(Debug)]
pub struct BiasedSpreading;

/// What a convolution's way back needs.
pub type Slid = (NodeId, NodeId, Geometry, usize);
/// What its transpose's needs.
pub type Spread = (NodeId, NodeId, Geometry);

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
pub struct Normalisation;

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
pub struct Resizing;

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
pub struct Averaging;

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
pub struct Placing;

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
pub struct Scaling;

impl Backward<Cube, 2> for Scaling {
    type State = (NodeId, NodeId);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let x: FloatTensor<Cube> = checkpointer.retrieve_node_output(ops.state.0);
        let by: FloatTensor<Cube> = checkpointer.retrieve_node_output(ops.state.1);
        let ([_, channels, ..], [_, all, ..]): ([usize; 5], [usize; 5]) = (by.shape().dims(), x.shape().dims());
        if channels < all {
            let alone = Branches { count: 1, silu: [false; BRANCHES] };
            let nodes = ops.parents.map(|node| node.map(|node| node.id));
            return back_from_gate(vec![x], by, g, alone, &nodes, grads);
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
pub struct Gating;

impl Backward<Cube, 5> for Gating {
    /// The branches that are meant, and what they are multiplied by.
    type State = (Vec<NodeId>, NodeId, Branches);

    fn backward(self, ops: Ops<Self::State, 5>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let (ids, by, branches) = ops.state;
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let x: Vec<FloatTensor<Cube>> = ids.into_iter().map(|id| checkpointer.retrieve_node_output(id)).collect();
        let by: FloatTensor<Cube> = checkpointer.retrieve_node_output(by);
        let [first @ .., last] = ops.parents.map(|node| node.map(|node| node.id));
        let nodes: Vec<_> = first.into_iter().take(branches.count).chain([last]).collect();
        back_from_gate(x, by, g, branches, &nodes, grads);
    }
}

/// Registers the gradients of a gate's branches and, last, of what they were multiplied by, where they are asked for.
fn back_from_gate(
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
    let (x0, x1, x2, x3, by_by) = Cube::gated_back(x0, x1, x2, x3, by, g, branches);
    let slopes = [x0, x1, x2, x3].into_iter().take(branches.count).chain([by_by]);
    for (node, slope) in nodes.iter().zip(slopes) {
        if let Some(node) = node {
            grads.register::<Cube>(*node, slope);
        }
    }
}

#[derive(Debug)]
pub struct Shifting;

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
pub struct Bending;

impl Backward<Cube, 1> for Bending {
    type State = NodeId;

    fn backward(self, ops: Ops<NodeId, 1>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        let x: FloatTensor<Cube> = checkpointer.retrieve_node_output(ops.state);
        if let [Some(node)] = ops.parents {
            let share = Cube::sigmoid(x.clone());
            let rest = Cube::float_add_scalar(Cube::float_neg(share.clone()), 1.0.into());
            // s (1 + x (1 - s))
            let slope = Cube::float_mul(share, Cube::float_add_scalar(Cube::float_mul(x, rest), 1.0.into()));
            grads.register::<Cube>(node.id, Cube::float_mul(g, slope));
        }
    }
}

#[derive(Debug)]
pub struct Adding;

impl Backward<Cube, 2> for Adding {
    type State = ();

    fn backward(self, ops: Ops<(), 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        ops.parents.into_iter().flatten().for_each(|node| grads.register::<Cube>(node.id, g.clone()));
    }
}

#[derive(Debug)]
pub struct Joining;

impl Backward<Cube, 2> for Joining {
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
pub struct Pooling;

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
pub struct Shares;

impl Backward<Cube, 1> for Shares {
    /// The output, and whether it is the logarithm.
    type State = (FloatTensor<Cube>, bool);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g: FloatTensor<Cube> = grads.consume::<Cube>(&ops.node);
        if let [Some(node)] = ops.parents {
            let (y, log) = ops.state;
            grads.register::<Cube>(node.id, Cube::channel_slopes(y, g, log));
        }
    }
}
