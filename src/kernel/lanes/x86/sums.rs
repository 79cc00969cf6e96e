//! Loops over twelve sums in the sixteen registers of AVX2. Twelve sums, three vectors and what they are multiplied by are all the
//! registers there are: the compiler keeps two of the sums in memory, and the way there and back is what its loop then waits for.
//! Uses nothing of the crate.

use std::arch::{asm, x86_64::__m256};

/// [`super::Lanes::products`] of four outputs by three vectors, for one input or more.
///
/// # Safety
/// As there.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub unsafe fn products(sums: &mut [[__m256; 3]; 4], src: [*const f32; 3], offsets: *const isize, weights: *const f32, inputs: usize) {
    let [[a0, a1, a2], [b0, b1, b2], [c0, c1, c2], [d0, d1, d2]] = sums;
    // SAFETY: reads what the caller vouches for, and writes registers alone.
    unsafe {
        asm!(
            "2:",
            "mov {off}, [{offsets}]",
            "vmovups {x0}, [{s0} + 4*{off}]",
            "vmovups {x1}, [{s1} + 4*{off}]",
            "vmovups {x2}, [{s2} + 4*{off}]",
            "vbroadcastss {w}, [{weights}]",
            "vfmadd231ps {a0}, {x0}, {w}",
            "vfmadd231ps {a1}, {x1}, {w}",
            "vfmadd231ps {a2}, {x2}, {w}",
            "vbroadcastss {w}, [{weights} + 4]",
            "vfmadd231ps {b0}, {x0}, {w}",
            "vfmadd231ps {b1}, {x1}, {w}",
            "vfmadd231ps {b2}, {x2}, {w}",
            "vbroadcastss {w}, [{weights} + 8]",
            "vfmadd231ps {c0}, {x0}, {w}",
            "vfmadd231ps {c1}, {x1}, {w}",
            "vfmadd231ps {c2}, {x2}, {w}",
            "vbroadcastss {w}, [{weights} + 12]",
            "add {offsets}, 8",
            "add {weights}, 16",
            "vfmadd231ps {d0}, {x0}, {w}",
            "vfmadd231ps {d1}, {x1}, {w}",
            "vfmadd231ps {d2}, {x2}, {w}",
            "cmp {offsets}, {end}",
            "jne 2b",
            end = in(reg) offsets.wrapping_add(inputs),
            offsets = inout(reg) offsets => _,
            weights = inout(reg) weights => _,
            off = out(reg) _,
            s0 = in(reg) src[0], s1 = in(reg) src[1], s2 = in(reg) src[2],
            x0 = out(ymm_reg) _, x1 = out(ymm_reg) _, x2 = out(ymm_reg) _, w = out(ymm_reg) _,
            a0 = inout(ymm_reg) *a0, a1 = inout(ymm_reg) *a1, a2 = inout(ymm_reg) *a2,
            b0 = inout(ymm_reg) *b0, b1 = inout(ymm_reg) *b1, b2 = inout(ymm_reg) *b2,
            c0 = inout(ymm_reg) *c0, c1 = inout(ymm_reg) *c1, c2 = inout(ymm_reg) *c2,
            d0 = inout(ymm_reg) *d0, d1 = inout(ymm_reg) *d1, d2 = inout(ymm_reg) *d2,
            options(readonly, nostack),
        );
    }
}

/// [`super::Lanes::correlations`] of four by three vectors, for one vector or more.
///
/// # Safety
/// As there.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub unsafe fn correlations(sums: &mut [[__m256; 3]; 4], x: [*const f32; 3], y: [*const f32; 4], vectors: usize) {
    let [[a0, a1, a2], [b0, b1, b2], [c0, c1, c2], [d0, d1, d2]] = sums;
    // SAFETY: reads what the caller vouches for, and writes registers alone.
    unsafe {
        asm!(
            "2:",
            "vmovups {x0}, [{s0} + {at}]",
            "vmovups {x1}, [{s1} + {at}]",
            "vmovups {x2}, [{s2} + {at}]",
            "vmovups {y}, [{y0} + {at}]",
            "vfmadd231ps {a0}, {x0}, {y}",
            "vfmadd231ps {a1}, {x1}, {y}",
            "vfmadd231ps {a2}, {x2}, {y}",
            "vmovups {y}, [{y1} + {at}]",
            "vfmadd231ps {b0}, {x0}, {y}",
            "vfmadd231ps {b1}, {x1}, {y}",
            "vfmadd231ps {b2}, {x2}, {y}",
            "vmovups {y}, [{y2} + {at}]",
            "vfmadd231ps {c0}, {x0}, {y}",
            "vfmadd231ps {c1}, {x1}, {y}",
            "vfmadd231ps {c2}, {x2}, {y}",
            "vmovups {y}, [{y3} + {at}]",
            "add {at}, 32",
            "vfmadd231ps {d0}, {x0}, {y}",
            "vfmadd231ps {d1}, {x1}, {y}",
            "vfmadd231ps {d2}, {x2}, {y}",
            "cmp {at}, {end}",
            "jne 2b",
            at = inout(reg) 0usize => _,
            end = in(reg) 32 * vectors,
            s0 = in(reg) x[0], s1 = in(reg) x[1], s2 = in(reg) x[2],
            y0 = in(reg) y[0], y1 = in(reg) y[1], y2 = in(reg) y[2], y3 = in(reg) y[3],
            x0 = out(ymm_reg) _, x1 = out(ymm_reg) _, x2 = out(ymm_reg) _, y = out(ymm_reg) _,
            a0 = inout(ymm_reg) *a0, a1 = inout(ymm_reg) *a1, a2 = inout(ymm_reg) *a2,
            b0 = inout(ymm_reg) *b0, b1 = inout(ymm_reg) *b1, b2 = inout(ymm_reg) *b2,
            c0 = inout(ymm_reg) *c0, c1 = inout(ymm_reg) *c1, c2 = inout(ymm_reg) *c2,
            d0 = inout(ymm_reg) *d0, d1 = inout(ymm_reg) *d1, d2 = inout(ymm_reg) *d2,
            options(readonly, nostack),
        );
    }
}
