//! Dense convolution of a volume with few channels: direct, register blocked over output channels and columns; forward, data
//! gradient and weight gradient for any kernel, stride, padding and dilation. Depthwise convolutions that have no kernel of
//! their own run here too, channel by channel.

use super::buffer::{InputBuffer, OutputBuffer, each, scratch, tensor};
use super::conv_rows::{BLOCK, ConvRows, GradWeightRows, pack};
use super::conv3d::Geometry;
use super::halo::{Halo, row_extent};
use super::lanes::{Isa, run};
use super::reduce::WorkSplit;
use burn::backend::flex::FlexTensor;
use std::ops::Range;

/// Scratch floats of a task that a second-level cache holds.
const NEAR: usize = 1 << 17;
/// Tasks that keep a large machine busy.
const TASKS: usize = 32;

/// Planes for one task: few enough for the cache, enough that the shared edge planes do not weigh.
fn chunk(planes: usize, plane_floats: usize) -> usize {
    (NEAR / plane_floats.max(1)).clamp(1, 8).min(planes.max(1))
}

impl Geometry {
    /// The window of the input under output planes, the first and their number, and the offsets of the taps in it.
    fn window(&self, isa: Isa, channels: usize, volume: [usize; 3], out: [usize; 3], planes: (usize, usize)) -> (Halo, Vec<usize>) {
        let (first, planes) = planes;
        let [k, s, l] = [self.kernel, self.stride, self.dilation];
        let reach: [usize; 3] = std::array::from_fn(|a| (k[a] - 1) * l[a]);
        let halo = Halo {
            channels,
            volume,
            origin: [(first * s[0]) as isize - self.padding[0] as isize, -(self.padding[1] as isize), -(self.padding[2] as isize)],
            extent: [
                (planes.max(1) - 1) * s[0] + reach[0] + 1,
                (out[1].max(1) - 1) * s[1] + reach[1] + 1,
                row_extent(isa, out[2], reach[2] / s[2]),
            ],
            step: s[2],
        };
        let mut taps = Vec::with_capacity(k.iter().product());
        for d in 0..k[0] {
            for h in 0..k[1] {
                for w in 0..k[2] {
                    let column = w * l[2];
                    taps.push(d * l[0] * halo.plane() + h * l[1] * halo.row() + column % s[2] * halo.extent[2] + column / s[2]);
                }
            }
        }
        (halo, taps)
    }
}

/// How channels pair up: a dense convolution is one group of all, a depthwise one a group for each channel.
#[derive(Clone, Copy)]
struct Pairs {
    groups: usize,
    inputs: usize,
    outputs: usize,
}

impl Pairs {
    fn new(x: [usize; 5], w: [usize; 5]) -> Self {
        Pairs { groups: x[1] / w[1], inputs: w[1], outputs: w[0] * w[1] / x[1] }
    }
}

/// Channels of the result for one task: all, or fewer where the volume alone gives few tasks.
struct Blocks {
    channels: usize,
    step: usize,
    count: usize,
}

impl Blocks {
    fn new(channels: usize, tasks: usize) -> Self {
        // Sixteen channels pay for the copy of the source that every task makes.
        let step = channels.div_ceil(TASKS.div_ceil(tasks.max(1))).next_multiple_of(4 * BLOCK);
        Blocks { channels, step, count: channels.div_ceil(step) }
    }

    /// The rest of a task's number and its channels.
    fn of(&self, task: usize) -> (usize, Range<usize>) {
        let first = task % self.count * self.step;
        (task / self.count, first..(first + self.step).min(self.channels))
    }
}

