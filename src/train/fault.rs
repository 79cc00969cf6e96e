//! Errors of a run config's fields, at their places in the text.
//!
//! Part of `train`; may use `read`, `text`.

use std::sync::Arc;

use super::config::given;
use crate::read::Set;
use crate::text::{Code, Diagnostic, Place, Source, Span};

/// An E0601 at the field's value: where `--set` gives it, else where the config names it.
pub fn fault(source: &Arc<Source>, sets: &[Set], field: &str, message: String) -> Diagnostic {
    if let Some(set) = given(sets, field) {
        // The path without what was put before it.
        let name = set.path_place.source.text.split('=').next().unwrap_or_default().trim();
        let help = format!("give another value with --set {name}=..., or leave it out");
        return Diagnostic::error(Code::E0601, message).at(set.value.place.clone(), "here").help(help);
    }
    let d = Diagnostic::error(Code::E0601, message).help(format!("change it in `{}`, or give --set {field}=...", source.name));
    match place(source, field) {
        Some(place) => d.at(place, "here"),
        None => d,
    }
}

/// Where a dotted field stands in the text; `None` when it is not written there.
fn place(source: &Arc<Source>, field: &str) -> Option<Place> {
    // Comments are blanked, so that a word in one is not taken for the field.
    let text: String = source.text.split_inclusive('\n').flat_map(blank_comment).collect();
    let mut from = 0;
    let mut span = None;
    for part in field.split('.') {
        let at = text.get(from..)?.match_indices(part).map(|(i, _)| from + i).find(|&i| {
            let before = text[..i].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '"');
            before && text[i + part.len()..].trim_start().starts_with(':')
        })?;
        from = at + part.len();
        span = Some(Span::new(at, from));
    }
    span.map(|span| Place::new(source, span))
}

fn blank_comment(line: &str) -> Vec<char> {
    match line.find("//") {
        Some(at) if line[..at].matches('"').count().is_multiple_of(2) => {
            let rest = line[at..].len() - usize::from(line.ends_with('\n'));
            let mut out: Vec<char> = line[..at].chars().chain(std::iter::repeat_n(' ', rest)).collect();
            out.extend(line.ends_with('\n').then_some('\n'));
            out
        }
        _ => line.chars().collect(),
    }
}
