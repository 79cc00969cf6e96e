//! Max pooling in blocks.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Kept, Operator, Triple, count};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// The largest of each block of `kernel` voxels; what is left over at the far edge is dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaxPool3d {
    pub kernel: Triple,
}

impl Operator for MaxPool3d {
    fn kind(&self) -> &'static str {
        "max_pool3d"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        let mut size = [0; 3];
        for (axis, o) in size.iter_mut().enumerate() {
            let (n, k) = (x.size[axis], self.kernel.0[axis]);
            if k == 0 {
                return Err(Fault::field("kernel", "`kernel` is 0").help("use 1 or more"));
            }
            if n < k {
                let axis = ["depth", "height", "width"][axis];
                return Err(Fault::new(Code::E0301, format!("blocks of {k} voxels do not fit into a {axis} of {n}"))
                    .on("kernel")
                    .help("use a larger input, or one pooling less"));
            }
            *o = n / k;
        }
        Ok(Fact { size, ..x })
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let e = y.elements()?;
        let block = count(&self.kernel.0)?;
        Ok(Cost { other: e.saturating_mul(block), ..Cost::default() })
    }

    /// Which voxel of each block was the largest, in a byte.
    fn kept(&self, x: &[Fact], _: &[bool]) -> Kept {
        let winners = self.infer(x).and_then(|y| y.elements()).unwrap_or(u64::MAX);
        Kept { bytes: winners, ..Kept::default() }
    }
}

impl Examples for MaxPool3d {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![
            (MaxPool3d { kernel: Triple::all(2) }, vec![Fact::new(2, 3, [4, 6, 2])]),
            (MaxPool3d { kernel: Triple([1, 2, 3]) }, vec![Fact::new(1, 2, [3, 5, 7])]),
        ]
    }
}
