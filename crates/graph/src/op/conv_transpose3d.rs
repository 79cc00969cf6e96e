//! Transposed convolution in three dimensions.

use super::{Examples, arity::exactly};
use crate::ir::{
    Cost, Fact, Fault, Init, Length, OnnxAttribute, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Triple, Volume64, Weight,
    Weights64, count, place, places,
};
use crate::text::{Code, several};
use serde::{Deserialize, Serialize};

/// The adjoint of a convolution of the same kernel, stride, padding and groups: with `kernel = stride` each voxel becomes a block. An
/// axis of `n` voxels becomes `(n - 1) stride - 2 padding + kernel + output_padding` (`torch.nn.ConvTranspose3d`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvTranspose3d {
    pub out: usize,
    pub kernel: Triple,
    pub stride: Triple,
    pub bias: bool,
    #[serde(default, skip_serializing_if = "Triple::is_zero")]
    pub padding: Triple,
    /// Voxels more at the far end, which settle between the sizes that a strided convolution brings to one.
    #[serde(default, skip_serializing_if = "Triple::is_zero")]
    pub output_padding: Triple,
    /// Input and output channels are split into this many groups that do not see each other.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub groups: usize,
}

fn one() -> usize {
    1
}

fn is_one(n: &usize) -> bool {
    *n == 1
}

impl ConvTranspose3d {
    /// Each voxel becomes a block of `kernel` voxels; with a bias.
    pub fn new(out: usize, kernel: Triple) -> Self {
        let zero = Triple::all(0);
        Self { out, kernel, stride: kernel, bias: true, padding: zero, output_padding: zero, groups: 1 }
    }

    pub fn stride(self, stride: Triple) -> Self {
        Self { stride, ..self }
    }

    pub fn bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// Whether each voxel becomes a block of its own, of all channels.
    pub fn is_blocks(&self) -> bool {
        self.kernel == self.stride && self.padding.is_zero() && self.output_padding.is_zero() && self.groups == 1
    }

    /// The length of one axis after it.
    fn grown(&self, axis: usize, n: usize) -> Result<usize, Fault> {
        let [k, s, p, o] = [self.kernel, self.stride, self.padding, self.output_padding].map(|t| t.0[axis]);
        for (field, v) in [("kernel", k), ("stride", s)] {
            if v == 0 {
                return Err(Fault::field(field, format!("`{field}` is 0")).help("use 1 or more"));
            }
        }
        if o >= s && o > 0 {
            return Err(Fault::field("output_padding", format!("`output_padding` is {o}, and the stride is {s}: it must be less"))
                .help("it settles which of the sizes that the stride brings to one is meant: use 0 to stride - 1"));
        }
        let too_large = || Fault::new(Code::E0501, "a size is beyond 64 bits").help("make the size smaller");
        let full = n.saturating_sub(1).checked_mul(s).and_then(|m| m.checked_add(k)?.checked_add(o)).ok_or_else(too_large)?;
        let cut = p.checked_mul(2).ok_or_else(too_large)?;
        full.checked_sub(cut).filter(|n| *n > 0).ok_or_else(|| {
            Fault::new(
                Code::E0301,
                format!("a padding of {p} takes away all of the {full} voxels of the {}", ["depth", "height", "width"][axis]),
            )
            .on("padding")
            .help("use less padding, or a larger input")
        })
    }
}