/// `x [N, C, D, H, W]`, `w [O, C / groups, kernel]`, `bias [O]`.
pub fn forward(x: FlexTensor, w: FlexTensor, bias: Option<FlexTensor>, geometry: &Geometry) -> FlexTensor {
    let (x, w, bias) = (InputBuffer::new(x), InputBuffer::new(w), bias.map(InputBuffer::new));
    let [n, c, d, h, wd] = x.dims();
    let [o, ..] = w.dims();
    let pairs = Pairs::new(x.dims(), w.dims());
    let out_size = geometry.output([d, h, wd]);
    let [od, oh, ow] = out_size;
    let isa = Isa::of(ow);
    let (space, out_space) = (d * h * wd, od * oh * ow);
    let taps_n: usize = geometry.kernel.iter().product();
    let bias = bias.as_ref().map_or(&[][..], InputBuffer::data);
    let packed: Vec<Vec<f32>> = (0..pairs.groups)
        .map(|g| {
            let w = &w.data()[g * pairs.outputs * pairs.inputs * taps_n..];
            pack(pairs.outputs, pairs.inputs, taps_n, |o, c, t| w[(o * pairs.inputs + c) * taps_n + t])
        })
        .collect();
    let mut out = OutputBuffer::new(&[n, o, od, oh, ow]);
    let to = out.shared();
    let planes = chunk(od, geometry.window(isa, pairs.inputs, [d, h, wd], out_size, (0, 1)).0.plane() * pairs.inputs * geometry.stride[0]);
    let chunks = od.div_ceil(planes);
    let blocks = Blocks::new(pairs.outputs, n * pairs.groups * chunks);
    each(n * pairs.groups * chunks * blocks.count, n * o * out_space * taps_n, |task| {
        let (task, outputs) = blocks.of(task);
        let (b, group, first) = (task / (pairs.groups * chunks), task / chunks % pairs.groups, task % chunks * planes);
        let count = planes.min(od - first);
        let (halo, taps) = geometry.window(isa, pairs.inputs, [d, h, wd], out_size, (first, count));
        scratch(halo.len(), |buffer| {
            halo.fill(&x.data()[(b * c + group * pairs.inputs) * space..], buffer);
            let conv_rows = ConvRows {
                source: buffer.as_ptr(),
                channel: halo.channel(),
                source_plane: halo.plane() * geometry.stride[0],
                source_row: halo.row() * geometry.stride[1],
                channels: pairs.inputs,
                taps: &taps,
                weights: &packed[group][outputs.start * pairs.inputs * taps_n..],
                bias: if bias.is_empty() { bias } else { &bias[group * pairs.outputs + outputs.start..] },
                // SAFETY: the first output of this task.
                out: unsafe { to.at((b * o + group * pairs.outputs + outputs.start) * out_space + first * oh * ow) },
                outputs: outputs.len(),
                out_channel: out_space,
                out_plane: oh * ow,
                out_row: ow,
                out_step: 1,
                size: [count, oh, ow],
            };
            // SAFETY: the halo reaches from the first tap to the last for every output, in whole vectors; the outputs are this
            // task's own planes.
            unsafe { run(isa, conv_rows) }
        });
    });
    // SAFETY: the tasks cover every plane of every channel.
    unsafe { out.finish() }
}

/// The gradient of `x` (whose dimensions are given): for each phase of the stride, a convolution of `gy` with the taps that
/// meet that phase.
pub fn grad_input(x_dims: [usize; 5], w: FlexTensor, gy: FlexTensor, geometry: &Geometry) -> FlexTensor {
    conv_transpose(x_dims, w, gy, None, geometry)
}

