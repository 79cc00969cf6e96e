//! Lanes of an AVX register and of an AVX-512 register. Uses nothing of the crate.

mod sums;

use std::arch::x86_64::*;

use super::{LOG2E, Lanes};
use sums::{correlations, products};

/// Minimax polynomial of 2^f on |f| <= 1/2 (relative error 7.5e-08), highest power first.
const EXP2_POLY: [f32; 6] = [1.327_647_1e-3, 9.675_542e-3, 5.550_713e-2, 2.402_212e-1, 6.931_469_4e-1, 1.000_000_1];
/// 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;
const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

/// Lanes in one AVX register.
#[derive(Clone, Copy)]
pub struct Avx2(__m256);

/// Lanes in one AVX-512 register.
#[derive(Clone, Copy)]
pub struct Avx512(__m512);

#[inline(always)]
unsafe fn head8(n: usize) -> __m256i {
    // SAFETY: called where AVX2 is enabled.
    unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
}

#[inline(always)]
fn head16(n: usize) -> __mmask16 {
    ((1u32 << n.min(16)) - 1) as __mmask16
}

// SAFETY of every block below: a value of `Avx2` exists only where AVX2 and FMA are enabled, one of `Avx512` only where AVX-512 F,
// DQ and VL are (see `Lanes`); pointers are the caller's to vouch for, and loads and stores need no alignment.

/// The methods in which both differ by the names of the instructions alone.
macro_rules! named {
    ($isa:ident, $load:ident, $store:ident, $splat:ident, $mul_add:ident; $($method:ident $instruction:ident),*) => {
        #[inline(always)]
        unsafe fn load(p: *const f32) -> Self {
            // SAFETY: see above.
            $isa(unsafe { $load(p) })
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut f32) {
            // SAFETY: see above.
            unsafe { $store(p, self.0) }
        }
        #[inline(always)]
        unsafe fn splat(v: f32) -> Self {
            // SAFETY: see above.
            $isa(unsafe { $splat(v) })
        }
        #[inline(always)]
        unsafe fn mul_add(self, a: Self, b: Self) -> Self {
            // SAFETY: see above.
            $isa(unsafe { $mul_add(self.0, a.0, b.0) })
        }
        $(
            #[inline(always)]
            unsafe fn $method(self, o: Self) -> Self {
                // SAFETY: see above.
                $isa(unsafe { $instruction(self.0, o.0) })
            }
        )*
        #[inline(always)]
        unsafe fn prefetch(p: *const f32) {
            // SAFETY: a hint, which faults nowhere.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
        }
    };
}

