//! What other tools print as a network's FLOPs, by their rules.
//!
//! They count the calls that PyTorch makes; ours are counted as calls of `torch.nn` modules for what has weights, and of functions
//! for the rest (`F.silu`, `F.interpolate`, `F.max_pool3d`, `torch.softmax`, `x.mean()`, operators), which is how a network of
//! these blocks is usually written. Modules in the place of functions make some of these tools count more.

use crate::ir::{Cost, Fact, Fault, count};
use crate::op::{Function, Op};

/// Whose rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Convention {
    /// Multiply-accumulates of convolutions, linear layers and products.
    #[default]
    Macs,
    /// fvcore 0.1.5: MACs, and 5 for each normalised element.
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
            Convention::Ptflops => c.macs.saturating_add(ptflops(op, x, y)?),
            Convention::Thop => match (op, x) {
                (Op::ConvTranspose3d(t), [x]) => {
                    let ([kd, kh, kw], [d, h, w]) = (t.kernel.0, y.size);
                    count(&[x.batch, x.channels, t.out, kd, kh, kw, d, h, w])?
                }
                _ => c.macs,
            },
        })
    }
}

fn ptflops(op: &Op, x: &[Fact], y: &Fact) -> Result<u64, Fault> {
    let bias = |has: bool| if has { y.elements() } else { Ok(0) };
    match op {
        Op::Conv3d(o) => bias(o.bias),
        Op::ConvTranspose3d(o) => bias(o.bias),
        Op::Linear(o) => bias(o.bias),
        Op::GroupNorm(_) => Ok(y.elements()?.saturating_mul(2)),
        Op::Activation(a) => match a.function {
            Function::Silu | Function::Relu | Function::Gelu | Function::LeakyRelu => y.elements(),
            Function::Sigmoid | Function::Tanh | Function::Abs => Ok(0),
        },
        Op::MaxPool3d(_) => x.first().map_or(Ok(0), Fact::elements),
        Op::Resize(_) if x.first().is_some_and(|x| x.size != y.size) => y.elements(),
        _ => Ok(0),
    }
}
