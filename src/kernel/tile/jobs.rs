//! The kernels as jobs, so that each is compiled for every form of lanes.

use super::combine::Combine;
use super::depthwise::Depthwise;
use super::lanes::{Job, Lanes};
use super::rows::{self, TermRow};
use super::winograd;

macro_rules! jobs {
    ($($name:ident $(<$lt:lifetime>)? { $($field:ident: $kind:ty),* } -> $out:ty = |$j:ident, $l:ident| $body:expr;)*) => { $(
        pub(super) struct $name $(<$lt>)? { $(pub(super) $field: $kind),* }
        impl $(<$lt>)? Job for $name $(<$lt>)? {
            type Out = $out;
            #[inline(always)]
            unsafe fn run<$l: Lanes>(self) -> $out {
                let $j = self;
                // SAFETY: the job's maker vouches for its rows.
                unsafe { $body }
            }
        }
    )* };
}

jobs! {
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
    Interleave { dst: *mut f32, a: *const f32, b: *const f32, width: usize } -> () = |j, L| rows::interleave::<L>(j.dst, j.a, j.b, j.width);
    Blend { dst: *mut f32, x: [*const f32; 4], shares: [f32; 4], width: usize } -> () = |j, L| rows::blend::<L>(j.dst, j.x, j.shares, j.width);
    Mixed { dst: *mut f32, x: *const f32, y: *const f32, a: f32, b: f32, width: usize } -> () = |j, L| rows::mix::<L>(j.dst, j.x, j.y, j.a, j.b, j.width);
    Double { dst: *mut f32, x: *const f32, width: usize } -> () = |j, L| rows::double::<L>(j.dst, j.x, j.width);
    Largest { dst: *mut f32, x: *const f32, first: bool, width: usize } -> () = |j, L| rows::largest::<L>(j.dst, j.x, j.first, j.width);
    Pairs { dst: *mut f32, x: *const f32, width: usize } -> () = |j, L| rows::larger_of_pairs::<L>(j.dst, j.x, j.width);
}

impl Job for Combine {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe { Combine::run::<L>(self) }
    }
}

impl Job for Depthwise<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe { Depthwise::run::<L>(self) }
    }
}

pub(super) struct Blocked<'a, 'b>(pub(super) winograd::Block<'a>, pub(super) &'b mut Vec<isize>);

impl Job for Blocked<'_, '_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe { self.0.run::<L>(self.1) }
    }
}
