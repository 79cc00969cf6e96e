//! Vectors of `f32` for the CPU kernels: one trait, an AVX2 + FMA form chosen at run time and a portable form that the compiler
//! vectorises for whatever the target has. Uses nothing of the crate.
//!
//! A kernel is a [`Job`]: a struct of its arguments with one generic body. [`run`] picks the widest form the processor has.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Number of `f32` lanes of every form.
pub const LANES: usize = 8;

/// A vector of [`LANES`] floats.
///
/// # Safety
/// The methods that take pointers need [`LANES`] readable or writable floats there. Values of the AVX2 form may only be made
/// inside [`Job::run`], which [`run`] calls with that form after it has seen the processor's features.
pub trait Lanes: Copy {
    unsafe fn load(p: *const f32) -> Self;
    unsafe fn store(self, p: *mut f32);
    unsafe fn splat(v: f32) -> Self;
    /// `self * a + b`, fused where the form has it.
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
    unsafe fn add(self, o: Self) -> Self;
    unsafe fn sub(self, o: Self) -> Self;
    unsafe fn mul(self, o: Self) -> Self;
    unsafe fn div(self, o: Self) -> Self;
    /// The larger of both; a NaN on either side gives NaN.
    unsafe fn max(self, o: Self) -> Self;
    /// Sum of the lanes, in an order that is the same for every form.
    unsafe fn sum(self) -> f32;
    /// `exp`, relative error below 2e-7; 0 below -104, infinity above 88.8, NaN stays NaN.
    unsafe fn exp(self) -> Self;
    /// `-|self|`.
    unsafe fn neg_abs(self) -> Self;
    /// Lanes of `a` where `self` is below zero, lanes of `b` elsewhere.
    unsafe fn where_negative(self, a: Self, b: Self) -> Self;
    /// Lanes of `a` where `self` is above `o` or NaN, lanes of `b` elsewhere.
    unsafe fn where_beats(self, o: Self, a: Self, b: Self) -> Self;
    /// The first `n` (0 to [`LANES`]) floats at `p`, zeros above.
    #[inline(always)]
    unsafe fn load_head(p: *const f32, n: usize) -> Self {
        let mut t = [0f32; LANES];
        // SAFETY: the caller vouches for `n` floats at `p`; `t` holds LANES of them.
        unsafe {
            for (i, v) in t.iter_mut().enumerate().take(n) {
                *v = *p.add(i);
            }
            Self::load(t.as_ptr())
        }
    }
    /// Writes the first `n` (0 to [`LANES`]) lanes.
    #[inline(always)]
    unsafe fn store_head(self, p: *mut f32, n: usize) {
        let mut t = [0f32; LANES];
        // SAFETY: the caller vouches for `n` floats at `p`; `t` holds LANES of them.
        unsafe {
            self.store(t.as_mut_ptr());
            for (i, v) in t.iter().enumerate().take(n) {
                *p.add(i) = *v;
            }
        }
    }
}

/// A kernel: its arguments, and one body for every form of lanes.
pub trait Job {
    type Out;
    /// # Safety
    /// The processor has what `L` needs, and the job's pointers cover what its body touches.
    unsafe fn run<L: Lanes>(self) -> Self::Out;
}

#[cfg(test)]
thread_local! {
    /// Makes this thread use the portable form.
    pub static PORTABLE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs a job with the widest lanes of this processor.
///
/// # Safety
/// The job's pointers cover what its body touches.
#[inline]
pub unsafe fn run<J: Job>(job: J) -> J::Out {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2<J: Job>(job: J) -> J::Out {
            // SAFETY: AVX2 and FMA are enabled here; the caller vouches for the pointers.
            unsafe { job.run::<Avx2>() }
        }
        #[cfg(test)]
        let portable = PORTABLE.get();
        #[cfg(not(test))]
        let portable = false;
        if !portable && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: both features were just seen.
            return unsafe { avx2(job) };
        }
    }
    // SAFETY: the portable form needs nothing; the caller vouches for the pointers.
    unsafe { job.run::<Portable>() }
}

