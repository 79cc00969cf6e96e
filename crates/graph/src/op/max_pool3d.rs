//! Max pooling.

use super::{Examples, arity::exactly};
use crate::ir::{
    Cost, Fact, Fault, Length, OnnxAttribute, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Triple, Volume64, Weights64, count,
    place, places,
};
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// The largest number of each window of `kernel` voxels; windows move by `stride`, and what a window leaves over at the far edge is
/// dropped. Padding counts as minus infinity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaxPool3d {
    pub kernel: Triple,
    /// The kernel where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Triple>,
    #[serde(default, skip_serializing_if = "Triple::is_zero")]
    pub padding: Triple,
}

impl MaxPool3d {
    /// In blocks: the stride is the kernel.
    pub fn new(kernel: Triple) -> Self {
        Self { kernel, stride: None, padding: Triple::all(0) }
    }

    /// By how many voxels windows move.
    pub fn step(&self) -> Triple {
        self.stride.unwrap_or(self.kernel)
    }

    /// Whether windows lie side by side.
    pub fn is_blocks(&self) -> bool {
        self.step() == self.kernel && self.padding == Triple::all(0)
    }
}

/// The size after windows of `kernel` that move by `stride` over `size` with `padding` on both sides.
///
/// # Errors
/// Zeros in a field, a padding of more than half a window, a window that does not fit.
pub(super) fn windows(size: [usize; 3], kernel: Triple, stride: Triple, padding: Triple) -> Result<[usize; 3], Fault> {
    let mut out = [0; 3];
    for (axis, o) in out.iter_mut().enumerate() {
        let (n, k, s, p) = (size[axis], kernel.0[axis], stride.0[axis], padding.0[axis]);
        for (field, v) in [("kernel", k), ("stride", s)] {
            if v == 0 {
                return Err(Fault::field(field, format!("`{field}` is 0")).help("use 1 or more"));
            }
        }
        if p > k / 2 {
            return Err(Fault::field("padding", format!("`padding` is {p}, more than half of the kernel's {k}"))
                .help("a window must see a voxel: pad by half the kernel at most"));
        }
        let padded = n.checked_add(2 * p).ok_or_else(|| Fault::new(Code::E0501, "a size is beyond 64 bits"))?;
        if padded < k {
            let axis = ["depth", "height", "width"][axis];
            return Err(Fault::new(Code::E0301, format!("blocks of {k} voxels do not fit into a {axis} of {n}"))
                .on("kernel")
                .help("use a larger input, or one pooling less"));
        }
        *o = (padded - k) / s + 1;
    }
    Ok(out)
}

/// The voxels of the window at `at` that are inside of `size`.
pub(super) fn window(size: [usize; 3], kernel: Triple, stride: Triple, padding: Triple, at: [usize; 3]) -> impl Iterator<Item = usize> {
    places(kernel.0).filter_map(move |(_, k)| {
        let mut p = [0; 3];
        for a in 0..3 {
            p[a] = (at[a] * stride.0[a] + k[a]).checked_sub(padding.0[a]).filter(|p| *p < size[a])?;
        }
        Some(place(size, p))
    })
}

impl Operator for MaxPool3d {
    fn kind(&self) -> &'static str {
        "max_pool3d"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        Ok(Fact { size: windows(x.size, self.kernel, self.step(), self.padding)?, ..x })
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let e = y.elements()?;
        let block = count(&self.kernel.0)?;
        Ok(Cost { other: e.saturating_mul(block), ..Cost::default() })
    }

    /// Which voxel of each window was the largest: in a byte where windows lie side by side, else its index.
    fn saved(&self, x: &[Fact], _: &[bool]) -> SavedForBackward {
        let winners = self.infer(x).and_then(|y| y.elements()).unwrap_or(u64::MAX);
        SavedForBackward::bytes(winners.saturating_mul(if self.is_blocks() { 1 } else { 4 }))
    }

    fn length(&self, x: &[Length], axis: usize) -> Option<Length> {
        let [k, s, p] = [self.kernel, self.step(), self.padding].map(|t| t.0[axis] as i128);
        x.first()?.windowed(2 * p - k, s)
    }

    fn ptflops(&self, x: &[Fact], _: &Fact) -> Result<u64, Fault> {
        x.first().map_or(Ok(0), Fact::elements)
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        Some(x.each_channel(y, |_, _, from, to| {
            for (at, p) in places(y.size) {
                let all = window(x.fact.size, self.kernel, self.step(), self.padding, p).map(|i| from[i]);
                to[at] = all.fold(f64::NEG_INFINITY, |m, v| if v > m || v.is_nan() { v } else { m });
            }
        }))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let attributes =
            vec![("kernel_shape", self.kernel.into()), ("strides", self.step().into()), ("pads", OnnxAttribute::both_sides(self.padding))];
        Some(n.node("MaxPool", &n.inputs(), attributes))
    }
}

impl Examples for MaxPool3d {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let one = Triple::all(1);
        vec![
            (MaxPool3d::new(Triple::all(2)), vec![Fact::new(2, 3, [4, 6, 2])]),
            (MaxPool3d::new(Triple([1, 2, 3])), vec![Fact::new(1, 2, [3, 5, 7])]),
            (MaxPool3d { kernel: Triple::all(3), stride: Some(Triple::all(2)), padding: one }, vec![Fact::new(2, 2, [5, 4, 7])]),
            (
                MaxPool3d { kernel: Triple([1, 3, 3]), stride: Some(Triple([1, 2, 2])), padding: Triple::all(0) },
                vec![Fact::new(1, 2, [2, 5, 6])],
            ),
        ]
    }
}
