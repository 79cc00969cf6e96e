//! Lanes of every instruction set against double precision. (What stages give is tested with the executor.)

use super::functions::LaneFunction;
use super::lanes::{Isa, Lanes, SimdKernel, run};
use super::stage::{Moments, UnaryFunction};
use crate::op;

struct Each<'a>(UnaryFunction, &'a [f32], &'a mut [f32]);

impl SimdKernel for Each<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        for at in (0..self.1.len()).step_by(L::N) {
            let n = (self.1.len() - at).min(L::N);
            // SAFETY: `n` floats from `at` on in both.
            unsafe { self.0.of([L::load_head(self.1.as_ptr().add(at), n)])[0].store_head(self.2.as_mut_ptr().add(at), n) };
        }
    }
}

fn apply(isa: Isa, f: UnaryFunction, x: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    // SAFETY: the slices are as long as each other.
    unsafe { run(isa, Each(f, x, &mut y)) };
    y
}

fn exact(f: UnaryFunction, x: f64) -> f64 {
    match f {
        UnaryFunction::Identity => x,
        UnaryFunction::Of(function, parameter) => op::Activation { function, parameter: Some(f64::from(parameter)) }.of(x),
    }
}

/// All functions, those of a parameter with two values.
fn all() -> Vec<UnaryFunction> {
    let of = |f: op::Function| UnaryFunction::Of(f, f.default_parameter().unwrap_or(0.0) as f32);
    let more = [UnaryFunction::Identity, UnaryFunction::Of(op::Function::LeakyRelu, 0.25), UnaryFunction::Of(op::Function::Elu, 0.5)];
    op::Function::ALL.into_iter().map(of).chain(more).collect()
}

#[test]
fn functions_are_exact_within_float_rounding() {
    let x: Vec<f32> = (-4000..4001).map(|i| i as f32 * 0.005).collect();
    for isa in Isa::all() {
        for f in all() {
            for (x, y) in x.iter().zip(apply(isa, f, &x)) {
                let want = exact(f, f64::from(*x));
                if !want.is_finite() {
                    // A root of what is not above 0.
                    assert!(y.is_nan() == want.is_nan() && !y.is_finite(), "{f:?}({x}) = {y}, not {want}, with {}", isa.name());
                    continue;
                }
                let error = (f64::from(y) - want).abs();
                assert!(error < 6e-7 * want.abs().max(1.0), "{f:?}({x}) = {y}, not {want}, with {}", isa.name());
            }
        }
    }
}

#[test]
fn what_is_not_finite_stays_so() {
    for isa in Isa::all() {
        for f in all() {
            assert!(apply(isa, f, &[f32::NAN; 3]).iter().all(|y| y.is_nan()), "{f:?} of NaN with {}", isa.name());
        }
        let ends = [f32::INFINITY, 1e30, 1000.0];
        for (f, want) in [
            (UnaryFunction::Of(op::Function::Sigmoid, 0.0), [1.0; 3]),
            (UnaryFunction::Of(op::Function::Silu, 0.0), ends),
            (UnaryFunction::Of(op::Function::Tanh, 0.0), [1.0; 3]),
        ] {
            for (y, want) in apply(isa, f, &ends).into_iter().zip(want) {
                assert!(y == want || (y / want - 1.0).abs() < 2e-7, "{f:?} is {y}, not {want}, with {}", isa.name());
            }
        }
        let small = apply(isa, UnaryFunction::Of(op::Function::Sigmoid, 0.0), &ends.map(|v| -v));
        assert!(small.iter().all(|y| (0.0..1e-37).contains(y)), "{small:?} with {}", isa.name());
        assert!(
            apply(isa, UnaryFunction::Of(op::Function::Silu, 0.0), &[-1000.0, -100.0]).iter().all(|y| y.abs() < 1e-30),
            "{}",
            isa.name()
        );
    }
}

#[test]
fn moments_of_parts_are_those_of_the_whole() {
    let of = |x: &[f64]| {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        Moments { count: x.len() as f64, mean, square: x.iter().map(|v| (v - mean).powi(2)).sum() }
    };
    let x: Vec<f64> = (0..100).map(|i| 1000.0 + (f64::from(i) * 0.7).sin()).collect();
    let parts = [&x[..1], &x[1..40], &[], &x[40..]];
    let joined = parts.iter().fold(Moments::default(), |m, p| if p.is_empty() { m.join(Moments::default()) } else { m.join(of(p)) });
    let whole = of(&x);
    assert!((joined.mean - whole.mean).abs() < 1e-9 && (joined.square - whole.square).abs() < 1e-9 * whole.square);
    assert_eq!(joined.count, 100.0);
}
