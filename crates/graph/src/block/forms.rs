//! Norms and functions as values: `norm: group(4)`, `activation: leaky_relu(slope: 0.1)`.

use std::fmt;

use serde::de::{self, Deserializer, EnumAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::Builder;
use crate::ir::{Fault, Value};
use crate::op::{self, Function};

/// A norm. A whole number is a group norm of so many groups.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NormForm {
    /// No norm.
    None,
    /// Each channel of a sample by itself, over its voxels (InstanceNorm).
    Instance { affine: bool, eps: f64 },
    /// Groups of channels of a sample, over their voxels (GroupNorm).
    Group { groups: usize, affine: bool, eps: f64 },
    /// Each channel over the batch and its voxels; by running statistics in prediction (BatchNorm).
    Batch { affine: bool, eps: f64, momentum: f64 },
    /// The channels of each voxel by themselves (LayerNorm over C).
    Layer { affine: bool, eps: f64 },
    /// Channels by their share of the response of all (GRN of ConvNeXt V2); begins as the identity.
    Response { eps: f64 },
}

/// The choices as they are written.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Written {
    None,
    Instance {
        #[serde(default = "yes")]
        affine: bool,
        #[serde(default = "eps")]
        eps: f64,
    },
    Group {
        groups: usize,
        #[serde(default = "yes")]
        affine: bool,
        #[serde(default = "eps")]
        eps: f64,
    },
    Batch {
        #[serde(default = "yes")]
        affine: bool,
        #[serde(default = "eps")]
        eps: f64,
        #[serde(default = "momentum")]
        momentum: f64,
    },
    Layer {
        #[serde(default = "yes")]
        affine: bool,
        #[serde(default = "eps")]
        eps: f64,
    },
    Response {
        #[serde(default = "small")]
        eps: f64,
    },
}

fn yes() -> bool {
    true
}

fn eps() -> f64 {
    1e-5
}

fn small() -> f64 {
    1e-6
}

fn momentum() -> f64 {
    0.1
}

impl NormForm {
    /// The words that name a norm.
    pub const NAMES: &'static [&'static str] = &["none", "instance", "group", "batch", "layer", "response"];

    /// A group norm with PyTorch's epsilon.
    pub fn group(groups: usize) -> Self {
        Self::Group { groups, affine: yes(), eps: eps() }
    }

    /// Adds the norm after `x`; `name` is the last part of its path.
    ///
    /// # Errors
    /// The operation's fault, on the field `norm`.
    pub fn lower(&self, b: &mut Builder, name: &str, x: Value) -> Result<Value, Fault> {
        let channels = b.channels(x);
        let y = match *self {
            NormForm::None => return Ok(x),
            NormForm::Instance { affine, eps } => b.op(name, op::GroupNorm { groups: channels, eps, affine, instance: true }, &[x]),
            NormForm::Group { groups, affine, eps } => b.op(name, op::GroupNorm { groups, eps, affine, instance: false }, &[x]),
            NormForm::Batch { affine, eps, momentum } => b.op(name, op::BatchNorm { eps, momentum, affine }, &[x]),
            NormForm::Layer { affine, eps } => b.op(name, op::LayerNorm { eps, affine }, &[x]),
            NormForm::Response { eps } => b.op(name, op::ResponseNorm { eps }, &[x]),
        };
        y.map_err(|f| if f.field.is_some() { f.on("norm") } else { f })
    }
}

impl<'de> Deserialize<'de> for NormForm {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = NormForm;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a norm, or a number of groups")
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<NormForm, E> {
                usize::try_from(n).map(NormForm::group).map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<NormForm, E> {
                usize::try_from(n).map(NormForm::group).map_err(E::custom)
            }
            fn visit_enum<A: EnumAccess<'de>>(self, a: A) -> Result<NormForm, A::Error> {
                Ok(match Written::deserialize(de::value::EnumAccessDeserializer::new(a))? {
                    Written::None => NormForm::None,
                    Written::Instance { affine, eps } => NormForm::Instance { affine, eps },
                    Written::Group { groups, affine, eps } => NormForm::Group { groups, affine, eps },
                    Written::Batch { affine, eps, momentum } => NormForm::Batch { affine, eps, momentum },
                    Written::Layer { affine, eps } => NormForm::Layer { affine, eps },
                    Written::Response { eps } => NormForm::Response { eps },
                })
            }
        }
        d.deserialize_enum("Norm", NormForm::NAMES, V)
    }
}

/// A function of every number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FunctionForm {
    /// No function.
    None,
    /// `x * sigmoid(x)`, also called swish.
    Silu,
    /// `max(x, 0)`
    Relu,
    /// `x` above 0, `slope * x` below.
    LeakyRelu {
        #[serde(default = "slope")]
        slope: f64,
    },
    /// `x` above 0, `alpha * (exp(x) - 1)` below.
    Elu {
        #[serde(default = "alpha")]
        alpha: f64,
    },
    /// A learned slope below 0, one for all channels (`shared`) or one for each.
    Prelu {
        #[serde(default = "yes")]
        shared: bool,
    },
    /// The exact form, by the error function.
    Gelu,
    /// The form by the hyperbolic tangent.
    GeluTanh,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `|x|`
    Abs,
    /// `log(1 + exp(x))`
    Softplus,
    /// `x * tanh(softplus(x))`
    Mish,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `min(max(x + 3, 0), 6) / 6`
    HardSigmoid,
    /// `x * hard_sigmoid(x)`
    HardSwish,
}

fn slope() -> f64 {
    0.01
}

fn alpha() -> f64 {
    1.0
}

impl FunctionForm {
    /// The words that name a function.
    pub const NAMES: &'static [&'static str] = &[
        "none",
        "silu",
        "relu",
        "leaky_relu",
        "elu",
        "prelu",
        "gelu",
        "gelu_tanh",
        "sigmoid",
        "tanh",
        "abs",
        "softplus",
        "mish",
        "relu6",
        "hard_sigmoid",
        "hard_swish",
    ];

    /// Adds the function after `x`; `name` is the last part of its path.
    ///
    /// # Errors
    /// The operation's fault, on the field `activation`.
    pub fn lower(&self, b: &mut Builder, name: &str, x: Value) -> Result<Value, Fault> {
        let plain = |function| op::Activation::from(function);
        let activation = match *self {
            FunctionForm::None => return Ok(x),
            FunctionForm::Prelu { shared } => return b.op(name, op::PRelu { shared }, &[x]),
            FunctionForm::LeakyRelu { slope } => op::Activation::with(Function::LeakyRelu, slope),
            FunctionForm::Elu { alpha } => op::Activation::with(Function::Elu, alpha),
            FunctionForm::Silu => plain(Function::Silu),
            FunctionForm::Relu => plain(Function::Relu),
            FunctionForm::Gelu => plain(Function::Gelu),
            FunctionForm::GeluTanh => plain(Function::GeluTanh),
            FunctionForm::Sigmoid => plain(Function::Sigmoid),
            FunctionForm::Tanh => plain(Function::Tanh),
            FunctionForm::Abs => plain(Function::Abs),
            FunctionForm::Softplus => plain(Function::Softplus),
            FunctionForm::Mish => plain(Function::Mish),
            FunctionForm::Relu6 => plain(Function::Relu6),
            FunctionForm::HardSigmoid => plain(Function::HardSigmoid),
            FunctionForm::HardSwish => plain(Function::HardSwish),
        };
        b.op(name, activation, &[x]).map_err(|f| if f.field.is_some() { f.on("activation") } else { f })
    }
}
