//! Transposed convolution in three dimensions.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Init, Kept, Operator, Triple, Weight, count};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// The adjoint of a convolution of the same kernel and stride, without padding: with `kernel = stride` each voxel becomes a block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvTranspose3d {
    pub out: usize,
    pub kernel: Triple,
    pub stride: Triple,
    pub bias: bool,
}

impl Operator for ConvTranspose3d {
    fn kind(&self) -> &'static str {
        "conv_transpose3d"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        if self.out == 0 {
            return Err(Fault::field("out", "`out` is 0: a convolution needs at least one output channel").help("use 1 or more"));
        }
        let mut size = [0; 3];
        for (axis, o) in size.iter_mut().enumerate() {
            let (n, k, s) = (x.size[axis], self.kernel.0[axis], self.stride.0[axis]);
            for (field, v) in [("kernel", k), ("stride", s)] {
                if v == 0 {
                    return Err(Fault::field(field, format!("`{field}` is 0")).help("use 1 or more"));
                }
            }
            let grown = n.saturating_sub(1).checked_mul(s).and_then(|m| m.checked_add(k));
            *o = grown.ok_or_else(|| Fault::new(Code::E0501, "a size is beyond 64 bits").help("make the size smaller"))?;
        }
        Ok(Fact::new(x.batch, self.out, size))
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        let [d, h, w] = self.kernel.0;
        // PyTorch takes the second dimension of the weight as the fan in, which for a transposed convolution is `out`.
        let fan_in = (self.out as f64) * (d as f64) * (h as f64) * (w as f64);
        let init = Init::Uniform(1.0 / fan_in.sqrt());
        let mut all = vec![Weight::new("weight", [x.first().map_or(0, |f| f.channels), self.out, d, h, w], init)];
        if self.bias {
            all.push(Weight::new("bias", [self.out], init));
        }
        all
    }

    fn work(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        let [d, h, w] = self.kernel.0;
        let [xd, xh, xw] = x.size;
        let macs = count(&[x.batch, x.channels, self.out, d, h, w, xd, xh, xw])?;
        Ok(Cost { macs, other: if self.bias { y.elements()? } else { 0 }, ..Cost::default() })
    }

    fn kept(&self, _: &[Fact], _: &[bool]) -> Kept {
        Kept::INPUT
    }
}

impl Examples for ConvTranspose3d {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let two = Triple::all(2);
        vec![
            (ConvTranspose3d { out: 3, kernel: two, stride: two, bias: true }, vec![Fact::new(2, 4, [3, 1, 5])]),
            (
                ConvTranspose3d { out: 2, kernel: Triple([1, 2, 2]), stride: Triple([1, 2, 2]), bias: false },
                vec![Fact::new(1, 4, [3, 2, 2])],
            ),
            (ConvTranspose3d { out: 2, kernel: Triple::all(3), stride: two, bias: true }, vec![Fact::new(1, 2, [3, 4, 2])]),
        ]
    }
}
