//! Products of matrices whose rows have their channels innermost: the inner loops of every convolution and of its weight gradient. Sums
//! of a block of rows by one or two vectors stay in registers; one side is read number by number, the other in vectors.

use super::lanes::{Lanes, SimdKernel};

/// `y[row][o] = sum over taps and channels of x[row + tap][c] * w[c, tap][o]`.
pub struct Products<'a> {
    pub x: *const f32,
    /// Where each row begins, in floats; rows lie side by side where there are none.
    pub places: &'a [usize],
    pub rows: usize,
    /// Floats from a row to what each tap sees.
    pub taps: &'a [isize],
    /// Channels, and floats between vectors of them.
    pub inputs: usize,
    pub chunk: usize,
    /// For each pair of vectors of outputs (the last may be one): `[vector of channels, tap, channel, outputs]`.
    pub weights: *const f32,
    /// Vectors of outputs.
    pub blocks: usize,
    /// `[block, row, N]`; floats between blocks.
    pub y: *mut f32,
    pub y_block: usize,
    /// Whether the sums are added to what is there.
    pub add: bool,
}

/// Rows that are held in registers together by the number of vectors.
macro_rules! of_rows {
    ($n:expr, $self:ident, $flat:literal, $vectors:literal, $args:tt; $($r:literal)*) => {
        match $n {
            $($r.. => { $self.tile::<L, $r, $vectors, $flat> $args; $r })*
            _ => { $self.tile::<L, 1, $vectors, $flat> $args; 1 }
        }
    };
}

impl SimdKernel for Products<'_> {
    type Out = ();

    /// Rows of whole vectors are read at every tap and channel, `inputs * taps` weights for every output; writes `rows` vectors of each
    /// block.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // Addresses of rows that lie anywhere take a register each.
        let most = match (L::REGISTERS, self.places.is_empty()) {
            (32, true) => 12,
            (32, false) => 8,
            (_, true) => 6,
            _ => 4,
        };
        let count = self.inputs * self.taps.len();
        // Weights that a first-level cache holds meet all rows before the next ones do.
        let held = (HELD / self.taps.len().max(1)).max(1).next_multiple_of(L::N);
        let mut block = 0;
        while block < self.blocks {
            let pair = block + 1 < self.blocks;
            // SAFETY: the caller's.
            unsafe {
                let weights = self.weights.add(block * count * L::N);
                let y = self.y.add(block * self.y_block);
                let mut first = 0;
                loop {
                    let inputs = first..(first + held).min(self.inputs);
                    let mut row = 0;
                    while row < self.rows {
                        let left = self.rows - row;
                        // Not twelve and four, which waits for its sums, but eight and eight.
                        let n = if left > most && left < most + most / 2 { left.div_ceil(2) } else { left.min(most) };
                        let part = Part { row, inputs: inputs.clone(), weights, y };
                        row += match (pair, self.places.is_empty()) {
                            (true, true) => of_rows!(n, self, true, 2, (part); 12 8 6 4 2),
                            (false, true) => of_rows!(n, self, true, 1, (part); 12 8 4 2),
                            (true, false) => of_rows!(n, self, false, 2, (part); 8 4 2),
                            (false, false) => of_rows!(n, self, false, 1, (part); 8 4 2),
                        };
                    }
                    first += held;
                    if first >= self.inputs {
                        break;
                    }
                }
            }
            block += if pair { 2 } else { 1 };
        }
    }
}

/// Inputs times taps whose weights are held.
const HELD: usize = 256;

/// Rows from one on, and the inputs whose products they get.
struct Part {
    row: usize,
    inputs: std::ops::Range<usize>,
    weights: *const f32,
    y: *mut f32,
}

