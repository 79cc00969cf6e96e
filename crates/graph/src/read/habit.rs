//! What is written in other languages, and how it is written here: the remedies of expressions that cannot be read.
//!
//! May use `words` beside it and `text`.

use super::words::{FUNCTIONS, INITS, NORMS};
use crate::text::{nearest, printable};

/// Functions of other languages with what is written for them.
const CALLS: &[(&[&str], &str)] = &[
    (&["range", "arange"], "`0..3` is the list 0, 1, 2; `1..=3` is 1, 2, 3"),
    (&["int", "floor", "round", "trunc"], "of two whole numbers `/` rounds towards zero by itself"),
    (&["pow"], "a power is written `a ^ b`"),
    (&["reversed", "reverse"], "write `rev(list)`"),
    (&["append", "extend", "cat", "chain"], "lists are joined by `concat(a, [b])`"),
    (&["length", "size_of", "count"], "write `len(list)`"),
    (&["not"], "write `!x`"),
    (&["max_of", "maximum"], "write `max(a, b)`"),
    (&["min_of", "minimum"], "write `min(a, b)`"),
];

/// How a function that there is none of is written; `known` are those that there are, `all` lists them.
pub(super) fn call<'a>(name: &str, known: impl Iterator<Item = &'a str>, all: &str) -> String {
    match CALLS.iter().find(|(names, _)| names.contains(&name)) {
        Some((_, own)) => (*own).to_owned(),
        None => nearest(name, known).map_or_else(|| all.to_owned(), |near| format!("did you mean `{near}`?")),
    }
}

/// How something is written that is left over after an expression. `before`: the last name that was read.
pub(super) fn left_over(rest: &str, before: Option<&str>) -> Option<&'static str> {
    let word = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    Some(match word {
        "and" => "write `a && b`",
        "or" => "write `a || b`",
        "if" | "else" => "write `if(condition, a, b)`",
        "in" => "compare with each: `x == 1 || x == 2`",
        "is" => "write `a == b`",
        _ if before == Some("not") => "write `!x`",
        _ if rest.starts_with('?') => "write `if(condition, a, b)`",
        _ if rest.starts_with('=') => "write `a == b`",
        _ if rest.starts_with('&') => "write `a && b`",
        _ if rest.starts_with('|') => "write `a || b`",
        _ if rest.starts_with(',') => "a list stands in brackets: `[8, 16]`",
        _ => return None,
    })
}

/// How something is written that stands where a value is expected.
pub(super) fn unexpected(rest: &str) -> Option<&'static str> {
    Some(match rest.chars().next()? {
        '*' => "a power is written `a ^ b`",
        '/' => "of two whole numbers `/` rounds towards zero by itself",
        '=' => "write `a == b`, `a <= b` or `a >= b`",
        '&' => "write `a && b`",
        '|' => "write `a || b`",
        '"' => "a word stands in single quotes: `'relu'`",
        '.' => "write a number with a digit before its point: `0.5`",
        _ => return None,
    })
}

/// How a name is written that is no parameter's but a word or a truth value. `whole`: whether the name is all of the text; `compared`:
/// whether it is compared with a word.
pub(super) fn word(name: &str, whole: bool, compared: bool) -> Option<String> {
    let form = FUNCTIONS.contains(&name) || NORMS.contains(&name) || INITS.contains(&name);
    match name {
        "True" | "TRUE" => Some("write `true`".into()),
        "False" | "FALSE" => Some("write `false`".into()),
        _ if form && whole => Some(format!("write it without quotes: `{name}`")),
        _ if form || compared => Some(format!("a word stands in single quotes: `'{}'`", printable(name))),
        _ => None,
    }
}
