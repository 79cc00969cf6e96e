//! Operations on one row after the other: terms of a sum, softmax over channels, maxima, moments.

use super::functions::{LaneFunction, Same, Silu};
use super::lanes::Lanes;
use super::stage::UnaryFunction;
use crate::op;

/// A whole vector; `_` makes it of one form with [`head`].
#[inline(always)]
pub(super) unsafe fn whole<L: Lanes>(p: *const f32, _: usize) -> L {
    // SAFETY: the caller's.
    unsafe { L::load(p) }
}

#[inline(always)]
pub(super) unsafe fn head<L: Lanes>(p: *const f32, n: usize) -> L {
    // SAFETY: the caller's.
    unsafe { L::load_head(p, n) }
}

/// `n` floats, mostly a whole vector.
#[inline(always)]
unsafe fn part<L: Lanes>(p: *const f32, n: usize) -> L {
    // SAFETY: the caller's.
    unsafe { if n == L::N { L::load(p) } else { L::load_head(p, n) } }
}

#[inline(always)]
unsafe fn put<L: Lanes>(v: L, p: *mut f32, n: usize) {
    // SAFETY: the caller's.
    unsafe { if n == L::N { v.store(p) } else { v.store_head(p, n) } }
}

/// Floats of a cache line; a whole number of vectors of any instruction set.
pub(super) const LINE: usize = 16;
/// Vectors that a function is computed of at once.
const EACH: usize = 4;

/// One row of a term.
#[derive(Clone, Copy)]
pub struct TermRow {
    pub dst: *mut f32,
    /// Null for a row of zeros.
    pub x: *const f32,
    pub scale: f32,
    pub shift: f32,
    pub function: UnaryFunction,
    pub gain: f32,
    /// Null, or a factor.
    pub times: *const f32,
    pub times_scale: f32,
    pub times_shift: f32,
    /// Adds to what is there.
    pub more: bool,
    /// What comes after the sum.
    pub post: UnaryFunction,
    pub width: usize,
    /// Floats from `x` to what will be read next, or 0: it is asked for.
    pub ahead: usize,
}