impl Products<'_> {
    #[inline(always)]
    unsafe fn tile<L: Lanes, const R: usize, const V: usize, const FLAT: bool>(&self, Part { row, inputs, weights, y }: Part) {
        // SAFETY: see `run`.
        unsafe {
            let mut sums = [[L::splat(0.0); V]; R];
            if self.add || inputs.start > 0 {
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = L::load(y.add(v * self.y_block + (row + r) * L::N));
                    }
                }
            }
            let mut w = weights.add(inputs.start * self.taps.len() * V * L::N);
            let flat = self.x.add(row * L::N);
            let places: [*const f32; R] = std::array::from_fn(|r| if FLAT { flat.add(r * L::N) } else { self.x.add(self.places[row + r]) });
            for first in inputs.clone().step_by(L::N) {
                let (count, chunk) = ((inputs.end - first).min(L::N), (first / L::N * self.chunk) as isize);
                for tap in self.taps {
                    let at = chunk + tap;
                    let base = flat.wrapping_offset(at);
                    for k in 0..count {
                        let v: [L; V] = std::array::from_fn(|v| L::load(w.add(v * L::N)));
                        for (r, sums) in sums.iter_mut().enumerate() {
                            let x = if FLAT { *base.add(r * L::N + k) } else { *places[r].wrapping_offset(at).add(k) };
                            let x = L::splat(x);
                            for (sum, v) in sums.iter_mut().zip(v) {
                                *sum = x.mul_add(v, *sum);
                            }
                        }
                        w = w.add(V * L::N);
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    sum.store(y.add(v * self.y_block + (row + r) * L::N));
                }
            }
        }
    }
}

/// Adds to `total[i][o]` the sum over places of `x[place][i] * gy[place][o]`.
pub struct Correlations<'a> {
    pub x: *const f32,
    /// Channels, and floats between vectors of them.
    pub inputs: usize,
    pub chunk: usize,
    pub gy: *const f32,
    /// Vectors of outputs, and floats between them.
    pub blocks: usize,
    pub block: usize,
    /// Where runs of places begin in both.
    pub runs: &'a [(isize, isize)],
    /// Places of a run; floats between them in `x`. In `gy` they lie side by side.
    pub count: usize,
    pub step: usize,
    /// `[inputs, blocks * N]`, with so many floats between inputs.
    pub total: *mut f32,
    pub total_row: usize,
}

impl SimdKernel for Correlations<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // Rows of sums that do not cross a vector of channels.
        let most = if L::REGISTERS == 32 { L::N.min(8) } else { 4 };
        let mut first = 0;
        while first < self.inputs {
            let left = (self.inputs - first).min(most);
            let n = 1 << left.ilog2();
            // SAFETY: the caller's.
            unsafe {
                match n {
                    8 => self.blocks_of::<L, 8>(first),
                    4 => self.blocks_of::<L, 4>(first),
                    2 => self.blocks_of::<L, 2>(first),
                    _ => self.blocks_of::<L, 1>(first),
                }
            }
            first += n;
        }
    }
}

impl Correlations<'_> {
    #[inline(always)]
    unsafe fn blocks_of<L: Lanes, const R: usize>(&self, first: usize) {
        let mut block = 0;
        while block < self.blocks {
            // SAFETY: see `run`.
            unsafe {
                if block + 1 < self.blocks {
                    self.tile::<L, R, 2>(first, block);
                    block += 2;
                } else {
                    self.tile::<L, R, 1>(first, block);
                    block += 1;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<L: Lanes, const R: usize, const V: usize>(&self, first: usize, block: usize) {
        // SAFETY: see `run`.
        unsafe {
            let mut sums = [[L::splat(0.0); V]; R];
            let x = self.x.add(first / L::N * self.chunk + first % L::N);
            let gy = self.gy.add(block * self.block);
            for (x_run, gy_run) in self.runs {
                let (mut x, mut gy) = (x.wrapping_offset(*x_run), gy.wrapping_offset(*gy_run));
                for _ in 0..self.count {
                    let v: [L; V] = std::array::from_fn(|v| L::load(gy.wrapping_add(v * self.block)));
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let x = L::splat(*x.add(r));
                        for (sum, v) in sums.iter_mut().zip(v) {
                            *sum = x.mul_add(v, *sum);
                        }
                    }
                    x = x.wrapping_add(self.step);
                    gy = gy.wrapping_add(L::N);
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    let to = self.total.add((first + r) * self.total_row + (block + v) * L::N);
                    L::load(to).add(*sum).store(to);
                }
            }
        }
    }
}
