//! A compiler for 3D medical image segmentation networks: from a graph's text to operations with known shapes and costs.
//!
//! The meaning of a graph file is the page that `lmsc explain language` prints: [`show::reference::language`].

pub mod block;
pub mod compile;
pub mod ir;
pub mod op;
pub mod read;
pub mod show;

pub use lmsc_text as text;
