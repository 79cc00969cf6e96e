//! Formulas of the numbers at one place, applied place by place in vectors.

use super::lanes::{Lanes, SimdKernel};

/// A formula applied place by place to the vectors that it reads through pointers.
pub trait Formula: Copy {
    /// # Safety
    /// As for [`Lanes`]; `load` is called for pointers of the formula's own.
    unsafe fn at<L: Lanes>(self, load: impl Fn(*const f32) -> L) -> L;
}

/// A formula for `len` places from its pointers on, into `out`.
pub struct FormulaMap<F> {
    pub formula: F,
    pub out: *mut f32,
    pub len: usize,
}

impl<F: Formula> SimdKernel for FormulaMap<F> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let mut i = 0;
        // SAFETY: whole vectors and a head, inside the block.
        unsafe {
            while i + L::N <= self.len {
                self.formula.at(|p| L::load(p.add(i))).store(self.out.add(i));
                i += L::N;
            }
            let left = self.len - i;
            if left > 0 {
                self.formula.at(|p| L::load_head(p.add(i), left)).store_head(self.out.add(i), left);
            }
        }
    }
}

/// `sigmoid(x)`, right at both ends: the exponential is only taken of what is not positive.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub unsafe fn logistic<L: Lanes>(x: L) -> L {
    // SAFETY: the caller's.
    unsafe {
        let e = L::splat(0.0).sub(x.abs()).exp();
        let one = L::splat(1.0);
        let r = one.div(one.add(e));
        x.where_negative(e.mul(r), r)
    }
}

/// The gradient of SiLU's input: `gy * s * (1 + x * (1 - s))` with `s = sigmoid(x)`.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub unsafe fn silu_grad<L: Lanes>(x: L, gy: L) -> L {
    // SAFETY: the caller's.
    unsafe {
        let (s, one) = (logistic(x), L::splat(1.0));
        gy.mul(s).mul(x.mul_add(one.sub(s), one))
    }
}
