//! Winograd's transforms of tiles whose channels lie innermost: F(4, 3) in height and in width, F(2, 3) in depth (Lavin and Gray 2016),
//! so 144 products in place of 864 for 2 x 4 x 4 outputs. With `y = A' [(G w) * (B' x)]`, the gradient of the weights is
//! `G' [(B' x) * (A gy)]`, summed over tiles: the same products, from the same transform of the input.
//!
//! The transform in depth is a sum or difference of two planes, taken while they are packed ([`DEPTH`]); the products of one frequency in
//! depth follow those of the other, so that what is in use stays near.

use super::lanes::{Lanes, SimdKernel, WIDEST};
use super::weights::{WeightOrder, gather, scatter};

/// Outputs of a tile in depth, height and width.
pub const TILE: [usize; 3] = [2, 4, 4];
/// Frequencies in height by width.
pub const FREQUENCIES: usize = 36;

/// A frequency in depth.
pub struct DepthFrequency {
    /// The input planes that are added up, or of which the second is subtracted.
    pub planes: [usize; 2],
    pub minus: bool,
    /// What its products count in each of both output planes.
    pub outputs: [f32; 2],
    /// The share of each plane of the kernel.
    pub kernel: [f32; 3],
}

pub const DEPTH: [DepthFrequency; 4] = [
    DepthFrequency { planes: [0, 2], minus: true, outputs: [1.0, 0.0], kernel: [1.0, 0.0, 0.0] },
    DepthFrequency { planes: [1, 2], minus: false, outputs: [1.0, 1.0], kernel: [0.5, 0.5, 0.5] },
    DepthFrequency { planes: [2, 1], minus: true, outputs: [1.0, -1.0], kernel: [0.5, -0.5, 0.5] },
    DepthFrequency { planes: [1, 3], minus: true, outputs: [0.0, -1.0], kernel: [0.0, 0.0, 1.0] },
];

/// `B'`: six inputs to six frequencies.
#[inline(always)]
unsafe fn input<L: Lanes>(x: [L; 6]) -> [L; 6] {
    // SAFETY: no pointers.
    unsafe {
        let (two, four, five) = (L::splat(2.0), L::splat(-4.0), L::splat(-5.0));
        let (even, odd) = (x[2].mul_add(four, x[4]), x[1].mul_add(four, x[3]));
        let (far, near) = (x[4].sub(x[2]), x[3].sub(x[1]).mul(two));
        [
            x[2].mul_add(five, x[0].mul_add(L::splat(4.0), x[4])),
            even.add(odd),
            even.sub(odd),
            far.add(near),
            far.sub(near),
            x[3].mul_add(five, x[1].mul_add(L::splat(4.0), x[5])),
        ]
    }
}

/// `A'`: six frequencies to four outputs.
#[inline(always)]
unsafe fn output<L: Lanes>(m: [L; 6]) -> [L; 4] {
    // SAFETY: no pointers.
    unsafe {
        let (s, d, p, q) = (m[1].add(m[2]), m[1].sub(m[2]), m[3].add(m[4]), m[3].sub(m[4]));
        [m[0].add(s).add(p), q.mul_add(L::splat(2.0), d), p.mul_add(L::splat(4.0), s), q.mul_add(L::splat(8.0), d).add(m[5])]
    }
}

/// `A`: four gradients of outputs to six frequencies.
#[inline(always)]
unsafe fn gradient<L: Lanes>(g: [L; 4]) -> [L; 6] {
    // SAFETY: no pointers.
    unsafe {
        let (even, odd) = (g[0].add(g[2]), g[1].add(g[3]));
        let (far, near) = (g[2].mul_add(L::splat(4.0), g[0]), g[3].mul_add(L::splat(8.0), g[1].add(g[1])));
        [g[0], even.add(odd), even.sub(odd), far.add(near), far.sub(near), g[3]]
    }
}

/// `G`: three weights to six frequencies.
#[inline(always)]
unsafe fn kernel<L: Lanes>(w: [L; 3]) -> [L; 6] {
    // SAFETY: no pointers.
    unsafe {
        let s = w[0].add(w[2]).mul(L::splat(-1.0 / 6.0));
        let d = w[1].mul(L::splat(1.0 / 6.0));
        let far = w[2].mul_add(L::splat(1.0 / 6.0), w[0].mul(L::splat(1.0 / 24.0)));
        let near = w[1].mul(L::splat(1.0 / 12.0));
        [w[0].mul(L::splat(0.25)), s.sub(d), s.add(d), far.add(near), far.sub(near), w[2]]
    }
}

