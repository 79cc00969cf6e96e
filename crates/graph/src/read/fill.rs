//! `{...}` in names: each is an expression whose value takes its place; `{last}` is left to be looked up.
//!
//! May use `expr`, `scope`, `value`, `budget` beside it and `text`.

use super::budget::{Budget, Limit, at_most};
use super::expr::evaluate;
use super::scope::Scope;
use super::tree::{Kind, Tree};
use super::value::Value;
use crate::text::{Code, Diagnostic, Diagnostics, Place, printable};

/// A text with its `{...}` filled in may be this long.
const LONGEST: usize = 256;

/// The last turn of a loop, in a reference.
pub const LAST: &str = "{last}";

/// A part of a text.
#[derive(Debug)]
pub(super) enum Part<'s> {
    Text(&'s str),
    /// What stands in braces.
    Hole(&'s str),
}

/// The parts of a text.
///
/// # Errors
/// E0105 where a `}` is missing.
pub(super) fn parts<'s>(text: &'s str, place: &Place) -> Result<Vec<Part<'s>>, Diagnostic> {
    let mut all = vec![];
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, after) = after
            .split_once('}')
            .ok_or_else(|| Diagnostic::error(Code::E0105, "a `}` is missing").at(place.clone(), "here").help("write `enc{i}`"))?;
        all.push(Part::Text(before));
        all.push(Part::Hole(inside));
        rest = after;
    }
    all.push(Part::Text(rest));
    Ok(all)
}

fn is_last(inside: &str) -> bool {
    inside.trim() == "last"
}

pub(super) fn short(text: String, place: &Place) -> Result<String, Diagnostic> {
    at_most(LONGEST, text.len(), "characters of a text with its `{...}` filled in", place)?;
    Ok(text)
}

/// A text with its `{...}` filled in.
///
/// # Errors
/// What is wrong with an expression; E0105 where one of them is a list.
pub fn fill(text: &str, scope: &Scope, place: &Place) -> Result<String, Diagnostic> {
    filled_parts(text, scope, place).and_then(|parts| short(parts.concat(), place))
}

/// The same part by part: texts and what fills the braces by turns.
pub(super) fn filled_parts(text: &str, scope: &Scope, place: &Place) -> Result<Vec<String>, Diagnostic> {
    let mut all = vec![];
    let mut length = 0;
    for part in parts(text, place)? {
        let one = match part {
            Part::Text(t) => t.to_owned(),
            Part::Hole(inside) if is_last(inside) => LAST.to_owned(),
            Part::Hole(inside) => match evaluate(inside, scope).map_err(|w| w.at(place))? {
                Value::List(_) => {
                    let message = format!("`{{{}}}` is a list, and makes several names", printable(inside));
                    return Err(Diagnostic::error(Code::E0105, message)
                        .at(place.clone(), "here")
                        .help("put the text into a list where several are taken, [\"enc{1..=3}\"], or name one"));
                }
                value => value.to_string(),
            },
        };
        length += one.len();
        at_most(LONGEST, length, "characters of a text with its `{...}` filled in", place)?;
        all.push(one);
    }
    Ok(all)
}

/// Fills in the `{...}` of a text, or of the texts of a list, where a list makes several of one. What cannot be filled is told and becomes
/// [`Kind::Fault`].
pub(super) fn replace(t: &mut Tree, scope: &Scope, budget: &mut Budget, found: &mut Diagnostics) {
    match &mut t.kind {
        Kind::Str(s) if s.contains('{') => match fill(s, scope, &t.place) {
            Ok(text) => *s = text,
            Err(d) => {
                found.push(d);
                t.kind = Kind::Fault;
            }
        },
        Kind::List(items) => {
            let mut all = vec![];
            for item in items.drain(..) {
                match &item.kind {
                    Kind::Str(s) if s.contains('{') => several(s, scope, &item.place, budget, found, &mut all),
                    _ => all.push(item),
                }
            }
            *items = all;
        }
        _ => {}
    }
}

/// `enc{1..=3}` is `enc1`, `enc2`, `enc3`; of several lists every combination, the last one's entries changing first.
fn several(text: &str, scope: &Scope, place: &Place, budget: &mut Budget, found: &mut Diagnostics, all: &mut Vec<Tree>) {
    let fault = |d: Diagnostic, all: &mut Vec<Tree>, found: &mut Diagnostics| {
        found.push(d);
        all.push(Tree { kind: Kind::Fault, place: place.clone() });
    };
    let parts = match parts(text, place) {
        Ok(parts) => parts,
        Err(d) => return fault(d, all, found),
    };
    let mut choices: Vec<Vec<String>> = vec![];
    for part in parts {
        choices.push(match part {
            Part::Text(t) => vec![t.to_owned()],
            Part::Hole(inside) if is_last(inside) => vec![LAST.to_owned()],
            Part::Hole(inside) => match evaluate(inside, scope) {
                Ok(Value::List(list)) => list.iter().map(Value::to_string).collect(),
                Ok(value) => vec![value.to_string()],
                Err(w) => return fault(w.at(place), all, found),
            },
        });
    }
    if choices.iter().any(Vec::is_empty) {
        return;
    }
    let mut at = vec![0; choices.len()];
    loop {
        if !budget.take(Limit::Connections, 1, place, found) {
            return;
        }
        let one: String = choices.iter().zip(&at).map(|(c, i)| c[*i].as_str()).collect();
        let kind = found.keep(short(one, place)).map_or(Kind::Fault, Kind::Str);
        all.push(Tree { kind, place: place.clone() });
        let Some(k) = (0..at.len()).rev().find(|k| at[*k] + 1 < choices[*k].len()) else { return };
        at[k] += 1;
        at[k + 1..].fill(0);
    }
}
