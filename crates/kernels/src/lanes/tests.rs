//! Every instruction set against the plain arithmetic of single floats, and the rule for narrow rows.

use super::{Isa, Lanes, SimdKernel, WIDEST, run};

/// What a method gives for two vectors; lanes beyond `N` stay 0.
struct Both<F>(F, [f32; WIDEST], [f32; WIDEST]);

/// A method by name, since a closure cannot be generic.
#[derive(Clone, Copy, Debug)]
enum Method {
    Max,
    Abs,
    Negative,
    Beats,
    Clamp,
    Round,
    Scale,
    Exp,
    Sigmoid,
}

impl SimdKernel for Both<Method> {
    type Out = Vec<f32>;
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> Vec<f32> {
        let mut out = [0f32; WIDEST];
        // SAFETY: the arrays hold a vector of any instruction set.
        unsafe {
            let (x, y) = (L::load(self.1.as_ptr()), L::load(self.2.as_ptr()));
            let (one, two) = (L::splat(1.0), L::splat(2.0));
            match self.0 {
                Method::Max => x.max(y),
                Method::Abs => x.abs(),
                Method::Negative => x.where_negative(one, two),
                Method::Beats => x.where_beats(y, one, two),
                Method::Clamp => x.clamp(-2.0, 3.0),
                Method::Round => x.round(),
                Method::Scale => x.scale(y),
                Method::Exp => x.exp(),
                Method::Sigmoid => x.sigmoid(),
            }
            .store(out.as_mut_ptr());
        }
        out[..L::N].to_vec()
    }
}

/// Compares a method with that of single floats for all pairs.
#[track_caller]
fn check(method: Method, x: &[f32], y: &[f32], want: impl Fn(f32, f32) -> f64, relative: f64) {
    for isa in Isa::all() {
        for x in x {
            for y in y {
                // SAFETY: the job reads and writes its own arrays.
                let got = unsafe { run(isa, Both(method, [*x; WIDEST], [*y; WIDEST])) };
                assert_eq!(got.len(), isa.lanes());
                let want = want(*x, *y);
                for got in got {
                    let same = f64::from(got) == want || got.is_nan() && want.is_nan();
                    // Half of the smallest float, and a little for what is rounded twice.
                    let near = (f64::from(got) - want).abs() <= (relative * want.abs()).max(if relative > 0.0 { 1.5e-45 } else { 0.0 });
                    assert!(same || near, "{method:?} of {x:e} and {y:e} is {got:e}, not {want:e}, with {}", isa.name());
                }
            }
        }
    }
}

const INF: f32 = f32::INFINITY;
const NAN: f32 = f32::NAN;

#[test]
fn every_form_treats_nan_and_infinity_alike() {
    let x = [-INF, -3.5, -1.0, -0.0, 0.0, 1e-40, 0.5, 1.5, 2.5, INF, NAN];
    let w = f64::from;
    check(Method::Max, &x, &x, |x, y| if x.is_nan() || y.is_nan() { f64::NAN } else { w(x.max(y)) }, 0.0);
    check(Method::Abs, &x, &[0.0], |x, _| w(x.abs()), 0.0);
    check(Method::Negative, &x, &[0.0], |x, _| if x < 0.0 { 1.0 } else { 2.0 }, 0.0);
    check(Method::Beats, &x, &x, |x, y| if x > y || x.is_nan() { 1.0 } else { 2.0 }, 0.0);
    check(Method::Clamp, &x, &[0.0], |x, _| w(x.clamp(-2.0, 3.0)), 0.0);
    check(Method::Round, &[-3.5, -1.2, 0.5, 1.5, 99.6, 4e6], &[0.0], |x, _| w(x.round_ties_even()), 0.0);
}

#[test]
fn scaling_reaches_into_what_is_no_normal_float() {
    let n = [-250.0, -160.0, -149.0, -130.0, -126.0, -1.0, 0.0, 1.0, 127.0, 128.0, 250.0];
    let want = |x: f32, n: f32| {
        let exact = f64::from(x) * f64::from(n).exp2();
        if exact >= 2f64.powi(128) { f64::INFINITY } else { exact }
    };
    check(Method::Scale, &[1.0, 1.25, 0.75, NAN], &n, want, 1e-12);
}

