//! Vectors of `f32` of the widest instruction set that the processor has: AVX-512 (16 lanes), AVX2 with FMA (8), NEON (4), and a portable
//! one (8) that the compiler vectorises. Uses nothing of the crate.
//!
//! A kernel is a [`SimdKernel`]: its arguments and one body that is generic over [`Lanes`]. The body is inlined into one function for
//! each instruction set, in which its features are enabled; [`run`] calls the one for an [`Isa`].

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
use neon::Neon;
use portable::Portable;
#[cfg(target_arch = "x86_64")]
use x86::{Avx2, Avx512};

/// Lanes of the widest instruction set there is: room for a vector of any.
pub const WIDEST: usize = 16;

/// A vector of `N` floats.
///
/// # Safety
/// Pointers need `N` readable or writable floats (`n` of them in the `head` methods) and no alignment. Values of an instruction set may only be
/// made where its features are enabled, which [`run`] sees to.
#[allow(clippy::missing_safety_doc, reason = "it is said of the whole trait")]
pub trait Lanes: Copy {
    /// At most [`WIDEST`].
    const N: usize;
    /// Vector registers that there are.
    const REGISTERS: usize;
    unsafe fn load(p: *const f32) -> Self;
    unsafe fn store(self, p: *mut f32);
    /// The first `n` (0 to `N`) floats; the other lanes are 0.
    unsafe fn load_head(p: *const f32, n: usize) -> Self;
    /// Writes the first `n` (0 to `N`) lanes.
    unsafe fn store_head(self, p: *mut f32, n: usize);
    unsafe fn splat(v: f32) -> Self;
    /// `self * a + b`, fused where the instruction set has it.
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
    unsafe fn add(self, o: Self) -> Self;
    unsafe fn sub(self, o: Self) -> Self;
    unsafe fn mul(self, o: Self) -> Self;
    unsafe fn div(self, o: Self) -> Self;
    /// The larger of both; a NaN on either side gives NaN.
    unsafe fn max(self, o: Self) -> Self;
    unsafe fn abs(self) -> Self;
    unsafe fn sqrt(self) -> Self;
    /// Lanes of `a` where `self` is below zero, lanes of `b` elsewhere.
    unsafe fn where_negative(self, a: Self, b: Self) -> Self;
    /// Lanes of `a` where `self` is above `o` or NaN, lanes of `b` elsewhere.
    unsafe fn where_beats(self, o: Self, a: Self, b: Self) -> Self;
    /// Sum of the lanes, always in the same order.
    unsafe fn sum(self) -> f32;
    /// Not below `low`, not above `high`; NaN stays NaN.
    unsafe fn clamp(self, low: f32, high: f32) -> Self;
    /// The nearest whole number, for what lies within 2^22 of zero.
    unsafe fn round(self) -> Self;
    /// `self * 2^n` for whole numbers `n` from -250 to 250, rounded once or twice where it is no normal float. NaN in `self` stays.
    unsafe fn scale(self, n: Self) -> Self;
    /// `a0 b0 a1 b1 ...` in two vectors.
    unsafe fn interleave(self, o: Self) -> (Self, Self);
    /// The lanes of even and of odd places of both, one after the other.
    unsafe fn split(self, o: Self) -> (Self, Self);
    /// Relative error below 2e-7 where the result is a normal float; 0 below -104, infinity above 88.8, NaN stays NaN.
    #[inline(always)]
    unsafe fn exp(self) -> Self {
        // SAFETY: no pointers.
        unsafe {
            let x = self.clamp(EXP_LO, EXP_HI);
            let n = x.mul(Self::splat(LOG2E)).round();
            let r = n.mul_add(Self::splat(-LN2_LO), n.mul_add(Self::splat(-LN2_HI), x));
            r.polynomial(&EXP_POLY).mul_add(r.mul(r), r).add(Self::splat(1.0)).scale(n)
        }
    }
    /// The polynomial with these coefficients, highest power first.
    #[inline(always)]
    unsafe fn polynomial(self, coefficients: &[f32; 6]) -> Self {
        // SAFETY: no pointers.
        unsafe {
            let mut p = Self::splat(coefficients[0]);
            for k in &coefficients[1..] {
                p = p.mul_add(self, Self::splat(*k));
            }
            p
        }
    }
    /// `1 / self` for what lies in `[1, infinity]`, relative error below 3e-7.
    #[inline(always)]
    unsafe fn inverse(self) -> Self {
        // SAFETY: no pointers.
        unsafe { Self::splat(1.0).div(self) }
    }
    /// `1 / (1 + exp(-self))`, absolute error below 3e-7.
    #[inline(always)]
    unsafe fn sigmoid(self) -> Self {
        // SAFETY: no pointers.
        unsafe { Self::splat(1.0).add(Self::splat(0.0).sub(self).exp()).inverse() }
    }
    /// `x / (1 + exp(-x))` of several vectors, to the bound of [`Lanes::sigmoid`] times `x`.
    #[inline(always)]
    unsafe fn silus<const K: usize>(mut x: [Self; K]) -> [Self; K] {
        for x in &mut x {
            // SAFETY: no pointers.
            *x = unsafe { x.mul(x.sigmoid()) };
        }
        x
    }
    /// Adds to `sums[b][p]`, for each `k` of `inputs`, `weights[k][b]` times the vector at `offsets[k]` from `src[p]`.
    #[inline(always)]
    unsafe fn products<const B: usize, const P: usize>(
        sums: &mut [[Self; P]; B],
        src: &[*const f32; P],
        offsets: *const isize,
        weights: *const f32,
        inputs: usize,
    ) {
        // SAFETY: the caller's.
        unsafe { products(sums, offsets, weights, inputs, |p, off| Self::load(src[p].wrapping_offset(off))) }
    }
    /// Adds to `sums[b][p]` the products of the vectors at `x[p]` and `y[b]`, so many from each place on.
    #[inline(always)]
    unsafe fn correlations<const B: usize, const P: usize>(
        sums: &mut [[Self; P]; B],
        x: &[*const f32; P],
        y: &[*const f32; B],
        vectors: usize,
    ) {
        // SAFETY: the caller's.
        unsafe { correlations(sums, x, y, vectors) }
    }
    /// Asks for what will be read; any address will do.
    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}
}