const EXP_HI: f32 = 88.8;
const EXP_LO: f32 = -110.0;
const LOG2E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts, the first with so few bits that `n * LN2_HI` is exact.
const LN2_HI: f32 = 0.693_359_4;
const LN2_LO: f32 = -2.121_944_4e-4;
/// 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;
/// Minimax polynomial of (exp(r) - 1 - r) / r^2 on |r| <= ln 2 / 2, highest power first.
const EXP_POLY: [f32; 6] = [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// Lanes as an array: right everywhere, vectorised by the compiler with the target's base features.
#[derive(Clone, Copy)]
pub struct Portable([f32; LANES]);

impl Portable {
    #[inline(always)]
    fn zip(self, o: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Portable(std::array::from_fn(|i| f(self.0[i], o.0[i])))
    }
}

#[inline(always)]
fn exp_scalar(x: f32) -> f32 {
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

impl Lanes for Portable {
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller vouches for LANES floats; the read needs no alignment.
        Portable(unsafe { p.cast::<[f32; LANES]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: as in `load`.
        unsafe { p.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn splat(v: f32) -> Self {
        Portable([v; LANES])
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
        self.zip(o, |a, b| if b > a || b.is_nan() { b } else { a })
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
    unsafe fn neg_abs(self) -> Self {
        Portable(self.0.map(|v| -v.abs()))
    }
    #[inline(always)]
    unsafe fn where_negative(self, a: Self, b: Self) -> Self {
        Portable(std::array::from_fn(|i| if self.0[i] < 0.0 { a.0[i] } else { b.0[i] }))
    }
    #[inline(always)]
    unsafe fn where_beats(self, o: Self, a: Self, b: Self) -> Self {
        Portable(std::array::from_fn(|i| if (self.0[i] > o.0[i]) | self.0[i].is_nan() { a.0[i] } else { b.0[i] }))
    }
}

/// Lanes in one AVX register.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub struct Avx2(__m256);

// SAFETY of every block below: a value of `Avx2` exists only where AVX2 and FMA are enabled (see `Lanes`); pointers are the
// caller's to vouch for, and loads and stores need no alignment.
#[cfg(target_arch = "x86_64")]
impl Lanes for Avx2 {
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: see above.
        Avx2(unsafe { _mm256_loadu_ps(p) })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: see above.
        unsafe { _mm256_storeu_ps(p, self.0) }
    }
    #[inline(always)]
    unsafe fn splat(v: f32) -> Self {
        // SAFETY: see above.
        Avx2(unsafe { _mm256_set1_ps(v) })
    }
    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        Avx2(unsafe { _mm256_fmadd_ps(self.0, a.0, b.0) })
    }
    #[inline(always)]
    unsafe fn add(self, o: Self) -> Self {
        // SAFETY: see above.
        Avx2(unsafe { _mm256_add_ps(self.0, o.0) })
    }
    #[inline(always)]
    unsafe fn sub(self, o: Self) -> Self {
        // SAFETY: see above.
        Avx2(unsafe { _mm256_sub_ps(self.0, o.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, o: Self) -> Self {
        // SAFETY: see above.
        Avx2(unsafe { _mm256_mul_ps(self.0, o.0) })
    }
    #[inline(always)]
    unsafe fn div(self, o: Self) -> Self {
        // SAFETY: see above.
        Avx2(unsafe { _mm256_div_ps(self.0, o.0) })
    }
    #[inline(always)]
    unsafe fn max(self, o: Self) -> Self {
        // SAFETY: see above. `max` returns its second operand when one is NaN, so only a NaN in `self` needs the blend.
        Avx2(unsafe {
            let m = _mm256_max_ps(self.0, o.0);
            _mm256_blendv_ps(m, self.0, _mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0))
        })
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: see above.
        unsafe {
            let s = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let s = _mm_add_ps(s, _mm_movehl_ps(s, s));
            _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps::<1>(s, s)))
        }
    }
    #[inline(always)]
    unsafe fn exp(self) -> Self {
        // SAFETY: see above.
        unsafe {
            let s = |v| _mm256_set1_ps(v);
            let x = self.0;
            let c = _mm256_max_ps(_mm256_min_ps(x, s(EXP_HI)), s(EXP_LO));
            let t = _mm256_fmadd_ps(c, s(LOG2E), s(ROUND));
            let n = _mm256_sub_ps(t, s(ROUND));
            let r = _mm256_fnmadd_ps(n, s(LN2_HI), c);
            let r = _mm256_fnmadd_ps(n, s(LN2_LO), r);
            let mut p = s(EXP_POLY[0]);
            p = _mm256_fmadd_ps(p, r, s(EXP_POLY[1]));
            p = _mm256_fmadd_ps(p, r, s(EXP_POLY[2]));
            p = _mm256_fmadd_ps(p, r, s(EXP_POLY[3]));
            p = _mm256_fmadd_ps(p, r, s(EXP_POLY[4]));
            p = _mm256_fmadd_ps(p, r, s(EXP_POLY[5]));
            let p = _mm256_add_ps(_mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r), s(1.0));
            let n = _mm256_sub_epi32(_mm256_castps_si256(t), _mm256_set1_epi32(ROUND.to_bits() as i32));
            let half = _mm256_srai_epi32::<1>(n);
            let bias = _mm256_set1_epi32(127);
            let a = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(half, bias)));
            let b = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_sub_epi32(n, half), bias)));
            let y = _mm256_mul_ps(_mm256_mul_ps(p, a), b);
            Avx2(_mm256_blendv_ps(y, x, _mm256_cmp_ps::<_CMP_UNORD_Q>(x, x)))
        }
    }
    #[inline(always)]
    unsafe fn neg_abs(self) -> Self {
        // SAFETY: see above.
        Avx2(unsafe { _mm256_or_ps(self.0, _mm256_set1_ps(-0.0)) })
    }
    #[inline(always)]
    unsafe fn where_negative(self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        Avx2(unsafe { _mm256_blendv_ps(b.0, a.0, _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, _mm256_setzero_ps())) })
    }
    #[inline(always)]
    unsafe fn where_beats(self, o: Self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        Avx2(unsafe {
            let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0);
            _mm256_blendv_ps(b.0, a.0, _mm256_or_ps(nan, _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, o.0)))
        })
    }
}
