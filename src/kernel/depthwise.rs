//! Depthwise convolution (one kernel per channel) of stride 1 and 'same' padding with a kernel 1, 3, 5 or 7 high and wide. Four
//! output rows are summed together, so that every input row is read once for all of them; forward, data gradient (the same
//! with the kernel reversed) and weight gradient.

use super::buffer::{InputBuffer, OutputBuffer, each, scratch, sum, tensor};
use super::conv3d::Geometry;
use super::halo::{Halo, row_extent};
use super::lanes::{Isa, Lanes, SimdKernel, run};
use burn::backend::flex::FlexTensor;

/// Output rows of a block.
const ROWS: usize = 4;
/// Planes of a task.
const PLANES: usize = 8;

/// Whether these kernels compute it.
pub fn fits(geometry: &Geometry) -> bool {
    let [_, kh, kw] = geometry.kernel;
    geometry.stride == [1; 3]
        && geometry.dilation == [1; 3]
        && kh == kw
        && matches!(kh, 1 | 3 | 5 | 7)
        && (0..3).all(|a| geometry.kernel[a] % 2 == 1 && geometry.padding[a] == geometry.kernel[a] / 2)
}

fn window(isa: Isa, kernel: [usize; 3], volume: [usize; 3], first: usize, planes: usize) -> Halo {
    Halo {
        channels: 1,
        volume,
        origin: [first as isize - (kernel[0] / 2) as isize, -((kernel[1] / 2) as isize), -((kernel[2] / 2) as isize)],
        extent: [planes + kernel[0] - 1, volume[1].next_multiple_of(ROWS) + kernel[1] - 1, row_extent(isa, volume[2], kernel[2] - 1)],
        step: 1,
    }
}

/// `x [N, C, D, H, W]`, `w [C, 1, kernel]`, `bias [C]`.
pub fn forward(x: FlexTensor, w: FlexTensor, bias: Option<FlexTensor>, geometry: &Geometry) -> FlexTensor {
    let (w, bias) = (InputBuffer::new(w), bias.map(InputBuffer::new));
    convolve(InputBuffer::new(x), w.data(), bias.as_ref().map(InputBuffer::data), geometry.kernel)
}

/// The gradient of `x`.
pub fn grad_input(w: FlexTensor, gy: FlexTensor, geometry: &Geometry) -> FlexTensor {
    let mut w = InputBuffer::new(w).data().to_vec();
    w.chunks_exact_mut(geometry.kernel.iter().product()).for_each(<[f32]>::reverse);
    convolve(InputBuffer::new(gy), &w, None, geometry.kernel)
}

fn convolve(x: InputBuffer, w: &[f32], bias: Option<&[f32]>, kernel: [usize; 3]) -> FlexTensor {
    let [n, c, d, h, wd] = x.dims();
    let (space, taps) = (d * h * wd, kernel.iter().product::<usize>());
    let isa = Isa::of(wd);
    let mut out = OutputBuffer::new(&[n, c, d, h, wd]);
    let to = out.shared();
    let chunks = d.div_ceil(PLANES);
    each(n * c * chunks, n * c * space * taps, |task| {
        let (channel, first) = (task / chunks, task % chunks * PLANES);
        let planes = PLANES.min(d - first);
        let halo = window(isa, kernel, [d, h, wd], first, planes);
        scratch(halo.len(), |buffer| {
            halo.fill(&x.data()[channel * space..], buffer);
            let rows = DepthwiseRows {
                source: buffer.as_ptr(),
                plane: halo.plane(),
                row: halo.row(),
                kernel,
                weights: &w[channel % c * taps..][..taps],
                bias: bias.map_or(0.0, |b| b[channel % c]),
                // SAFETY: the first output of this task.
                out: unsafe { to.at(channel * space + first * h * wd) },
                size: [planes, h, wd],
            };
            // SAFETY: the box holds what whole blocks of rows and vectors read; the outputs are this task's own planes.
            unsafe { run(isa, rows) }
        });
    });
    // SAFETY: the tasks cover every plane of every channel.
    unsafe { out.finish() }
}

struct DepthwiseRows<'a> {
    source: *const f32,
    plane: usize,
    row: usize,
    kernel: [usize; 3],
    weights: &'a [f32],
    bias: f32,
    out: *mut f32,
    size: [usize; 3],
}

impl SimdKernel for DepthwiseRows<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the maker of the job vouches for its pointers.
        unsafe {
            match self.kernel[1] {
                1 => self.all::<L, 1>(),
                3 => self.all::<L, 3>(),
                5 => self.all::<L, 5>(),
                _ => self.all::<L, 7>(),
            }
        }
    }
}

