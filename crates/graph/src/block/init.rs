//! Initialisations as values: `init: kaiming(slope: 0.01)`.

use std::fmt;

use serde::de::{self, Deserializer, EnumAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::Builder;
use crate::ir::{Fault, Initialisation, Value};

/// How the weights of a block start: a word with its fields, or a number that all of them are. Biases start at 0, but with `default`, which is
/// PyTorch's: convolutions, linear layers and their biases uniform within `1 / sqrt(fan in)`, norms 1 and 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case", deny_unknown_fields)]
pub enum InitForm {
    /// As PyTorch's layers start.
    #[default]
    Default,
    /// Normal with variance `2 / (1 + slope^2) / fan in`, or by the fan out.
    Kaiming {
        #[serde(default)]
        slope: f64,
        #[serde(default)]
        fan_out: bool,
    },
    /// Uniform with variance `2 gain^2 / (fan in + fan out)`.
    Xavier {
        #[serde(default = "one")]
        gain: f64,
    },
    /// Normal with that deviation and mean.
    Normal {
        std: f64,
        #[serde(default)]
        mean: f64,
    },
    /// Normal with that deviation, drawn again beyond 2.
    TruncNormal { std: f64 },
    /// That number; a number alone is the same.
    Constant { value: f64 },
    /// 0
    Zeros,
    /// 1
    Ones,
}

fn one() -> f64 {
    1.0
}

impl InitForm {
    /// The words that name an initialisation.
    pub const NAMES: &'static [&'static str] = &["default", "kaiming", "xavier", "normal", "trunc_normal", "constant", "zeros", "ones"];

    /// Whether nothing is to be changed.
    pub fn is_default(&self) -> bool {
        *self == InitForm::Default
    }

    /// Lets the weights of the operation that gives `v` start so.
    ///
    /// # Errors
    /// E0401 for what cannot be drawn, on the field `name`.
    pub fn begin(self, b: &mut Builder, name: &'static str, v: Value) -> Result<(), Fault> {
        let init = match self {
            InitForm::Default => return Ok(()),
            InitForm::Kaiming { slope, fan_out } => Initialisation::Kaiming { slope, fan_out },
            InitForm::Xavier { gain } => Initialisation::Xavier { gain },
            InitForm::Normal { std, mean } => Initialisation::Normal { mean, deviation: std },
            InitForm::TruncNormal { std } => Initialisation::TruncatedNormal(std),
            InitForm::Constant { value } => Initialisation::Constant(value),
            InitForm::Zeros => Initialisation::Constant(0.0),
            InitForm::Ones => Initialisation::Constant(1.0),
        };
        b.start(v, init).map_err(|f| f.on(name))
    }
}

impl Serialize for InitForm {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        InitForm::serialize(self, s)
    }
}

/// A number is a constant.
impl<'de> Deserialize<'de> for InitForm {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = InitForm;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an initialisation, or a number")
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<InitForm, E> {
                Ok(InitForm::Constant { value })
            }
            fn visit_enum<A: EnumAccess<'de>>(self, a: A) -> Result<InitForm, A::Error> {
                InitForm::deserialize(de::value::EnumAccessDeserializer::new(a))
            }
        }
        d.deserialize_enum("Init", InitForm::NAMES, V)
    }
}
