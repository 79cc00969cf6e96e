//! GPUs that CUDA's driver reports.

use std::sync::OnceLock;

use cudarc::driver::{result, sys};

/// How many GPUs CUDA's driver gives this process; none where there is no driver. `CUDA_VISIBLE_DEVICES` is heeded.
pub fn cards() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    // SAFETY: it looks whether the library can be loaded, which runs what a library runs when it is.
    let driver = || unsafe { sys::is_culib_present() };
    let ask = || result::device::get_count().ok().and_then(|count| usize::try_from(count).ok());
    *COUNT.get_or_init(|| if driver() && result::init().is_ok() { ask().unwrap_or(0) } else { 0 })
}
