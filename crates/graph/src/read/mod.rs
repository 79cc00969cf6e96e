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
mod kind;
mod print;
mod recover;
mod set;
mod sweep;
mod syntax;
mod tree;
mod value;

pub use claim::{Claim, Figure, Quantity};
pub use config::{Preset, Presets, config, config_fields};
pub use de::{Fields, Refusal, Words, fields, no_block, read as typed};
pub use expand::{Absent, Loop, Opened, expand, filled, opened, with};
pub use expr::{OPEN, Wrong, evaluate, names};
pub use extend::{Loaded, files, load, loaded};
pub use graph::{Composite, GraphText, InputText, NodeText, Param, PortText, Reference, graph, meaning};
pub use kind::recognise;
pub use set::Set;
pub use sweep::{Variant, variants};
pub use tree::{Entry, Kind, Tree, parse};
pub use value::{Scope, Value};

use crate::text::{Code, Diagnostic, nearest, printable};

/// The value of a parameter: a literal, an expression, or the first choice of `OneOf(...)`.
///
/// # Errors
/// What is wrong with it, at its place.
pub fn value(tree: &Tree, scope: &Scope) -> std::result::Result<Value, Diagnostic> {
    short(written(tree, scope)?, tree)
}

/// The value that is given to a parameter which was declared as `declared`: one of its words where it lists words.
///
/// # Errors
/// What is wrong with it, at its place.
pub fn given(tree: &Tree, declared: &Tree, scope: &Scope) -> std::result::Result<Value, Diagnostic> {
    let Some(words) = choices(declared) else { return value(tree, scope) };
    let value = match &tree.kind {
        Kind::Word(w) | Kind::Str(w) if words.contains(&w.as_str()) => Value::Text(w.clone()),
        Kind::Word(w) => Value::Text(w.clone()),
        // A word that is written as other words are meant to be, or an expression.
        Kind::Str(s) if !scope.contains_key(s) && names(s).next() == Some(s) => Value::Text(s.clone()),
        _ => written(tree, scope)?,
    };
    match &value {
        Value::Text(word) if words.contains(&word.as_str()) => Ok(value),
        other => {
            let all: Vec<String> = words.iter().map(|w| format!("`{w}`")).collect();
            let message = format!("`{}` is not one of the choices here", printable(&other.to_string()));
            let near = nearest(&other.to_string(), words).map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
            let d =
                Diagnostic::error(Code::E0104, message).at(tree.place.clone(), "given here").also(declared.place.clone(), "declared here");
            Err(d.help(format!("{near}choices: {}", all.join(", "))))
        }
    }
}

/// The words of `OneOf(...)`.
pub fn choices(declared: &Tree) -> Option<Vec<&str>> {
    let Kind::Tuple(Some(name), items) = &declared.kind else { return None };
    (name == "OneOf")
        .then(|| items.iter().filter_map(|t| if let Kind::Str(s) | Kind::Word(s) = &t.kind { Some(s.as_str()) } else { None }).collect())
}

fn short(value: Value, tree: &Tree) -> std::result::Result<Value, Diagnostic> {
    if let Value::Text(word) = &value {
        budget::at_most(budget::NAME, word.chars().count(), "letters of a word", &tree.place)?;
    }
    Ok(value)
}

fn written(tree: &Tree, scope: &Scope) -> std::result::Result<Value, Diagnostic> {
    let refuse = |message: String, help: &str| {
        Diagnostic::error(Code::E0104, message).at(tree.place.clone(), "here").help(help).echo(tree.kind == Kind::Fault)
    };
    match &tree.kind {
        Kind::Bool(b) => Ok(Value::Bool(*b)),
        Kind::Float(f) => Ok(Value::Float(*f)),
        Kind::Int(n) => i64::try_from(*n).map(Value::Int).map_err(|_| refuse(format!("{n} is too large"), "use a smaller number")),
        Kind::Str(s) => evaluate(s, scope).map_err(|w| w.at(&tree.place)),
        Kind::Tuple(Some(n), items) if n == "OneOf" => match items.first().map(|t| &t.kind) {
            Some(Kind::Str(s) | Kind::Word(s)) => Ok(Value::Text(s.clone())),
            _ => Err(refuse("`OneOf` lists words, the default first".into(), "write `OneOf(\"silu\", \"relu\")`")),
        },
        _ => Err(refuse(
            format!("a parameter has a number, `true`, `false`, an expression or `OneOf(...)`, but {} is given", tree.what()),
            "write `8`, `0.5`, `true`, `\"width * 2\"` or `OneOf(\"silu\", \"relu\")`",
        )),
    }
}
