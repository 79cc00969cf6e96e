//! Recomputation (rematerialisation): operations that run again in the backward pass, where a device asks for it, so that their outputs
//! need not be held until then.

use std::fmt;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::retro_forward::RetroForward;
use burn::backend::autodiff::checkpoint::state::BackwardStates;
use burn::backend::tensor::FloatTensor;
use burn_cubecl::Cube;

/// The inputs of an operation, and how its output follows from them.
pub struct Recompute<const N: usize, F> {
    pub ids: [NodeId; N],
    pub make: F,
}

impl<const N: usize, F> fmt::Debug for Recompute<N, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recompute").field("ids", &self.ids).finish_non_exhaustive()
    }
}

impl<const N: usize, F> RetroForward for Recompute<N, F>
where
    F: Fn([FloatTensor<Cube>; N]) -> FloatTensor<Cube> + Send + 'static,
{
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let read = self.ids.each_ref().map(|id| states.get_state::<FloatTensor<Cube>>(id));
        states.save(out, (self.make)(read));
    }
}
