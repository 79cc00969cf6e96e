//! The values that parameters and expressions have.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A whole number, a number, a truth value or a word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number, `true`, `false` or a word")]
pub enum Value {
    /// `8`
    Int(i64),
    /// `0.5`
    Float(f64),
    /// `true`
    Bool(bool),
    /// `silu`
    Text(String),
    /// That of a parameter in which an error was found: what follows from it cannot be judged.
    #[serde(skip)]
    Unknown,
}

/// The names that an expression may use.
pub type Scope = BTreeMap<String, Value>;

impl Value {
    /// What to call its type in a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Bool(_) => "`true` or `false`",
            Value::Text(_) => "a word",
            Value::Unknown => "unknown",
        }
    }

    /// The number, for arithmetic that mixes whole numbers and others.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(*n as f64),
            Value::Float(f) => Some(*f),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(n) => write!(f, "{n}"),
            Value::Float(x) => write!(f, "{x:?}"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Text(t) => f.write_str(t),
            Value::Unknown => f.write_str("?"),
        }
    }
}