impl Lanes for Avx2 {
    const N: usize = 8;
    const REGISTERS: usize = 16;
    named!(Avx2, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_fmadd_ps;
        add _mm256_add_ps, sub _mm256_sub_ps, mul _mm256_mul_ps, div _mm256_div_ps);
    #[inline(always)]
    unsafe fn load_head(p: *const f32, n: usize) -> Self {
        // SAFETY: see above; masked lanes are not touched.
        Avx2(unsafe { _mm256_maskload_ps(p, head8(n)) })
    }
    #[inline(always)]
    unsafe fn store_head(self, p: *mut f32, n: usize) {
        // SAFETY: as in `load_head`.
        unsafe { _mm256_maskstore_ps(p, head8(n), self.0) }
    }
    #[inline(always)]
    unsafe fn max(self, o: Self) -> Self {
        // SAFETY: see above. `max` returns its second operand when one is NaN, so only a NaN in `self` needs the blend.
        Avx2(unsafe { _mm256_blendv_ps(_mm256_max_ps(self.0, o.0), self.0, _mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0)) })
    }
    #[inline(always)]
    unsafe fn abs(self) -> Self {
        // SAFETY: see above.
        Avx2(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        // SAFETY: see above.
        Avx2(unsafe { _mm256_sqrt_ps(self.0) })
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
    unsafe fn clamp(self, low: f32, high: f32) -> Self {
        // SAFETY: see above. The second operand is the one that is kept when there is a NaN.
        Avx2(unsafe { _mm256_max_ps(_mm256_set1_ps(low), _mm256_min_ps(_mm256_set1_ps(high), self.0)) })
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        // SAFETY: see above.
        Avx2(unsafe { _mm256_round_ps::<NEAREST>(self.0) })
    }
    #[inline(always)]
    unsafe fn scale(self, n: Self) -> Self {
        // SAFETY: see above.
        Avx2(unsafe {
            let (n, bias) = (_mm256_cvtps_epi32(n.0), _mm256_set1_epi32(127));
            // Two factors, since 2^n itself may be no normal float.
            let half = _mm256_srai_epi32::<1>(n);
            let a = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(half, bias)));
            let b = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_sub_epi32(n, half), bias)));
            _mm256_mul_ps(_mm256_mul_ps(self.0, a), b)
        })
    }
    #[inline(always)]
    unsafe fn sigmoid(self) -> Self {
        // SAFETY: see above. A NaN has no exponent to be shifted.
        unsafe {
            let [y] = logistic([self.0]);
            Avx2(_mm256_blendv_ps(y, self.0, _mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0)))
        }
    }
    #[inline(always)]
    unsafe fn silus<const K: usize>(mut x: [Self; K]) -> [Self; K] {
        let mut numbers = [x[0].0; K];
        for k in 0..K {
            numbers[k] = x[k].0;
        }
        // SAFETY: see above. What a NaN gives is a NaN again once it is multiplied by it.
        unsafe {
            let y = logistic(numbers);
            for k in 0..K {
                x[k] = Avx2(_mm256_mul_ps(x[k].0, y[k]));
            }
        }
        x
    }
    #[inline(always)]
    unsafe fn products<const B: usize, const P: usize>(
        sums: &mut [[Self; P]; B],
        src: &[*const f32; P],
        offsets: *const isize,
        weights: *const f32,
        inputs: usize,
    ) {
        if B == 4 && P == 3 && inputs > 0 {
            let (mut each, from) = (twelve(sums), std::array::from_fn(|p| src[p % P]));
            // SAFETY: a value of this instruction set is at hand; the pointers are the caller's.
            unsafe { products(&mut each, from, offsets, weights, inputs) };
            (0..12).for_each(|i| sums[i / 3 % B][i % 3 % P] = Avx2(each[i / 3][i % 3]));
            return;
        }
        // SAFETY: the caller's.
        unsafe { super::products(sums, offsets, weights, inputs, |p, off| Self::load(src[p].wrapping_offset(off))) }
    }
    #[inline(always)]
    unsafe fn correlations<const B: usize, const P: usize>(
        sums: &mut [[Self; P]; B],
        x: &[*const f32; P],
        y: &[*const f32; B],
        vectors: usize,
    ) {
        if B == 4 && P == 3 && vectors > 0 {
            let (mut each, x, y) = (twelve(sums), std::array::from_fn(|p| x[p % P]), std::array::from_fn(|b| y[b % B]));
            // SAFETY: a value of this instruction set is at hand; the pointers are the caller's.
            unsafe { correlations(&mut each, x, y, vectors) };
            (0..12).for_each(|i| sums[i / 3 % B][i % 3 % P] = Avx2(each[i / 3][i % 3]));
            return;
        }
        // SAFETY: the caller's.
        unsafe { super::correlations(sums, x, y, vectors) }
    }
    #[inline(always)]
    unsafe fn interleave(self, o: Self) -> (Self, Self) {
        // SAFETY: see above.
        unsafe {
            let (l, h) = (_mm256_unpacklo_ps(self.0, o.0), _mm256_unpackhi_ps(self.0, o.0));
            (Avx2(_mm256_permute2f128_ps::<0x20>(l, h)), Avx2(_mm256_permute2f128_ps::<0x31>(l, h)))
        }
    }
    #[inline(always)]
    unsafe fn split(self, o: Self) -> (Self, Self) {
        // SAFETY: see above.
        unsafe {
            let (l, h) = (_mm256_permute2f128_ps::<0x20>(self.0, o.0), _mm256_permute2f128_ps::<0x31>(self.0, o.0));
            (Avx2(_mm256_shuffle_ps::<0x88>(l, h)), Avx2(_mm256_shuffle_ps::<0xdd>(l, h)))
        }
    }
}

