//! SiLU and the logistic function, with a vectorised exponential, and ReLU with and without a leak; backward from the input (SiLU, leaky
//! ReLU) or the output (logistic, ReLU).

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

/// `x` above zero, `slope * x` elsewhere; with a slope of 0 ReLU.
pub fn leaky_relu(x: Tensor<5>, slope: f32) -> Tensor<5> {
    if on_cpu(&x) {
        Tensor::from_dispatch(Dispatch::activate(x.into_dispatch(), ActivationKind::LeakyRelu(slope)))
    } else if slope == 0.0 {
        activation::relu(x)
    } else {
        activation::leaky_relu(x, f64::from(slope))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ActivationKind {
    Silu,
    Sigmoid,
    LeakyRelu(f32),
}

impl ActivationKind {
    /// Whether the backward pass takes the input, not the output.
    fn keeps_input(self) -> bool {
        match self {
            ActivationKind::Silu => true,
            ActivationKind::Sigmoid => false,
            ActivationKind::LeakyRelu(slope) => slope != 0.0,
        }
    }
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
            ActivationKind::LeakyRelu(slope) => map([x], |[x]| LeakyRelu(x, slope)),
        }
    }
}

impl<C: CheckpointStrategy> ActivationExt for Autodiff<Flex, C> {
    fn activate(x: FloatTensor<Self>, curve: ActivationKind) -> FloatTensor<Self> {
        match ActivationBackward(curve).prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let x = x.into_primitive();
                let y = Flex::activate(x.clone(), curve);
                prep.finish(if curve.keeps_input() { x } else { y.clone() }, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::activate(x.into_primitive(), curve)),
        }
    }
}

#[derive(Debug)]
struct ActivationBackward(ActivationKind);

impl Backward<Flex, 1> for ActivationBackward {
    /// The input or the output: see [`ActivationKind::keeps_input`].
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gy: FlexTensor = grads.consume::<Flex>(&ops.node);
        if let [Some(node)] = ops.parents {
            let kept = ops.state;
            let dx = match self.0 {
                ActivationKind::Silu => map([kept, gy], |[x, gy]| SiluGradient(x, gy)),
                ActivationKind::Sigmoid => map([kept, gy], |[y, gy]| SigmoidGradient(y, gy)),
                ActivationKind::LeakyRelu(slope) => map([kept, gy], |[x, gy]| LeakyReluGradient(x, gy, slope)),
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

#[derive(Clone, Copy)]
struct LeakyRelu(*const f32, f32);
impl Formula for LeakyRelu {
    #[inline(always)]
    unsafe fn at<L: Lanes>(self, load: impl Fn(*const f32) -> L) -> L {
        let x = load(self.0);
        // SAFETY: the caller's.
        unsafe { x.where_negative(x.mul(L::splat(self.1)), x) }
    }
}

/// `gy` where `x` is above zero, `slope * gy` elsewhere.
#[derive(Clone, Copy)]
struct LeakyReluGradient(*const f32, *const f32, f32);
impl Formula for LeakyReluGradient {
    #[inline(always)]
    unsafe fn at<L: Lanes>(self, load: impl Fn(*const f32) -> L) -> L {
        let (x, gy) = (load(self.0), load(self.1));
        // SAFETY: the caller's.
        unsafe { x.where_beats(L::splat(0.0), gy, gy.mul(L::splat(self.2))) }
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
