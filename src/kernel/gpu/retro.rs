//! Operations that are done again on the way back, where a device asks for it, so that what they make need not be kept until then.

use std::fmt;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::retro_forward::RetroForward;
use burn::backend::autodiff::checkpoint::state::BackwardStates;
use burn::backend::tensor::FloatTensor;
use burn_cubecl::Cube;

/// What an operation has read, and how it makes its result of that.
pub struct Again<const N: usize, F> {
    pub ids: [NodeId; N],
    pub make: F,
}

impl<const N: usize, F> fmt::Debug for Again<N, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Again").field("ids", &self.ids).finish_non_exhaustive()
    }
}

impl<const N: usize, F> RetroForward for Again<N, F>
where
    F: Fn([FloatTensor<Cube>; N]) -> FloatTensor<Cube> + Send + 'static,
{
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let read = self.ids.each_ref().map(|id| states.get_state::<FloatTensor<Cube>>(id));
        states.save(out, (self.make)(read));
    }
}