/// The registers of four by three vectors, which is what `sums` are.
#[inline(always)]
fn twelve<const B: usize, const P: usize>(sums: &[[Avx2; P]; B]) -> [[__m256; 3]; 4] {
    let mut each = [[sums[0][0].0; 3]; 4];
    (0..12).for_each(|i| each[i / 3][i % 3] = sums[i / 3 % B][i % 3 % P].0);
    each
}

/// `1 / (1 + exp(-x))` of several vectors, one step of all after the other, so that none waits for its own step before; of NaN it
/// gives any number.
///
/// # Safety
/// AVX2 and FMA are enabled where it is called.
#[inline(always)]
unsafe fn logistic<const K: usize>(x: [__m256; K]) -> [__m256; K] {
    // SAFETY: no pointers.
    unsafe {
        let s = |v| _mm256_set1_ps(v);
        let (mut f, mut e, mut p) = (x, x, [s(EXP2_POLY[0]); K]);
        for k in 0..K {
            // 2^f, bounded so that its exponent is that of a normal float.
            f[k] = _mm256_max_ps(s(-126.0), _mm256_min_ps(s(126.0), _mm256_mul_ps(x[k], s(-LOG2E))));
        }
        for k in 0..K {
            e[k] = _mm256_add_ps(f[k], s(ROUND));
        }
        for k in 0..K {
            f[k] = _mm256_sub_ps(f[k], _mm256_sub_ps(e[k], s(ROUND)));
        }
        for c in &EXP2_POLY[1..] {
            for k in 0..K {
                p[k] = _mm256_fmadd_ps(p[k], f[k], s(*c));
            }
        }
        for k in 0..K {
            let power = _mm256_slli_epi32::<23>(_mm256_castps_si256(e[k]));
            e[k] = _mm256_castsi256_ps(_mm256_add_epi32(power, _mm256_castps_si256(p[k])));
        }
        for e in &mut e {
            *e = _mm256_add_ps(*e, s(1.0));
        }
        for k in 0..K {
            p[k] = _mm256_rcp_ps(e[k]);
        }
        // One step of Newton's.
        for k in 0..K {
            e[k] = _mm256_fnmadd_ps(e[k], p[k], s(1.0));
        }
        for k in 0..K {
            e[k] = _mm256_fmadd_ps(p[k], e[k], p[k]);
        }
        e
    }
}