/// `G'`: six frequencies to the gradients of three weights.
#[inline(always)]
unsafe fn kernel_gradient<L: Lanes>(u: [L; 6]) -> [L; 3] {
    // SAFETY: no pointers.
    unsafe {
        let (s, d) = (u[1].add(u[2]).mul(L::splat(-1.0 / 6.0)), u[2].sub(u[1]).mul(L::splat(1.0 / 6.0)));
        let (p, q) = (u[3].add(u[4]), u[3].sub(u[4]));
        [
            p.mul_add(L::splat(1.0 / 24.0), u[0].mul_add(L::splat(0.25), s)),
            q.mul_add(L::splat(1.0 / 12.0), d),
            p.mul_add(L::splat(1.0 / 6.0), s).add(u[5]),
        ]
    }
}

/// Transforms tiles of packed rows: inputs where `GRADIENT` is not set, gradients of outputs where it is.
pub struct TransformTiles<'a, const GRADIENT: bool> {
    pub x: *const f32,
    /// Floats between vectors of channels, and how many vectors.
    pub x_chunk: usize,
    pub chunks: usize,
    /// Where the rows of each strip of tiles begin: six, or the first four.
    pub strips: &'a [[usize; 6]],
    /// First column of each tile of a strip, and floats between a tile's columns.
    pub columns: &'a [usize],
    pub step: usize,
    /// `[frequency, vector of channels, tile, N]`.
    pub to: *mut f32,
    pub to_frequency: usize,
    pub to_chunk: usize,
}

impl<const GRADIENT: bool> SimdKernel for TransformTiles<'_, GRADIENT> {
    type Out = ();

    #[allow(clippy::needless_range_loop, reason = "a column of an array of rows")]
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's: packed rows with all columns of the tiles, room for all frequencies.
        unsafe {
            for chunk in 0..self.chunks {
                let (x, mut to) = (self.x.add(chunk * self.x_chunk), self.to.add(chunk * self.to_chunk));
                for rows in self.strips {
                    for column in self.columns {
                        let mut t = [[L::splat(0.0); 6]; 6];
                        if GRADIENT {
                            for j in 0..4 {
                                let at = column * L::N + j * self.step;
                                let f = gradient::<L>(std::array::from_fn(|i| L::load(x.add(rows[i] + at))));
                                for i in 0..6 {
                                    t[i][j] = f[i];
                                }
                            }
                            for (i, t) in t.iter().enumerate() {
                                for (j, f) in gradient::<L>([t[0], t[1], t[2], t[3]]).into_iter().enumerate() {
                                    f.store(to.add((i * 6 + j) * self.to_frequency));
                                }
                            }
                        } else {
                            for j in 0..6 {
                                let at = column * L::N + j * self.step;
                                let f = input::<L>(std::array::from_fn(|i| L::load(x.add(rows[i] + at))));
                                for i in 0..6 {
                                    t[i][j] = f[i];
                                }
                            }
                            for (i, t) in t.iter().enumerate() {
                                for (j, f) in input::<L>(*t).into_iter().enumerate() {
                                    f.store(to.add((i * 6 + j) * self.to_frequency));
                                }
                            }
                        }
                        to = to.add(L::N);
                    }
                }
            }
        }
    }
}

/// Transforms the products of a frequency in depth back and adds them to the outputs of both planes.
pub struct GatherTiles<'a> {
    /// `[frequency, block, tile, N]`.
    pub m: *const f32,
    pub m_frequency: usize,
    pub m_block: usize,
    pub blocks: usize,
    pub strips: usize,
    pub columns: &'a [usize],
    pub step: usize,
    /// `[block, strip, plane, 4, column, N]`; floats between blocks and between rows.
    pub y: *mut f32,
    pub y_block: usize,
    pub y_row: usize,
    /// What the products count in each plane: 0, 1 or -1; whether the plane has had none so far.
    pub counts: [f32; 2],
    pub begin: [bool; 2],
}

