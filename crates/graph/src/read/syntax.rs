//! Text that is not RON: where it fails, and what is still open where it ends.
//!
//! May use `block`, `text`.

use std::sync::Arc;

use crate::block::Entry;
use crate::text::{Code, Diagnostic, Place, Source, Span, printable};

/// What `ron` refuses in `part` of a source, at its place.
pub(super) fn syntax(source: &Arc<Source>, part: &str, e: &ron::error::SpannedError) -> Diagnostic {
    let base = offset(source, part);
    let start = base + byte_of(part, e.span.start.line, e.span.start.col);
    let end = base + byte_of(part, e.span.end.line, e.span.end.col);
    let text = source.text.as_str();
    let start = start.min(text.len());
    let end = end.clamp(start, text.len());
    let mut message = e.code.to_string();
    if let Some(first) = message.chars().next() {
        message = first.to_lowercase().collect::<String>() + &message[first.len_utf8()..];
    }
    if e.code == ron::Error::ExceededRecursionLimit {
        let place = Place::new(source, Span::new(start, end));
        return Diagnostic::error(Code::E0102, "brackets nest more than 128 deep")
            .at(place, "here")
            .help("no graph or config needs that; check for brackets that are never closed");
    }
    let inside = matches!(e.code, ron::Error::ExpectedStringEnd | ron::Error::UnclosedBlockComment);
    if (inside || skip_blank(&text[end..]).is_empty())
        && let Some(d) = unclosed(source)
    {
        return d;
    }
    let d = Diagnostic::error(Code::E0102, format!("this is not valid RON: {}", printable(&message)))
        .at(Place::new(source, Span::new(start, end)), "here");
    if let Some(help) = habit(text, start) {
        return d.help(help);
    }
    match e.code {
        ron::Error::TrailingCharacters => d.help("the file ends where its first bracket is closed: remove what follows, or that bracket"),
        ron::Error::ExpectedComma => {
            d.help("separate entries with `,`; a list is `[a, b]`, fields are `(name: value)`, maps are `{\"key\": value}`")
        }
        _ => d.help("check the brackets, quotes and commas before this place"),
    }
}

/// What was most likely meant where `ron` refuses a text at `start`.
fn habit(text: &str, start: usize) -> Option<String> {
    let (before, rest) = (text.get(..start)?, text.get(start..)?);
    let here = skip_blank(rest);
    let next = here.chars().next()?;
    if next == '#' {
        return Some("a comment begins with `//`".into());
    }
    if next == '\'' || before.ends_with('\'') {
        return Some("texts stand in double quotes: `\"mini\"`".into());
    }
    // The word or number that stands before, and what stands before that.
    let trimmed = before.trim_end();
    let value = trimmed.trim_end_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.'));
    let word = &trimmed[value.len()..];
    let bracket = opened(before).pop();
    let in_list = bracket.as_ref().is_some_and(|(_, b, _)| *b == "[");
    let key = !in_list && value.trim_end().ends_with(['(', ',', '{']);
    if next == '=' && !here.starts_with("==") && (key || trimmed.ends_with('"')) {
        return Some("a field is written with `:`, as in `name: value`".into());
    }
    if next == ':' {
        let (at, bracket, _) = bracket?;
        let name = before[..at].rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
        let first = before[at + 1..].trim_start();
        let end = first.find([',', '\n']).unwrap_or(first.len());
        return (bracket == "(" && !first[..end].contains(':') && !name.is_empty())
            .then(|| format!("name each input and field: `{name}({}: {}, ...)`", first_input(name), printable(first[..end].trim())));
    }
    let sign = next.is_ascii_punctuation() && !matches!(next, '"' | '(' | ')' | '{' | '}' | ']' | ',' | '\'');
    let end = here.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(here.len());
    let words = end > 0 && !here[end..].trim_start().starts_with([':', '(']) && before.len() > trimmed.len();
    let same_line = !before[trimmed.len()..].contains('\n') && !rest[..rest.len() - here.len()].contains('\n');
    if word.is_empty() || key || !same_line || !(sign || words) {
        return None;
    }
    let mut depth = 0usize;
    let ends = here.find(|c: char| {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth > 0 => depth -= 1,
            ',' | ')' | ']' | '}' if depth == 0 => return true,
            '\n' | '"' => return true,
            _ => {}
        }
        false
    });
    let all = &text[value.len()..text.len() - here.len() + ends.unwrap_or(here.len())];
    Some(format!("an expression stands in quotes: `\"{}\"`", printable(all.trim())))
}

