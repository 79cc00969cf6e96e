//! The formatter of graphs and configs: the same meaning and comments, laid out one way.
//!
//! - four blanks a level, one after `:` and `,`, `{ "a": 1 }` but `(a: 1)` and `[1]`;
//! - what stood on one line stays there if it fits, else every entry gets its line and a comma; entries that shared a line keep sharing it;
//! - where only the last entry of a group spans lines, the others stay on its first line, as in the signature of a composite;
//! - comments stay with what they speak of; those that stood below each other in one column do so again;
//! - one blank line at most between entries, none at the edges of brackets.
//!
//! May use `text` and the tree of `read`. Works on its own tokens: the tree has no comments.

mod group;
mod layout;
mod stray;
mod token;

#[cfg(test)]
mod tests;

pub use stray::stray;

use std::sync::Arc;

use super::tree::{Kind, Tree, parse};
use crate::text::{Code, Diagnostic, Place, Result, Source, Span};

/// The text laid out. Its line ends are those of its first line; it ends in one.
///
/// # Errors
/// What is wrong with the text: only RON can be laid out.
pub fn format(source: &Arc<Source>) -> Result<String> {
    let before = parse(source)?;
    let text = source.text.as_str();
    let eol = if text.split_once('\n').is_some_and(|(line, _)| line.ends_with('\r')) { "\r\n" } else { "\n" };
    let out = token::tokens(text).and_then(|t| group::groups(&t)).map(|g| layout::layout(&g, eol));
    // Whatever the layout does, a text whose meaning it would change is left as it is.
    match out {
        Some(out) if parse(&Source::new(source.name.clone(), out.as_str())).is_ok_and(|after| same(&before, &after)) => Ok(out),
        _ => {
            let place = Place::new(source, Span::new(0, text.len().min(1)));
            Err(Diagnostic::error(Code::E0102, "this text cannot be laid out without changing its meaning")
                .at(place, "in this file")
                .help("the file is left as it is")
                .into())
        }
    }
}

/// Whether two trees mean the same, wherever they stand.
pub fn same(a: &Tree, b: &Tree) -> bool {
    let all = |a: &[Tree], b: &[Tree]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    match (&a.kind, &b.kind) {
        (Kind::List(a), Kind::List(b)) => all(a, b),
        (Kind::Tuple(n, a), Kind::Tuple(m, b)) => n == m && all(a, b),
        (Kind::Struct(n, a), Kind::Struct(m, b)) => n == m && entries(a, b),
        (Kind::Map(a), Kind::Map(b)) => entries(a, b),
        (a, b) => a == b,
    }
}

fn entries(a: &[super::tree::Entry], b: &[super::tree::Entry]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.key == b.key && same(&a.value, &b.value))
}
