//! Which field was meant by one of an unknown name.
//!
//! May use `tree` beside it and `text`.

use super::tree::{Entry, Kind, Tree};
use crate::text::nearest;

/// The field that one of an unknown name was most likely meant to be: by its name, else by what it holds where a field of that kind is missing.
pub(super) fn meant<'n>(e: &Entry, all: &[Entry], names: &[&'n str]) -> Option<&'n str> {
    let each = e.value.entries().filter(|all| !all.is_empty() && e.value.name().is_none());
    let holds = |of: &dyn Fn(&Tree) -> bool| each.is_some_and(|all| all.iter().all(|e| of(&e.value)));
    let alike = |field: &str| match field {
        "nodes" => holds(&|t| t.name().is_some() && t.entries().is_some()),
        "inputs" => holds(&|t| t.name().is_none() && t.get("channels").is_some()),
        "outputs" => holds(&|t| matches!(t.kind, Kind::Str(_))),
        "output" => matches!(e.value.kind, Kind::Str(_)) && all.iter().all(|e| e.key != "outputs"),
        "size" => matches!(&e.value.kind, Kind::Tuple(None, t) | Kind::List(t) if !t.is_empty()),
        _ => false,
    };
    let missing = |field: &str| all.iter().all(|e| e.key != field);
    nearest(&e.key, names.iter().copied()).or_else(|| names.iter().copied().find(|field| missing(field) && alike(field)))
}