#[test]
fn exponentials_are_right_to_their_ends() {
    let mut x: Vec<f32> = (-1100..=900).map(|i| i as f32 * 0.1).collect();
    x.extend([88.7, 88.72, 88.8, 1e30, INF, -103.0, -104.0, -1e30, -INF, NAN, -0.0, 1e-30]);
    let want = |x: f32, _| {
        let exact = f64::from(x).exp();
        if exact > f64::from(f32::MAX) { f64::INFINITY } else { exact }
    };
    check(Method::Exp, &x, &[0.0], want, 2e-7);
    let zero = [-104.0, -110.0, -INF];
    for isa in Isa::all() {
        for x in zero {
            // SAFETY: as above.
            assert!(unsafe { run(isa, Both(Method::Exp, [x; WIDEST], [0.0; WIDEST])) }.iter().all(|y| *y == 0.0), "{}", isa.name());
        }
    }
}

#[test]
fn the_logistic_function_is_within_its_bound() {
    for isa in Isa::all() {
        for i in -2000..=2000 {
            let x = i as f32 * 0.05;
            // SAFETY: as above.
            for y in unsafe { run(isa, Both(Method::Sigmoid, [x; WIDEST], [0.0; WIDEST])) } {
                let want = 1.0 / (1.0 + (-f64::from(x)).exp());
                assert!((f64::from(y) - want).abs() < 3e-7, "sigmoid({x}) = {y}, not {want}, with {}", isa.name());
            }
        }
    }
}

/// Loads, stores and what moves lanes about, of every head.
struct Moves;

impl SimdKernel for Moves {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let x: [f32; 2 * WIDEST] = std::array::from_fn(|i| i as f32 + 1.0);
        // SAFETY: the arrays hold two vectors of any instruction set.
        unsafe {
            let (a, b) = (L::load(x.as_ptr()), L::load(x.as_ptr().add(L::N)));
            let both = |(l, h): (L, L)| {
                let mut out = [0f32; 2 * WIDEST];
                l.store(out.as_mut_ptr());
                h.store(out.as_mut_ptr().add(L::N));
                out[..2 * L::N].to_vec()
            };
            let (even, odd): (Vec<f32>, Vec<f32>) = x[..2 * L::N].chunks_exact(2).map(|p| (p[0], p[1])).unzip();
            assert_eq!(both(a.split(b)), [even.clone(), odd.clone()].concat());
            let (even, odd) = (L::load(even.as_ptr()), L::load(odd.as_ptr()));
            assert_eq!(both(even.interleave(odd)), x[..2 * L::N]);
            assert_eq!(a.sum(), (1..=L::N).sum::<usize>() as f32);
            for n in 0..=L::N {
                let mut out = [-1f32; 2 * WIDEST];
                L::load_head(x.as_ptr(), n).store(out.as_mut_ptr());
                assert!(out[..n] == x[..n] && out[n..L::N].iter().all(|v| *v == 0.0), "{n} of {}: {out:?}", L::N);
                let mut out = [-1f32; 2 * WIDEST];
                a.store_head(out.as_mut_ptr(), n);
                assert!(out[..n] == x[..n] && out[n..].iter().all(|v| *v == -1.0), "{n} of {}: {out:?}", L::N);
            }
        }
    }
}

#[test]
fn heads_touch_what_they_say_and_lanes_keep_their_order() {
    for isa in Isa::all() {
        // SAFETY: the job has its own arrays.
        unsafe { run(isa, Moves) }
    }
}

#[test]
fn short_rows_take_a_narrower_form() {
    for isa in Isa::all() {
        Isa::limit(Some(isa));
        for columns in 1..100 {
            let chosen = Isa::of(columns);
            assert!(chosen <= isa && (chosen == isa || 2 * columns <= isa.lanes()), "{columns} columns: {}", chosen.name());
        }
    }
    Isa::limit(None);
}

/// Sums of products of whole numbers, which are exact, for blocks of `B` by `P`.
struct Sums<const B: usize, const P: usize>;

