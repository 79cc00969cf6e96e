//! The program `lmsc`.

use std::process::ExitCode;

use lmsc::cli::{Cli, complain};

/// Graphs are many small blocks: mimalloc compiles one of 100,000 nodes in half of the time that the C library's allocator takes.
#[cfg(not(feature = "predict"))]
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;
/// Volumes are large and short-lived: their memory is kept for the next ones.
#[cfg(feature = "predict")]
#[global_allocator]
static MEMORY: lmsc_cpu::kernel::ReuseAllocator = lmsc_cpu::kernel::ReuseAllocator::new();

fn main() -> ExitCode {
    match Cli::from_arguments().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(found) => {
            complain(&found);
            ExitCode::FAILURE
        }
    }
}
