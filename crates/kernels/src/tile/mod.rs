//! Tiled kernels of fused stages: each goes over a grid once, and keeps what lies between two volumes in the cache. Kernels for rows and tiles, and the machine
//! that runs a [`Stage`]. Free of Burn; uses rayon and nothing of the crate.
//!
//! A stage is checked when it is made ([`TiledKernel::new`]): every place that a node can touch lies in what its volume or local holds.
//! So running it is safe, and the pointers below are sound.

mod blends;
mod check;
mod combine;
mod depthwise;
mod forms;
mod functions;
mod grids;
mod interleave;
mod make;
mod memory;
mod rows;
mod run;
mod simd;
mod stage;
mod tiled;
mod winograd;

use super::lanes;

pub(crate) use combine::Combine;
pub use combine::pack;
pub use forms::WinogradKernel;
pub use lanes::Isa;
pub use memory::{Arena, zeros};
pub use run::{Bound, run};
pub use stage::{
    AffineColumns, AffineTerm, BufferRef, ChannelConstants, ChannelSources, ConvWindow, Factor, LineBuffer, Matrix, Moments, Operand,
    Space, Stage, StageNode, StageOp, UnaryFunction, VolumeDesc,
};
pub use tiled::TiledKernel;
pub use winograd::REACH as WINOGRAD_REACH;

#[cfg(test)]
mod tests;
