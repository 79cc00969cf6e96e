//! Models of this program for others.
//!
//! Level 4: may use everything below.

pub mod onnx;
