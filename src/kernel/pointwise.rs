//! Pointwise convolution (kernel 1): a product `[O, C] x [C, D H W]` over blocks of voxels.

use super::buffer::{InputBuffer, OutputBuffer, each, scratch, tensor};
use super::conv_rows::{ConvRows, GradWeightRows, pack};
use super::lanes::{Isa, run};
use super::reduce::WorkSplit;
use burn::backend::flex::FlexTensor;

/// Voxels copied together, so that their channels lie side by side in the first-level cache: a multiple of what the loop holds
/// in registers.
fn tile(isa: Isa, channels: usize) -> usize {
    let held = 3 * isa.lanes();
    (6144 / channels.max(1) / held * held).clamp(held, 480)
}

/// Copies `count` voxels of `channels` channels that are `space` apart into rows of `tile`, zeros beyond.
fn copy(source: &[f32], space: usize, channels: usize, count: usize, tile: usize, out: &mut [f32]) {
    for (c, out) in out.chunks_exact_mut(tile).enumerate().take(channels) {
        out[..count].copy_from_slice(&source[c * space..c * space + count]);
        out[count..].fill(0.0);
    }
}

/// `x [N, C, D, H, W]`, `w [O, C, 1, 1, 1]`, `bias [O]`.
pub fn forward(x: FlexTensor, w: FlexTensor, bias: Option<FlexTensor>) -> FlexTensor {
    let (w, bias) = (InputBuffer::new(w), bias.map(InputBuffer::new));
    let [o, c, ..] = w.dims();
    let packed = pack(o, c, 1, |o, i, _| w.data()[o * c + i]);
    product(InputBuffer::new(x), &packed, bias.as_ref().map_or(&[], InputBuffer::data), o)
}

/// The gradient of `x`.
pub fn grad_input(w: FlexTensor, gy: FlexTensor) -> FlexTensor {
    let w = InputBuffer::new(w);
    let [o, c, ..] = w.dims();
    product(InputBuffer::new(gy), &pack(c, o, 1, |i, o, _| w.data()[o * c + i]), &[], c)
}

fn product(x: InputBuffer, packed: &[f32], bias: &[f32], outputs: usize) -> FlexTensor {
    let [n, c, d, h, w] = x.dims();
    let space = d * h * w;
    let mut out = OutputBuffer::new(&[n, outputs, d, h, w]);
    let to = out.shared();
    let isa = Isa::of(space);
    let tile = tile(isa, c);
    let tiles = space.div_ceil(tile);
    each(n * tiles, n * space * c.max(outputs), |task| {
        let (b, first) = (task / tiles, task % tiles * tile);
        let count = tile.min(space - first);
        scratch(c * tile, |source| {
            copy(&x.data()[b * c * space + first..], space, c, count, tile, source);
            let conv_rows = ConvRows {
                source: source.as_ptr(),
                channel: tile,
                source_plane: 0,
                source_row: 0,
                channels: c,
                taps: &[0],
                weights: packed,
                bias,
                // SAFETY: the first output of this task.
                out: unsafe { to.at(b * outputs * space + first) },
                outputs,
                out_channel: space,
                out_plane: 0,
                out_row: 0,
                out_step: 1,
                size: [1, 1, count],
            };
            // SAFETY: the copy holds whole vectors; the outputs are this task's own voxels.
            unsafe { run(isa, conv_rows) }
        });
    });
    // SAFETY: the tasks cover every voxel of every channel.
    unsafe { out.finish() }
}

/// The gradient of `w`.
pub fn grad_weight(x: FlexTensor, gy: FlexTensor) -> FlexTensor {
    let (x, gy) = (InputBuffer::new(x), InputBuffer::new(gy));
    let [n, c, d, h, w] = x.dims();
    let o = gy.dims()[1];
    let space = d * h * w;
    let split = WorkSplit::new(n, space, o);
    let isa = Isa::of(space);
    let tile = tile(isa, c);
    let taps: Vec<usize> = (0..c).map(|i| i * tile).collect();
    let total = split.sum(c, n * space * o.max(c), |b, voxels, outputs, total| {
        for first in voxels.clone().step_by(tile) {
            let count = tile.min(voxels.end - first);
            scratch((c + outputs.len()) * tile, |buffer| {
                let (source, grad) = buffer.split_at_mut(c * tile);
                copy(&x.data()[b * c * space + first..], space, c, count, tile, source);
                copy(&gy.data()[(b * o + outputs.start) * space + first..], space, outputs.len(), count, tile, grad);
                // The channels of one voxel stand where a wider kernel has its taps.
                let correlate = GradWeightRows {
                    source: source.as_ptr(),
                    channel: 0,
                    source_plane: 0,
                    source_row: 0,
                    channels: 1,
                    taps: &taps,
                    grad: grad.as_ptr(),
                    outputs: outputs.len(),
                    grad_channel: tile,
                    grad_plane: 0,
                    grad_row: 0,
                    size: [1, 1, count],
                    total: &mut *total,
                };
                // SAFETY: both copies hold whole vectors.
                unsafe { run(isa, correlate) }
            });
        }
    });
    tensor(total, &[o, c, 1, 1, 1])
}
