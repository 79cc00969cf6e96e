//! What is known of a value before anything runs: its shape.

use std::fmt;

use super::{Fault, count};
use crate::text::Code;

/// The shape `[batch, channels, D, H, W]` of a float32 value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fact {
    pub batch: usize,
    pub channels: usize,
    pub size: [usize; 3],
}

impl Fact {
    pub fn new(batch: usize, channels: usize, size: [usize; 3]) -> Self {
        Self { batch, channels, size }
    }

    /// A vector: one number a channel.
    pub fn vector(batch: usize, channels: usize) -> Self {
        Self::new(batch, channels, [1; 3])
    }

    pub fn dims(&self) -> [usize; 5] {
        let [d, h, w] = self.size;
        [self.batch, self.channels, d, h, w]
    }

    /// `D * H * W`.
    ///
    /// # Errors
    /// When the product is beyond 64 bits.
    pub fn voxels(&self) -> Result<u64, Fault> {
        count(&self.size)
    }

    /// Numbers in all.
    ///
    /// # Errors
    /// When the product is beyond 64 bits.
    pub fn elements(&self) -> Result<u64, Fault> {
        count(&self.dims())
    }

    pub fn is_vector(&self) -> bool {
        self.size == [1; 3]
    }

    /// The shape of an elementwise operation on both, where a dimension of 1 is repeated.
    ///
    /// # Errors
    /// When a dimension differs and neither is 1.
    pub fn broadcast(&self, other: &Fact) -> Result<Fact, Fault> {
        let (a, b) = (self.dims(), other.dims());
        let mut out = [0; 5];
        for (o, (x, y)) in out.iter_mut().zip(a.into_iter().zip(b)) {
            *o = match (x, y) {
                (x, y) if x == y => x,
                (1, y) => y,
                (x, 1) => x,
                _ => {
                    return Err(Fault::new(Code::E0301, format!("{self} and {other} do not fit together"))
                        .help("bring them to one number of channels and one size; an extent of 1 fits any"));
                }
            };
        }
        let [n, c, d, h, w] = out;
        Ok(Fact::new(n, c, [d, h, w]))
    }
}

impl fmt::Display for Fact {
    /// `8x64x64x64`, or `24` for a vector; the batch is shown when it is not 1.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.batch != 1 {
            write!(f, "{}x", self.batch)?;
        }
        write!(f, "{}", self.channels)?;
        if !self.is_vector() {
            let [d, h, w] = self.size;
            write!(f, "x{d}x{h}x{w}")?;
        }
        Ok(())
    }
}
