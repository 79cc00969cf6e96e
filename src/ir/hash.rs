//! The identity of a compiled graph: BLAKE3 of its operations, paths and edges.

use std::fmt;

use serde::Serialize;

use super::{Graph, Operator};

/// 32 bytes, printed as hex. Equal hashes mean: same operations, same wiring, same weights' names and shapes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Of a graph. Spaces, comments and the order of entries in the file do not matter; the size it was compiled for neither.
    pub fn of<O: Operator + Serialize>(graph: &Graph<O>) -> Self {
        let mut h = blake3::Hasher::new();
        for v in graph.values() {
            let n = graph.node(v);
            let inputs: Vec<usize> = graph.inputs(v).into_iter().map(|i| i.0).collect();
            let spec = ron::to_string(&n.op).unwrap_or_default();
            h.update(format!("{}\t{}\t{spec}\t{inputs:?}\t{}\t{:?}\n", n.path, n.op.kind(), n.fact.channels, n.shares).as_bytes());
        }
        h.update(format!("{:?}", graph.outputs).as_bytes());
        Self(*h.finalize().as_bytes())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