impl Operator for ConvTranspose3d {
    fn kind(&self) -> &'static str {
        "conv_transpose3d"
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
        Ok(Fact::new(x.batch, self.out, [self.grown(0, d)?, self.grown(1, h)?, self.grown(2, w)?]))
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        let [d, h, w] = self.kernel.0;
        let per_group = self.out / self.groups.max(1);
        // PyTorch takes the second dimension of the weight as the fan in, which for a transposed convolution is `out / groups`.
        let fan_in = (per_group as f64) * (d as f64) * (h as f64) * (w as f64);
        let init = Init::Uniform(1.0 / fan_in.sqrt());
        let mut all = vec![Weight::new("weight", [x.first().map_or(0, |f| f.channels), per_group, d, h, w], init)];
        if self.bias {
            all.push(Weight::new("bias", [self.out], init));
        }
        all
    }

    /// Counted at the voxels of the input.
    fn work(&self, x: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        let [d, h, w] = self.kernel.0;
        let [xd, xh, xw] = x.size;
        let macs = count(&[x.batch, x.channels, self.out / self.groups.max(1), d, h, w, xd, xh, xw])?;
        Ok(Cost { macs, other: if self.bias { y.elements()? } else { 0 }, ..Cost::default() })
    }

    fn saved(&self, _: &[Fact], _: &[bool]) -> SavedForBackward {
        SavedForBackward::input()
    }

    fn length(&self, x: &[Length], axis: usize) -> Option<Length> {
        let [k, s, p, o] = [self.kernel, self.stride, self.padding, self.output_padding].map(|t| t.0[axis] as i128);
        x.first()?.scaled(s, k - s - 2 * p + o)
    }

    fn ptflops(&self, _: &[Fact], y: &Fact) -> Result<u64, Fault> {
        if self.bias { y.elements() } else { Ok(0) }
    }

    /// Counted at every place of the output.
    fn thop(&self, x: &[Fact], y: &Fact) -> Result<Option<u64>, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        let ([kd, kh, kw], [d, h, w]) = (self.kernel.0, y.size);
        count(&[x.batch, x.channels, self.out / self.groups.max(1), kd, kh, kw, d, h, w]).map(Some)
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
                for i in c / outs * ins..(c / outs + 1) * ins {
                    let from = x.channel(n, i);
                    for (tap, k) in places(self.kernel.0) {
                        let weight = w[(i * outs + c % outs) * taps + tap];
                        for (at, p) in places(x.fact.size) {
                            let mut q = [0; 3];
                            let inside = (0..3).all(|a| match (p[a] * self.stride.0[a] + k[a]).checked_sub(self.padding.0[a]) {
                                Some(place) if place < y.size[a] => {
                                    q[a] = place;
                                    true
                                }
                                _ => false,
                            });
                            if inside {
                                to[place(y.size, q)] += weight * from[at];
                            }
                        }
                    }
                }
            }
        }
        Some(out)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let mut inputs = vec![n.x(0), n.weight("weight")];
        inputs.extend(self.bias.then(|| n.weight("bias")));
        let attributes = vec![
            ("kernel_shape", self.kernel.into()),
            ("strides", self.stride.into()),
            ("pads", OnnxAttribute::both_sides(self.padding)),
            ("output_padding", self.output_padding.into()),
            ("group", self.groups.into()),
        ];
        Some(n.node("ConvTranspose", &inputs, attributes))
    }
}

impl Examples for ConvTranspose3d {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let (two, three) = (Triple::all(2), Triple::all(3));
        let padded =
            ConvTranspose3d { padding: Triple::all(1), output_padding: Triple::all(1), ..ConvTranspose3d::new(3, three).stride(two) };
        let depthwise = ConvTranspose3d { padding: Triple::all(1), groups: 4, ..ConvTranspose3d::new(4, three).stride(two) };
        vec![
            (ConvTranspose3d::new(3, two), vec![Fact::new(2, 4, [3, 1, 5])]),
            (ConvTranspose3d::new(2, Triple([1, 2, 2])).bias(false), vec![Fact::new(1, 4, [3, 2, 2])]),
            (ConvTranspose3d::new(2, three).stride(two), vec![Fact::new(1, 2, [3, 4, 2])]),
            (padded, vec![Fact::new(2, 2, [3, 2, 4])]),
            (depthwise, vec![Fact::new(1, 4, [3, 4, 5])]),
            (ConvTranspose3d::new(3, Triple::all(1)).stride(two), vec![Fact::new(1, 2, [3, 2, 2])]),
        ]
    }
}
