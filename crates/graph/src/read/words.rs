//! The classes of bare words: norms, functions, initialisations and blocks. The names of the first three are those of their types in `block`.

use crate::block::{FunctionForm, InitForm, NormForm};
use crate::text::nearest;

/// What a word stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Norm,
    Function,
    Init,
    Block,
}

/// The norms: `norm: instance(affine: false)`.
pub const NORMS: &[&str] = NormForm::NAMES;

/// The functions: `activation: leaky_relu(slope: 0.1)`.
pub const FUNCTIONS: &[&str] = FunctionForm::NAMES;

/// The initialisations: `init: kaiming(slope: 0.01)`.
pub const INITS: &[&str] = InitForm::NAMES;

impl Class {
    /// With its article, as messages speak of it.
    pub fn one(self) -> &'static str {
        match self {
            Class::Norm => "a norm",
            Class::Function => "a function",
            Class::Init => "an initialisation",
            Class::Block => "a block",
        }
    }

    /// As `Required(norm)` names it.
    pub fn named(name: &str) -> Option<Class> {
        match name {
            "norm" => Some(Class::Norm),
            "function" => Some(Class::Function),
            "init" => Some(Class::Init),
            "block" => Some(Class::Block),
            _ => None,
        }
    }

    /// Examples for a remedy.
    pub fn examples(self) -> &'static str {
        match self {
            Class::Norm => "`instance`, `batch`, `layer`, `group(4)`, `none`",
            Class::Function => "`relu`, `silu`, `leaky_relu(slope: 0.1)`, `none`",
            Class::Init => "`default`, `kaiming(slope: 0.01)`, `trunc_normal(0.02)`, `zeros`",
            Class::Block => "`Conv(bias: false)`, or a composite by its name",
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
    if INITS.contains(&name) {
        all.push(Class::Init);
    }
    // What is almost `Required` is a slip of the pen.
    if name.starts_with(char::is_uppercase)
        && !matches!(name, "None" | "Some" | "True" | "False" | "TRUE" | "FALSE")
        && nearest(name, ["Required", "OneOf"]).is_none()
    {
        all.push(Class::Block);
    }
    all
}