impl SimdKernel for GatherTiles<'_> {
    type Out = ();

    #[allow(clippy::needless_range_loop, reason = "a column of an array of rows")]
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe {
            for block in 0..self.blocks {
                let (mut m, y) = (self.m.add(block * self.m_block), self.y.add(block * self.y_block));
                for strip in 0..self.strips {
                    for column in self.columns {
                        let mut t = [[L::splat(0.0); 6]; 4];
                        for j in 0..6 {
                            let f = output::<L>(std::array::from_fn(|i| L::load(m.add((i * 6 + j) * self.m_frequency))));
                            for i in 0..4 {
                                t[i][j] = f[i];
                            }
                        }
                        for (i, t) in t.iter().enumerate() {
                            let row = output::<L>(*t);
                            for plane in 0..2 {
                                if self.counts[plane] == 0.0 {
                                    continue;
                                }
                                let to = y.add(((strip * 2 + plane) * 4 + i) * self.y_row + column * L::N);
                                for (j, row) in row.iter().enumerate() {
                                    let to = to.add(j * self.step);
                                    let had = if self.begin[plane] { L::splat(0.0) } else { L::load(to) };
                                    if self.counts[plane] > 0.0 { had.add(*row).store(to) } else { had.sub(*row).store(to) }
                                }
                            }
                        }
                        m = m.add(L::N);
                    }
                }
            }
        }
    }
}

/// Transforms the kernels of one vector of outputs to `[frequency in depth, frequency, input, N]`.
pub struct TransformKernels {
    pub inputs: usize,
    /// The first input's and output's weights, and how many outputs there are.
    pub from: *const f32,
    pub weights: WeightOrder,
    pub live: usize,
    pub to: *mut f32,
    /// Floats between frequencies in depth, frequencies, and inputs.
    pub depth: usize,
    pub frequency: usize,
    pub input: usize,
}

impl SimdKernel for TransformKernels {
    type Out = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let mut room = [0f32; 27 * WIDEST];
        for c in 0..self.inputs {
            // SAFETY: the room holds 27 vectors; the caller's.
            unsafe {
                gather::<L>(self.from.add(c * self.weights.input), self.weights.output, self.live, 27, room.as_mut_ptr());
                for (d, depth) in DEPTH.iter().enumerate() {
                    let mut t = [[L::splat(0.0); 3]; 6];
                    for j in 0..3 {
                        let column: [L; 3] = std::array::from_fn(|i| {
                            let mut sum = L::splat(0.0);
                            for (k, share) in depth.kernel.iter().enumerate() {
                                let tap = k * 9 + i * 3 + j;
                                let tap = if self.weights.reversed { 26 - tap } else { tap };
                                let w = L::load(room.as_ptr().add(tap * L::N));
                                sum = w.mul_add(L::splat(*share), sum);
                            }
                            sum
                        });
                        for (t, f) in t.iter_mut().zip(kernel(column)) {
                            t[j] = f;
                        }
                    }
                    let to = self.to.add(d * self.depth + c * self.input);
                    for (i, t) in t.iter().enumerate() {
                        for (j, f) in kernel(*t).into_iter().enumerate() {
                            f.store(to.add((i * 6 + j) * self.frequency));
                        }
                    }
                }
            }
        }
    }
}

/// Transforms sums of products back to gradients of the kernels of one input and one vector of outputs.
pub struct GatherKernel<'a> {
    /// The parts that are added up, each `[frequency in depth, frequency, ...]`.
    pub parts: &'a [*const f32],
    pub depth: usize,
    pub frequency: usize,
    pub to: *mut f32,
    /// Floats between outputs there, and how many there are.
    pub output: usize,
    pub live: usize,
}

impl SimdKernel for GatherKernel<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe {
            let mut sums = [L::splat(0.0); 27];
            for (d, depth) in DEPTH.iter().enumerate() {
                let mut t = [[L::splat(0.0); 6]; 3];
                for j in 0..6 {
                    let u: [L; 6] = std::array::from_fn(|i| {
                        let at = d * self.depth + (i * 6 + j) * self.frequency;
                        let mut sum = L::load(self.parts[0].add(at));
                        for part in &self.parts[1..] {
                            sum = sum.add(L::load(part.add(at)));
                        }
                        sum
                    });
                    for (t, f) in t.iter_mut().zip(kernel_gradient(u)) {
                        t[j] = f;
                    }
                }
                for (i, t) in t.iter().enumerate() {
                    for (j, w) in kernel_gradient(*t).into_iter().enumerate() {
                        for (k, share) in depth.kernel.iter().enumerate() {
                            if *share != 0.0 {
                                let sum = &mut sums[k * 9 + i * 3 + j];
                                *sum = w.mul_add(L::splat(*share), *sum);
                            }
                        }
                    }
                }
            }
            let mut room = [0f32; 27 * WIDEST];
            for (t, sum) in sums.iter().enumerate() {
                sum.store(room.as_mut_ptr().add(t * L::N));
            }
            scatter::<L>(room.as_ptr(), self.output, self.live, 27, self.to);
        }
    }
}
