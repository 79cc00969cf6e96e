//! Convolution in three dimensions, dense, grouped or depthwise.

use super::{Examples, arity::exactly};
use crate::ir::{
    Cost, Fact, Fault, Init, Length, OnnxAttribute, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Triple, Volume64, Weight,
    Weights64, count, place, places,
};
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

    /// Whether it sees one voxel and all channels: a linear map of the channels.
    pub fn is_pointwise(&self) -> bool {
        self.groups == 1 && self.is_voxelwise()
    }

    /// Whether it sees one voxel.
    pub fn is_voxelwise(&self) -> bool {
        let one = Triple::all(1);
        self.kernel == one && self.stride == one && self.padding == Triple::all(0)
    }

    /// Adds one input channel times one number of the kernel to an output channel.
    fn tap(&self, weight: f64, k: [usize; 3], (size, from): ([usize; 3], &[f64]), (grid, to): ([usize; 3], &mut [f64])) {
        let source = |axis: usize, at: usize| {
            let p = (at * self.stride.0[axis] + k[axis] * self.dilation.0[axis]).checked_sub(self.padding.0[axis])?;
            (p < size[axis]).then_some(p)
        };
        for a in 0..grid[0] {
            let Some(d) = source(0, a) else { continue };
            for b in 0..grid[1] {
                let Some(h) = source(1, b) else { continue };
                let row = &from[place(size, [d, h, 0])..][..size[2]];
                let out = &mut to[place(grid, [a, b, 0])..][..grid[2]];
                for (c, y) in out.iter_mut().enumerate() {
                    if let Some(w) = source(2, c) {
                        *y += weight * row[w];
                    }
                }
            }
        }
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

    fn saved(&self, _: &[Fact], _: &[bool]) -> SavedForBackward {
        SavedForBackward::input()
    }

    fn length(&self, x: &[Length], axis: usize) -> Option<Length> {
        let [k, s, p, d] = [self.kernel, self.stride, self.padding, self.dilation].map(|t| t.0[axis] as i128);
        x.first()?.windowed(2 * p - (k - 1) * d - 1, s)
    }

    fn ptflops(&self, _: &[Fact], y: &Fact) -> Result<u64, Fault> {
        if self.bias { y.elements() } else { Ok(0) }
    }

    fn reference(&self, weights: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let x = x.first()?;
        let (w, b) = (weights("weight"), weights("bias"));
        let (ins, outs, taps) = (x.fact.channels / self.groups, self.out / self.groups, self.kernel.0.iter().product::<usize>());
        let mut out = Volume64::zeros(y);
        for n in 0..y.batch {
            for c in 0..self.out {
                let to = out.channel_mut(n, c);
                to.fill(if self.bias { b[c] } else { 0.0 });
                for i in 0..ins {
                    let from = x.channel(n, c / outs * ins + i);
                    for (tap, k) in places(self.kernel.0) {
                        self.tap(w[(c * ins + i) * taps + tap], k, (x.fact.size, from), (y.size, &mut *to));
                    }
                }
            }
        }
        Some(out)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let weight = n.weight("weight");
        Some(self.node(n, weight))
    }
}

impl Conv3d {
    /// Its node in ONNX with a weight `[O, C / groups, kernel]`.
    pub(super) fn node(&self, n: &mut OnnxBuilder<'_>, weight: OnnxValue) -> OnnxValue {
        let mut inputs = vec![n.x(0), weight];
        inputs.extend(self.bias.then(|| n.weight("bias")));
        let attributes = vec![
            ("kernel_shape", self.kernel.into()),
            ("strides", self.stride.into()),
            ("dilations", self.dilation.into()),
            ("pads", OnnxAttribute::both_sides(self.padding)),
            ("group", self.groups.into()),
        ];
        n.node("Conv", &inputs, attributes)
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
