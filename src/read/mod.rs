//! Reading text: RON with places, parameters and expressions, `extends`, composites, run configs.
//!
//! Level 4: may use `text`, `ir`, `op`, `block`. Knows nothing of Burn.

mod config;
mod de;
mod expr;
mod extend;
mod graph;
mod print;
mod set;
mod tree;

pub use config::config;
pub use de::{Fields, fields, read as typed};
pub use expr::{Scope, evaluate};
pub use extend::load;
pub use graph::{Composite, GraphText, InputText, NodeText, Param, PortText, Reference, graph};
pub use set::Set;
pub use tree::{Entry, Kind, Tree, parse};

/// A whole number, or an expression that gives one; `true` and `false` are 1 and 0.
///
/// # Errors
/// What is wrong with it, at its place.
pub fn value(tree: &Tree, scope: &Scope) -> std::result::Result<i64, crate::text::Diagnostic> {
    match tree.kind {
        Kind::Bool(b) => Ok(i64::from(b)),
        _ => typed(tree, scope),
    }
}
