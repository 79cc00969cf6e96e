//! Convolution in three dimensions, dense, grouped or depthwise.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Init, Kept, Operator, Triple, Weight, count};
use crate::text::{Code, several};
use serde::{Deserialize, Serialize};

/// `y = w * x + b`, zero-padded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conv3d {
    pub out: usize,
    pub kernel: Triple,
    pub stride: Triple,
    pub padding: Triple,
    pub dilation: Triple,
    /// Input and output channels are split into this many groups that do not see each other.
    pub groups: usize,
    pub bias: bool,
}

impl Conv3d {
    /// A dense convolution that keeps the size at stride 1 (odd kernels), with a bias.
    pub fn new(out: usize, kernel: Triple) -> Self {
        let padding = Self::same(kernel, Triple::all(1));
        Self { out, kernel, stride: Triple::all(1), padding, dilation: Triple::all(1), groups: 1, bias: true }
    }

    /// The padding that keeps the size at stride 1, for odd kernels.
    pub fn same(kernel: Triple, dilation: Triple) -> Triple {
        Triple(std::array::from_fn(|i| (kernel.0[i].saturating_sub(1) / 2).saturating_mul(dilation.0[i])))
    }

    pub fn stride(self, stride: Triple) -> Self {
        Self { stride, ..self }
    }

    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    pub fn bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// The length of one axis after the convolution.
    fn length(&self, axis: usize, n: usize) -> Result<usize, Fault> {
        let (k, s, p, d) = (self.kernel.0[axis], self.stride.0[axis], self.padding.0[axis], self.dilation.0[axis]);
        for (field, v) in [("kernel", k), ("stride", s), ("dilation", d)] {
            if v == 0 {
                return Err(Fault::field(field, format!("`{field}` is 0")).help("use 1 or more"));
            }
        }
        let too_large = || Fault::new(Code::E0501, "a size is beyond 64 bits").help("make the size smaller");
        let reach = (k - 1).checked_mul(d).and_then(|r| r.checked_add(1)).ok_or_else(too_large)?;
        let padded = p.checked_mul(2).and_then(|p| p.checked_add(n)).ok_or_else(too_large)?;
        let room = padded.checked_sub(reach).ok_or_else(|| {
            let axis = ["depth", "height", "width"][axis];
            Fault::new(
                Code::E0301,
                format!("the kernel reaches over {} but the {axis} is {n} ({padded} with padding)", several(reach, "voxel")),
            )
            .on("kernel")
            .help("use a smaller kernel, or a larger input")
        })?;
        Ok(room / s + 1)
    }
}

impl Operator for Conv3d {
    fn kind(&self) -> &'static str {
        "conv3d"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        let (c, g) = (x.channels, self.groups);
        if self.out == 0 {
            return Err(Fault::field("out", "`out` is 0: a convolution needs at least one output channel").help("use 1 or more"));
        }
        if g == 0 || c % g != 0 || !self.out.is_multiple_of(g) {
            let message = format!("{c} input and {} cannot be split into {}", several(self.out, "output channel"), several(g, "group"));
            return Err(Fault::new(Code::E0302, message).on("groups").help("use a number of groups that divides both"));
        }
        let [d, h, w] = x.size;
        let size = [self.length(0, d)?, self.length(1, h)?, self.length(2, w)?];
        Ok(Fact::new(x.batch, self.out, size))
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        let per_group = x.first().map_or(0, |f| f.channels) / self.groups.max(1);
        let [d, h, w] = self.kernel.0;
        let fan_in = (per_group as f64) * (d as f64) * (h as f64) * (w as f64);
        let init = Init::Uniform(1.0 / fan_in.sqrt());
        let mut all = vec![Weight::new("weight", [self.out, per_group, d, h, w], init)];
        if self.bias {
            all.push(Weight::new("bias", [self.out], init));
        }
        all
    }

    fn work(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        let [d, h, w] = self.kernel.0;
        let [yd, yh, yw] = y.size;
        let macs = count(&[y.batch, self.out, x.channels / self.groups.max(1), d, h, w, yd, yh, yw])?;
        Ok(Cost { macs, other: if self.bias { y.elements()? } else { 0 }, ..Cost::default() })
    }

    fn kept(&self, _: &[Fact], _: &[bool]) -> Kept {
        Kept::INPUT
    }
}

impl Examples for Conv3d {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let x = Fact::new(2, 4, [5, 6, 7]);
        let dilated = Conv3d { dilation: Triple::all(2), padding: Triple([2, 2, 2]), ..Conv3d::new(2, Triple::all(3)) };
        vec![
            (Conv3d::new(6, Triple::all(3)), vec![x]),
            (Conv3d::new(4, Triple::all(3)).stride(Triple::all(2)).bias(false), vec![Fact::new(1, 4, [8, 9, 4])]),
            (Conv3d::new(4, Triple::all(5)).groups(4), vec![x]),
            (Conv3d::new(8, Triple([1, 3, 3])).groups(2), vec![x]),
            (Conv3d::new(3, Triple::all(1)), vec![Fact::new(2, 4, [1, 1, 1])]),
            (dilated, vec![x]),
        ]
    }
}
