//! Models of other programs made into model files of this one.
//!
//! Level 4: may use everything below. A checkpoint of PyTorch is data: it is read by an interpreter of pickles that runs nothing
//! ([`pytorch`]).

pub mod nnunet;
mod pickle;
pub mod pytorch;
pub mod weights;
mod zip;
