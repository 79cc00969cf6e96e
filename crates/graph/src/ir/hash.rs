//! The identity of a compiled graph: BLAKE3 of its operations, paths and edges.

use std::fmt::{self, Write};

use serde::Serialize;

use super::{Graph, Operator};

/// 32 bytes, printed as hex. Equal hashes mean: same operations, same wiring, same weights' names and shapes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Of a graph. Spaces, comments and the order of entries in the file do not matter; the size it was compiled for neither.
    pub fn of<O: Operator + Serialize>(graph: &Graph<O>) -> Self {
        let mut h = blake3::Hasher::new();
        let mut line = String::new();
        for v in graph.values() {
            let n = graph.node(v);
            line.clear();
            // Writing into a string cannot fail.
            let _ = write!(line, "{}\t{}\t", n.path, n.op.kind());
            let _ = ron::Options::default().to_writer(&mut line, &n.op);
            let _ = write!(line, "\t[");
            for (k, i) in graph.inputs(v).iter().enumerate() {
                let _ = write!(line, "{}{}", if k == 0 { "" } else { ", " }, i.0);
            }
            let _ = writeln!(line, "]\t{}\t{:?}", n.fact.channels, n.shares);
            h.update(line.as_bytes());
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
