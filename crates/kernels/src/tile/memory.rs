//! The arena: one allocation for all volumes of a run, in large pages where the system gives them, so that a first run is not
//! spent on page faults.

use std::alloc::{Layout, alloc_zeroed};

/// Floats that begin at a multiple of 2 MiB.
#[derive(Debug, Default)]
pub struct Arena {
    held: Vec<f32>,
    start: usize,
    len: usize,
}

const PAGE: usize = 2 << 20;

impl Arena {
    /// Zeros, `len` of them, none of which is touched yet.
    ///
    /// # Errors
    /// The number of bytes that could not be had.
    pub fn new(len: usize) -> Result<Self, usize> {
        let floats = len.checked_add(PAGE / 4).ok_or(usize::MAX)?;
        let held = zeros(floats)?;
        let address = held.as_ptr() as usize;
        let start = (address.next_multiple_of(PAGE) - address) / 4;
        Ok(Self { held, start, len })
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn floats(&self) -> &[f32] {
        &self.held[self.start..self.start + self.len]
    }

    pub fn floats_mut(&mut self) -> &mut [f32] {
        &mut self.held[self.start..self.start + self.len]
    }
}

/// Asks for large pages; a system that has none goes on without.
fn large_pages(address: usize, bytes: usize) {
    #[cfg(target_os = "linux")]
    {
        unsafe extern "C" {
            fn madvise(address: *mut core::ffi::c_void, length: usize, advice: i32) -> i32;
        }
        const MADV_HUGEPAGE: i32 = 14;
        // Whole pages only: the last, shared with others, stays as it is.
        let bytes = bytes / PAGE * PAGE;
        if bytes > 0 {
            // SAFETY: the range lies in an allocation of ours, and the advice changes nothing that it holds.
            unsafe { madvise(address as *mut core::ffi::c_void, bytes, MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (address, bytes);
}

/// Zeros that no page holds yet, in large pages where the system gives them. (A reserve that is tried first and given back would
/// come back as used memory, which is cleared by hand.)
///
/// # Errors
/// The number of bytes that could not be had.
pub fn zeros(len: usize) -> Result<Vec<f32>, usize> {
    let Ok(layout) = Layout::array::<f32>(len) else { return Err(usize::MAX) };
    if layout.size() == 0 {
        return Ok(vec![]);
    }
    // SAFETY: the layout has a size, and is that of a vector of so many floats, all bits of which may be zero.
    let held = unsafe {
        let start = alloc_zeroed(layout).cast::<f32>();
        if start.is_null() {
            return Err(layout.size());
        }
        Vec::from_raw_parts(start, len, len)
    };
    let address = held.as_ptr() as usize;
    let (first, end) = (address.next_multiple_of(PAGE), address + layout.size());
    if end > first {
        large_pages(first, end - first);
    }
    Ok(held)
}
