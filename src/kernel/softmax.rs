//! Softmax over the channels of a volume, of which there are few: vectors run along the voxels, so every channel is read in
//! order. Backward from the output.

use super::buffer::{InputBuffer, OutputBuffer, each};
use super::lanes::{Isa, Lanes, SimdKernel, run};
use super::on_cpu;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;

/// Softmax of `x [N, C, D, H, W]` over `C`.
pub fn softmax_channels(x: Tensor<5>) -> Tensor<5> {
    #[cfg(feature = "gpu")]
    if super::gpu::takes(&x) {
        return super::gpu::softmax_channels(x, false);
    }
    if on_cpu(&x) { Tensor::from_dispatch(Dispatch::softmax(x.into_dispatch())) } else { burn::tensor::activation::softmax(x, 1) }
}

/// The logarithm of softmax of `x [N, C, D, H, W]` over `C`.
pub fn log_softmax_channels(x: Tensor<5>) -> Tensor<5> {
    #[cfg(feature = "gpu")]
    if super::gpu::takes(&x) {
        return super::gpu::softmax_channels(x, true);
    }
    burn::tensor::activation::log_softmax(x, 1)
}

#[backend_extension(Flex, Autodiff)]
pub trait SoftmaxExt: Backend {
    fn softmax(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl SoftmaxExt for Flex {
    fn softmax(x: FlexTensor) -> FlexTensor {
        let x = InputBuffer::new(x);
        over_voxels(x.dims(), |first, out, count, step, channels| {
            // SAFETY: `over_voxels` gives voxels inside the volume, and the task's own part of the output.
            unsafe { run(Isa::widest(), Forward { x: x.data()[first..].as_ptr(), out, count, step, channels }) }
        })
    }
}

impl<C: CheckpointStrategy> SoftmaxExt for Autodiff<Flex, C> {
    fn softmax(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match SoftmaxBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let y = Flex::softmax(x.into_primitive());
                prep.finish(y.clone(), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::softmax(x.into_primitive())),
        }
    }
}

#[derive(Debug)]
struct SoftmaxBackward;

impl Backward<Flex, 1> for SoftmaxBackward {
    /// The output.
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gy: FlexTensor = grads.consume::<Flex>(&ops.node);
        if let [Some(node)] = ops.parents {
            let (y, gy) = (InputBuffer::new(ops.state), InputBuffer::new(gy));
            let dx = over_voxels(y.dims(), |first, out, count, step, channels| {
                let (y, gy) = (y.data()[first..].as_ptr(), gy.data()[first..].as_ptr());
                // SAFETY: as in the forward pass; `y` and `gy` have one shape.
                unsafe { run(Isa::widest(), Gradient { y, gy, out, count, step, channels }) }
            });
            grads.register::<Flex>(node.id, dx);
        }
    }
}

/// Voxels of a task.
const VOXELS: usize = 4096;

/// Calls `f(first, out, count, step, channels)` for blocks of voxels: `first` is the place of the block's first voxel in the
/// first channel, `step` the distance of channels.
fn over_voxels(dims: [usize; 5], f: impl Fn(usize, *mut f32, usize, usize, usize) + Sync + Send) -> FlexTensor {
    let [n, c, d, h, w] = dims;
    let space = d * h * w;
    let mut out = OutputBuffer::new(&dims);
    let to = out.shared();
    let chunks = space.div_ceil(VOXELS);
    each(n * chunks, n * c * space, |task| {
        let (b, first) = (task / chunks, task % chunks * VOXELS);
        let at = b * c * space + first;
        // SAFETY: the first voxel of this task.
        f(at, unsafe { to.at(at) }, VOXELS.min(space - first), space, c);
    });
    // SAFETY: the tasks cover every voxel of every channel.
    unsafe { out.finish() }
}

struct Forward {
    x: *const f32,
    out: *mut f32,
    count: usize,
    step: usize,
    channels: usize,
}

impl SimdKernel for Forward {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: whole vectors and a head of each channel, inside the block.
        unsafe {
            let mut i = 0;
            while i < self.count {
                let live = (self.count - i).min(L::N);
                let load = |p: *const f32, c: usize| {
                    let p = p.add(c * self.step + i);
                    if live == L::N { L::load(p) } else { L::load_head(p, live) }
                };
                let store = |v: L, c: usize| {
                    let p = self.out.add(c * self.step + i);
                    if live == L::N { v.store(p) } else { v.store_head(p, live) }
                };
                let mut top = load(self.x, 0);
                for c in 1..self.channels {
                    top = top.max(load(self.x, c));
                }
                let mut total = L::splat(0.0);
                for c in 0..self.channels {
                    let e = load(self.x, c).sub(top).exp();
                    total = total.add(e);
                    store(e, c);
                }
                let scale = L::splat(1.0).div(total);
                for c in 0..self.channels {
                    store(load(self.out, c).mul(scale), c);
                }
                i += L::N;
            }
        }
    }
}

/// `y * (gy - sum over channels of gy * y)`.
struct Gradient {
    y: *const f32,
    gy: *const f32,
    out: *mut f32,
    count: usize,
    step: usize,
    channels: usize,
}

impl SimdKernel for Gradient {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: as in `Forward`.
        unsafe {
            let mut i = 0;
            while i < self.count {
                let live = (self.count - i).min(L::N);
                let load = |p: *const f32, c: usize| {
                    let p = p.add(c * self.step + i);
                    if live == L::N { L::load(p) } else { L::load_head(p, live) }
                };
                let mut dot = L::splat(0.0);
                for c in 0..self.channels {
                    dot = load(self.y, c).mul_add(load(self.gy, c), dot);
                }
                for c in 0..self.channels {
                    let v = load(self.y, c).mul(load(self.gy, c).sub(dot));
                    let p = self.out.add(c * self.step + i);
                    if live == L::N { v.store(p) } else { v.store_head(p, live) }
                }
                i += L::N;
            }
        }
    }
}