impl<const B: usize, const P: usize> SimdKernel for Sums<B, P> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let x: Vec<f32> = (0..200).map(|i| (i * 7 % 13) as f32 - 6.0).collect();
        let w: Vec<f32> = (0..40).map(|i| (i * 5 % 11) as f32 - 5.0).collect();
        let offsets = [0isize, 3, -2, 11, 1, 40];
        let places: [usize; P] = std::array::from_fn(|p| 2 + p * L::N);
        let others: [usize; B] = std::array::from_fn(|b| 1 + 5 * b);
        let check = |sums: [[L; P]; B], what: &str, want: &dyn Fn(usize, usize, usize) -> f32| {
            for (b, sums) in sums.iter().enumerate() {
                for (p, sum) in sums.iter().enumerate() {
                    let mut out = [0f32; WIDEST];
                    // SAFETY: the array holds a vector of any instruction set.
                    unsafe { sum.store(out.as_mut_ptr()) };
                    (0..L::N).for_each(|i| assert_eq!(out[i], 1.0 + want(b, p, i), "{what}, {B} by {P}: {b}, {p}, {i}"));
                }
            }
        };
        // SAFETY: the vectors hold every place.
        unsafe {
            for inputs in 0..=offsets.len() {
                let mut sums = [[L::splat(1.0); P]; B];
                L::products(&mut sums, &places.map(|p| x.as_ptr().add(p)), offsets.as_ptr(), w.as_ptr(), inputs);
                let one = |b: usize, p: usize, i: usize, k: usize| x[(places[p] + i).wrapping_add_signed(offsets[k])] * w[k * B + b];
                check(sums, "products", &|b, p, i| (0..inputs).map(|k| one(b, p, i, k)).sum());
            }
            for vectors in 0..4 {
                let mut sums = [[L::splat(1.0); P]; B];
                L::correlations(&mut sums, &places.map(|p| x.as_ptr().add(p)), &others.map(|b| x.as_ptr().add(b)), vectors);
                let one = |b: usize, p: usize, i: usize| x[places[p] + i] * x[others[b] + i];
                check(sums, "correlations", &|b, p, i| (0..vectors).map(|v| one(b, p, i + v * L::N)).sum());
            }
        }
    }
}

#[test]
fn sums_of_products_are_exact() {
    for isa in Isa::all() {
        // SAFETY: the kernels have their own arrays.
        unsafe {
            run(isa, Sums::<4, 3>);
            run(isa, Sums::<4, 2>);
            run(isa, Sums::<1, 3>);
            run(isa, Sums::<2, 4>);
        }
    }
}

/// SiLU of four vectors at once.
struct Four([f32; 4]);

impl SimdKernel for Four {
    type Out = [f32; 4];
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> [f32; 4] {
        // SAFETY: the array holds a vector of any instruction set.
        unsafe {
            let mut x = [L::splat(0.0); 4];
            (0..4).for_each(|k| x[k] = L::splat(self.0[k]));
            L::silus(x).map(|y| {
                let mut out = [0f32; WIDEST];
                y.store(out.as_mut_ptr());
                assert!(out[..L::N].iter().all(|v| v.to_bits() == out[0].to_bits()));
                out[0]
            })
        }
    }
}

#[test]
fn silu_of_several_vectors() {
    let x: Vec<f32> = (-1000..1000).map(|i| i as f32 * 0.1).chain([INF, NAN, 1e30, -1e30]).collect();
    for isa in Isa::all() {
        for x in x.chunks_exact(4) {
            // SAFETY: the job has its own arrays.
            let y = unsafe { run(isa, Four([x[0], x[1], x[2], x[3]])) };
            for (x, y) in x.iter().map(|x| f64::from(*x)).zip(y.map(f64::from)) {
                let want = x / (1.0 + (-x).exp());
                let near = (y - want).abs() <= 3e-7 * x.abs().max(1e-9);
                assert!(near || y == want || y.is_nan() && x.is_nan(), "silu({x:e}) = {y:e}, not {want:e}, with {}", isa.name());
            }
        }
    }
}
