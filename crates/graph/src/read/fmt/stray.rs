//! Documentation that stands before nothing.

use std::sync::Arc;

use super::token::{Kind, Token, tokens};
use crate::text::{Code, Diagnostic, Place, Source, Span};

/// W0105: lines of `///` after which nothing comes that can be documented: the graph, or a name in quotes (a parameter, an input, a composite,
/// a node, an output). One for each group of such lines.
pub fn stray(source: &Arc<Source>) -> Vec<Diagnostic> {
    let text = source.text.as_str();
    if !text.contains("///") {
        return vec![];
    }
    // What is no RON is told by whoever reads it.
    let all = tokens(text).unwrap_or_default();
    let first = all.iter().position(|t| !t.is_comment() && t.kind != Kind::Attribute);
    let mut found = vec![];
    let mut i = 0;
    while i < all.len() {
        let begin = i;
        while i < all.len() && documents(&all, i) {
            i += 1;
        }
        if i == begin {
            i += 1;
            continue;
        }
        let next = (i..all.len()).find(|k| !all[*k].is_comment());
        let fits = next.is_some_and(|k| Some(k) == first || all[k].kind == Kind::Atom && all[k].text.starts_with('"'));
        if !fits {
            let start = all[begin].text.as_ptr() as usize - text.as_ptr() as usize;
            let place = Place::new(source, Span::new(start, start + all[begin].text.len()));
            let d = Diagnostic::warning(Code::W0105, "this documents nothing").at(place, "no name follows");
            found.push(d.help("put it before a parameter, an input, a composite, a node or an output, or write `//` for a comment"));
        }
    }
    found
}

/// Whether a token is a line of documentation of its own; behind something it speaks of that.
fn documents(all: &[Token], i: usize) -> bool {
    let t = &all[i];
    t.kind == Kind::Line && t.text.starts_with("///") && !t.text.starts_with("////") && (i == 0 || t.breaks > 0)
}
