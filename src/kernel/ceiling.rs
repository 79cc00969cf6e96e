//! What this machine can do at most, measured: multiply-adds in registers, and copies between volumes. Uses rayon, nothing of
//! the crate.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rayon::prelude::*;

/// Independent sums of each thread: enough to hide the latency of a multiply-add (4 or 5 cycles, two units).
const CHAINS: usize = 12;
/// Multiply-adds of each chain between two looks at the clock.
const STEPS: usize = 200_000;
/// Floats that are copied, 128 MiB: more than any cache.
const COPIED: usize = 1 << 25;
/// How long each ceiling is looked for. The best moment counts: a ceiling is what the machine can do undisturbed.
const WINDOW: Duration = Duration::from_millis(400);

/// The vector instructions that float32 arithmetic can use here: `AVX-512`, `AVX2+FMA`, `NEON` or `portable`.
pub fn instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return "AVX-512";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return "AVX2+FMA";
        }
    }
    if cfg!(target_arch = "aarch64") { "NEON" } else { "portable" }
}

/// Float32 operations a second of all rayon threads together, in FLOP/s (a multiply-add is two).
pub fn flops() -> f64 {
    let threads = rayon::current_num_threads().max(1);
    let count = |lanes: usize| (threads * CHAINS * STEPS * lanes * 2) as f64;
    // Every thread gets its own part, however late it wakes up.
    best(|| count(rayon::broadcast(|_| multiply_adds()).first().copied().unwrap_or(1)))
}

/// Bytes a second, read and written together, when all rayon threads copy volumes that fit into no cache.
pub fn bandwidth() -> f64 {
    let threads = rayon::current_num_threads().max(1);
    let from = vec![1f32; COPIED];
    let mut to = vec![0f32; COPIED];
    let part = COPIED.div_ceil(threads);
    best(|| {
        to.par_chunks_mut(part).zip(from.par_chunks(part)).for_each(|(to, from)| to.copy_from_slice(from));
        black_box(&mut to);
        (2 * size_of::<f32>() * COPIED) as f64
    })
}

/// The most that `work` does in a second, by what it says it has done.
fn best(mut work: impl FnMut() -> f64) -> f64 {
    work();
    let begun = Instant::now();
    let mut most = 0f64;
    while begun.elapsed() < WINDOW {
        let start = Instant::now();
        let done = work();
        most = most.max(done / start.elapsed().as_secs_f64().max(1e-9));
    }
    most
}

/// [`STEPS`] multiply-adds in each of [`CHAINS`] registers; gives the floats of a register.
fn multiply_adds() -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has AVX-512F.
            unsafe { x86::avx512(black_box(0.999), black_box(1e-3)) };
            return 16;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has AVX2 and FMA.
            unsafe { x86::avx2(black_box(0.999), black_box(1e-3)) };
            return 8;
        }
    }
    portable(black_box(0.999), black_box(1e-3));
    4
}

/// Four floats a register, as every target's base instructions have them.
fn portable(scale: f32, shift: f32) {
    let mut sums = [[0f32; 4]; CHAINS];
    for _ in 0..STEPS {
        for sum in &mut sums {
            for s in sum {
                // aarch64 always has the fused form; elsewhere `mul_add` may be a call.
                *s = if cfg!(target_arch = "aarch64") { s.mul_add(scale, shift) } else { *s * scale + shift };
            }
        }
    }
    black_box(sums);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{CHAINS, STEPS};
    use std::arch::x86_64::*;
    use std::hint::black_box;

    #[target_feature(enable = "avx512f")]
    pub fn avx512(scale: f32, shift: f32) {
        let (scale, shift) = (_mm512_set1_ps(scale), _mm512_set1_ps(shift));
        let mut sums = [_mm512_setzero_ps(); CHAINS];
        for _ in 0..STEPS {
            for s in &mut sums {
                *s = _mm512_fmadd_ps(*s, scale, shift);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn avx2(scale: f32, shift: f32) {
        let (scale, shift) = (_mm256_set1_ps(scale), _mm256_set1_ps(shift));
        let mut sums = [_mm256_setzero_ps(); CHAINS];
        for _ in 0..STEPS {
            for s in &mut sums {
                *s = _mm256_fmadd_ps(*s, scale, shift);
            }
        }
        black_box(sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_are_numbers_above_zero() {
        assert!(flops() > 1e6 && flops().is_finite());
        assert!(bandwidth() > 1e6 && bandwidth().is_finite());
        assert!(!instructions().is_empty());
    }
}
