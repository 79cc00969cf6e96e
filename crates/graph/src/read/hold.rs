//! Blocks that are values: a node whose block is the name of a parameter.
//!
//! May use `graph`, `scope`, `value`, `words`, `budget` beside it and `text`.

use super::budget::{Budget, Limit};
use super::graph::NodeText;
use super::scope::Scope;
use super::tree::Kind;
use super::value::Value;
use super::words::{Class, classes};
use crate::text::{Code, Diagnostic, Diagnostics, printable};

/// Whether the block of a node is a parameter.
pub(super) fn held(n: &NodeText, scope: &Scope) -> bool {
    n.block.starts_with(|c: char| c.is_lowercase() || c == '_') && scope.contains_key(&n.block)
}

/// Puts the block that a parameter holds in the place of the parameter's name; fields at the node win over those of the block.
pub(super) fn hold(node: &mut NodeText, scope: &Scope, budget: &mut Budget, found: &mut Diagnostics) {
    let refuse = |message: String, help: &str| {
        Diagnostic::error(Code::E0104, message).at(node.block_place.clone(), "used as a block here").help(help)
    };
    let (tree, name) = match scope.get(&node.block) {
        Some(Value::Form(f)) if f.classes().contains(&Class::Block) => (Some(f.tree.clone()), f.name().to_owned()),
        Some(Value::Text(t)) if classes(t).contains(&Class::Block) => (None, t.clone()),
        Some(other) if !matches!(other, Value::Unknown) => {
            let what = match other {
                Value::Form(_) => format!("the {} `{}`", other.noun(), printable(&other.to_string())),
                other => other.kind().to_owned(),
            };
            let message = format!("`{}` is used as a block, but its value is {what}", printable(&node.block));
            found.push(refuse(message, "give it a block: `Conv(bias: false)`, or the name of a composite"));
            return unknown(node);
        }
        _ => return unknown(node),
    };
    node.block = name;
    let Some(tree) = tree else { return };
    node.form = Some(tree.place.clone());
    match &tree.kind {
        Kind::Tuple(_, items) if !items.is_empty() => {
            let message = format!("the fields of a block have names, but `{}` has none", printable(&tree.on_a_line()));
            found.push(Diagnostic::error(Code::E0104, message).at(tree.place.clone(), "here").help("write `Conv(kernel: 1)`"));
            unknown(node);
        }
        _ => {
            for e in tree.entries().unwrap_or_default() {
                if node.entries.iter().all(|own| own.key != e.key) {
                    budget.take(Limit::Characters, e.value.weight(), &node.id_place, found);
                    node.entries.push(e.clone());
                }
            }
        }
    }
}

/// Of a block that is not known nothing further is said.
fn unknown(node: &mut NodeText) {
    node.block.clear();
    node.faulty = true;
}
