//! Activation functions on vectors.

use super::lanes::Lanes;
use super::stage::UnaryFunction;
use crate::op::Function as F;

/// `f(x)` for each lane; `parameter` is its slope or alpha.
///
/// # Safety
/// See [`Lanes`].
#[inline(always)]
unsafe fn apply<L: Lanes>(f: F, parameter: f32, x: L) -> L {
    // SAFETY: no pointers.
    unsafe {
        let (zero, one) = (L::splat(0.0), L::splat(1.0));
        match f {
            F::Silu => L::silus([x])[0],
            F::Relu => x.where_negative(zero, x),
            F::LeakyRelu => x.where_negative(x.mul(L::splat(parameter)), x),
            F::Elu => x.where_negative(x.exp().sub(one).mul(L::splat(parameter)), x),
            F::Sigmoid => x.sigmoid(),
            F::Tanh => tanh(x),
            F::Gelu => {
                // erf by Abramowitz and Stegun 7.1.26, absolute error below 2e-7.
                let z = x.abs().mul(L::splat(std::f32::consts::FRAC_1_SQRT_2));
                let t = z.mul_add(L::splat(0.327_591_1), one).inverse();
                let mut p = L::splat(1.061_405_4);
                for k in [-1.453_152_1, 1.421_413_8, -0.284_496_72, 0.254_829_6] {
                    p = p.mul_add(t, L::splat(k));
                }
                let tail = p.mul(t).mul(zero.sub(z.mul(z)).exp());
                // Half of 1 - erf |z|, which is what stands on the far side of 0.
                let q = tail.mul(L::splat(0.5));
                let share = x.where_negative(q, one.sub(q));
                x.mul(share)
            }
            F::GeluTanh => {
                let inner = x.mul(x).mul(x).mul_add(L::splat(0.044_715), x).mul(L::splat(0.797_884_6));
                x.mul(L::splat(0.5)).mul(tanh(inner).add(one))
            }
            F::Abs => x.abs(),
            F::Softplus => {
                // max(x, 0) + log(1 + t) with t = exp(-|x|), the logarithm by 2 atanh(t / (2 + t)).
                let t = zero.sub(x.abs()).exp();
                let z = t.div(t.add(L::splat(2.0)));
                let s = z.mul(z);
                let p = s.polynomial(&[1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0, 1.0]);
                x.where_negative(zero, x).add(p.mul(z).mul(L::splat(2.0)))
            }
            F::Mish => {
                // tanh(log(1 + e)) = (e^2 + 2 e) / (e^2 + 2 e + 2) with e = exp(x); 1 from 20 on.
                let e = x.clamp(-104.0, 20.0).exp();
                let n = e.mul(e.add(L::splat(2.0)));
                x.mul(n.div(n.add(L::splat(2.0))))
            }
            F::Relu6 => x.clamp(0.0, 6.0),
            F::HardSigmoid => x.add(L::splat(3.0)).clamp(0.0, 6.0).mul(L::splat(1.0 / 6.0)),
            F::HardSwish => x.mul(x.add(L::splat(3.0)).clamp(0.0, 6.0).mul(L::splat(1.0 / 6.0))),
            F::Rsqrt => one.div(x.sqrt()),
            F::Sqrt => x.sqrt(),
        }
    }
}

/// # Safety
/// See [`Lanes`].
#[inline(always)]
unsafe fn tanh<L: Lanes>(x: L) -> L {
    // SAFETY: no pointers.
    unsafe {
        // Of |x|, for which the exponential is large where it counts; small ones by the odd series.
        let a = x.abs();
        let large = L::splat(1.0).sub(L::splat(2.0).mul(L::splat(1.0).add(a.add(a).exp()).inverse()));
        let s = a.mul(a);
        let small =
            s.mul_add(s.mul_add(s.mul_add(L::splat(-17.0 / 315.0), L::splat(2.0 / 15.0)), L::splat(-1.0 / 3.0)), L::splat(1.0)).mul(a);
        let y = a.sub(L::splat(0.2)).where_negative(small, large);
        x.where_negative(L::splat(0.0).sub(y), y)
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
        if let UnaryFunction::Of(f, parameter) = self {
            for x in &mut x {
                // SAFETY: no pointers.
                *x = unsafe { apply(f, parameter, *x) };
            }
        }
        x
    }
}
