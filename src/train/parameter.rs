//! A value that a run config gives to a parameter of its graph.
//!
//! Part of `train`; depends on nothing of this crate.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// A whole number, a number, a truth value or a word; as `--set` would write it.
#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    Int(i64),
    Float(f64),
    Bool(bool),
    Word(String),
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(x) => write!(f, "{x:?}"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Word(w) => f.write_str(w),
        }
    }
}

impl Serialize for Parameter {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(n) => s.serialize_i64(*n),
            Self::Float(x) => s.serialize_f64(*x),
            Self::Bool(b) => s.serialize_bool(*b),
            Self::Word(w) => s.serialize_str(w),
        }
    }
}

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Parameter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, `true`, `false` or a word")
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<Parameter, E> {
                Ok(Parameter::Int(n))
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<Parameter, E> {
                i64::try_from(n).map(Parameter::Int).map_err(|_| E::custom(format!("{n} is too large")))
            }

            fn visit_f64<E: Error>(self, x: f64) -> Result<Parameter, E> {
                Ok(Parameter::Float(x))
            }

            fn visit_bool<E: Error>(self, b: bool) -> Result<Parameter, E> {
                Ok(Parameter::Bool(b))
            }

            fn visit_str<E: Error>(self, w: &str) -> Result<Parameter, E> {
                Ok(Parameter::Word(w.to_owned()))
            }
        }
        d.deserialize_any(Any)
    }
}
