//! Ports: where values enter a block.

use crate::ir::{Fault, Value};
use crate::text::Code;

/// How many values a port takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    One,
    /// One or none.
    Optional,
    /// A list of one or more.
    Many,
}

/// A named input of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    pub name: &'static str,
    pub arity: Arity,
    pub doc: &'static str,
}

impl Port {
    pub const fn one(name: &'static str, doc: &'static str) -> Self {
        Self { name, arity: Arity::One, doc }
    }

    pub const fn optional(name: &'static str, doc: &'static str) -> Self {
        Self { name, arity: Arity::Optional, doc }
    }

    pub const fn many(name: &'static str, doc: &'static str) -> Self {
        Self { name, arity: Arity::Many, doc }
    }
}

/// The values that were connected, by port.
#[derive(Clone, Debug, Default)]
pub struct Connected(Vec<(String, Value)>);

impl Connected {
    pub fn connect(&mut self, port: &str, v: Value) {
        self.0.push((port.to_owned(), v));
    }

    /// The value of an optional port.
    pub fn get(&self, port: &str) -> Option<Value> {
        self.0.iter().find(|(p, _)| p == port).map(|(_, v)| *v)
    }

    /// The value of a port that must be connected.
    ///
    /// # Errors
    /// E0204 when nothing is connected.
    pub fn one(&self, port: &'static str) -> Result<Value, Fault> {
        self.get(port).ok_or_else(|| {
            Fault::new(Code::E0204, format!("nothing is connected to `{port}`")).on(port).help(format!("add `{port}: \"...\"`"))
        })
    }

    /// All values of a port.
    pub fn many(&self, port: &str) -> Vec<Value> {
        self.0.iter().filter(|(p, _)| p == port).map(|(_, v)| *v).collect()
    }
}
