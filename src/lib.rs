//! A compiler for 3D medical image segmentation networks.
//!
//! A graph file ([`lmsc_graph`] is its meaning) becomes a checked [`compile::Program`]; everything asked of a network is read off that: its costs
//! and pictures ([`show`]), its executor on a CPU ([`exec`]), its module on Burn (`net`), its predictions over whole volumes ([`infer`]).
//!
//! Features: `cli` (the verbs that look at graphs), `predict` (all verbs that need no training; no Burn), `train` (everything), `cuda` and
//! `wgpu` (GPUs).

#[cfg(feature = "predict")]
pub mod bar;
#[cfg(feature = "train")]
pub mod bench;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "predict")]
pub mod evaluate;
#[cfg(feature = "train")]
pub mod kernel;
#[cfg(feature = "train")]
pub mod net;
#[cfg(feature = "train")]
pub mod report;
#[cfg(feature = "train")]
pub mod train;

#[cfg(feature = "predict")]
pub use lmsc_cpu::{exec, export, host, import, infer, store};
pub use lmsc_graph::{block, compile, ir, op, read, show};
pub use lmsc_text as text;
#[cfg(feature = "predict")]
pub use lmsc_volume::{data, metric, volume};
