//! Where the weights of a convolution stand, and how vectors of their outputs are read and written.

use super::lanes::{Lanes, SimdKernel, WIDEST};
use super::layout::transpose;

/// The weights of one group: that of output `o`, input `i` and tap `t` stands at `o * output + i * input + t`, or with its taps reversed.
#[derive(Clone, Copy)]
pub struct WeightOrder {
    pub output: usize,
    pub input: usize,
    pub reversed: bool,
}

/// Copies runs of numbers of several outputs to vectors: `to[j][lane] = from[lane * output + j]`, zeros in the other lanes.
///
/// # Safety
/// `count` numbers of `live` (at most `N`) outputs, room for as many vectors as there are numbers in a run.
#[inline(always)]
pub unsafe fn gather<L: Lanes>(from: *const f32, output: usize, live: usize, count: usize, to: *mut f32) {
    // SAFETY: the caller's.
    unsafe {
        if output == 1 && count == 1 {
            return L::load_head(from, live).store(to);
        }
        let mut at = 0;
        while at < count {
            let n = (count - at).min(L::N);
            let mut v = [L::splat(0.0); WIDEST];
            for (lane, v) in v.iter_mut().enumerate().take(L::N) {
                if lane < live {
                    *v = L::load_head(from.add(lane * output + at), n);
                }
            }
            transpose(&mut v);
            for (j, v) in v.iter().enumerate().take(L::N) {
                if j < n {
                    v.store(to.add((at + j) * L::N));
                }
            }
            at += L::N;
        }
    }
}

/// The way back.
///
/// # Safety
/// As [`gather`].
#[inline(always)]
pub unsafe fn scatter<L: Lanes>(from: *const f32, output: usize, live: usize, count: usize, to: *mut f32) {
    // SAFETY: the caller's.
    unsafe {
        let mut at = 0;
        while at < count {
            let n = (count - at).min(L::N);
            let mut v = [L::splat(0.0); WIDEST];
            for (j, v) in v.iter_mut().enumerate().take(L::N) {
                if j < n {
                    *v = L::load(from.add((at + j) * L::N));
                }
            }
            transpose(&mut v);
            for (lane, v) in v.iter().enumerate().take(L::N) {
                if lane < live {
                    v.store_head(to.add(lane * output + at), n);
                }
            }
            at += L::N;
        }
    }
}

/// Packs the weights of some inputs (at most a vector of them) and one vector of outputs, for each list of taps.
pub struct PackWeights<'a> {
    /// The first input's and output's.
    pub from: *const f32,
    pub weights: WeightOrder,
    /// Outputs, inputs and taps.
    pub live: usize,
    pub inputs: usize,
    pub taps: usize,
    /// Room for all of them.
    pub room: *mut f32,
    /// The taps that are wanted, and where they go: `[tap, input]`, so many floats apart.
    pub lists: &'a [(&'a [usize], *mut f32)],
    pub step: usize,
}

impl SimdKernel for PackWeights<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe {
            if self.weights.input == self.taps {
                gather::<L>(self.from, self.weights.output, self.live, self.inputs * self.taps, self.room);
            } else {
                for c in 0..self.inputs {
                    let from = self.from.add(c * self.weights.input);
                    gather::<L>(from, self.weights.output, self.live, self.taps, self.room.add(c * self.taps * L::N));
                }
            }
            for (taps, to) in self.lists {
                for (t, tap) in taps.iter().enumerate() {
                    for c in 0..self.inputs {
                        L::load(self.room.add((c * self.taps + tap) * L::N)).store(to.add((t * self.inputs + c) * self.step));
                    }
                }
            }
        }
    }
}

/// Adds up the parts of the gradients of some inputs' weights and one vector of outputs, and copies them to where they belong.
pub struct PutWeights<'a> {
    /// The first tap's and input's of each part; floats between taps and between inputs.
    pub parts: &'a [*const f32],
    pub tap: usize,
    pub input: usize,
    /// Outputs, inputs and taps.
    pub live: usize,
    pub inputs: usize,
    pub taps: usize,
    /// Room for all of them.
    pub room: *mut f32,
    pub to: *mut f32,
    /// Floats between outputs there.
    pub output: usize,
}

impl SimdKernel for PutWeights<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe {
            for c in 0..self.inputs {
                for t in 0..self.taps {
                    let at = t * self.tap + c * self.input;
                    let mut sum = L::splat(0.0);
                    for part in self.parts {
                        sum = sum.add(L::load(part.add(at)));
                    }
                    sum.store(self.room.add((c * self.taps + t) * L::N));
                }
            }
            scatter::<L>(self.room, self.output, self.live, self.inputs * self.taps, self.to);
        }
    }
}
