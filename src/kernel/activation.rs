//! SiLU and the logistic function, with a vectorised exponential; backward from the input (SiLU) or the output (logistic).

use super::buffer::{InputBuffer, OutputBuffer, each};
use super::formula::{Formula, FormulaMap, logistic, silu_grad};
#[cfg(feature = "gpu")]
use super::gpu;
use super::lanes::{Isa, Lanes, run};
use super::on_cpu;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::activation;

/// `x * sigmoid(x)`.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "gpu")]
    if gpu::takes(&x) {
        return gpu::silu(x);
    }
    if on_cpu(&x) { Tensor::from_dispatch(Dispatch::activate(x.into_dispatch(), ActivationKind::Silu)) } else { activation::silu(x) }
}

/// `1 / (1 + exp(-x))`.
pub fn sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if on_cpu(&x) { Tensor::from_dispatch(Dispatch::activate(x.into_dispatch(), ActivationKind::Sigmoid)) } else { activation::sigmoid(x) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivationKind {
    Silu,
    Sigmoid,
}

#[backend_extension(Flex, Autodiff)]
pub trait ActivationExt: Backend {
    fn activate(x: FloatTensor<Self>, curve: ActivationKind) -> FloatTensor<Self>;
}

impl ActivationExt for Flex {
    fn activate(x: FlexTensor, curve: ActivationKind) -> FlexTensor {
        match curve {
            ActivationKind::Silu => map([x], |[x]| Silu(x)),
            ActivationKind::Sigmoid => map([x], |[x]| Sigmoid(x)),
        }
    }
}

impl<C: CheckpointStrategy> ActivationExt for Autodiff<Flex, C> {
    fn activate(x: FloatTensor<Self>, curve: ActivationKind) -> FloatTensor<Self> {
        match ActivationBackward(curve).prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let x = x.into_primitive();
                let y = Flex::activate(x.clone(), curve);
                prep.finish(if curve == ActivationKind::Silu { x } else { y.clone() }, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::activate(x.into_primitive(), curve)),
        }
    }
}

#[derive(Debug)]
struct ActivationBackward(ActivationKind);

impl Backward<Flex, 1> for ActivationBackward {
    /// The input of SiLU, the output of the logistic function.
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gy: FlexTensor = grads.consume::<Flex>(&ops.node);
        if let [Some(node)] = ops.parents {
            let kept = ops.state;
            let dx = match self.0 {
                ActivationKind::Silu => map([kept, gy], |[x, gy]| SiluGradient(x, gy)),
                ActivationKind::Sigmoid => map([kept, gy], |[y, gy]| SigmoidGradient(y, gy)),
            };
            grads.register::<Flex>(node.id, dx);
        }
    }
}

/// Floats of a task.
const BLOCK: usize = 1 << 14;

fn map<const N: usize, F: Formula>(inputs: [FlexTensor; N], formula: impl Fn([*const f32; N]) -> F + Sync + Send) -> FlexTensor {
    let shape: Vec<usize> = inputs[0].layout().shape().to_vec();
    let len = shape.iter().product::<usize>();
    let inputs = inputs.map(InputBuffer::new);
    let mut out = OutputBuffer::new(&shape);
    let to = out.shared();
    each(len.div_ceil(BLOCK), len * N, |task| {
        let first = task * BLOCK;
        let pointers = std::array::from_fn(|i| inputs[i].data()[first..].as_ptr());
        // SAFETY: the block lies inside every input (all of one shape) and is this task's own part of the output.
        unsafe { run(Isa::widest(), FormulaMap { formula: formula(pointers), out: to.at(first), len: BLOCK.min(len - first) }) };
    });
    // SAFETY: the tasks cover every element.
    unsafe { out.finish() }
}

#[derive(Clone, Copy)]
struct Sigmoid(*const f32);
impl Formula for Sigmoid {
    #[inline(always)]
    unsafe fn at<L: Lanes>(self, load: impl Fn(*const f32) -> L) -> L {
        // SAFETY: the caller's.
        unsafe { logistic(load(self.0)) }
    }
}

#[derive(Clone, Copy)]
struct Silu(*const f32);
impl Formula for Silu {
    #[inline(always)]
    unsafe fn at<L: Lanes>(self, load: impl Fn(*const f32) -> L) -> L {
        let x = load(self.0);
        // SAFETY: the caller's.
        unsafe { x.mul(logistic(x)) }
    }
}

/// `gy * y * (1 - y)`.
#[derive(Clone, Copy)]
struct SigmoidGradient(*const f32, *const f32);
impl Formula for SigmoidGradient {
    #[inline(always)]
    unsafe fn at<L: Lanes>(self, load: impl Fn(*const f32) -> L) -> L {
        let (y, gy) = (load(self.0), load(self.1));
        // SAFETY: the caller's.
        unsafe { gy.mul(y).mul(L::splat(1.0).sub(y)) }
    }
}

/// `gy * s * (1 + x * (1 - s))` with `s = sigmoid(x)`.
#[derive(Clone, Copy)]
struct SiluGradient(*const f32, *const f32);
impl Formula for SiluGradient {
    #[inline(always)]
    unsafe fn at<L: Lanes>(self, load: impl Fn(*const f32) -> L) -> L {
        let (x, gy) = (load(self.0), load(self.1));
        // SAFETY: the caller's.
        unsafe { silu_grad(x, gy) }
    }
}
