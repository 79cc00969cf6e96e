//! Two programs side by side: what a user would have to write differently, and what it costs.
//!
//! Level 6: may use `text`, `ir`, `show::picture`. `compare` finds the changes, `merge` makes one picture of both, `text` prints.

mod compare;
mod merge;
mod text;

pub use compare::{Comparison, FieldChange, InputChange, NodeChange, Pair, Status, compare};
pub use merge::merge;
pub use text::{text, text_within};

use super::format::mebibytes;
use super::picture::{Picture, html};
use crate::text::thousands;

/// The comparison as JSON.
pub fn json(c: &Comparison) -> String {
    serde_json::to_string_pretty(c).unwrap_or_default() + "\n"
}

/// Both graphs in one page, coloured by what was added, removed and changed.
pub fn page(a: &Picture, b: &Picture, c: &Comparison) -> String {
    let (picture, open) = merge(a, b, c);
    let mut said: Vec<String> = c.params.iter().map(|p| format!("parameter {}", p.sentence())).collect();
    let t = &c.total;
    said.push(format!("parameters {}", text::numbers(t.params, thousands)));
    said.push(format!("MACs {}", text::numbers(t.macs, thousands)));
    said.push(format!("activations {} MiB", text::numbers(t.activations, mebibytes)));
    html(&picture, &open, &said)
}
