//! Operations that are done again on the way back, where a device asks for it, so that what they make need not be kept until then.

use super::raw::Kernels;
use super::tracked::Tracked;
use crate::kernel::conv3d::Geometry;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::retro_forward::RetroForward;
use burn::backend::autodiff::checkpoint::state::BackwardStates;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn_cubecl::Cube;

/// A group norm, of statistics that are kept.
#[derive(Debug)]
pub struct Normalised {
    pub ids: [NodeId; 3],
    pub statistics: FloatTensor<Cube>,
    pub silu: bool,
}

impl RetroForward for Normalised {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let [x, weight, bias] = self.ids.each_ref().map(|id| states.get_state::<FloatTensor<Cube>>(id));
        states.save(out, Cube::group_apply(x, self.statistics.clone(), weight, bias, self.silu));
    }
}

/// A resized volume.
#[derive(Debug)]
pub struct Resized {
    pub id: NodeId,
    pub to: [usize; 3],
}

impl RetroForward for Resized {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let x = states.get_state::<FloatTensor<Cube>>(&self.id);
        states.save(out, Cube::interpolate(x, self.to));
    }
}

/// SiLU.
#[derive(Debug)]
pub struct Bent {
    pub id: NodeId,
}

impl RetroForward for Bent {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let x = states.get_state::<FloatTensor<Cube>>(&self.id);
        states.save(out, Cube::bend_volume(x));
    }
}

/// A product with what lacks the channels or the voxels.
#[derive(Debug)]
pub struct Scaled {
    pub ids: [NodeId; 2],
}

impl RetroForward for Scaled {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let [x, by] = self.ids.each_ref().map(|id| states.get_state::<FloatTensor<Cube>>(id));
        states.save(out, Cube::float_mul(x, by));
    }
}

/// SiLU of a volume times one that lacks its channels.
#[derive(Debug)]
pub struct Gated {
    pub ids: [NodeId; 2],
}

impl RetroForward for Gated {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let [x, by] = self.ids.each_ref().map(|id| states.get_state::<FloatTensor<Cube>>(id));
        states.save(out, Cube::gate_volume(x, by));
    }
}

/// Two volumes one after the other along the channels.
#[derive(Debug)]
pub struct Joined {
    pub ids: [NodeId; 2],
}

impl RetroForward for Joined {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let parts = self.ids.each_ref().map(|id| states.get_state::<FloatTensor<Cube>>(id));
        states.save(out, Cube::float_cat(parts.to_vec(), 1));
    }
}

/// A pointwise convolution.
#[derive(Debug)]
pub struct Slid {
    pub ids: [NodeId; 2],
    pub bias: Option<NodeId>,
    pub geometry: Geometry,
}

impl RetroForward for Slid {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let [x, w] = self.ids.each_ref().map(|id| states.get_state::<FloatTensor<Cube>>(id));
        let y = match self.bias.as_ref().map(|id| states.get_state::<FloatTensor<Cube>>(id)) {
            Some(bias) => Cube::slide_biased(x, w, bias, self.geometry, 1),
            None => Cube::slide(x, w, self.geometry, 1),
        };
        states.save(out, y);
    }
}

/// Places relative to anchors.
#[derive(Debug)]
pub struct Placed {
    pub id: NodeId,
    pub to: [usize; 3],
}

impl RetroForward for Placed {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let anchors = states.get_state::<FloatTensor<Cube>>(&self.id);
        states.save(out, Cube::place_map(anchors, self.to));
    }
}
