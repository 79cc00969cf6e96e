//! What a network is once it has been read: facts, costs, weights, and the graph of operations.
//!
//! Level 1: may use `text`. Knows nothing of RON or Burn.
//!
//! Every value that flows is a volume `[N, C, D, H, W]`; a vector is one with `D = H = W = 1`. So one tensor rank
//! serves convolutions, linear layers and their broadcasts alike.

mod array;
mod cost;
mod fact;
mod fault;
mod graph;
mod hash;
mod init;
mod length;
mod onnx;
mod operator;
mod triple;
mod volume64;

pub use array::{Array, Arrays};
pub use cost::{Cost, count};
pub use fact::Fact;
pub use fault::Fault;
pub use graph::{Graph, Node, Value};
pub use hash::Hash;
pub use init::{Init, Initialisation};
pub use length::Length;
pub use onnx::{OnnxAttribute, OnnxBuilder, OnnxGraph, OnnxInput, OnnxNode, OnnxSite, OnnxTensor, OnnxValue};
pub use operator::{Access, Expanded, ExpandedNode, Expansion, Operator, SavedForBackward, Weight, WeightView};
pub use triple::Triple;
pub use volume64::{Volume64, Weights64, evaluate, place, places};