impl DepthwiseRows<'_> {
    #[inline(always)]
    unsafe fn all<L: Lanes, const K: usize>(&self) {
        let [planes, rows, width] = self.size;
        for plane in 0..planes {
            for row in (0..rows).step_by(ROWS) {
                let mut at = 0;
                while at < width {
                    // SAFETY: whole blocks of rows and vectors lie inside the box.
                    at += unsafe {
                        if width - at > L::N { self.tile::<L, K, 2>(plane, row, at) } else { self.tile::<L, K, 1>(plane, row, at) }
                    };
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<L: Lanes, const K: usize, const V: usize>(&self, plane: usize, row: usize, at: usize) -> usize {
        let [_, rows, width] = self.size;
        // SAFETY: see `all`.
        unsafe {
            let mut sums = [[L::splat(self.bias); V]; ROWS];
            for kd in 0..self.kernel[0] {
                let source = self.source.add((plane + kd) * self.plane + row * self.row + at);
                for kw in 0..K {
                    let w: [L; K] = std::array::from_fn(|kh| L::splat(self.weights[(kd * K + kh) * K + kw]));
                    for r in 0..ROWS + K - 1 {
                        let x: [L; V] = std::array::from_fn(|v| L::load(source.add(r * self.row + kw + v * L::N)));
                        for kh in 0..K {
                            if r >= kh && r - kh < ROWS {
                                for v in 0..V {
                                    sums[r - kh][v] = x[v].mul_add(w[kh], sums[r - kh][v]);
                                }
                            }
                        }
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                // A test in a loop of constant length: the sums then never leave their registers.
                if row + r < rows {
                    let out = self.out.add((plane * rows + row + r) * width + at);
                    for (v, sum) in sums.iter().enumerate() {
                        let n = (width - at).saturating_sub(v * L::N);
                        if n >= L::N { sum.store(out.add(v * L::N)) } else { sum.store_head(out.add(v * L::N), n) }
                    }
                }
            }
            V * L::N
        }
    }
}

/// The gradient of `w`.
pub fn grad_weight(x: FlexTensor, gy: FlexTensor, geometry: &Geometry) -> FlexTensor {
    let (x, gy) = (InputBuffer::new(x), InputBuffer::new(gy));
    let [n, c, d, h, wd] = x.dims();
    let (kernel, isa) = (geometry.kernel, Isa::of(wd));
    let (space, taps) = (d * h * wd, kernel.iter().product::<usize>());
    let chunks = d.div_ceil(PLANES);
    let total = sum(c * chunks, c * taps, n * c * space * taps, |task, total| {
        let (channel, first) = (task / chunks, task % chunks * PLANES);
        let planes = PLANES.min(d - first);
        let halo = window(isa, kernel, [d, h, wd], first, planes);
        let grad =
            Halo { channels: 1, volume: [d, h, wd], origin: [first as isize, 0, 0], extent: [planes, h, row_extent(isa, wd, 0)], step: 1 };
        scratch(halo.len() + grad.len(), |buffer| {
            let (source, rows) = buffer.split_at_mut(halo.len());
            for b in 0..n {
                halo.fill(&x.data()[(b * c + channel) * space..], source);
                grad.fill(&gy.data()[(b * c + channel) * space..], rows);
                let rows = DepthwiseGradWeight {
                    source: source.as_ptr(),
                    plane: halo.plane(),
                    row: halo.row(),
                    kernel,
                    grad: rows.as_ptr(),
                    grad_row: grad.row(),
                    size: [planes, h, wd],
                    total: &mut total[channel * taps..][..taps],
                };
                // SAFETY: both boxes hold every place of the task's planes, in whole vectors.
                unsafe { run(isa, rows) }
            }
        });
    });
    tensor(total.into_iter().map(|v| v as f32).collect(), &[c, 1, kernel[0], kernel[1], kernel[2]])
}

struct DepthwiseGradWeight<'a> {
    source: *const f32,
    plane: usize,
    row: usize,
    kernel: [usize; 3],
    grad: *const f32,
    grad_row: usize,
    size: [usize; 3],
    total: &'a mut [f64],
}

impl SimdKernel for DepthwiseGradWeight<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the maker of the job vouches for its pointers. Groups of rows keep the sums in registers.
        unsafe {
            match self.kernel[1] {
                1 => self.all::<L, 1, 1>(),
                3 => self.all::<L, 3, 3>(),
                5 => self.all::<L, 5, 2>(),
                _ => self.all::<L, 7, 1>(),
            }
        }
    }
}

impl DepthwiseGradWeight<'_> {
    /// `G` kernel rows at a time.
    #[inline(always)]
    unsafe fn all<L: Lanes, const K: usize, const G: usize>(self) {
        let [planes, rows, width] = self.size;
        for plane in 0..planes {
            for kd in 0..self.kernel[0] {
                for kh in (0..K).step_by(G) {
                    // SAFETY: every place lies inside the boxes; a group's rows past the kernel are not read.
                    unsafe {
                        let mut sums = [[L::splat(0.0); K]; G];
                        let live = G.min(K - kh);
                        for row in 0..rows {
                            let grad = self.grad.add((plane * rows + row) * self.grad_row);
                            let source = self.source.add((plane + kd) * self.plane + (row + kh) * self.row);
                            let mut at = 0;
                            while at < width {
                                let g = L::load(grad.add(at));
                                for (i, sums) in sums.iter_mut().enumerate() {
                                    if i < live {
                                        for (kw, sum) in sums.iter_mut().enumerate() {
                                            *sum = L::load(source.add(i * self.row + kw + at)).mul_add(g, *sum);
                                        }
                                    }
                                }
                                at += L::N;
                            }
                        }
                        for (i, sums) in sums.iter().enumerate() {
                            for (kw, sum) in sums.iter().enumerate() {
                                if i < live {
                                    self.total[(kd * K + kh + i) * K + kw] += f64::from(sum.sum());
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
