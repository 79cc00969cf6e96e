//! CPU kernels: vectors of the processor ([`lanes`]), tiles of a stage ([`tile`]), what the processor can do at most ([`ceiling`]), and the
//! allocator that keeps large blocks. With the training kernels on Burn's tensors the only code with `unsafe`.

pub mod ceiling;
pub mod lanes;
mod reuse;
pub mod tile;

pub use reuse::Reuse;
