//! Reading text: RON with places, parameters and expressions, `extends`, composites, run configs.
//!
//! Level 4: may use `text`, `ir`, `op`, `block`. Knows nothing of Burn.

pub mod budget;
mod claim;
mod config;
mod de;
mod expand;
mod expr;
mod extend;
pub mod fmt;
mod graph;
mod print;
mod set;
mod sweep;
mod syntax;
mod tree;
mod value;

pub use claim::{Claim, Figure, Quantity};
pub use config::{Preset, config, config_over};
pub use de::{Fields, fields, read as typed};
pub use expand::{expand, filled, opened, with};
pub use expr::{evaluate, names};
pub use extend::load;
pub use graph::{Composite, GraphText, InputText, NodeText, Param, PortText, Reference, graph};
pub use set::Set;
pub use sweep::{Variant, variants};
pub use tree::{Entry, Kind, Tree, parse};
pub use value::{Scope, Value};

/// The value of a parameter: a literal, an expression, or the first choice of `OneOf(...)`.
///
/// # Errors
/// What is wrong with it, at its place.
pub fn value(tree: &Tree, scope: &Scope) -> std::result::Result<Value, crate::text::Diagnostic> {
    let value = written(tree, scope)?;
    if let Value::Text(word) = &value {
        budget::at_most(budget::NAME, word.chars().count(), "letters of a word", &tree.place)?;
    }
    Ok(value)
}

fn written(tree: &Tree, scope: &Scope) -> std::result::Result<Value, crate::text::Diagnostic> {
    use crate::text::{Code, Diagnostic};
    match &tree.kind {
        Kind::Bool(b) => Ok(Value::Bool(*b)),
        Kind::Float(f) => Ok(Value::Float(*f)),
        Kind::Int(_) => typed(tree, scope).map(Value::Int),
        Kind::Str(s) => evaluate(s, scope).map_err(|(m, h)| Diagnostic::error(Code::E0105, m).at(tree.place.clone(), "here").help(h)),
        Kind::Tuple(Some(n), items) if n == "OneOf" => match items.first().map(|t| (&t.kind, t)) {
            Some((Kind::Str(s) | Kind::Word(s), _)) => Ok(Value::Text(s.clone())),
            _ => Err(Diagnostic::error(Code::E0104, "`OneOf` lists words, the default first")
                .at(tree.place.clone(), "here")
                .help("write `OneOf(\"silu\", \"relu\")`")),
        },
        _ => {
            let d = Diagnostic::error(
                Code::E0104,
                format!("a parameter has a number, `true`, `false`, an expression or `OneOf(...)`, but {} is given", tree.what()),
            );
            Err(d.at(tree.place.clone(), "here").help("write `8`, `0.5`, `true`, `\"width * 2\"` or `OneOf(\"silu\", \"relu\")`"))
        }
    }
}
