//! Linear combinations of rows: `y[o] = bias[o] + sum over k of w[k][o] * (the row at offset k)`. Dense convolutions (an offset
//! for each channel and tap), pointwise and transposed ones (an offset for each channel) and the products of Winograd's form are
//! all this loop, register blocked over outputs and vectors of columns; vectors of several rows go together where rows are short.

use super::lanes::{Isa, Lanes, products};

/// Outputs that a block holds in registers together, most of them.
fn block(left: usize, isa: Isa) -> usize {
    let most = if isa.lanes() == 16 { 8 } else { 4 };
    match left {
        1 | 2 => left,
        3 | 4 => 4,
        _ => most,
    }
}

/// The blocks of so many outputs: the first and how many places there are, of which the last may hold none.
pub fn blocks(outputs: usize, isa: Isa) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let this = (first < outputs).then(|| (first, block(outputs - first, isa)));
        first += this.map_or(0, |t| t.1);
        this
    })
}

/// Places of all blocks of so many outputs.
pub fn places(outputs: usize, isa: Isa) -> usize {
    blocks(outputs, isa).map(|(_, b)| b).sum()
}

/// Weights by block: `[k, outputs of the block]`, zeros where the last block has no output.
pub fn pack(inputs: usize, outputs: usize, isa: Isa, weight: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    let mut packed = Vec::with_capacity(inputs * places(outputs, isa));
    for (first, b) in blocks(outputs, isa) {
        for k in 0..inputs {
            packed.extend((first..first + b).map(|o| if o < outputs { weight(k, o) } else { 0.0 }));
        }
    }
    packed
}

/// `packed` with the weights of input `k` times `scale(k)`; gives what `shift(k)` adds to each output.
pub fn fold(
    inputs: usize,
    outputs: usize,
    isa: Isa,
    packed: &mut [f32],
    scale: impl Fn(usize) -> f32,
    shift: impl Fn(usize) -> f32,
) -> Vec<f32> {
    let mut more = vec![0f64; outputs];
    let mut at = 0;
    for (first, b) in blocks(outputs, isa) {
        for k in 0..inputs {
            let (a, s) = (scale(k), f64::from(shift(k)));
            for o in 0..b {
                if first + o < outputs {
                    more[first + o] += f64::from(packed[at]) * s;
                }
                packed[at] *= a;
                at += 1;
            }
        }
    }
    more.into_iter().map(|v| v as f32).collect()
}

/// One call: `rows` rows of `width` columns.
#[derive(Clone, Copy)]
pub struct Combine {
    /// The first column of the first row, from which the offsets count.
    pub src: *const f32,
    pub src_row: usize,
    pub offsets: *const isize,
    pub inputs: usize,
    pub packed: *const f32,
    /// Null, or one number an output.
    pub bias: *const f32,
    pub outputs: usize,
    pub dst: *mut f32,
    pub dst_channel: usize,
    pub dst_row: usize,
    pub rows: usize,
    pub width: usize,
    pub isa: Isa,
}

impl Combine {
    /// # Safety
    /// Each row, moved by each offset, has `width` floats to read; the outputs are this call's own; `packed` is what [`pack`] gave
    /// for as many inputs and outputs.
    #[inline(always)]
    pub unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe {
            let mut packed = self.packed;
            for (first, b) in blocks(self.outputs, self.isa) {
                match b {
                    1 => self.outputs_of::<L, 1>(first, packed),
                    2 => self.outputs_of::<L, 2>(first, packed),
                    4 => self.outputs_of::<L, 4>(first, packed),
                    _ => self.outputs_of::<L, 8>(first, packed),
                }
                packed = packed.add(self.inputs * b);
            }
        }
    }

    #[inline(always)]
    unsafe fn outputs_of<L: Lanes, const B: usize>(&self, first: usize, packed: *const f32) {
        let (full, tail) = (self.width / L::N, self.width % L::N);
        let most = match (B, L::REGISTERS) {
            (8, _) => 3,
            (4, 32) => 6,
            (4, _) => 3,
            // Sums, vectors and a weight within sixteen registers.
            (2, 16) => 4,
            _ => 6,
        };
        let mut left = self.rows * full;
        let mut at = BufferRef { row: 0, column: 0 };
        // SAFETY: the caller's.
        unsafe {
            while left > 0 {
                // Equal parts: four vectors go by two and two rather than three and one.
                let n = left.div_ceil(left.div_ceil(most));
                let next = |p: &mut BufferRef| {
                    p.column += L::N;
                    if p.column + L::N > self.width {
                        *p = BufferRef { row: p.row + 1, column: 0 };
                    }
                };
                match n {
                    1 => self.tile::<L, B, 1, false>(first, packed, &mut at, next, 0),
                    2 => self.tile::<L, B, 2, false>(first, packed, &mut at, next, 0),
                    3 => self.tile::<L, B, 3, false>(first, packed, &mut at, next, 0),
                    4 => self.tile::<L, B, 4, false>(first, packed, &mut at, next, 0),
                    5 => self.tile::<L, B, 5, false>(first, packed, &mut at, next, 0),
                    _ => self.tile::<L, B, 6, false>(first, packed, &mut at, next, 0),
                }
                left -= n;
            }
            if tail > 0 {
                let mut at = BufferRef { row: 0, column: full * L::N };
                let next = |p: &mut BufferRef| p.row += 1;
                while at.row < self.rows {
                    match self.rows - at.row {
                        1 => self.tile::<L, B, 1, true>(first, packed, &mut at, next, tail),
                        2 => self.tile::<L, B, 2, true>(first, packed, &mut at, next, tail),
                        _ => self.tile::<L, B, 3, true>(first, packed, &mut at, next, tail),
                    }
                }
            }
        }
    }

    /// `P` vectors of `B` outputs, from a place on, which it moves behind them.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const B: usize, const P: usize, const TAIL: bool>(
        &self,
        first: usize,
        packed: *const f32,
        at: &mut BufferRef,
        next: impl Fn(&mut BufferRef),
        tail: usize,
    ) {
        // SAFETY: the caller's.
        unsafe {
            let (mut src, mut dst) = ([self.src; P], [self.dst; P]);
            for p in 0..P {
                src[p] = self.src.wrapping_add(at.row * self.src_row + at.column);
                dst[p] = self.dst.wrapping_add(first * self.dst_channel + at.row * self.dst_row + at.column);
                next(at);
            }
            let live = (self.outputs - first).min(B);
            let mut sums = [[L::splat(0.0); P]; B];
            if !self.bias.is_null() {
                // A loop of constant length with a test inside: the sums then never leave their registers.
                for (b, sums) in sums.iter_mut().enumerate() {
                    if b < live {
                        *sums = [L::splat(*self.bias.add(first + b)); P];
                    }
                }
            }
            if TAIL {
                let load = |p: usize, off| L::load_head(src[p].wrapping_offset(off), tail);
                products(&mut sums, self.offsets, packed, self.inputs, load);
            } else {
                L::products(&mut sums, &src, self.offsets, packed, self.inputs);
            }
            for (b, sums) in sums.iter().enumerate() {
                if b < live {
                    for (sum, dst) in sums.iter().zip(dst) {
                        let to = dst.add(b * self.dst_channel);
                        if TAIL { sum.store_head(to, tail) } else { sum.store(to) }
                    }
                }
            }
        }
    }
}

/// Where a vector lies in the rows.
#[derive(Clone, Copy)]
struct BufferRef {
    row: usize,
    column: usize,
}
