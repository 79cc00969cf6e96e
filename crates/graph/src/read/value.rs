//! The values that parameters and expressions have.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::tree::Tree;
use super::words::{self, Class};

/// A whole number, a number, a truth value, a word, a list, or a form.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// `8`
    Int(i64),
    /// `0.5`
    Float(f64),
    /// `true`
    Bool(bool),
    /// `silu`
    Text(String),
    /// `[32, 64, 128]`; a size `(1, 2, 2)` is one, too.
    List(#[serde(serialize_with = "entries")] Arc<Vec<Value>>),
    /// `leaky_relu(slope: 0.1)`: a norm, a function or a block with its fields. It is written as text where values are.
    Form(#[serde(serialize_with = "shown")] Arc<FormValue>),
    /// That of a parameter in which an error was found: what follows from it cannot be judged.
    #[serde(skip)]
    Unknown,
}

/// A norm, a function or a block with its fields, each of which is a value that does not depend on where it is used.
#[derive(Clone, Debug)]
pub struct FormValue {
    /// `name`, `name(value, ...)` or `name(field: value, ...)`, every value where it was written.
    pub tree: Tree,
}

impl FormValue {
    /// The name before its fields.
    pub fn name(&self) -> &str {
        self.tree.name().unwrap_or_default()
    }

    /// What it may be; `none` is a norm and a function.
    pub fn classes(&self) -> Vec<Class> {
        words::classes(self.name())
    }
}

/// Two forms are one where they are written alike, wherever that is.
impl PartialEq for FormValue {
    fn eq(&self, other: &Self) -> bool {
        self.tree.on_a_line() == other.tree.on_a_line()
    }
}

fn entries<S: Serializer>(list: &Arc<Vec<Value>>, s: S) -> Result<S::Ok, S::Error> {
    list.as_slice().serialize(s)
}

/// By this name a value asks for a form as its text: see [`super::de`].
pub(super) const AS_TEXT: &str = "lmsc::read::Value";

/// A form is read as its text, which is what a `set` takes.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_newtype_struct(AS_TEXT, AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number, `true`, `false`, a word, a list or a norm, a function or a block")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Int(n))
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Value, E> {
        i64::try_from(n).map(Value::Int).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(n), &self))
    }

    fn visit_f64<E: de::Error>(self, n: f64) -> Result<Value, E> {
        Ok(Value::Float(n))
    }

    fn visit_bool<E: de::Error>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_str<E: de::Error>(self, s: &str) -> Result<Value, E> {
        Ok(Value::Text(s.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut s: A) -> Result<Value, A::Error> {
        let mut all = vec![];
        while let Some(v) = s.next_element()? {
            all.push(v);
        }
        Ok(Value::list(all))
    }
}

fn shown<S: Serializer>(form: &Arc<FormValue>, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&form.tree.on_a_line())
}

impl Value {
    /// A list of values.
    pub fn list(all: Vec<Value>) -> Self {
        Value::List(Arc::new(all))
    }

    /// What to call its type in a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Bool(_) => "`true` or `false`",
            Value::Text(_) => "a word",
            Value::List(_) => "a list",
            Value::Form(f) => f.classes().first().map_or("a form", |c| c.one()),
            Value::Unknown => "unknown",
        }
    }

    /// The same without its article.
    pub fn noun(&self) -> &'static str {
        self.kind().split_once(' ').map_or(self.kind(), |(_, noun)| noun)
    }

    /// The number, for arithmetic that mixes whole numbers and others.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(*n as f64),
            Value::Float(f) => Some(*f),
            _ => None,
        }
    }

    /// A word, or the name of a form.
    pub fn word(&self) -> Option<&str> {
        match self {
            Value::Text(t) => Some(t),
            Value::Form(f) => Some(f.name()),
            _ => None,
        }
    }

    /// How many entries it has, those of lists in it among them; 1 where it is no list.
    pub fn entries(&self) -> usize {
        match self {
            Value::List(all) => all.iter().map(Value::entries).fold(0, usize::saturating_add).max(1),
            _ => 1,
        }
    }

    /// Whether it is unknown, or something in it is.
    pub fn unknown(&self) -> bool {
        match self {
            Value::List(all) => all.iter().any(Value::unknown),
            Value::Unknown => true,
            _ => false,
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
            Value::List(all) => {
                f.write_str("[")?;
                for (i, v) in all.iter().enumerate() {
                    write!(f, "{}{v}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Value::Form(form) => f.write_str(&form.tree.on_a_line()),
            Value::Unknown => f.write_str("?"),
        }
    }
}
