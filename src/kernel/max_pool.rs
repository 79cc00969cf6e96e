//! Maximum over boxes that tile the volume. Forward keeps which place of its box won, backward gives it the gradient.

use super::buffer::{InputBuffer, OutputBuffer, each, scratch};
use super::lanes::{Isa, Lanes, SimdKernel, run};
use super::on_cpu;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use std::sync::Arc;

/// `torch.nn.functional.max_pool3d` with stride = kernel: `[N, C, D / kD, H / kH, W / kW]`, rounded down. A NaN wins; among
/// equals the first does.
///
/// # Panics
/// If the kernel is empty or larger than the volume.
pub fn max_pool3d(x: Tensor<5>, kernel: [usize; 3]) -> Tensor<5> {
    let [.., d, h, w] = x.dims();
    let fits = kernel.iter().zip([d, h, w]).all(|(k, n)| (1..=n).contains(k));
    assert!(fits, "max_pool3d: a kernel of {kernel:?} does not fit in a volume of {:?}", [d, h, w]);
    #[cfg(feature = "gpu")]
    if kernel != [1; 3] && super::gpu::takes(&x) {
        return super::gpu::max_pool3d(x, kernel);
    }
    if kernel == [1; 3] {
        x
    } else if on_cpu(&x) && kernel.iter().product::<usize>() <= usize::from(u8::MAX) {
        Tensor::from_dispatch(Dispatch::pool(x.into_dispatch(), kernel))
    } else {
        portable(x, kernel)
    }
}

/// Burn's own operations.
pub(super) fn portable(x: Tensor<5>, [kd, kh, kw]: [usize; 3]) -> Tensor<5> {
    let [n, c, d, h, w] = x.dims();
    let (od, oh, ow) = (d / kd, h / kh, w / kw);
    let x = x.slice([0..n, 0..c, 0..od * kd, 0..oh * kh, 0..ow * kw]);
    let x = x.reshape([n * c * od * kd * oh * kh, ow, kw]).max_dim(2);
    let x = x.reshape([n * c * od * kd * oh, kh, ow]).max_dim(1);
    x.reshape([n * c * od, kd, oh * ow]).max_dim(1).reshape([n, c, od, oh, ow])
}

#[backend_extension(Flex, Autodiff)]
pub trait MaxPoolExt: Backend {
    fn pool(x: FloatTensor<Self>, kernel: [usize; 3]) -> FloatTensor<Self>;
}

impl MaxPoolExt for Flex {
    fn pool(x: FlexTensor, kernel: [usize; 3]) -> FlexTensor {
        forward(&InputBuffer::new(x), kernel, false).0
    }
}

impl<C: CheckpointStrategy> MaxPoolExt for Autodiff<Flex, C> {
    fn pool(x: FloatTensor<Self>, kernel: [usize; 3]) -> FloatTensor<Self> {
        match MaxPoolBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let x = InputBuffer::new(x.into_primitive());
                let (y, winners) = forward(&x, kernel, true);
                prep.finish(Winners { places: Arc::new(winners), kernel, dims: x.dims() }, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::pool(x.into_primitive(), kernel)),
        }
    }
}

#[derive(Debug)]
struct MaxPoolBackward;

/// The place of every box that won, counted through the box, and the input's dimensions.
#[derive(Clone, Debug)]
struct Winners {
    places: Arc<Vec<u8>>,
    kernel: [usize; 3],
    dims: [usize; 5],
}

impl Backward<Flex, 1> for MaxPoolBackward {
    type State = Winners;

    fn backward(self, ops: Ops<Winners, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gy: FlexTensor = grads.consume::<Flex>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<Flex>(node.id, backward(&InputBuffer::new(gy), &ops.state));
        }
    }
}

fn forward(x: &InputBuffer, kernel: [usize; 3], keep: bool) -> (FlexTensor, Vec<u8>) {
    let [n, c, d, h, w] = x.dims();
    let [kd, kh, kw] = kernel;
    let (od, oh, ow) = (d / kd, h / kh, w / kw);
    let mut out = OutputBuffer::new(&[n, c, od, oh, ow]);
    let to = out.shared();
    let mut winners = vec![0u8; if keep { n * c * od * oh * ow } else { 0 }];
    let kept = SharedBytes(winners.as_mut_ptr());
    each(n * c * od, n * c * d * h * w, |task| {
        let (channel, plane) = (task / od, task % od);
        for row in 0..oh {
            let at = (task * oh + row) * ow;
            // SAFETY: this task's own row of the output.
            let out = unsafe { std::slice::from_raw_parts_mut(to.at(at), ow) };
            // SAFETY: as above, or empty.
            let places = unsafe { kept.row(if keep { at } else { 0 }, if keep { ow } else { 0 }) };
            let source = |line: usize| &x.data()[((channel * d + plane * kd + line / kh) * h + row * kh + line % kh) * w..][..ow * kw];
            scratch(2 * ow * kw, |buffer| {
                let (top, from) = buffer.split_at_mut(ow * kw);
                top.copy_from_slice(source(0));
                from.fill(0.0);
                for line in 1..kd * kh {
                    // SAFETY: three rows of one length.
                    unsafe { run(Isa::widest(), Better { source: source(line), line: line as f32, top, from }) }
                }
                if keep {
                    along::<true>(top, from, kw, out, places);
                } else {
                    along::<false>(top, from, kw, out, places);
                }
            });
        }
    });
    // SAFETY: the tasks cover every row.
    (unsafe { out.finish() }, winners)
}