impl Lanes for Avx512 {
    const N: usize = 16;
    const REGISTERS: usize = 32;
    named!(Avx512, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps, _mm512_fmadd_ps;
        add _mm512_add_ps, sub _mm512_sub_ps, mul _mm512_mul_ps, div _mm512_div_ps);
    #[inline(always)]
    unsafe fn load_head(p: *const f32, n: usize) -> Self {
        // SAFETY: see above; masked lanes are not touched.
        Avx512(unsafe { _mm512_maskz_loadu_ps(head16(n), p) })
    }
    #[inline(always)]
    unsafe fn store_head(self, p: *mut f32, n: usize) {
        // SAFETY: as in `load_head`.
        unsafe { _mm512_mask_storeu_ps(p, head16(n), self.0) }
    }
    #[inline(always)]
    unsafe fn max(self, o: Self) -> Self {
        // SAFETY: see above. `max` returns its second operand when one is NaN, so only a NaN in `self` needs the blend.
        Avx512(unsafe {
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0);
            _mm512_mask_mov_ps(_mm512_max_ps(self.0, o.0), nan, self.0)
        })
    }
    #[inline(always)]
    unsafe fn abs(self) -> Self {
        // SAFETY: see above.
        Avx512(unsafe { _mm512_abs_ps(self.0) })
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        // SAFETY: see above.
        Avx512(unsafe { _mm512_sqrt_ps(self.0) })
    }
    #[inline(always)]
    unsafe fn where_negative(self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        Avx512(unsafe { _mm512_mask_mov_ps(b.0, _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, _mm512_setzero_ps()), a.0) })
    }
    #[inline(always)]
    unsafe fn where_beats(self, o: Self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        Avx512(unsafe {
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0);
            _mm512_mask_mov_ps(b.0, nan | _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, o.0), a.0)
        })
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: see above.
        unsafe { _mm512_reduce_add_ps(self.0) }
    }
    #[inline(always)]
    unsafe fn clamp(self, low: f32, high: f32) -> Self {
        // SAFETY: see above. The second operand is the one that is kept when there is a NaN.
        Avx512(unsafe { _mm512_max_ps(_mm512_set1_ps(low), _mm512_min_ps(_mm512_set1_ps(high), self.0)) })
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        // SAFETY: see above.
        Avx512(unsafe { _mm512_roundscale_ps::<NEAREST>(self.0) })
    }
    #[inline(always)]
    unsafe fn scale(self, n: Self) -> Self {
        // SAFETY: see above.
        Avx512(unsafe { _mm512_scalef_ps(self.0, n.0) })
    }
    #[inline(always)]
    unsafe fn inverse(self) -> Self {
        // SAFETY: see above.
        unsafe {
            // One step of Newton's; the error of an infinite argument (0 * infinity) is masked away.
            let y = _mm512_rcp14_ps(self.0);
            let e = _mm512_fnmadd_ps(self.0, y, _mm512_set1_ps(1.0));
            let z = _mm512_fmadd_ps(y, e, y);
            let finite = _mm512_cmp_ps_mask::<_CMP_NEQ_OQ>(self.0, _mm512_set1_ps(f32::INFINITY));
            Avx512(_mm512_mask_mov_ps(y, finite, z))
        }
    }
    #[inline(always)]
    unsafe fn sigmoid(self) -> Self {
        // SAFETY: see above.
        unsafe {
            let s = |v| _mm512_set1_ps(v);
            // 2^t, bounded so that what follows is finite; the second operand is the one that is kept when there is a NaN.
            let t = _mm512_max_ps(s(-126.0), _mm512_min_ps(s(126.0), _mm512_mul_ps(self.0, s(-LOG2E))));
            let n = _mm512_roundscale_ps::<NEAREST>(t);
            let f = _mm512_sub_ps(t, n);
            let mut p = s(EXP2_POLY[0]);
            for k in &EXP2_POLY[1..] {
                p = _mm512_fmadd_ps(p, f, s(*k));
            }
            let d = _mm512_add_ps(_mm512_scalef_ps(p, n), s(1.0));
            let y = _mm512_rcp14_ps(d);
            Avx512(_mm512_fmadd_ps(y, _mm512_fnmadd_ps(d, y, s(1.0)), y))
        }
    }
    #[inline(always)]
    unsafe fn interleave(self, o: Self) -> (Self, Self) {
        // SAFETY: see above.
        unsafe {
            let lo = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let hi = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            (Avx512(_mm512_permutex2var_ps(self.0, lo, o.0)), Avx512(_mm512_permutex2var_ps(self.0, hi, o.0)))
        }
    }
    #[inline(always)]
    unsafe fn split(self, o: Self) -> (Self, Self) {
        // SAFETY: see above.
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            (Avx512(_mm512_permutex2var_ps(self.0, even, o.0)), Avx512(_mm512_permutex2var_ps(self.0, odd, o.0)))
        }
    }
}
