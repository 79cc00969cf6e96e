//! What an operation costs, counted exactly.

use super::Fault;
use crate::text::Code;

/// The cost of one operation, or of many added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Learned numbers.
    pub params: u64,
    /// Multiply-accumulates of convolutions, linear layers and products. FLOPs = 2 x MACs.
    pub macs: u64,
    /// Other scalar operations: additions, activations, comparisons, interpolation.
    pub other: u64,
    /// What fvcore adds for normalisations: 5 for each element of one with scale and shift, 4 without, 2 for batch norm.
    pub norms: u64,
    /// Bytes read and written at float32, weights included.
    pub read: u64,
    pub written: u64,
}

impl Cost {
    /// The sum.
    ///
    /// # Errors
    /// When a count is beyond 64 bits.
    pub fn plus(self, o: Cost) -> Result<Cost, Fault> {
        let add = |a: u64, b: u64| a.checked_add(b).ok_or_else(overflow);
        Ok(Cost {
            params: add(self.params, o.params)?,
            macs: add(self.macs, o.macs)?,
            other: add(self.other, o.other)?,
            norms: add(self.norms, o.norms)?,
            read: add(self.read, o.read)?,
            written: add(self.written, o.written)?,
        })
    }

    /// Bytes read and written at float32.
    pub fn moved(&self) -> u64 {
        self.read.saturating_add(self.written)
    }

    /// FLOPs = 2 x MACs.
    pub fn flops(&self) -> u64 {
        self.macs.saturating_mul(2)
    }

    /// What fvcore prints as "FLOPs": MACs and what it counts for normalisations.
    pub fn fvcore(&self) -> u64 {
        self.macs.saturating_add(self.norms)
    }
}

fn overflow() -> Fault {
    Fault::new(Code::E0501, "a count is beyond 64 bits").help("make the sizes or widths smaller")
}

/// A product that never wraps.
///
/// # Errors
/// E0501 when it is beyond 64 bits.
pub fn count(factors: &[usize]) -> Result<u64, Fault> {
    factors.iter().try_fold(1u64, |a, &b| a.checked_mul(b as u64)).ok_or_else(overflow)
}
