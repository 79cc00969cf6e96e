//! One kernel a channel, stride 1. A loaded vector serves every output row that it reaches.

use super::lanes::Lanes;

/// One plane of one channel: `rows` rows of `width` columns.
#[derive(Clone, Copy)]
pub struct Depthwise<'a> {
    /// For each depth of the kernel, the input at the first tap of the first output.
    pub planes: &'a [*const f32],
    pub src_row: usize,
    /// `[kD, kW, kH]`
    pub weights: *const f32,
    pub kernel: [usize; 3],
    pub bias: f32,
    pub dst: *mut f32,
    pub dst_row: usize,
    pub rows: usize,
    pub width: usize,
}

impl Depthwise<'_> {
    /// Kernels in height that have a form of their own.
    pub fn has(height: usize) -> bool {
        matches!(height, 1 | 3 | 5 | 7)
    }

    /// # Safety
    /// The planes have `rows + kH - 1` rows of `width + kW - 1` columns, in whole vectors; the outputs are this call's own.
    #[inline(always)]
    pub unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe {
            match self.kernel[1] {
                1 => self.high::<L, 1>(),
                3 => self.high::<L, 3>(),
                5 => self.high::<L, 5>(),
                _ => self.high::<L, 7>(),
            }
        }
    }

    #[inline(always)]
    unsafe fn high<L: Lanes, const K: usize>(&self) {
        let mut row = 0;
        // SAFETY: the caller's.
        unsafe {
            while row < self.rows {
                let left = self.rows - row;
                row += if left >= 8 && L::REGISTERS == 32 {
                    self.wide::<L, K, 8>(row);
                    8
                } else if left >= 4 {
                    self.wide::<L, K, 4>(row);
                    4
                } else if left >= 2 {
                    self.wide::<L, K, 2>(row);
                    2
                } else {
                    self.wide::<L, K, 1>(row);
                    1
                };
            }
        }
    }

    #[inline(always)]
    unsafe fn wide<L: Lanes, const K: usize, const R: usize>(&self, row: usize) {
        let mut column = 0;
        // SAFETY: the caller's.
        unsafe {
            while column + L::N < self.width {
                self.tile::<L, K, R, 2>(row, column);
                column += 2 * L::N;
            }
            if column < self.width {
                self.tile::<L, K, R, 1>(row, column);
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<L: Lanes, const K: usize, const R: usize, const V: usize>(&self, row: usize, column: usize) {
        // SAFETY: the caller's.
        unsafe {
            let mut sums = [[L::splat(self.bias); V]; R];
            let mut w = self.weights;
            for plane in self.planes {
                let base = plane.add(row * self.src_row + column);
                for tap in 0..self.kernel[2] {
                    let k: [L; K] = std::array::from_fn(|i| L::splat(*w.add(i)));
                    w = w.add(K);
                    let base = base.add(tap);
                    // Written out so that every index is a constant and the sums stay in registers.
                    macro_rules! input_row {
                        ($($r:literal)*) => { $(
                            if $r < R + K - 1 {
                                let x: [L; V] = std::array::from_fn(|v| L::load(base.add($r * self.src_row + v * L::N)));
                                for (i, k) in k.iter().enumerate() {
                                    if i <= $r && $r - i < R {
                                        for v in 0..V {
                                            sums[$r - i][v] = x[v].mul_add(*k, sums[$r - i][v]);
                                        }
                                    }
                                }
                            }
                        )* };
                    }
                    input_row!(0 1 2 3 4 5 6 7 8 9 10 11 12 13);
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                let to = self.dst.add((row + r) * self.dst_row + column);
                for (v, sum) in sums.iter().enumerate() {
                    let left = self.width - column;
                    if left >= (v + 1) * L::N {
                        sum.store(to.add(v * L::N));
                    } else if left > v * L::N {
                        sum.store_head(to.add(v * L::N), left - v * L::N);
                    }
                }
            }
        }
    }
}
