//! Rows computed from other rows: interpolation of a resize, rows of another width, two rows interleaved column by column.

use super::lanes::Lanes;
use super::rows::{head, whole};
use super::tiled::Mix;

/// `dst = a x + b y`
///
/// # Safety
/// Rows of `width` floats.
#[inline(always)]
pub unsafe fn mix<L: Lanes>(dst: *mut f32, x: *const f32, y: *const f32, a: f32, b: f32, width: usize) {
    // SAFETY: the caller's.
    unsafe {
        let (a, b) = (L::splat(a), L::splat(b));
        let mut at = 0;
        while at + L::N <= width {
            L::load(y.add(at)).mul_add(b, L::load(x.add(at)).mul(a)).store(dst.add(at));
            at += L::N;
        }
        let tail = width - at;
        if tail > 0 {
            L::load_head(y.add(at), tail).mul_add(b, L::load_head(x.add(at), tail).mul(a)).store_head(dst.add(at), tail);
        }
    }
}

/// `dst` is the sum of four rows times their shares.
///
/// # Safety
/// Rows of `width` floats.
#[inline(always)]
pub unsafe fn blend<L: Lanes>(dst: *mut f32, x: [*const f32; 4], a: [f32; 4], width: usize) {
    // SAFETY: the caller's.
    unsafe {
        let a = [L::splat(a[0]), L::splat(a[1]), L::splat(a[2]), L::splat(a[3])];
        macro_rules! at {
            ($at:expr, $load:ident, $tail:expr) => {{
                let y = $load::<L>(x[0].add($at), $tail).mul(a[0]);
                let y = $load::<L>(x[1].add($at), $tail).mul_add(a[1], y);
                let z = $load::<L>(x[2].add($at), $tail).mul(a[2]);
                $load::<L>(x[3].add($at), $tail).mul_add(a[3], z).add(y)
            }};
        }
        let mut at = 0;
        while at + L::N <= width {
            at!(at, whole, 0).store(dst.add(at));
            at += L::N;
        }
        let tail = width - at;
        if tail > 0 {
            at!(at, head, tail).store_head(dst.add(at), tail);
        }
    }
}

/// `a0 b0 a1 b1 ...` of two vectors, no more than `pairs` pairs.
///
/// # Safety
/// `dst` has room for them.
#[inline(always)]
unsafe fn put_by_turns<L: Lanes>(dst: *mut f32, a: L, b: L, pairs: usize) {
    // SAFETY: the caller's.
    unsafe {
        let (first, second) = a.interleave(b);
        if pairs >= L::N {
            first.store(dst);
            second.store(dst.add(L::N));
        } else {
            first.store_head(dst, (2 * pairs).min(L::N));
            second.store_head(dst.wrapping_add(L::N), (2 * pairs).saturating_sub(L::N));
        }
    }
}

/// Twice as many columns by trilinear weights: `x` has a copy of its first float before it and of its last behind it.
///
/// # Safety
/// `x` from -1 to `width`, in whole vectors; `dst` has `2 width` floats.
#[inline(always)]
pub unsafe fn double<L: Lanes>(dst: *mut f32, x: *const f32, width: usize) {
    // SAFETY: the caller's.
    unsafe {
        let (near, far) = (L::splat(0.75), L::splat(0.25));
        let mut at = 0;
        while at < width {
            let m = L::load(x.add(at)).mul(near);
            let even = L::load(x.add(at).sub(1)).mul_add(far, m);
            let odd = L::load(x.add(at + 1)).mul_add(far, m);
            put_by_turns(dst.add(2 * at), even, odd, width - at);
            at += L::N;
        }
    }
}

/// A row of another width by linear interpolation; of twice the width, the floats around `row` are written.
///
/// # Safety
/// `row` has room for a float before it and a vector behind its `from`; `dst` has a float for each of `wide`.
#[inline(always)]
pub unsafe fn stretch<L: Lanes>(dst: *mut f32, row: *mut f32, from: usize, wide: &[Mix]) {
    // SAFETY: the caller's.
    unsafe {
        if wide.len() == 2 * from {
            *row.sub(1) = *row;
            *row.add(from) = *row.add(from - 1);
            double::<L>(dst, row, from);
        } else {
            for (j, (a, b, share)) in wide.iter().enumerate() {
                let (a, b) = (*row.add(*a), *row.add(*b));
                *dst.add(j) = a + share * (b - a);
            }
        }
    }
}

/// `a0 b0 a1 b1 ...`
///
/// # Safety
/// `a` and `b` have `width` floats in whole vectors; `dst` has `2 width`.
#[inline(always)]
pub unsafe fn interleave<L: Lanes>(dst: *mut f32, a: *const f32, b: *const f32, width: usize) {
    // SAFETY: the caller's.
    unsafe {
        let mut at = 0;
        while at < width {
            put_by_turns(dst.add(2 * at), L::load(a.add(at)), L::load(b.add(at)), width - at);
            at += L::N;
        }
    }
}
