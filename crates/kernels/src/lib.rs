//! CPU kernels: vectors of the processor ([`lanes`]), tiles of a stage ([`tile`]), the measured roofline ([`ceiling`]), and the
//! allocator that keeps large blocks. With the training kernels on Burn's tensors the only code with `unsafe`.

use lmsc_graph::op;

pub mod ceiling;
pub mod lanes;
mod reuse;
pub mod tile;

pub use reuse::ReuseAllocator;
