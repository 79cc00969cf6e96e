//! What other tools print as a network's FLOPs, by their rules.
//!
//! They count the calls that PyTorch makes; ours are counted as calls of `torch.nn` modules for what has weights, and of functions
//! for the rest (`F.silu`, `F.interpolate`, `F.max_pool3d`, `torch.softmax`, `x.mean()`, operators), which is how a network of
//! these blocks is usually written. Modules in the place of functions make some of these tools count more.

use crate::ir::{Cost, Fact, Fault, Operator};
use crate::op::Op;

/// Whose rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Convention {
    /// Multiply-accumulates of convolutions, linear layers and products.
    #[default]
    Macs,
    /// fvcore 0.1.5: MACs, and for each normalised element 5, without scale and shift 4, of a batch norm 2.
    Fvcore,
    /// ptflops 0.7.5, PyTorch back end: MACs, a bias's additions, 2 for each normalised element, 1 for each element of an
    /// activation (not of sigmoid, tanh, abs, softmax), of a pool's input and of a resize's output.
    Ptflops,
    /// thop 0.1.1: MACs, those of a transposed convolution counted at every place of its output.
    Thop,
}

impl Convention {
    pub const ALL: [Self; 4] = [Self::Macs, Self::Fvcore, Self::Ptflops, Self::Thop];

    pub fn name(self) -> &'static str {
        match self {
            Convention::Macs => "MACs",
            Convention::Fvcore => "fvcore",
            Convention::Ptflops => "ptflops",
            Convention::Thop => "thop",
        }
    }

    /// What the tool counts for one operation, whose cost is `c`.
    ///
    /// # Errors
    /// E0501 beyond 64 bits.
    pub fn count(self, op: &Op, x: &[Fact], y: &Fact, c: &Cost) -> Result<u64, Fault> {
        Ok(match self {
            Convention::Macs => c.macs,
            Convention::Fvcore => c.fvcore(),
            Convention::Ptflops => c.macs.saturating_add(op.ptflops(x, y)?),
            Convention::Thop => op.thop(x, y)?.unwrap_or(c.macs),
        })
    }
}
