//! A backward pass that begins with a given gradient of a tensor, as `y.backward(gradient)` in PyTorch.

use super::on_cpu;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, Shape, TensorMetadata, backend_extension};
use burn::tensor::{FloatDType, Tensor};
#[cfg(feature = "gpu")]
use burn_cubecl::Cube;

/// A zero `[1]` whose backward pass gives `gradient` (of the shape and type of `y`, without gradients) to `y`, whatever comes back to it: only
/// for the start of a backward pass, alone or in a sum.
///
/// # Panics
/// If the shapes differ.
pub fn backward_from(y: Tensor<5>, gradient: Tensor<5>) -> Tensor<1> {
    assert!(y.dims() == gradient.dims(), "backward_from: the gradient is of the shape of its tensor");
    #[cfg(feature = "gpu")]
    let own = on_cpu(&y) || super::gpu::takes(&y);
    #[cfg(not(feature = "gpu"))]
    let own = on_cpu(&y);
    if own && y.dtype() == gradient.dtype() {
        Tensor::from_dispatch(Dispatch::backward_from(y.into_dispatch(), gradient.into_dispatch()))
    } else {
        portable(y, gradient)
    }
}

/// Burn's own operations: the product has the same gradient, and makes a volume of its own.
pub(super) fn portable(y: Tensor<5>, gradient: Tensor<5>) -> Tensor<1> {
    (y * gradient).sum()
}

#[backend_extension(Flex, Cube: cfg(feature = "gpu"), Autodiff)]
pub trait BackwardFromExt: Backend {
    fn backward_from(y: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self>;
}

fn zero<B: Backend>(y: &FloatTensor<B>) -> FloatTensor<B> {
    B::float_zeros(Shape::from([1]), &y.device(), FloatDType::F32)
}

impl BackwardFromExt for Flex {
    fn backward_from(y: FloatTensor<Self>, _: FloatTensor<Self>) -> FloatTensor<Self> {
        zero::<Self>(&y)
    }
}

#[cfg(feature = "gpu")]
impl BackwardFromExt for Cube {
    fn backward_from(y: FloatTensor<Self>, _: FloatTensor<Self>) -> FloatTensor<Self> {
        zero::<Self>(&y)
    }
}

impl<B: Backend, C: CheckpointStrategy> BackwardFromExt for Autodiff<B, C> {
    fn backward_from(y: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let prep = InjectGradient.prepare::<C>([y.node()]).compute_bound().stateful();
        let zero = zero::<B>(&y.into_primitive());
        match prep {
            OpsKind::Tracked(prep) => prep.finish(gradient.into_primitive(), zero),
            OpsKind::UnTracked(prep) => prep.finish(zero),
        }
    }
}

#[derive(Debug)]
struct InjectGradient;

impl<B: Backend> Backward<B, 1> for InjectGradient {
    /// The gradient.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        grads.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<B>(node.id, ops.state);
        }
    }
}
