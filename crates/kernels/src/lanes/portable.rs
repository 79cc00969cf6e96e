//! Lanes of an array: right everywhere, vectorised by the compiler with the target's base features.

use super::Lanes;

/// Lanes of the portable form.
const WIDTH: usize = 8;
/// 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// Lanes as an array.
#[derive(Clone, Copy)]
pub struct Portable([f32; WIDTH]);

impl Portable {
    #[inline(always)]
    fn zip(self, o: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Portable(std::array::from_fn(|i| f(self.0[i], o.0[i])))
    }
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
    unsafe fn sqrt(self) -> Self {
        Portable(self.0.map(f32::sqrt))
    }
    #[inline(always)]
    unsafe fn where_negative(self, a: Self, b: Self) -> Self {
        Portable(std::array::from_fn(|i| if self.0[i] < 0.0 { a.0[i] } else { b.0[i] }))
    }
    #[inline(always)]
    unsafe fn where_beats(self, o: Self, a: Self, b: Self) -> Self {
        Portable(std::array::from_fn(|i| if (self.0[i] > o.0[i]) | self.0[i].is_nan() { a.0[i] } else { b.0[i] }))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
    #[inline(always)]
    unsafe fn clamp(self, low: f32, high: f32) -> Self {
        Portable(self.0.map(|v| {
            let v = if v > high { high } else { v };
            if v < low { low } else { v }
        }))
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        Portable(self.0.map(|v| (v + ROUND) - ROUND))
    }
    #[inline(always)]
    unsafe fn scale(self, n: Self) -> Self {
        self.zip(n, |v, n| {
            // Not `as i32`, which is many instructions; a NaN gives any number, and `v` is one too then.
            let n = ((n + ROUND).to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
            let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
            let half = n >> 1;
            // Two factors, since 2^n itself may be no normal float.
            v * power(half) * power(n.wrapping_sub(half))
        })
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
