//! Nodes that share the weights of another.
//!
//! May use `lower` beside it, `block`, `ir`, `read`, `text`.

use std::collections::HashMap;

use super::lower::{Inside, Lowering};
use super::wire::Wired;
use crate::block::Entry;
use crate::ir::Value;
use crate::read::{Composite, NodeText, Reference};
use crate::text::{Code, Diagnostic};

/// Gives each node that shares the weights of another those of its fields that are written there and not here.
pub fn fields(nodes: &mut [NodeText], composites: &HashMap<&str, &Composite>) {
    let sharing: Vec<(usize, usize)> = (0..nodes.len())
        .filter_map(|i| {
            let owner = nodes[i].shares.as_ref()?;
            let from = nodes.iter().position(|n| n.id == owner.node)?;
            (nodes[from].block == nodes[i].block && from != i).then_some((i, from))
        })
        .collect();
    for (i, from) in sharing {
        let block = nodes[i].block.as_str();
        let is_input = |key: &str| match (composites.get(block), Entry::find(block)) {
            (Some(c), _) => c.inputs.iter().any(|p| p.name == key),
            (None, Some(e)) => e.inputs.iter().any(|p| p.name == key),
            (None, None) => true,
        };
        let own = &nodes[i];
        let more = nodes[from].entries.iter().filter(|e| !is_input(&e.key) && own.entries.iter().all(|o| o.key != e.key));
        let more: Vec<_> = more.cloned().collect();
        // Its expressions may use the variables of its loop.
        let locals = nodes[from].locals.iter().filter(|(name, _)| own.locals.iter().all(|(o, _)| o != name));
        let locals: Vec<_> = locals.cloned().collect();
        if !more.is_empty() {
            nodes[i].entries.extend(more);
            nodes[i].locals.extend(locals);
        }
    }
}

impl Lowering<'_> {
    /// Lets the operations of a node use the weights of those of another node of the scope, one by one. `row`: its row.
    pub(super) fn share(&mut self, w: &Wired, owner: &Reference, row: usize, s: &Inside) {
        let id = &w.text.id;
        let path = if s.prefix.is_empty() { owner.node.clone() } else { format!("{}.{}", s.prefix, owner.node) };
        let refuse = |why: String| {
            Diagnostic::error(Code::E0209, format!("`{id}` cannot share the weights of `{}`: {why}", owner.node))
                .at(owner.place.clone(), "here")
        };
        let Some(other) = self.rows[..row].iter().find(|r| r.path == path) else {
            let d = refuse("it is not there".into()).help("name a node of the same scope that is there, and owns its weights");
            return self.found.push(d);
        };
        let (own, theirs) = (self.rows[row].values.clone(), other.values.clone());
        if other.block != w.text.block || own.len() != theirs.len() {
            let what = if other.block == w.text.block { "its parts are others".into() } else { format!("it is a {}", other.block) };
            return self.found.push(refuse(what).help("weights are shared by two nodes of one block with the same fields"));
        }
        for (v, o) in own.zip(theirs) {
            if let Err(fault) = self.graph.share(Value(v), Value(o)) {
                let d = refuse(fault.message).help("connect values with as many channels, and give both the same fields");
                return self.found.push(d);
            }
        }
    }
}
