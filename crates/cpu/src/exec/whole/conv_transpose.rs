//! Transposed convolutions whose windows overlap or leave gaps (where they do neither, a stage takes them).
//!
//! The places of an output row that lie `stride` apart see the same columns of the kernel: they are made side by side, so that every
//! product runs over neighbours, and put into the row at the end.

use super::{TensorView, per_channel};
use crate::ir::Fact;
use crate::op::ConvTranspose3d;

/// The rows along one axis, and of the kernel, that one place of the output takes: `(kernel, source)`.
fn taps(at: usize, from: usize, kernel: usize, stride: usize, padding: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..kernel).filter_map(move |k| {
        let p = (at + padding).checked_sub(k)?;
        (p % stride == 0 && p / stride < from).then_some((k, p / stride))
    })
}

/// `weight` is `[in, out / groups, kD, kH, kW]`.
pub fn run(c: &ConvTranspose3d, weight: &[f32], bias: &[f32], x: TensorView, y: Fact) -> Vec<f32> {
    let [kd, kh, kw] = c.kernel.0;
    let [sd, sh, sw] = c.stride.0;
    let [pd, ph, pw] = c.padding.0;
    let [xd, xh, xw] = x.fact.size;
    let [_, yh, yw] = y.size;
    let (ins, outs) = (x.fact.channels / c.groups, c.out / c.groups);
    let long = yw.div_ceil(sw);
    per_channel(y, |n, o, to| {
        // Place `q` of the row is number `q / sw` of the phase `q % sw`.
        let mut phases = vec![0f32; sw * long];
        let start = if c.bias { bias[o] } else { 0.0 };
        for (k, to) in to.chunks_mut(yw.max(1)).enumerate() {
            phases.fill(start);
            for (a, d) in taps(k / yh, xd, kd, sd, pd) {
                for (b, h) in taps(k % yh, xh, kh, sh, ph) {
                    for i in o / outs * ins..(o / outs + 1) * ins {
                        let line = &x.channel(n, i)[(d * xh + h) * xw..][..xw];
                        let kernel = &weight[(((i * outs + o % outs) * kd + a) * kh + b) * kw..][..kw];
                        for (t, w) in kernel.iter().enumerate() {
                            add(&mut phases, (sw, long, yw), (t, pw), line, *w);
                        }
                    }
                }
            }
            for (q, to) in to.iter_mut().enumerate() {
                *to = phases[q % sw * long + q / sw];
            }
        }
    })
}

/// Adds `weight * line[p]` at `p * stride + tap - padding` for each `p`.
fn add(phases: &mut [f32], (stride, long, row): (usize, usize, usize), (tap, padding): (usize, usize), line: &[f32], weight: f32) {
    // The first place that is not before the row.
    let skip = padding.saturating_sub(tap).div_ceil(stride);
    let first = skip * stride + tap - padding;
    if first >= row || skip >= line.len() {
        return;
    }
    let count = (row - first).div_ceil(stride).min(line.len() - skip);
    let at = first % stride * long + first / stride;
    phases[at..at + count].iter_mut().zip(&line[skip..skip + count]).for_each(|(y, x)| *y += weight * x);
}