/// Betters a row of maxima by a line of the boxes, and notes in `from` which line each came from.
struct Better<'a> {
    source: &'a [f32],
    line: f32,
    top: &'a mut [f32],
    from: &'a mut [f32],
}

impl SimdKernel for Better<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let len = self.source.len();
        let (source, top, from) = (self.source.as_ptr(), self.top.as_mut_ptr(), self.from.as_mut_ptr());
        // SAFETY: whole vectors and a head, inside the three slices.
        unsafe {
            let line = L::splat(self.line);
            let whole = len / L::N * L::N;
            for i in (0..whole).step_by(L::N) {
                let (v, t, f) = (L::load(source.add(i)), L::load(top.add(i)), L::load(from.add(i)));
                v.where_beats(t, v, t).store(top.add(i));
                v.where_beats(t, line, f).store(from.add(i));
            }
            let left = len - whole;
            if left > 0 {
                let head = |p: *const f32| L::load_head(p.add(whole), left);
                let (v, t, f) = (head(source), head(top), head(from));
                v.where_beats(t, v, t).store_head(top.add(whole), left);
                v.where_beats(t, line, f).store_head(from.add(whole), left);
            }
        }
    }
}

/// The maxima of `kw` neighbours each; among equals the one of the first line.
#[inline(always)]
fn along<const KEEP: bool>(top: &[f32], from: &[f32], kw: usize, out: &mut [f32], places: &mut [u8]) {
    for (i, ((top, from), out)) in top.chunks_exact(kw).zip(from.chunks_exact(kw)).zip(out).enumerate() {
        let mut best = 0;
        for j in 1..kw {
            let tie = (top[j] == top[best]) & (from[j] < from[best]);
            best = if (top[j] > top[best]) | top[j].is_nan() | tie { j } else { best };
        }
        *out = top[best];
        if KEEP {
            places[i] = (from[best] as usize * kw + best) as u8;
        }
    }
}

fn backward(gy: &InputBuffer, winners: &Winners) -> FlexTensor {
    let [n, c, d, h, w] = winners.dims;
    let [kd, kh, kw] = winners.kernel;
    let [_, _, od, oh, ow] = gy.dims();
    let mut out = OutputBuffer::new(&winners.dims);
    let to = out.shared();
    each(n * c * d, n * c * d * h * w, |task| {
        let (channel, plane) = (task / d, task % d);
        // SAFETY: this task's own plane.
        let out = unsafe { std::slice::from_raw_parts_mut(to.at(task * h * w), h * w) };
        for (row, out) in out.chunks_exact_mut(w).enumerate() {
            if plane / kd >= od || row / kh >= oh {
                out.fill(0.0);
                continue;
            }
            let at = ((channel * od + plane / kd) * oh + row / kh) * ow;
            let base = ((plane % kd * kh + row % kh) * kw) as u8;
            let (gy, places) = (&gy.data()[at..at + ow], &winners.places[at..at + ow]);
            out[ow * kw..].fill(0.0);
            for ((out, gy), place) in out.chunks_exact_mut(kw).zip(gy).zip(places) {
                for (j, out) in out.iter_mut().enumerate() {
                    *out = if *place == base + j as u8 { *gy } else { 0.0 };
                }
            }
        }
    });
    // SAFETY: the tasks cover every plane.
    unsafe { out.finish() }
}

/// Bytes that several threads may write, each its own rows.
#[derive(Clone, Copy)]
struct SharedBytes(*mut u8);
// SAFETY: `forward` gives every task rows that no other task touches.
unsafe impl Send for SharedBytes {}
// SAFETY: as above.
unsafe impl Sync for SharedBytes {}

impl SharedBytes {
    /// # Safety
    /// The row lies inside the buffer and nobody else uses it.
    unsafe fn row<'a>(self, at: usize, len: usize) -> &'a mut [u8] {
        // SAFETY: the caller vouches for it.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(at), len) }
    }
}
