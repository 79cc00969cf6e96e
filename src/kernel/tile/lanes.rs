//! Vectors of `f32` of the widest form that the processor has: AVX-512 (16 lanes), AVX2 with FMA (8), NEON (4), and a portable
//! form (8) that the compiler vectorises. Uses nothing of the crate.
//!
//! Code that is generic over [`Lanes`] is inlined into one function per form that enables its features; [`run`] chooses once.

#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512};

/// A vector of `N` floats.
///
/// # Safety
/// Pointers need `N` readable or writable floats (`n` of them in the `head` forms). Values of a form may only be made where its
/// features are enabled, which [`run`] sees to.
pub trait Lanes: Copy {
    const N: usize;
    /// Vector registers that the form has.
    const REGISTERS: usize;
    unsafe fn load(p: *const f32) -> Self;
    unsafe fn store(self, p: *mut f32);
    /// The first `n` (1 to `N`) floats; the other lanes are 0.
    unsafe fn load_head(p: *const f32, n: usize) -> Self;
    /// Writes the first `n` (0 to `N`) lanes.
    unsafe fn store_head(self, p: *mut f32, n: usize);
    unsafe fn splat(v: f32) -> Self;
    /// `self * a + b`
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
    unsafe fn add(self, o: Self) -> Self;
    unsafe fn sub(self, o: Self) -> Self;
    unsafe fn mul(self, o: Self) -> Self;
    unsafe fn div(self, o: Self) -> Self;
    /// The larger of both; a NaN on either side gives NaN.
    unsafe fn max(self, o: Self) -> Self;
    unsafe fn abs(self) -> Self;
    /// Lanes of `a` where `self` is below zero, lanes of `b` elsewhere.
    unsafe fn where_negative(self, a: Self, b: Self) -> Self;
    /// Sum of the lanes.
    unsafe fn sum(self) -> f32;
    /// Relative error below 3e-7; NaN stays NaN.
    unsafe fn exp(self) -> Self;
    /// `1 / self` for what lies in `[1, infinity]`, relative error below 3e-7.
    #[inline(always)]
    unsafe fn inverse(self) -> Self {
        // SAFETY: no pointers.
        unsafe { Self::splat(1.0).div(self) }
    }
    /// `1 / (1 + exp(-self))`, absolute error below 3e-7.
    #[inline(always)]
    unsafe fn sigmoid(self) -> Self {
        // SAFETY: no pointers.
        unsafe { Self::splat(1.0).add(Self::splat(0.0).sub(self).exp()).inverse() }
    }
    /// Asks for what will be read; any address will do.
    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}
    /// `a0 b0 a1 b1 ...` in two vectors.
    unsafe fn interleave(self, o: Self) -> (Self, Self);
    /// The lanes of even and of odd places of both, one after the other.
    unsafe fn split(self, o: Self) -> (Self, Self);
}

/// What is run with the widest lanes.
pub trait Job {
    type Out;
    /// # Safety
    /// The processor has what `L` needs, and the job's pointers cover what its body touches.
    unsafe fn run<L: Lanes>(self) -> Self::Out;
}

/// The forms, from narrow to wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    Portable,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Form {
    /// The widest that this processor has.
    pub fn widest() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vl") {
                return Form::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Form::Avx2;
            }
            Form::Portable
        }
        #[cfg(target_arch = "aarch64")]
        {
            Form::Neon
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            Form::Portable
        }
    }

    /// This form, or the widest where the processor lacks it.
    pub fn available(self) -> Self {
        self.min(Self::widest())
    }

    pub fn lanes(self) -> usize {
        match self {
            Form::Portable => 8,
            #[cfg(target_arch = "aarch64")]
            Form::Neon => 4,
            #[cfg(target_arch = "x86_64")]
            Form::Avx2 => 8,
            #[cfg(target_arch = "x86_64")]
            Form::Avx512 => 16,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Form::Portable => "portable",
            #[cfg(target_arch = "aarch64")]
            Form::Neon => "NEON",
            #[cfg(target_arch = "x86_64")]
            Form::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Form::Avx512 => "AVX-512",
        }
    }
}

/// Runs a job with lanes of a form.
///
/// # Safety
/// The job's pointers cover what its body touches.
pub unsafe fn run<J: Job>(form: Form, job: J) -> J::Out {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
        unsafe fn avx512<J: Job>(job: J) -> J::Out {
            // SAFETY: the features are enabled here; the caller vouches for the pointers.
            unsafe { job.run::<Avx512>() }
        }
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2<J: Job>(job: J) -> J::Out {
            // SAFETY: as above.
            unsafe { job.run::<Avx2>() }
        }
        match form.available() {
            // SAFETY: `available` has seen the features.
            Form::Avx512 => return unsafe { avx512(job) },
            // SAFETY: as above.
            Form::Avx2 => return unsafe { avx2(job) },
            Form::Portable => {}
        }
    }
    #[cfg(target_arch = "aarch64")]
    if form == Form::Neon {
        // SAFETY: NEON is part of the architecture.
        return unsafe { job.run::<super::neon::Neon>() };
    }
    let _ = form;
    // SAFETY: the portable form needs nothing; the caller vouches for the pointers.
    unsafe { job.run::<Portable>() }
}

