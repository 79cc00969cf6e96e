//! The classes of bare words: norms, functions and blocks. The names of norms and functions are those of their types in `block`.

use crate::block::{FunctionForm, NormForm};
use crate::text::nearest;

/// What a word stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Norm,
    Function,
    Block,
}

/// The norms: `norm: instance(affine: false)`.
pub const NORMS: &[&str] = NormForm::NAMES;

/// The functions: `activation: leaky_relu(slope: 0.1)`.
pub const FUNCTIONS: &[&str] = FunctionForm::NAMES;

impl Class {
    /// With its article, as messages speak of it.
    pub fn one(self) -> &'static str {
        match self {
            Class::Norm => "a norm",
            Class::Function => "a function",
            Class::Block => "a block",
        }
    }

    /// As `Required(norm)` names it.
    pub fn named(name: &str) -> Option<Class> {
        match name {
            "norm" => Some(Class::Norm),
            "function" => Some(Class::Function),
            "block" => Some(Class::Block),
            _ => None,
        }
    }

    /// Examples for a remedy.
    pub fn examples(self) -> &'static str {
        match self {
            Class::Norm => "`instance`, `batch`, `layer`, `group(4)`, `none`",
            Class::Function => "`relu`, `silu`, `leaky_relu(slope: 0.1)`, `none`",
            Class::Block => "`Conv3D(bias: false)`, or a composite by its name",
        }
    }
}

/// What a name may be; blocks begin with a capital. Empty for any other word.
pub fn classes(name: &str) -> Vec<Class> {
    let mut all = vec![];
    if NORMS.contains(&name) {
        all.push(Class::Norm);
    }
    if FUNCTIONS.contains(&name) {
        all.push(Class::Function);
    }
    // What is almost `Required` is a slip of the pen.
    if name.starts_with(char::is_uppercase) && !matches!(name, "None" | "Some") && nearest(name, ["Required", "OneOf"]).is_none() {
        all.push(Class::Block);
    }
    all
}
