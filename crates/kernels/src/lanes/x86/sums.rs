//! Loops over twelve sums in the sixteen registers of AVX2. Twelve sums, three vectors and what they are multiplied by are all the
//! registers there are: the compiler keeps two of the sums in memory, and the way there and back is what its loop then waits for.
//! Uses nothing of the crate.

use std::arch::{asm, x86_64::__m256};

/// A loop whose every turn loads three vectors, then four factors one after the other, and adds their products to the sums; given are
/// what it begins with, how the three and the four are loaded, what ends it, and what registers all that has.
macro_rules! twelve_sums {
    ($sums:ident; $($begin:literal)*; $x0:literal $x1:literal $x2:literal; $y0:literal $y1:literal $y2:literal $y3:literal; $($end:literal)*;
     $($registers:tt)*) => {
        let [[a0, a1, a2], [b0, b1, b2], [c0, c1, c2], [d0, d1, d2]] = $sums;
        // SAFETY: reads what the caller vouches for, and writes registers alone.
        unsafe {
            asm!(
                "2:",
                $($begin,)*
                concat!("vmovups {x0}, ", $x0),
                concat!("vmovups {x1}, ", $x1),
                concat!("vmovups {x2}, ", $x2),
                $y0,
                "vfmadd231ps {a0}, {x0}, {y}",
                "vfmadd231ps {a1}, {x1}, {y}",
                "vfmadd231ps {a2}, {x2}, {y}",
                $y1,
                "vfmadd231ps {b0}, {x0}, {y}",
                "vfmadd231ps {b1}, {x1}, {y}",
                "vfmadd231ps {b2}, {x2}, {y}",
                $y2,
                "vfmadd231ps {c0}, {x0}, {y}",
                "vfmadd231ps {c1}, {x1}, {y}",
                "vfmadd231ps {c2}, {x2}, {y}",
                $y3,
                "vfmadd231ps {d0}, {x0}, {y}",
                "vfmadd231ps {d1}, {x1}, {y}",
                "vfmadd231ps {d2}, {x2}, {y}",
                $($end,)*
                "jne 2b",
                $($registers)*
                x0 = out(ymm_reg) _, x1 = out(ymm_reg) _, x2 = out(ymm_reg) _, y = out(ymm_reg) _,
                a0 = inout(ymm_reg) *a0, a1 = inout(ymm_reg) *a1, a2 = inout(ymm_reg) *a2,
                b0 = inout(ymm_reg) *b0, b1 = inout(ymm_reg) *b1, b2 = inout(ymm_reg) *b2,
                c0 = inout(ymm_reg) *c0, c1 = inout(ymm_reg) *c1, c2 = inout(ymm_reg) *c2,
                d0 = inout(ymm_reg) *d0, d1 = inout(ymm_reg) *d1, d2 = inout(ymm_reg) *d2,
                options(readonly, nostack),
            );
        }
    };
}

/// [`super::Lanes::products`] of four outputs by three vectors, for one input or more.
///
/// # Safety
/// As there.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub unsafe fn products(sums: &mut [[__m256; 3]; 4], src: [*const f32; 3], offsets: *const isize, weights: *const f32, inputs: usize) {
    twelve_sums!(
        sums;
        "mov {off}, [{offsets}]";
        "[{s0} + 4*{off}]" "[{s1} + 4*{off}]" "[{s2} + 4*{off}]";
        "vbroadcastss {y}, [{weights}]" "vbroadcastss {y}, [{weights} + 4]"
        "vbroadcastss {y}, [{weights} + 8]" "vbroadcastss {y}, [{weights} + 12]";
        "add {weights}, 16" "add {offsets}, 8" "cmp {offsets}, {end}";
        end = in(reg) offsets.wrapping_add(inputs),
        offsets = inout(reg) offsets => _,
        weights = inout(reg) weights => _,
        off = out(reg) _,
        s0 = in(reg) src[0], s1 = in(reg) src[1], s2 = in(reg) src[2],
    );
}

/// [`super::Lanes::correlations`] of four by three vectors, for one vector or more.
///
/// # Safety
/// As there.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub unsafe fn correlations(sums: &mut [[__m256; 3]; 4], x: [*const f32; 3], y: [*const f32; 4], vectors: usize) {
    twelve_sums!(
        sums;;
        "[{s0} + {at}]" "[{s1} + {at}]" "[{s2} + {at}]";
        "vmovups {y}, [{y0} + {at}]" "vmovups {y}, [{y1} + {at}]" "vmovups {y}, [{y2} + {at}]" "vmovups {y}, [{y3} + {at}]";
        "add {at}, 32" "cmp {at}, {end}";
        at = inout(reg) 0usize => _,
        end = in(reg) 32 * vectors,
        s0 = in(reg) x[0], s1 = in(reg) x[1], s2 = in(reg) x[2],
        y0 = in(reg) y[0], y1 = in(reg) y[1], y2 = in(reg) y[2], y3 = in(reg) y[3],
    );
}