impl TermRow {
    /// # Safety
    /// The rows have `width` floats.
    #[inline(always)]
    pub unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe {
            macro_rules! with {
                ($f:expr, $zero:literal) => {
                    match (self.times.is_null(), self.more) {
                        (true, false) => self.each::<L, _, $zero, false, false>($f),
                        (true, true) => self.each::<L, _, $zero, false, true>($f),
                        (false, false) => self.each::<L, _, $zero, true, false>($f),
                        (false, true) => self.each::<L, _, $zero, true, true>($f),
                    }
                };
            }
            match self.function {
                f if self.x.is_null() => with!(f, true),
                UnaryFunction::Identity => with!(Same, false),
                UnaryFunction::Of(op::Function::Silu, _) => with!(Silu, false),
                f => with!(f, false),
            }
            if self.post != UnaryFunction::Identity {
                let post = TermRow {
                    x: self.dst,
                    scale: 1.0,
                    shift: 0.0,
                    function: self.post,
                    gain: 1.0,
                    times: std::ptr::null(),
                    more: false,
                    post: UnaryFunction::Identity,
                    ahead: 0,
                    ..self
                };
                match self.post {
                    UnaryFunction::Of(op::Function::Silu, _) => post.each::<L, _, false, false, false>(Silu),
                    f => post.each::<L, _, false, false, false>(f),
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn each<L: Lanes, M: LaneFunction, const ZERO: bool, const TIMES: bool, const MORE: bool>(&self, f: M) {
        // SAFETY: the caller's.
        unsafe {
            let (scale, shift, gain) = (L::splat(self.scale), L::splat(self.shift), L::splat(self.gain));
            let (times_scale, times_shift) = (L::splat(self.times_scale * self.gain), L::splat(self.times_shift * self.gain));
            let mut at = 0;
            macro_rules! vectors {
                ($k:expr, $load:ident, $tail:expr, $store:ident $(, $n:expr)?) => {{
                    let mut y = [shift; $k];
                    if !ZERO {
                        for (k, y) in y.iter_mut().enumerate() {
                            *y = $load::<L>(self.x.add(at + k * L::N), $tail).mul_add(scale, shift);
                        }
                    }
                    let y = f.of(y);
                    for (k, y) in y.iter().enumerate() {
                        let at = at + k * L::N;
                        let factor = if TIMES { $load::<L>(self.times.add(at), $tail).mul_add(times_scale, times_shift) } else { gain };
                        let y = if MORE { y.mul_add(factor, $load::<L>(self.dst.add(at), $tail)) } else { y.mul(factor) };
                        y.$store(self.dst.add(at) $(, $n)?);
                    }
                }};
            }
            let ahead = self.x.wrapping_add(self.ahead);
            while at + EACH * L::N <= self.width {
                if self.ahead > 0 {
                    for line in 0..EACH * L::N / LINE {
                        L::prefetch(ahead.wrapping_add(at + line * LINE));
                    }
                }
                vectors!(EACH, whole, 0, store);
                at += EACH * L::N;
            }
            if at + 2 * L::N <= self.width {
                vectors!(2, whole, 0, store);
                at += 2 * L::N;
            }
            while at + L::N <= self.width {
                vectors!(1, whole, 0, store);
                at += L::N;
            }
            let tail = self.width - at;
            if tail > 0 {
                vectors!(1, head, tail, store_head, tail);
            }
        }
    }
}

/// Columns of even and of odd places apart.
///
/// # Safety
/// `x` has `width` floats; `even` and `odd` have half as many, rounded up and down.
#[inline(always)]
pub unsafe fn split<L: Lanes>(even: *mut f32, odd: *mut f32, x: *const f32, width: usize) {
    // SAFETY: the caller's.
    unsafe {
        let mut at = 0;
        while at + 2 * L::N <= width {
            let (a, b) = L::load(x.add(at)).split(L::load(x.add(at + L::N)));
            a.store(even.add(at / 2));
            b.store(odd.add(at / 2));
            at += 2 * L::N;
        }
        while at < width {
            let to = if at.is_multiple_of(2) { even } else { odd };
            *to.add(at / 2) = *x.add(at);
            at += 1;
        }
    }
}

/// `dst = max(dst, x)`, or `x` when it is the first; a NaN wins.
///
/// # Safety
/// Rows of `width` floats.
#[inline(always)]
pub unsafe fn largest<L: Lanes>(dst: *mut f32, x: *const f32, first: bool, width: usize) {
    // SAFETY: the caller's.
    unsafe {
        let mut at = 0;
        while at < width {
            let n = (width - at).min(L::N);
            let v = part::<L>(x.add(at), n);
            put(if first { v } else { v.max(part::<L>(dst.add(at), n)) }, dst.add(at), n);
            at += n;
        }
    }
}

/// The larger of each pair of columns.
///
/// # Safety
/// `x` has `2 width` floats, `dst` has `width`.
#[inline(always)]
pub unsafe fn larger_of_pairs<L: Lanes>(dst: *mut f32, x: *const f32, width: usize) {
    // SAFETY: the caller's.
    unsafe {
        let mut at = 0;
        while at + L::N <= width {
            let (a, b) = L::load(x.add(2 * at)).split(L::load(x.add(2 * at + L::N)));
            a.max(b).store(dst.add(at));
            at += L::N;
        }
        while at < width {
            let (a, b) = (*x.add(2 * at), *x.add(2 * at + 1));
            *dst.add(at) = if a > b || a.is_nan() { a } else { b };
            at += 1;
        }
    }
}

/// Softmax over the rows of all channels.
///
/// # Safety
/// Every row has `width` floats; the outputs are this call's own and may be the inputs.
#[inline(always)]
pub unsafe fn softmax<L: Lanes>(dst: &[*mut f32], x: &[*const f32], width: usize) {
    // SAFETY: the caller's.
    unsafe {
        let mut at = 0;
        while at < width {
            let n = (width - at).min(L::N);
            let mut most = part::<L>(x[0].add(at), n);
            for x in &x[1..] {
                most = most.max(part::<L>(x.add(at), n));
            }
            let mut sum = L::splat(0.0);
            for (x, y) in x.iter().zip(dst) {
                let e = part::<L>(x.add(at), n).sub(most).exp();
                sum = sum.add(e);
                put(e, y.add(at), n);
            }
            let share = sum.inverse();
            for y in dst {
                put(part::<L>(y.add(at), n).mul(share), y.add(at), n);
            }
            at += n;
        }
    }
}

/// Sums of `x - shift` and of its square.
///
/// # Safety
/// `rows` rows of `width` floats, `step` apart.
#[inline(always)]
pub unsafe fn moments<L: Lanes>(x: *const f32, step: usize, rows: usize, width: usize, shift: f32) -> (f64, f64) {
    // SAFETY: the caller's.
    unsafe {
        let (mut sum, mut square) = (0f64, 0f64);
        let shift = L::splat(shift);
        let zero = L::splat(0.0);
        // Few enough floats go into one lane that nothing is lost.
        let mut row = 0;
        while row < rows {
            let end = rows.min(row + (4096 / width.max(1)).max(1));
            let (mut a, mut b) = ([zero; 2], [zero; 2]);
            for row in row..end {
                let x = x.add(row * step);
                let mut at = 0;
                while at + 2 * L::N <= width {
                    for i in 0..2 {
                        let v = L::load(x.add(at + i * L::N)).sub(shift);
                        a[i] = a[i].add(v);
                        b[i] = v.mul_add(v, b[i]);
                    }
                    at += 2 * L::N;
                }
                while at + L::N <= width {
                    let v = L::load(x.add(at)).sub(shift);
                    a[0] = a[0].add(v);
                    b[0] = v.mul_add(v, b[0]);
                    at += L::N;
                }
                if at < width {
                    // Lanes without a float get the shift, so that they add nothing.
                    let mut t = [0f32; 64];
                    shift.store(t.as_mut_ptr());
                    L::load_head(x.add(at), width - at).store_head(t.as_mut_ptr(), width - at);
                    let v = L::load(t.as_ptr()).sub(shift);
                    a[1] = a[1].add(v);
                    b[1] = v.mul_add(v, b[1]);
                }
            }
            sum += f64::from(a[0].add(a[1]).sum());
            square += f64::from(b[0].add(b[1]).sum());
            row = end;
        }
        (sum, square)
    }
}