/// The first input of a block, or what it is most often called.
pub(super) fn first_input(block: &str) -> &'static str {
    Entry::find(block).and_then(|e| e.inputs.first()).map_or("x", |p| p.name)
}

/// What is still open where the text ends: a string, a comment, or the innermost bracket.
pub(super) fn unclosed(source: &Arc<Source>) -> Option<Diagnostic> {
    let (at, what, close) = opened(&source.text).pop()?;
    Some(
        Diagnostic::error(Code::E0102, format!("the file ends before this `{what}` is closed"))
            .at(Place::new(source, Span::new(at, at + what.len())), "opened here")
            .help(format!("close it with `{close}`")),
    )
}

/// What a text leaves open, from the outside in: where, what it is, and what closes it.
fn opened(text: &str) -> Vec<(usize, &str, String)> {
    let mut open: Vec<(usize, &str, String)> = vec![];
    let mut i = 0;
    while let Some(first) = text[i..].chars().next() {
        let rest = &text[i..];
        let next = rest.chars().nth(1);
        let end = match first {
            '/' if next == Some('/') => rest.find('\n').unwrap_or(rest.len()),
            '/' if next == Some('*') => match after_comment(rest) {
                Some(end) => end,
                None => {
                    open.push((i, "/*", "*/".into()));
                    break;
                }
            },
            '"' | 'r' => match string(rest) {
                Ok(end) => end,
                Err((quote, close)) => {
                    open.push((i, quote, close));
                    break;
                }
            },
            '(' | '[' | '{' => {
                let pair = match first {
                    '(' => ("(", ")"),
                    '[' => ("[", "]"),
                    _ => ("{", "}"),
                };
                open.push((i, pair.0, pair.1.into()));
                1
            }
            ')' | ']' | '}' => {
                open.pop();
                1
            }
            // The `r` at the end of a word begins no string.
            c if c.is_alphanumeric() || c == '_' => rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        i += end;
    }
    open
}

/// The length of a string, raw or not, or of a word that begins with `r`; else how it begins and what would close it.
pub(super) fn string(text: &str) -> std::result::Result<usize, (&str, String)> {
    let hashes = text[1..].len() - text[1..].trim_start_matches('#').len();
    let Some(raw) = text.strip_prefix('r') else {
        let mut escaped = false;
        let end = text[1..].find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        return end.map(|end| end + 2).ok_or(("\"", "\"".into()));
    };
    if !raw[hashes..].starts_with('"') {
        return Ok(text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len()));
    }
    let begin = hashes + 2;
    let close = format!("\"{}", "#".repeat(hashes));
    match text[begin..].find(&close) {
        Some(end) => Ok(begin + end + close.len()),
        None => Err((&text[..begin], close)),
    }
}

/// The length of a block comment, which may hold others; none when it is not closed.
fn after_comment(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut i = 0;
    while let Some(found) = text[i..].find(['/', '*']) {
        i += found;
        if text[i..].starts_with("/*") {
            depth += 1;
            i += 2;
        } else if text[i..].starts_with("*/") {
            depth = depth.saturating_sub(1);
            i += 2;
            if depth == 0 {
                return Some(i);
            }
        } else {
            i += 1;
        }
    }
    None
}

fn byte_of(text: &str, line: usize, column: usize) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].find('\n') {
            Some(i) => start += i + 1,
            None => return text.len(),
        }
    }
    text[start..].char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(i, _)| start + i)
}

/// Where `part`, a slice of the source's text, begins.
pub(super) fn offset(source: &Source, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(source.text.as_ptr() as usize).min(source.text.len())
}

/// The text after blanks and comments.
pub(super) fn skip_blank(mut s: &str) -> &str {
    loop {
        // `ron` takes the marks of direction for blanks, too.
        s = s.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '\u{200e}' | '\u{200f}'));
        if let Some(rest) = s.strip_prefix("//") {
            s = rest.find('\n').map_or("", |i| &rest[i..]);
        } else if s.starts_with("/*") {
            s = after_comment(s).map_or("", |i| &s[i..]);
        } else {
            return s;
        }
    }
}
