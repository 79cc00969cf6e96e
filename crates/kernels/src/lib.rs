//! CPU kernels: vectors of the processor ([`lanes`]), tiles of a stage ([`tile`]), convolutions of many channels with their gradients
//! ([`conv`]), attention with its gradients ([`attention`]), the measured roofline ([`ceiling`]), and the allocator that keeps large blocks. With the training kernels on Burn's tensors the only code with `unsafe`.

use lmsc_graph::op;

pub mod attention;
pub mod ceiling;
pub mod conv;
pub mod lanes;
mod reuse;
pub mod tile;

pub use reuse::{ReuseAllocator, release_idle};