/// [`Lanes::products`] for vectors that are loaded in any way.
///
/// # Safety
/// `inputs` offsets, `B` times as many weights.
#[inline(always)]
pub unsafe fn products<L: Lanes, const B: usize, const P: usize>(
    sums: &mut [[L; P]; B],
    offsets: *const isize,
    mut weights: *const f32,
    inputs: usize,
    load: impl Fn(usize, isize) -> L,
) {
    // SAFETY: the caller's.
    unsafe {
        for k in 0..inputs {
            let off = *offsets.add(k);
            let x: [L; P] = std::array::from_fn(|p| load(p, off));
            for (b, sums) in sums.iter_mut().enumerate() {
                let w = L::splat(*weights.add(b));
                for p in 0..P {
                    sums[p] = x[p].mul_add(w, sums[p]);
                }
            }
            weights = weights.add(B);
        }
    }
}

/// [`Lanes::correlations`] of any instruction set.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn correlations<L: Lanes, const B: usize, const P: usize>(
    sums: &mut [[L; P]; B],
    x: &[*const f32; P],
    y: &[*const f32; B],
    vectors: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        for at in 0..vectors {
            let x: [L; P] = std::array::from_fn(|p| L::load(x[p].add(at * L::N)));
            for (b, sums) in sums.iter_mut().enumerate() {
                let y = L::load(y[b].add(at * L::N));
                for p in 0..P {
                    sums[p] = x[p].mul_add(y, sums[p]);
                }
            }
        }
    }
}

