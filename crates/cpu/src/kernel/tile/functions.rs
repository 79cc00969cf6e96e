//! Activation functions on vectors.

use super::lanes::Lanes;
use super::stage::UnaryFunction;

/// `f(x)` for each lane.
///
/// # Safety
/// See [`Lanes`].
#[inline(always)]
unsafe fn apply<L: Lanes>(f: UnaryFunction, x: L) -> L {
    // SAFETY: no pointers.
    unsafe {
        match f {
            UnaryFunction::Identity => x,
            UnaryFunction::Silu => L::silus([x])[0],
            UnaryFunction::Relu => x.where_negative(L::splat(0.0), x),
            UnaryFunction::LeakyRelu => x.where_negative(x.mul(L::splat(0.01)), x),
            UnaryFunction::Sigmoid => x.sigmoid(),
            UnaryFunction::Tanh => {
                // Of |x|, for which the exponential is large where it counts; small ones by the odd series.
                let a = x.abs();
                let large = L::splat(1.0).sub(L::splat(2.0).mul(L::splat(1.0).add(a.add(a).exp()).inverse()));
                let s = a.mul(a);
                let small = s
                    .mul_add(s.mul_add(s.mul_add(L::splat(-17.0 / 315.0), L::splat(2.0 / 15.0)), L::splat(-1.0 / 3.0)), L::splat(1.0))
                    .mul(a);
                let y = a.sub(L::splat(0.2)).where_negative(small, large);
                x.where_negative(L::splat(0.0).sub(y), y)
            }
            UnaryFunction::Gelu => {
                // erf by Abramowitz and Stegun 7.1.26, absolute error below 2e-7.
                let z = x.abs().mul(L::splat(std::f32::consts::FRAC_1_SQRT_2));
                let t = z.mul_add(L::splat(0.327_591_1), L::splat(1.0)).inverse();
                let mut p = L::splat(1.061_405_4);
                for k in [-1.453_152_1, 1.421_413_8, -0.284_496_72, 0.254_829_6] {
                    p = p.mul_add(t, L::splat(k));
                }
                let tail = p.mul(t).mul(L::splat(0.0).sub(z.mul(z)).exp());
                // Half of 1 - erf |z|, which is what stands on the far side of 0.
                let q = tail.mul(L::splat(0.5));
                let share = x.where_negative(q, L::splat(1.0).sub(q));
                x.mul(share)
            }
            UnaryFunction::Abs => x.abs(),
        }
    }
}

/// A function of lanes, of several vectors at once. Not a closure: only what is inlined for certain has the features of its caller.
pub(super) trait LaneFunction: Copy {
    /// # Safety
    /// See [`Lanes`].
    unsafe fn of<L: Lanes, const K: usize>(self, x: [L; K]) -> [L; K];
}

#[derive(Clone, Copy)]
pub(super) struct Same;

impl LaneFunction for Same {
    #[inline(always)]
    unsafe fn of<L: Lanes, const K: usize>(self, x: [L; K]) -> [L; K] {
        x
    }
}

#[derive(Clone, Copy)]
pub(super) struct Silu;

impl LaneFunction for Silu {
    #[inline(always)]
    unsafe fn of<L: Lanes, const K: usize>(self, x: [L; K]) -> [L; K] {
        // SAFETY: no pointers.
        unsafe { L::silus(x) }
    }
}

impl LaneFunction for UnaryFunction {
    #[inline(always)]
    unsafe fn of<L: Lanes, const K: usize>(self, mut x: [L; K]) -> [L; K] {
        for x in &mut x {
            // SAFETY: no pointers.
            *x = unsafe { apply(self, *x) };
        }
        x
    }
}
