//! Scratch memory of the convolutions, and pointers that several threads share.

use std::cell::RefCell;

/// Floats of a cache line.
const LINE: usize = 16;

/// Floats with any contents that begin at a cache line.
pub struct LineAligned {
    held: Vec<f32>,
    start: usize,
}

impl LineAligned {
    pub fn new(len: usize) -> Self {
        let held: Vec<f32> = Vec::with_capacity(len + LINE);
        let address = held.as_ptr() as usize;
        let start = (address.next_multiple_of(4 * LINE) - address) / 4;
        Self { held, start }
    }

    pub fn shared(&mut self) -> SharedFloats {
        // SAFETY: the start lies within the capacity.
        SharedFloats(unsafe { self.held.as_mut_ptr().add(self.start) })
    }
}

/// A place in memory that several threads write, each its own part.
#[derive(Clone, Copy)]
pub struct SharedFloats(*mut f32);
// SAFETY: the convolutions give every task a part that no other task touches.
unsafe impl Send for SharedFloats {}
// SAFETY: as above.
unsafe impl Sync for SharedFloats {}

impl From<*mut f32> for SharedFloats {
    fn from(first: *mut f32) -> Self {
        Self(first)
    }
}

impl SharedFloats {
    pub fn of(slice: &mut [f32]) -> Self {
        Self(slice.as_mut_ptr())
    }

    /// # Safety
    /// `offset` lies inside the memory.
    #[inline(always)]
    pub unsafe fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: the caller's.
        unsafe { self.0.add(offset) }
    }
}

thread_local! {
    static KEPT: RefCell<Vec<(usize, LineAligned)>> = const { RefCell::new(Vec::new()) };
}

/// Lends `f` so many floats with any contents, which the thread keeps for the next call.
pub fn scratch<R>(len: usize, f: impl FnOnce(*mut f32) -> R) -> R {
    let (mut size, mut buffer) = KEPT.with(|k| k.borrow_mut().pop()).unwrap_or_else(|| (0, LineAligned::new(0)));
    if size < len {
        (size, buffer) = (len, LineAligned::new(len));
    }
    let result = f(buffer.shared().0);
    KEPT.with(|k| k.borrow_mut().push((size, buffer)));
    result
}
