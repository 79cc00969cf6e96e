//! Pointwise convolution (kernel 1): a product `[O, C] x [C, D H W]` over blocks of voxels, read in place.

use super::buffer::{Input, Output, each, scratch, sum, tensor};
use super::lanes::{LANES, run};
use super::sweep::{Correlate, Sweep, pack};
use burn::backend::flex::FlexTensor;

/// Voxels of a task, a multiple of the lanes.
const VOXELS: usize = 2048;

/// `x [N, C, D, H, W]`, `w [O, C, 1, 1, 1]`, `bias [O]`.
pub fn forward(x: FlexTensor, w: FlexTensor, bias: Option<FlexTensor>) -> FlexTensor {
    let (w, bias) = (Input::new(w), bias.map(Input::new));
    let [o, c, ..] = w.dims();
    let packed = pack(o, c, 1, |o, i, _| w.data()[o * c + i]);
    product(Input::new(x), &packed, bias.as_ref().map_or(&[], Input::data), o)
}

/// The gradient of `x`.
pub fn data_gradient(w: FlexTensor, gy: FlexTensor) -> FlexTensor {
    let w = Input::new(w);
    let [o, c, ..] = w.dims();
    product(Input::new(gy), &pack(c, o, 1, |i, o, _| w.data()[o * c + i]), &[], c)
}

fn product(x: Input, packed: &[f32], bias: &[f32], outputs: usize) -> FlexTensor {
    let [n, c, d, h, w] = x.dims();
    let space = d * h * w;
    let mut out = Output::new(&[n, outputs, d, h, w]);
    let to = out.shared();
    let chunks = space.div_ceil(VOXELS);
    let sweep = |source: *const f32, channel: usize, at: *mut f32, count: usize| {
        let job = Sweep {
            source,
            channel,
            source_plane: 0,
            source_row: 0,
            channels: c,
            taps: &[0],
            weights: packed,
            bias,
            out: at,
            outputs,
            out_channel: space,
            out_plane: 0,
            out_row: 0,
            out_step: 1,
            size: [1, 1, count],
        };
        // SAFETY: the callers below give whole vectors of source, and outputs of their own.
        unsafe { run(job) }
    };
    each(n * chunks, n * space * c.max(outputs), |task| {
        let (b, first) = (task / chunks, task % chunks * VOXELS);
        let count = VOXELS.min(space - first);
        let whole = count / LANES * LANES;
        let source = &x.data()[b * c * space + first..];
        // SAFETY: the first output of this task.
        let at = unsafe { to.at(b * outputs * space + first) };
        if whole > 0 {
            sweep(source.as_ptr(), space, at, whole);
        }
        if whole < count {
            // The last voxels, in a copy that fills a vector.
            scratch(c * LANES, |tail| {
                for (i, tail) in tail.chunks_exact_mut(LANES).enumerate() {
                    tail.fill(0.0);
                    tail[..count - whole].copy_from_slice(&source[i * space + whole..][..count - whole]);
                }
                // SAFETY: inside this task's outputs.
                sweep(tail.as_ptr(), LANES, unsafe { at.add(whole) }, count - whole);
            });
        }
    });
    // SAFETY: the tasks cover every voxel of every channel.
    unsafe { out.finish() }
}

/// The gradient of `w`.
pub fn weight_gradient(x: FlexTensor, gy: FlexTensor) -> FlexTensor {
    let (x, gy) = (Input::new(x), Input::new(gy));
    let [n, c, d, h, w] = x.dims();
    let o = gy.dims()[1];
    let space = d * h * w;
    // Few parts: each is a whole matrix.
    let voxels = space.div_ceil(16).next_multiple_of(VOXELS);
    let chunks = space.div_ceil(voxels);
    let total = sum(n * chunks, o * c, n * space * o.max(c), |task, total| {
        let (b, first) = (task / chunks, task % chunks * voxels);
        let count = voxels.min(space - first);
        let whole = count / LANES * LANES;
        let (source, grad) = (&x.data()[b * c * space + first..], &gy.data()[b * o * space + first..]);
        let mut correlate = |source: *const f32, grad: *const f32, step: usize, rows: usize, width: usize| {
            let job = Correlate {
                source,
                channel: step,
                source_plane: 0,
                source_row: width,
                channels: c,
                taps: &[0],
                grad,
                outputs: o,
                grad_channel: step,
                grad_plane: 0,
                grad_row: width,
                size: [1, rows, width],
                total,
            };
            // SAFETY: the calls below give whole vectors of both.
            unsafe { run(job) }
        };
        if whole > 0 {
            correlate(source.as_ptr(), grad.as_ptr(), space, whole / LANES, LANES);
        }
        if whole < count {
            scratch((c + o) * LANES, |tail| {
                tail.fill(0.0);
                let (left, right) = tail.split_at_mut(c * LANES);
                for (from, to) in [(source, left), (grad, &mut *right)] {
                    for (i, to) in to.chunks_exact_mut(LANES).enumerate() {
                        to[..count - whole].copy_from_slice(&from[i * space + whole..][..count - whole]);
                    }
                }
                correlate(tail.as_ptr(), tail[c * LANES..].as_ptr(), LANES, 1, LANES);
            });
        }
    });
    tensor(total.into_iter().map(|v| v as f32).collect(), &[o, c, 1, 1, 1])
}
