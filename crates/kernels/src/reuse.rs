//! A global allocator that keeps large blocks for the next request of their size. Volumes come and go with every operation;
//! from the system each would be fresh pages, which cost more to map and clear than most operations take. What is kept and what
//! is in use never exceed what was in use at most by more than a quarter; [`release_idle`] gives back what is kept. Uses nothing of the crate.

use std::alloc::{GlobalAlloc, Layout};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mimalloc::MiMalloc;

/// The allocator. A program takes it with `#[global_allocator] static MEMORY: ReuseAllocator = ReuseAllocator::new();`.
pub struct ReuseAllocator {
    kept: &'static Mutex<Kept>,
}

/// Of the one allocator that a program can have.
static KEPT: Mutex<Kept> = Mutex::new(Kept::NONE);

/// Gives what is kept back to the system, and begins to count anew what is in use at most. To be called when something large is over and what
/// follows asks for blocks of other sizes: a model has been read, a case is done. Does nothing in a program with another allocator.
pub fn release_idle() {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.trim(0);
    kept.peak = kept.live;
    unsafe extern "C" {
        // Of mimalloc, which is linked: what it holds itself is given back at once, not after a while.
        fn mi_collect(force: bool);
    }
    // SAFETY: the function takes any flag at any time.
    unsafe { mi_collect(true) };
}

/// Smaller blocks are mimalloc's alone.
const LARGE: usize = 1 << 16;
/// Alignment of large blocks, in bytes: a cache line.
const ALIGN: usize = 64;
/// Sizes between a power of two and the next.
const STEPS: usize = 8;
const CLASSES: usize = STEPS * (usize::BITS as usize - 16);

struct Kept {
    /// Per size class a list through the blocks themselves: each begins with the address of the next.
    heads: [*mut u8; CLASSES],
    /// Bytes of large blocks in the lists, in use, and most ever in use.
    idle: usize,
    live: usize,
    peak: usize,
}

// SAFETY: the lists' blocks belong to the lists alone.
unsafe impl Send for Kept {}

/// The size class of a large block and the bytes it takes, or none for what is the system's.
fn class(layout: Layout) -> Option<(usize, usize)> {
    let size = layout.size();
    // No size near the end of the address space: rounding up must not overflow.
    if !(LARGE..=usize::MAX / 4).contains(&size) || layout.align() > ALIGN {
        return None;
    }
    let power = size.ilog2() as usize;
    let step = (1usize << power) / STEPS;
    let above = (size - (1 << power)).div_ceil(step);
    Some(((power - 16) * STEPS + above, (1 << power) + above * step))
}

fn block(bytes: usize) -> Layout {
    // SAFETY: the alignment is a power of two and `class` bounds the size.
    unsafe { Layout::from_size_align_unchecked(bytes, ALIGN) }
}

/// The bytes of a class; the inverse of what [`class`] says.
fn bytes_of(class: usize) -> usize {
    let base = LARGE << (class / STEPS);
    base + class % STEPS * (base / STEPS)
}

impl Kept {
    const NONE: Self = Kept { heads: [ptr::null_mut(); CLASSES], idle: 0, live: 0, peak: 0 };

    /// Bytes of idle blocks that may be kept.
    fn room(&self) -> usize {
        (self.peak + self.peak / 4).saturating_sub(self.live)
    }

    fn pop(&mut self, class: usize) -> Option<*mut u8> {
        let head = self.heads[class];
        if head.is_null() {
            return None;
        }
        // SAFETY: a block in a list begins with the address of the next.
        self.heads[class] = unsafe { head.cast::<*mut u8>().read() };
        self.idle -= bytes_of(class);
        Some(head)
    }

    fn push(&mut self, class: usize, block: *mut u8) {
        // SAFETY: the block is large, aligned and nobody's.
        unsafe { block.cast::<*mut u8>().write(self.heads[class]) };
        self.heads[class] = block;
        self.idle += bytes_of(class);
    }

    /// Returns idle blocks to the system, the largest first, until no more than `room` bytes of them are left.
    fn trim(&mut self, room: usize) {
        for class in (0..CLASSES).rev() {
            while self.idle > room {
                let Some(old) = self.pop(class) else { break };
                // SAFETY: the block came from the system with this layout.
                unsafe { MiMalloc.dealloc(old, block(bytes_of(class))) };
            }
        }
    }
}

