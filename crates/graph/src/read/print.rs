//! A tree as RON text again: what a resolved graph or config is written as.

use std::fmt::{self, Display, Write};

use super::tree::{Entry, Kind, Tree};

impl Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self, 0)
    }
}

impl Tree {
    /// As RON text on one line.
    pub fn on_a_line(&self) -> String {
        let mut text = String::new();
        // Writing into a text cannot fail.
        let _ = write(&mut text, self, 1);
        text.split('\n').map(str::trim).collect::<Vec<_>>().join(" ")
    }
}

/// Lists, tuples and fields go on one line when they fit into this many characters.
const WIDTH: usize = 110;

fn write(f: &mut impl Write, t: &Tree, depth: usize) -> fmt::Result {
    match &t.kind {
        Kind::Int(n) => write!(f, "{n}"),
        Kind::Float(x) => write!(f, "{x:?}"),
        Kind::Bool(b) => write!(f, "{b}"),
        Kind::Str(s) => write_text(f, s),
        Kind::Word(w) => f.write_str(w),
        Kind::List(items) => group(f, "[", items, "]", depth),
        Kind::Tuple(name, items) => group(f, &format!("{}(", name.as_deref().unwrap_or_default()), items, ")", depth),
        Kind::Struct(name, e) => fields(f, &format!("{}(", name.as_deref().unwrap_or_default()), e, ")", false, depth),
        Kind::Fault => f.write_str("()"),
        Kind::Map(e) => fields(f, "{", e, "}", true, depth),
    }
}

/// A text in quotes; the words of an expression in it stay as they are written, `"mode == 'cat'"`.
fn write_text(f: &mut impl Write, s: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in s.chars() {
        match c {
            '\'' => f.write_char(c)?,
            c => write!(f, "{}", c.escape_debug())?,
        }
    }
    f.write_char('"')
}

fn group(f: &mut impl Write, open: &str, items: &[Tree], close: &str, depth: usize) -> fmt::Result {
    f.write_str(open)?;
    for (i, t) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write(f, t, depth)?;
    }
    f.write_str(close)
}

fn fields(f: &mut impl Write, open: &str, entries: &[Entry], close: &str, quoted: bool, depth: usize) -> fmt::Result {
    let key = |f: &mut dyn Write, e: &Entry| -> fmt::Result {
        let mut text = String::new();
        if quoted {
            write_text(&mut text, &e.key)?
        } else {
            text.push_str(&e.key)
        }
        write!(f, "{text}: ")
    };
    let mut line = open.to_owned();
    for (i, e) in entries.iter().enumerate() {
        if i > 0 {
            line.push_str(", ");
        }
        key(&mut line, e)?;
        write(&mut line, &e.value, depth)?;
    }
    line.push_str(close);
    if !line.contains('\n') && line.len() + 4 * depth < WIDTH && depth > 0 {
        return f.write_str(&line);
    }
    f.write_str(open)?;
    let indent = "    ".repeat(depth + 1);
    for e in entries {
        write!(f, "\n{indent}")?;
        let mut text = String::new();
        key(&mut text, e)?;
        f.write_str(&text)?;
        write(f, &e.value, depth + 1)?;
        f.write_char(',')?;
    }
    write!(f, "\n{}{close}", "    ".repeat(depth))
}
