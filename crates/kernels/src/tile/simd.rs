//! The kernels of a tile as [`SimdKernel`](super::lanes::SimdKernel)s, each compiled for every instruction set.

use super::blends;
use super::combine::Combine;
use super::depthwise::Depthwise;
use super::lanes::{Lanes, SimdKernel};
use super::rows::{self, TermRow};
use super::tiled::Mix;
use super::winograd;

macro_rules! simd_kernels {
    ($($name:ident $(<$lt:lifetime>)? { $($field:ident: $kind:ty),* } -> $out:ty = |$j:ident, $l:ident| $body:expr;)*) => { $(
        pub(super) struct $name $(<$lt>)? { $(pub(super) $field: $kind),* }
        impl $(<$lt>)? SimdKernel for $name $(<$lt>)? {
            type Out = $out;
            #[inline(always)]
            unsafe fn run<$l: Lanes>(self) -> $out {
                let $j = self;
                // SAFETY: whoever makes the kernel vouches for its rows.
                unsafe { $body }
            }
        }
    )* };
}

simd_kernels! {
    Sums { x: *const f32, step: usize, rows: usize, width: usize, shift: f32 } -> (f64, f64) = |j, L| rows::moments::<L>(j.x, j.step, j.rows, j.width, j.shift);
    Softmax<'a> { dst: &'a [*mut f32], x: &'a [*const f32], width: usize } -> () = |j, L| rows::softmax::<L>(j.dst, j.x, j.width);
    Terms { term: TermRow, count: usize, dst_row: usize, x_row: usize, times_row: usize, along: *const f32 } -> () = |j, L| {
        for r in 0..j.count {
            let t = j.term;
            let shift = if j.along.is_null() { t.shift } else { t.shift + t.scale * *j.along.add(r) };
            TermRow { shift, dst: t.dst.add(r * j.dst_row), x: t.x.wrapping_add(r * j.x_row), times: t.times.wrapping_add(r * j.times_row), ..t }.run::<L>();
        }
    };
    Split { even: *mut f32, odd: *mut f32, x: *const f32, width: usize } -> () = |j, L| rows::split::<L>(j.even, j.odd, j.x, j.width);
    Interleave<'a> { rows: &'a [(*mut f32, [*const f32; 2])], width: usize } -> () = |j, L| {
        for (dst, [a, b]) in j.rows {
            blends::interleave::<L>(*dst, *a, *b, j.width);
        }
    };
    Blend { dst: *mut f32, x: [*const f32; 4], shares: [f32; 4], width: usize } -> () = |j, L| blends::blend::<L>(j.dst, j.x, j.shares, j.width);
    Stretch<'a> { dst: *mut f32, row: *mut f32, from: usize, wide: &'a [Mix] } -> () = |j, L| blends::stretch::<L>(j.dst, j.row, j.from, j.wide);
    StretchMixed<'a> { dst: *mut f32, dst_row: usize, x: [*const f32; 2], x_row: usize, share: f32, rows: usize, row: *mut f32, from: usize, wide: &'a [Mix] } -> () = |j, L| {
        for r in 0..j.rows {
            let (dst, at) = (j.dst.add(r * j.dst_row), r * j.x_row);
            let to = if j.from == j.wide.len() { dst } else { j.row };
            blends::mix::<L>(to, j.x[0].add(at), j.x[1].add(at), 1.0 - j.share, j.share, j.from);
            if j.from != j.wide.len() {
                blends::stretch::<L>(dst, j.row, j.from, j.wide);
            }
        }
    };
    MixRows<'a> { dst: *mut f32, dst_row: usize, x: *const f32, x_row: usize, first: usize, high: &'a [Mix], width: usize } -> () = |j, L| {
        for (r, (a, b, share)) in j.high.iter().enumerate() {
            let at = |h: usize| j.x.wrapping_add((h - j.first) * j.x_row);
            blends::mix::<L>(j.dst.add(r * j.dst_row), at(*a), at(*b), 1.0 - share, *share, j.width);
        }
    };
    Largest { dst: *mut f32, x: *const f32, first: bool, width: usize } -> () = |j, L| rows::largest::<L>(j.dst, j.x, j.first, j.width);
    Pairs { dst: *mut f32, x: *const f32, width: usize } -> () = |j, L| rows::larger_of_pairs::<L>(j.dst, j.x, j.width);
}

impl SimdKernel for Combine {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe { Combine::run::<L>(self) }
    }
}

impl SimdKernel for Depthwise<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe { Depthwise::run::<L>(self) }
    }
}

pub(super) struct Blocked<'a, 'b>(pub(super) winograd::WinogradBlock<'a>, pub(super) &'b mut Vec<isize>);

impl SimdKernel for Blocked<'_, '_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe { self.0.run::<L>(self.1) }
    }
}