/// The same with a bias for each channel of the result: a transposed convolution.
pub fn conv_transpose(x_dims: [usize; 5], w: FlexTensor, gy: FlexTensor, bias: Option<FlexTensor>, geometry: &Geometry) -> FlexTensor {
    let (w, gy, bias) = (InputBuffer::new(w), InputBuffer::new(gy), bias.map(InputBuffer::new));
    let bias = bias.as_ref().map_or(&[][..], InputBuffer::data);
    let [n, c, d, h, wd] = x_dims;
    let [_, o, od, oh, ow] = gy.dims();
    let pairs = Pairs::new(x_dims, w.dims());
    let (space, out_space) = (d * h * wd, od * oh * ow);
    let taps_n: usize = geometry.kernel.iter().product();
    let s = geometry.stride;
    // Per axis and phase, the taps that meet it: (kernel index, offset in `gy`), and the range of all offsets.
    let axes: [Vec<Vec<(usize, isize)>>; 3] = std::array::from_fn(|a| {
        let meets = |phase: usize| {
            let place = move |k: usize| (phase + geometry.padding[a]) as isize - (k * geometry.dilation[a]) as isize;
            (0..geometry.kernel[a])
                .filter(move |k| place(*k).rem_euclid(s[a] as isize) == 0)
                .map(move |k| (k, place(k).div_euclid(s[a] as isize)))
                .collect()
        };
        (0..s[a]).map(meets).collect()
    });
    let range: [(isize, isize); 3] = std::array::from_fn(|a| {
        let all = || axes[a].iter().flatten().map(|t| t.1);
        (all().min().unwrap_or(0), all().max().unwrap_or(0))
    });
    let places: [usize; 3] = std::array::from_fn(|a| [d, h, wd][a].div_ceil(s[a]));
    let isa = Isa::of(places[2]);
    let window = |first: usize, planes: usize| Halo {
        channels: pairs.outputs,
        volume: [od, oh, ow],
        origin: [first as isize + range[0].0, range[1].0, range[2].0],
        extent: [
            planes + (range[0].1 - range[0].0) as usize,
            places[1] + (range[1].1 - range[1].0) as usize,
            row_extent(isa, places[2], (range[2].1 - range[2].0) as usize),
        ],
        step: 1,
    };
    let (plane, row) = (window(0, 1).plane(), window(0, 1).row());
    // Every phase: its first place, its taps and its weights for each group.
    let mut phases = Vec::new();
    for (pd, kd) in axes[0].iter().enumerate() {
        for (ph, kh) in axes[1].iter().enumerate() {
            for (pw, kw) in axes[2].iter().enumerate() {
                let mut kernel = Vec::new();
                let mut taps = Vec::new();
                for (a, qa) in kd {
                    for (b, qb) in kh {
                        for (e, qe) in kw {
                            kernel.push((a * geometry.kernel[1] + b) * geometry.kernel[2] + e);
                            let offset = [qa - range[0].0, qb - range[1].0, qe - range[2].0].map(|q| q as usize);
                            taps.push(offset[0] * plane + offset[1] * row + offset[2]);
                        }
                    }
                }
                let weights: Vec<Vec<f32>> = (0..pairs.groups)
                    .map(|g| {
                        let w = &w.data()[g * pairs.outputs * pairs.inputs * taps_n..];
                        pack(pairs.inputs, pairs.outputs, taps.len(), |i, o, t| w[(o * pairs.inputs + i) * taps_n + kernel[t]])
                    })
                    .collect();
                phases.push(([pd, ph, pw], taps, weights));
            }
        }
    }
    let mut out = OutputBuffer::new(&x_dims);
    let to = out.shared();
    let planes = chunk(places[0], plane * pairs.outputs);
    let chunks = places[0].div_ceil(planes);
    let blocks = Blocks::new(pairs.inputs, n * pairs.groups * chunks);
    each(n * pairs.groups * chunks * blocks.count, n * c * space * taps_n, |task| {
        let (task, inputs) = blocks.of(task);
        let (b, group, first) = (task / (pairs.groups * chunks), task / chunks % pairs.groups, task % chunks * planes);
        let halo = window(first, planes.min(places[0] - first));
        scratch(halo.len(), |buffer| {
            halo.fill(&gy.data()[(b * o + group * pairs.outputs) * out_space..], buffer);
            for ([pd, ph, pw], taps, weights) in &phases {
                let count = |a: usize, phase: usize, from: usize, most: usize| {
                    ([d, h, wd][a].saturating_sub(phase).div_ceil(s[a])).saturating_sub(from).min(most)
                };
                let at = (b * c + group * pairs.inputs + inputs.start) * space + ((first * s[0] + pd) * h + ph) * wd + pw;
                let size = [count(0, *pd, first, planes), count(1, *ph, 0, usize::MAX), count(2, *pw, 0, usize::MAX)];
                if size.contains(&0) {
                    continue;
                }
                let conv_rows = ConvRows {
                    source: buffer.as_ptr(),
                    channel: halo.channel(),
                    source_plane: plane,
                    source_row: row,
                    channels: pairs.outputs,
                    taps,
                    weights: &weights[group][inputs.start * pairs.outputs * taps.len()..],
                    bias: if bias.is_empty() { bias } else { &bias[group * pairs.inputs + inputs.start..] },
                    // SAFETY: the first place of this phase in this task's planes.
                    out: unsafe { to.at(at) },
                    outputs: inputs.len(),
                    out_channel: space,
                    out_plane: s[0] * h * wd,
                    out_row: s[1] * wd,
                    out_step: s[2],
                    size,
                };
                // SAFETY: as in `forward`; the phases of a task are disjoint and run one after the other.
                unsafe { run(isa, conv_rows) }
            }
        });
    });
    // SAFETY: chunks and phases cover every place of every channel.
    unsafe { out.finish() }
}