pub(super) const EXP_HI: f32 = 88.7;
pub(super) const EXP_LO: f32 = -104.0;
pub(super) const LOG2E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts, the first with so few bits that `n * LN2_HI` is exact.
pub(super) const LN2_HI: f32 = 0.693_359_4;
pub(super) const LN2_LO: f32 = -2.121_944_4e-4;
/// 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits.
pub(super) const ROUND: f32 = 12_582_912.0;
/// Minimax polynomial of (exp(r) - 1 - r) / r^2 on |r| <= ln 2 / 2, highest power first.
pub(super) const EXP_POLY: [f32; 6] = [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// Minimax polynomial of 2^f on |f| <= 1/2 (relative error 7.5e-08), highest power first.
#[cfg(target_arch = "x86_64")]
pub(super) const EXP2_POLY: [f32; 6] = [1.327_647_1e-3, 9.675_542e-3, 5.550_713e-2, 2.402_212e-1, 6.931_469_4e-1, 1.000_000_1];

/// Lanes of the portable form.
const WIDTH: usize = 8;

/// Lanes as an array.
#[derive(Clone, Copy)]
pub struct Portable([f32; WIDTH]);

impl Portable {
    #[inline(always)]
    fn zip(self, o: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Portable(std::array::from_fn(|i| f(self.0[i], o.0[i])))
    }
}

#[inline(always)]
pub(super) fn exp_scalar(x: f32) -> f32 {
    let c = if x > EXP_HI { EXP_HI } else { x };
    let c = if c < EXP_LO { EXP_LO } else { c };
    let t = c * LOG2E + ROUND;
    let n = t - ROUND;
    let r = c - n * LN2_HI - n * LN2_LO;
    let p = EXP_POLY[1..].iter().fold(EXP_POLY[0], |p, k| p * r + k);
    let p = p * (r * r) + r + 1.0;
    let n = (t.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    // Two factors, since 2^n itself may be no normal float.
    p * power(half) * power(n.wrapping_sub(half))
}

// SAFETY of every block below: pointers are the caller's to vouch for; reads and writes need no alignment.
impl Lanes for Portable {
    const N: usize = WIDTH;
    const REGISTERS: usize = 16;
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: see above.
        Portable(unsafe { p.cast::<[f32; WIDTH]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: see above.
        unsafe { p.cast::<[f32; WIDTH]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn load_head(p: *const f32, n: usize) -> Self {
        let mut t = [0f32; WIDTH];
        for (i, v) in t.iter_mut().enumerate().take(n) {
            // SAFETY: see above.
            *v = unsafe { *p.add(i) };
        }
        Portable(t)
    }
    #[inline(always)]
    unsafe fn store_head(self, p: *mut f32, n: usize) {
        for (i, v) in self.0.iter().enumerate().take(n) {
            // SAFETY: see above.
            unsafe { *p.add(i) = *v };
        }
    }
    #[inline(always)]
    unsafe fn splat(v: f32) -> Self {
        Portable([v; WIDTH])
    }
    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        // Not `f32::mul_add`: without the instruction it is a call.
        Portable(std::array::from_fn(|i| self.0[i] * a.0[i] + b.0[i]))
    }
    #[inline(always)]
    unsafe fn add(self, o: Self) -> Self {
        self.zip(o, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, o: Self) -> Self {
        self.zip(o, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, o: Self) -> Self {
        self.zip(o, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(self, o: Self) -> Self {
        self.zip(o, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn max(self, o: Self) -> Self {
        self.zip(o, |a, b| if a > b || a.is_nan() { a } else { b })
    }
    #[inline(always)]
    unsafe fn abs(self) -> Self {
        Portable(self.0.map(f32::abs))
    }
    #[inline(always)]
    unsafe fn where_negative(self, a: Self, b: Self) -> Self {
        Portable(std::array::from_fn(|i| if self.0[i] < 0.0 { a.0[i] } else { b.0[i] }))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
    #[inline(always)]
    unsafe fn exp(self) -> Self {
        Portable(self.0.map(exp_scalar))
    }
    #[inline(always)]
    unsafe fn interleave(self, o: Self) -> (Self, Self) {
        let at = |i: usize| if i.is_multiple_of(2) { self.0[i / 2] } else { o.0[i / 2] };
        (Portable(std::array::from_fn(at)), Portable(std::array::from_fn(|i| at(i + WIDTH))))
    }
    #[inline(always)]
    unsafe fn split(self, o: Self) -> (Self, Self) {
        let at = |i: usize| if i < WIDTH { self.0[i] } else { o.0[i - WIDTH] };
        (Portable(std::array::from_fn(|i| at(2 * i))), Portable(std::array::from_fn(|i| at(2 * i + 1))))
    }
}
