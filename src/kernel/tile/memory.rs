//! The arena: one allocation for all volumes of a run, in large pages where the system gives them, so that a first run is not
//! spent on page faults.

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
        let floats = len.checked_add(PAGE / 4).filter(|n| *n < isize::MAX as usize / 4).ok_or(usize::MAX)?;
        let mut probe: Vec<f32> = vec![];
        probe.try_reserve_exact(floats).map_err(|_| floats.saturating_mul(4))?;
        drop(probe);
        // Zeroed by the system, page by page, when they are first written.
        let held = vec![0f32; floats];
        let address = held.as_ptr() as usize;
        let start = (address.next_multiple_of(PAGE) - address) / 4;
        large_pages(address + start * 4, len * 4);
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

/// Asks for large pages behind a buffer that is to be written.
pub fn advise(buffer: &mut [f32]) {
    let address = buffer.as_ptr() as usize;
    let first = address.next_multiple_of(PAGE);
    let end = address + buffer.len() * 4;
    if end > first {
        large_pages(first, end - first);
    }
}
