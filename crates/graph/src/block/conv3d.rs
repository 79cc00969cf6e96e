//! Convolution, with what usually follows it.

use super::{Axes, Block, Builder, Connected, FunctionForm, InitForm, NormForm, Port};
use crate::ir::{Fault, Value};
use crate::op;
use serde::{Deserialize, Serialize};

/// Convolution, then a norm and an activation if asked for. The size is kept at stride 1 (odd kernels).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv3D {
    /// Output channels.
    pub out: usize,
    #[serde(default = "three")]
    pub kernel: Axes,
    #[serde(default = "one")]
    pub stride: Axes,
    /// Zeros on each side; when not given `(kernel - 1) / 2`, rounded down, times the dilation: at stride 1 an odd kernel keeps the size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<Axes>,
    #[serde(default = "one")]
    pub dilation: Axes,
    /// Groups of channels that do not see each other.
    #[serde(default = "single")]
    pub groups: usize,
    #[serde(default = "yes")]
    pub bias: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<NormForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<FunctionForm>,
    /// Whether each output channel's kernels are brought to mean 0 and variance 1: the small number beside the variance, 0.00001 as a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standardise: Option<f64>,
    #[serde(default, skip_serializing_if = "InitForm::is_default")]
    pub init: InitForm,
    #[serde(default, skip_serializing_if = "InitForm::is_default")]
    pub norm_init: InitForm,
}

fn one() -> Axes {
    Axes::all(1)
}

fn three() -> Axes {
    Axes::all(3)
}

fn single() -> usize {
    1
}

fn yes() -> bool {
    true
}

impl Block for Conv3D {
    const NAME: &'static str = "Conv";
    const OLDER: Option<&'static str> = Some("Conv3D");
    const INPUTS: &'static [Port] = &[Port::one("x", "a volume")];
    const EXAMPLE: &'static str = "Conv(x: \"image\", out: 8, stride: 2, norm: group(4), activation: silu)";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("image", 4, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let kernel = b.axes("kernel", self.kernel, 1)?;
        let stride = b.axes("stride", self.stride, 1)?;
        let dilation = b.axes("dilation", self.dilation, 1)?;
        let padding = b.maybe_axes("padding", self.padding, 0)?.unwrap_or_else(|| op::Conv3d::same(kernel, dilation));
        let (groups, bias) = (self.groups, self.bias);
        let conv = op::Conv3d { stride, padding, dilation, groups, bias, ..op::Conv3d::new(self.out, kernel) };
        let x = x.one("x")?;
        let y = match self.standardise {
            Some(eps) => b.op("conv", op::StandardisedConv3d { conv, eps }, &[x])?,
            None => b.op("conv", conv, &[x])?,
        };
        self.init.begin(b, "init", y)?;
        Ok(vec![follow(b, y, self.norm.as_ref(), self.norm_init, self.activation)?])
    }
}

/// The norm and the activation after a convolution.
pub(super) fn follow(
    b: &mut Builder,
    x: Value,
    norm: Option<&NormForm>,
    init: InitForm,
    activation: Option<FunctionForm>,
) -> Result<Value, Fault> {
    let y = norm.map_or(Ok(x), |norm| norm.lower(b, "norm", x))?;
    if y != x {
        init.begin(b, "norm_init", y)?;
    }
    activation.map_or(Ok(y), |activation| activation.lower(b, "act", y))
}