/// The gradient of `w` (whose dimensions are given).
pub fn grad_weight(x: FlexTensor, w_dims: [usize; 5], gy: FlexTensor, geometry: &Geometry) -> FlexTensor {
    let (x, gy) = (InputBuffer::new(x), InputBuffer::new(gy));
    let [n, c, d, h, wd] = x.dims();
    let [_, o, od, oh, ow] = gy.dims();
    let pairs = Pairs::new(x.dims(), w_dims);
    let (space, out_space) = (d * h * wd, od * oh * ow);
    let taps_n: usize = geometry.kernel.iter().product();
    let split = WorkSplit::planes(n, od, oh * ow, pairs.outputs);
    let isa = Isa::of(ow);
    let step =
        chunk(od, geometry.window(isa, pairs.inputs, [d, h, wd], [od, oh, ow], (0, 1)).0.plane() * pairs.inputs * geometry.stride[0]);
    let mut total = Vec::with_capacity(w_dims.iter().product());
    for group in 0..pairs.groups {
        total.extend(split.sum(pairs.inputs * taps_n, n * pairs.outputs * out_space * taps_n, |b, planes, outputs, total| {
            for first in planes.clone().step_by(step) {
                let count = step.min(planes.end - first);
                let (halo, taps) = geometry.window(isa, pairs.inputs, [d, h, wd], [od, oh, ow], (first, count));
                let grad = Halo {
                    channels: outputs.len(),
                    volume: [od, oh, ow],
                    origin: [first as isize, 0, 0],
                    extent: [count, oh, row_extent(isa, ow, 0)],
                    step: 1,
                };
                scratch(halo.len() + grad.len(), |buffer| {
                    let (source, rows) = buffer.split_at_mut(halo.len());
                    halo.fill(&x.data()[(b * c + group * pairs.inputs) * space..], source);
                    grad.fill(&gy.data()[(b * o + group * pairs.outputs + outputs.start) * out_space..], rows);
                    let correlate = GradWeightRows {
                        source: source.as_ptr(),
                        channel: halo.channel(),
                        source_plane: halo.plane() * geometry.stride[0],
                        source_row: halo.row() * geometry.stride[1],
                        channels: pairs.inputs,
                        taps: &taps,
                        grad: rows.as_ptr(),
                        outputs: outputs.len(),
                        grad_channel: grad.channel(),
                        grad_plane: grad.plane(),
                        grad_row: grad.row(),
                        size: [count, oh, ow],
                        total: &mut *total,
                    };
                    // SAFETY: both boxes hold every place of the task's planes, in whole vectors.
                    unsafe { run(isa, correlate) }
                });
            }
        }));
    }
    tensor(total, &w_dims)
}
