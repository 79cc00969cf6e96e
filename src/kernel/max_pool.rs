//! Maximum over boxes that tile the volume. Forward keeps which place of its box won, backward gives it the gradient.

use super::buffer::{Input, Output, each};
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
pub trait Pool: Backend {
    fn pool(x: FloatTensor<Self>, kernel: [usize; 3]) -> FloatTensor<Self>;
}

impl Pool for Flex {
    fn pool(x: FlexTensor, kernel: [usize; 3]) -> FlexTensor {
        forward(&Input::new(x), kernel, false).0
    }
}

impl<C: CheckpointStrategy> Pool for Autodiff<Flex, C> {
    fn pool(x: FloatTensor<Self>, kernel: [usize; 3]) -> FloatTensor<Self> {
        match PoolBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let x = Input::new(x.into_primitive());
                let (y, winners) = forward(&x, kernel, true);
                prep.finish(Winners { places: Arc::new(winners), kernel, dims: x.dims() }, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::pool(x.into_primitive(), kernel)),
        }
    }
}

#[derive(Debug)]
struct PoolBackward;

/// The place of every box that won, counted through the box, and the input's dimensions.
#[derive(Clone, Debug)]
struct Winners {
    places: Arc<Vec<u8>>,
    kernel: [usize; 3],
    dims: [usize; 5],
}

impl Backward<Flex, 1> for PoolBackward {
    type State = Winners;

    fn backward(self, ops: Ops<Winners, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gy: FlexTensor = grads.consume::<Flex>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<Flex>(node.id, backward(&Input::new(gy), &ops.state));
        }
    }
}

fn forward(x: &Input, kernel: [usize; 3], keep: bool) -> (FlexTensor, Vec<u8>) {
    let [n, c, d, h, w] = x.dims();
    let [kd, kh, kw] = kernel;
    let (od, oh, ow) = (d / kd, h / kh, w / kw);
    let mut out = Output::new(&[n, c, od, oh, ow]);
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
            let mut first = true;
            for a in 0..kd {
                for b in 0..kh {
                    let source = &x.data()[((channel * d + plane * kd + a) * h + row * kh + b) * w..][..ow * kw];
                    let base = ((a * kh + b) * kw) as u8;
                    match (kw, keep) {
                        (2, true) => best::<2, true>(source, 2, out, places, base, first),
                        (2, false) => best::<2, false>(source, 2, out, places, base, first),
                        (_, true) => best::<0, true>(source, kw, out, places, base, first),
                        (_, false) => best::<0, false>(source, kw, out, places, base, first),
                    }
                    first = false;
                }
            }
        }
    });
    // SAFETY: the tasks cover every row.
    (unsafe { out.finish() }, winners)
}

/// Betters a row of maxima by one row of the boxes; `K` is the width if known, or 0.
#[inline(always)]
fn best<const K: usize, const KEEP: bool>(source: &[f32], kw: usize, out: &mut [f32], places: &mut [u8], base: u8, first: bool) {
    let kw = if K > 0 { K } else { kw };
    for (i, (source, out)) in source.chunks_exact(kw).zip(out.iter_mut()).enumerate() {
        let (mut top, mut place) = if first { (source[0], base) } else { (*out, if KEEP { places[i] } else { 0 }) };
        for (j, v) in source.iter().enumerate() {
            let better = *v > top || (v.is_nan() && !top.is_nan());
            top = if better { *v } else { top };
            place = if better { base + j as u8 } else { place };
        }
        *out = top;
        if KEEP {
            places[i] = place;
        }
    }
}

fn backward(gy: &Input, winners: &Winners) -> FlexTensor {
    let [n, c, d, h, w] = winners.dims;
    let [kd, kh, kw] = winners.kernel;
    let [_, _, od, oh, ow] = gy.dims();
    let mut out = Output::new(&winners.dims);
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