/// The result is 0 from here down, for it is below half of the smallest float.
const EXP_LO: f32 = -104.0;
/// The result is infinite from a little before here up.
const EXP_HI: f32 = 88.8;
const LOG2E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts, the first with so few bits that `n * LN2_HI` is exact.
const LN2_HI: f32 = 0.693_359_4;
const LN2_LO: f32 = -2.121_944_4e-4;
/// Minimax polynomial of (exp(r) - 1 - r) / r^2 on |r| <= ln 2 / 2, highest power first.
const EXP_POLY: [f32; 6] = [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// A kernel that is compiled for every instruction set.
pub trait SimdKernel {
    type Out;
    /// # Safety
    /// The processor has what `L` needs, and the kernel's pointers cover what its body touches.
    unsafe fn run<L: Lanes>(self) -> Self::Out;
}

/// SIMD instruction sets, from narrow to wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    Portable,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

thread_local! {
    /// The widest that this thread may use.
    static MOST: std::cell::Cell<Option<Isa>> = const { std::cell::Cell::new(None) };
}

impl Isa {
    /// The widest that this processor has.
    pub fn widest() -> Self {
        let detected = Self::detected();
        MOST.get().map_or(detected, |most| most.min(detected))
    }

    /// Lets this thread use no wider one; any that the processor has without one. For tests and measurements.
    pub fn limit(most: Option<Self>) {
        MOST.set(most);
    }

    fn detected() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vl") {
                return Isa::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Isa::Avx2;
            }
            Isa::Portable
        }
        #[cfg(target_arch = "aarch64")]
        {
            Isa::Neon
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            Isa::Portable
        }
    }

    /// Every one that this processor has, from narrow to wide.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Isa::Portable];
        #[cfg(target_arch = "x86_64")]
        all.extend([Isa::Avx2, Isa::Avx512]);
        #[cfg(target_arch = "aarch64")]
        all.push(Isa::Neon);
        all.retain(|f| *f <= Self::detected());
        all
    }

    /// The one for rows of so many columns.
    pub fn of(columns: usize) -> Self {
        Self::widest().for_rows(columns)
    }

    /// This one, or a narrower one where rows of so many columns would leave half of its lanes or more idle.
    pub fn for_rows(self, columns: usize) -> Self {
        #[cfg(target_arch = "x86_64")]
        if columns <= Isa::Avx2.lanes() {
            return self.min(Isa::Avx2);
        }
        let _ = columns;
        self
    }

    /// This one, or the widest where the processor lacks it.
    pub fn available(self) -> Self {
        self.min(Self::widest())
    }

    pub fn lanes(self) -> usize {
        match self {
            Isa::Portable => Portable::N,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => Neon::N,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Avx2::N,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Avx512::N,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => "NEON",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "AVX-512",
        }
    }
}

/// Runs a kernel by an instruction set, or the widest one where the processor lacks it.
///
/// # Safety
/// The kernel's pointers cover what its body touches.
#[inline]
pub unsafe fn run<J: SimdKernel>(isa: Isa, kernel: J) -> J::Out {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
        unsafe fn avx512<J: SimdKernel>(kernel: J) -> J::Out {
            // SAFETY: the features are enabled here; the caller vouches for the pointers.
            unsafe { kernel.run::<Avx512>() }
        }
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2<J: SimdKernel>(kernel: J) -> J::Out {
            // SAFETY: as above.
            unsafe { kernel.run::<Avx2>() }
        }
        match isa.available() {
            // SAFETY: `available` has seen the features.
            Isa::Avx512 => return unsafe { avx512(kernel) },
            // SAFETY: as above.
            Isa::Avx2 => return unsafe { avx2(kernel) },
            Isa::Portable => {}
        }
    }
    #[cfg(target_arch = "aarch64")]
    if isa == Isa::Neon {
        // SAFETY: NEON is part of the architecture.
        return unsafe { kernel.run::<Neon>() };
    }
    let _ = isa;
    // SAFETY: the portable one needs nothing; the caller vouches for the pointers.
    unsafe { kernel.run::<Portable>() }
}

#[cfg(test)]
mod tests;
