//! Lanes of a NEON register. Uses nothing of the crate.

use std::arch::aarch64::*;

use super::Lanes;

/// Four floats.
#[derive(Clone, Copy)]
pub struct Neon(float32x4_t);

// SAFETY of every block below: NEON is part of the architecture; pointers are the caller's to vouch for, and loads and stores need
// no alignment.
impl Lanes for Neon {
    const N: usize = 4;
    const REGISTERS: usize = 32;
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: see above.
        Neon(unsafe { vld1q_f32(p) })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: see above.
        unsafe { vst1q_f32(p, self.0) }
    }
    #[inline(always)]
    unsafe fn load_head(p: *const f32, n: usize) -> Self {
        let mut t = [0f32; 4];
        // SAFETY: see above.
        unsafe {
            for (i, v) in t.iter_mut().enumerate().take(n) {
                *v = *p.add(i);
            }
            Self::load(t.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store_head(self, p: *mut f32, n: usize) {
        let mut t = [0f32; 4];
        // SAFETY: see above.
        unsafe {
            self.store(t.as_mut_ptr());
            for (i, v) in t.iter().enumerate().take(n) {
                *p.add(i) = *v;
            }
        }
    }
    #[inline(always)]
    unsafe fn splat(v: f32) -> Self {
        // SAFETY: see above.
        Neon(unsafe { vdupq_n_f32(v) })
    }
    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        Neon(unsafe { vfmaq_f32(b.0, self.0, a.0) })
    }
    #[inline(always)]
    unsafe fn add(self, o: Self) -> Self {
        // SAFETY: see above.
        Neon(unsafe { vaddq_f32(self.0, o.0) })
    }
    #[inline(always)]
    unsafe fn sub(self, o: Self) -> Self {
        // SAFETY: see above.
        Neon(unsafe { vsubq_f32(self.0, o.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, o: Self) -> Self {
        // SAFETY: see above.
        Neon(unsafe { vmulq_f32(self.0, o.0) })
    }
    #[inline(always)]
    unsafe fn div(self, o: Self) -> Self {
        // SAFETY: see above.
        Neon(unsafe { vdivq_f32(self.0, o.0) })
    }
    #[inline(always)]
    unsafe fn max(self, o: Self) -> Self {
        // SAFETY: see above. The instruction gives NaN when either is.
        Neon(unsafe { vmaxq_f32(self.0, o.0) })
    }
    #[inline(always)]
    unsafe fn abs(self) -> Self {
        // SAFETY: see above.
        Neon(unsafe { vabsq_f32(self.0) })
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        // SAFETY: see above.
        Neon(unsafe { vsqrtq_f32(self.0) })
    }
    #[inline(always)]
    unsafe fn where_negative(self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        Neon(unsafe { vbslq_f32(vcltzq_f32(self.0), a.0, b.0) })
    }
    #[inline(always)]
    unsafe fn where_beats(self, o: Self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        Neon(unsafe {
            let nan = vmvnq_u32(vceqq_f32(self.0, self.0));
            vbslq_f32(vorrq_u32(nan, vcgtq_f32(self.0, o.0)), a.0, b.0)
        })
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: see above.
        unsafe { vaddvq_f32(self.0) }
    }
    #[inline(always)]
    unsafe fn clamp(self, low: f32, high: f32) -> Self {
        // SAFETY: see above. Minimum and maximum keep a NaN.
        Neon(unsafe { vmaxq_f32(vminq_f32(self.0, vdupq_n_f32(high)), vdupq_n_f32(low)) })
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        // SAFETY: see above.
        Neon(unsafe { vrndnq_f32(self.0) })
    }
    #[inline(always)]
    unsafe fn scale(self, n: Self) -> Self {
        // SAFETY: see above.
        unsafe {
            let n = vcvtq_s32_f32(n.0);
            let half = vshrq_n_s32::<1>(n);
            let power = |n: int32x4_t| vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(n, vdupq_n_s32(127))));
            // Two factors, since 2^n itself may be no normal float.
            Neon(vmulq_f32(vmulq_f32(self.0, power(half)), power(vsubq_s32(n, half))))
        }
    }
    #[inline(always)]
    unsafe fn interleave(self, o: Self) -> (Self, Self) {
        // SAFETY: see above.
        unsafe { (Neon(vzip1q_f32(self.0, o.0)), Neon(vzip2q_f32(self.0, o.0))) }
    }
    #[inline(always)]
    unsafe fn split(self, o: Self) -> (Self, Self) {
        // SAFETY: see above.
        unsafe { (Neon(vuzp1q_f32(self.0, o.0)), Neon(vuzp2q_f32(self.0, o.0))) }
    }
}