impl ReuseAllocator {
    pub const fn new() -> Self {
        ReuseAllocator { kept: &KEPT }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A kept block of this class if there is one, counted as in use either way.
    fn take(&self, class: usize, bytes: usize) -> Option<*mut u8> {
        let mut kept = self.kept();
        let found = kept.pop(class);
        kept.live += bytes;
        kept.peak = kept.peak.max(kept.live);
        if found.is_none() {
            let room = kept.room();
            kept.trim(room);
        }
        found
    }
}

impl Default for ReuseAllocator {
    fn default() -> Self {
        ReuseAllocator::new()
    }
}

// SAFETY: a large block is always the system's for its class' size and ALIGN, which cover the request; it is in a list or in use,
// never both; everything else is passed on unchanged. `class` depends on the layout alone, so both ends agree whose it is.
unsafe impl GlobalAlloc for ReuseAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout has a size; so has the class'.
        unsafe {
            match class(layout) {
                None => MiMalloc.alloc(layout),
                Some((class, bytes)) => self.take(class, bytes).unwrap_or_else(|| self.settle(MiMalloc.alloc(block(bytes)), bytes)),
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            match class(layout) {
                None => MiMalloc.alloc_zeroed(layout),
                Some((class, bytes)) => match self.take(class, bytes) {
                    Some(old) => {
                        old.write_bytes(0, layout.size());
                        old
                    }
                    None => self.settle(MiMalloc.alloc_zeroed(block(bytes)), bytes),
                },
            }
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match class(layout) {
            // SAFETY: the caller's.
            None => unsafe { MiMalloc.dealloc(pointer, layout) },
            Some((class, bytes)) => {
                let mut kept = self.kept();
                kept.live -= bytes;
                kept.push(class, pointer);
                let room = kept.room();
                kept.trim(room);
            }
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches that the new size does not overflow with this alignment.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class(layout), class(new)) {
            // SAFETY: the caller's.
            (None, None) => unsafe { MiMalloc.realloc(pointer, layout, size) },
            (Some(old), Some(new)) if old == new => pointer,
            // SAFETY: two blocks, both at least as large as what is copied.
            _ => unsafe {
                let moved = self.alloc(new);
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(pointer, moved, layout.size().min(size));
                    self.dealloc(pointer, layout);
                }
                moved
            },
        }
    }
}

impl ReuseAllocator {
    /// Takes back the count of a block that the system did not give.
    fn settle(&self, block: *mut u8, bytes: usize) -> *mut u8 {
        if block.is_null() {
            self.kept().live -= bytes;
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn classes_cover_their_sizes_by_at_most_an_eighth() {
        for size in (LARGE..LARGE * 9).step_by(4093).chain([LARGE - 1, LARGE, 1 << 20, (1 << 20) + 1, (1 << 33) - 1]) {
            match class(Layout::from_size_align(size, 4).unwrap()) {
                None => assert!(size < LARGE),
                Some((class, bytes)) => {
                    assert_eq!(bytes_of(class), bytes);
                    assert!(bytes >= size && bytes - size <= size / STEPS, "{size} in {bytes}");
                }
            }
        }
    }

    #[test]
    fn blocks_never_overlap_and_what_is_kept_is_bounded() {
        let memory = ReuseAllocator { kept: Box::leak(Box::new(Mutex::new(Kept::NONE))) };
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mut held: Vec<(*mut u8, Layout, u8)> = Vec::new();
        for round in 0..4000u32 {
            let mark = round as u8 | 1;
            if held.len() < 12 && rng.random_bool(0.55) {
                let layout = Layout::from_size_align(rng.random_range(100..LARGE * 6), 4).unwrap();
                // SAFETY: the layout has a size; the block is written inside its bounds.
                unsafe {
                    let zeroed = rng.random_bool(0.5);
                    let p = if zeroed { memory.alloc_zeroed(layout) } else { memory.alloc(layout) };
                    assert!(!p.is_null() && (!zeroed || std::slice::from_raw_parts(p, layout.size()).iter().all(|b| *b == 0)));
                    p.write_bytes(mark, layout.size());
                    held.push((p, layout, mark));
                }
            } else if !held.is_empty() {
                let (p, layout, mark) = held.swap_remove(rng.random_range(0..held.len()));
                // SAFETY: the block is held, of this layout and filled.
                unsafe {
                    assert!(std::slice::from_raw_parts(p, layout.size()).iter().all(|b| *b == mark));
                    if rng.random_bool(0.3) {
                        let size = rng.random_range(100..LARGE * 6);
                        let p = memory.realloc(p, layout, size);
                        assert!(std::slice::from_raw_parts(p, size.min(layout.size())).iter().all(|b| *b == mark));
                        p.write_bytes(mark, size);
                        held.push((p, Layout::from_size_align(size, 4).unwrap(), mark));
                    } else {
                        memory.dealloc(p, layout);
                    }
                }
            }
            let kept = memory.kept();
            assert!(kept.live + kept.idle <= kept.peak + kept.peak / 4);
        }
        for (p, layout, _) in held {
            // SAFETY: still held.
            unsafe { memory.dealloc(p, layout) };
        }
        let mut kept = memory.kept();
        assert_eq!(kept.live, 0);
        kept.trim(0);
        assert_eq!(kept.idle, 0);
    }
}
