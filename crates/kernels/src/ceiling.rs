//! The measured roofline of this machine: multiply-adds in registers, and the bandwidth of copies between volumes. Uses rayon and `lanes`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::lanes::{Isa, Lanes, SimdKernel, run};

/// Independent sums of each thread: enough to hide the latency of a multiply-add (4 or 5 cycles, two units).
const CHAINS: usize = 12;
/// Multiply-adds of each chain between two looks at the clock.
const STEPS: usize = 200_000;
/// Floats that are copied, 128 MiB: more than any cache.
const COPIED: usize = 1 << 25;
/// How long each ceiling is looked for. The best moment counts: a ceiling is what the machine can do undisturbed.
const WINDOW: Duration = Duration::from_millis(400);

/// The vector instructions that float32 arithmetic can use here: `AVX-512`, `AVX2`, `NEON` or `portable`.
pub fn instructions() -> &'static str {
    Isa::widest().name()
}

/// Float32 operations a second of all rayon threads together, in FLOP/s (a multiply-add is two).
pub fn flops() -> f64 {
    let isa = Isa::widest();
    // SAFETY: the job has no pointers.
    let one = || unsafe { run(isa, MultiplyAdds { scale: black_box(0.999), shift: black_box(1e-3) }) };
    // Every thread gets its own part, however late it wakes up.
    best(|| 2.0 * rayon::broadcast(|_| one()).into_iter().sum::<usize>() as f64)
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

/// [`STEPS`] multiply-adds in each of [`CHAINS`] vectors; gives how many there were.
struct MultiplyAdds {
    scale: f32,
    shift: f32,
}

impl SimdKernel for MultiplyAdds {
    type Out = usize;
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> usize {
        // SAFETY: no pointers.
        unsafe {
            let (scale, shift) = (L::splat(self.scale), L::splat(self.shift));
            let mut sums = [L::splat(0.0); CHAINS];
            for _ in 0..STEPS {
                for s in &mut sums {
                    *s = s.mul_add(scale, shift);
                }
            }
            black_box(sums.map(|s| s.sum()));
        }
        CHAINS * STEPS * L::N
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
