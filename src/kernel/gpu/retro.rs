//! Operations that are done again on the way back, where a device asks for it, so that what they make need not be kept until then.

use super::raw::Kernels;
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

/// A product or a sum with what lacks the channels or the voxels.
#[derive(Debug)]
pub struct Joined {
    pub ids: [NodeId; 2],
    pub product: bool,
}

impl RetroForward for Joined {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let [x, by] = self.ids.each_ref().map(|id| states.get_state::<FloatTensor<Cube>>(id));
        states.save(out, if self.product { Cube::float_mul(x, by) } else { Cube::float_add(x, by) });
    }
}
