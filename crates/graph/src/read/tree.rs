//! RON as a tree in which every value, key and name knows its place.
//!
//! `ron` says whether a text is RON and what its strings and numbers are; the tree is built beside it, because `ron` gives no places.

use std::collections::HashMap;
use std::sync::Arc;

use ron::value::RawValue;

use super::syntax::{offset, skip_blank, string, syntax, unclosed};
use crate::text::{Code, Diagnostic, Diagnostics, Place, Result, Source, Span, printable};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    pub kind: Kind,
    pub place: Place,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Int(i128),
    Float(f64),
    Bool(bool),
    Str(String),
    /// A bare word: `silu`, `Required`.
    Word(String),
    List(Vec<Tree>),
    /// `(a, b)` or `Name(a, b)`.
    Tuple(Option<String>, Vec<Tree>),
    /// `(key: value)` or `Name(key: value)`.
    Struct(Option<String>, Vec<Entry>),
    /// `{"key": value}`.
    Map(Vec<Entry>),
    /// What cannot be read, as was told where it stands.
    Fault,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_place: Place,
    pub value: Tree,
}

impl Tree {
    /// What to call it in a message.
    pub fn what(&self) -> String {
        match &self.kind {
            Kind::Int(n) => format!("the integer {n}"),
            Kind::Float(f) => format!("the number {f:?}"),
            Kind::Bool(b) => format!("`{b}`"),
            Kind::Str(s) => format!("the text \"{}\"", printable(s)),
            Kind::Word(w) => format!("the word `{}`", printable(w)),
            Kind::List(_) => "a list".into(),
            Kind::Tuple(None, _) => "a tuple".into(),
            Kind::Struct(None, _) => "a group of fields".into(),
            Kind::Tuple(Some(n), _) | Kind::Struct(Some(n), _) => format!("`{}(...)`", printable(n)),
            Kind::Map(_) => "a map".into(),
            Kind::Fault => "what cannot be read".into(),
        }
    }

    /// The fields of a struct, a map, or of `()`.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Struct(_, e) | Kind::Map(e) => Some(e),
            Kind::Tuple(_, t) if t.is_empty() => Some(&[]),
            _ => None,
        }
    }

    /// The fields, to change them.
    pub fn entries_mut(&mut self) -> Option<&mut Vec<Entry>> {
        if let Kind::Tuple(name, t) = &mut self.kind
            && t.is_empty()
        {
            self.kind = Kind::Struct(name.take(), vec![]);
        }
        match &mut self.kind {
            Kind::Struct(_, e) | Kind::Map(e) => Some(e),
            _ => None,
        }
    }

    /// How much text it is: its characters, and something for each value.
    pub fn weight(&self) -> usize {
        let own = match &self.kind {
            Kind::Str(s) | Kind::Word(s) => s.len(),
            Kind::List(items) | Kind::Tuple(_, items) => items.iter().map(Tree::weight).sum(),
            Kind::Struct(_, e) | Kind::Map(e) => e.iter().map(|e| e.key.len() + e.value.weight()).sum(),
            Kind::Int(_) | Kind::Float(_) | Kind::Bool(_) | Kind::Fault => 0,
        };
        own + 4
    }

    /// A field by name.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        self.entries()?.iter().find(|e| e.key == key).map(|e| &e.value)
    }

    /// The name before the parentheses.
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Struct(n, _) | Kind::Tuple(n, _) => n.as_deref(),
            Kind::Word(w) => Some(w),
            _ => None,
        }
    }

    /// The place of that name.
    pub fn name_place(&self) -> Place {
        let start = self.place.span.start;
        Place::new(&self.place.source, Span::new(start, start + self.name().map_or(0, str::len)))
    }
}

/// Parses a source.
///
/// # Errors
/// E0102 where the text is not RON, E0103 where a key stands twice (all of them at once).
pub fn parse(source: &Arc<Source>) -> Result<Tree> {
    let (tree, found) = parsed(source)?;
    found.or(tree)
}

/// Parses a source as far as it can be understood: of a key that stands twice the first counts, and a value that cannot be read is
/// [`Kind::Fault`]. What is wrong comes with it.
///
/// # Errors
/// E0102 where the text is not RON.
pub(super) fn parsed(source: &Arc<Source>) -> Result<(Tree, Diagnostics)> {
    let text = source.text.as_str();
    if skip_blank(text).is_empty() {
        if let Some(d) = unclosed(source) {
            return Err(d.into());
        }
        let place = Place::new(source, Span::new(0, text.len().min(1)));
        return Err(Diagnostic::error(Code::E0102, "the file is empty")
            .at(place, "a `(` is expected here")
            .help("write `(inputs: {...}, nodes: {...}, outputs: {...})`; `lmsc new FILE` starts a graph")
            .into());
    }
    let raw: &RawValue = match ron::from_str(text) {
        Ok(raw) => raw,
        Err(e) => return Err(syntax(source, text, &e).into()),
    };
    let mut found = Diagnostics::default();
    let mut reader = Reader { source, text, at: offset(source, raw.get_ron()), found: &mut found };
    let tree = reader.value()?;
    Ok((tree, found))
}

/// Builds the tree of a text that `ron` has accepted, in one pass; so its nesting is within `ron`'s limit, and every bracket, string
/// and comment has its end.
struct Reader<'a> {
    source: &'a Arc<Source>,
    text: &'a str,
    /// How far it has read.
    at: usize,
    found: &'a mut Diagnostics,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<Tree> {
        let rest = self.rest();
        let start = self.at;
        let kind = match rest.chars().next().unwrap_or_default() {
            '(' => self.parenthesis(None)?,
            '[' => Kind::List(self.items(']')?),
            '{' => Kind::Map(self.entries('}')?),
            '"' => Kind::Str(self.string()?),
            'r' if is_raw(rest) => Kind::Str(self.string()?),
            'b' if rest[1..].starts_with(['"', '\'']) || rest[1..].starts_with('r') && is_raw(&rest[1..]) => {
                let place = self.place(start, start + 1);
                if !rest[1..].starts_with('"') {
                    return Err(refuse(&place, "bytes are not used here", "write a text, without the `b` before it"));
                }
                self.found.0.extend(refuse(&place, "bytes are not used here", "write a text, without the `b` before it").0);
                self.at += 1;
                self.at += string(&rest[1..]).unwrap_or(rest.len() - 1);
                Kind::Fault
            }
            c if c.is_ascii_digit() || matches!(c, '+' | '-' | '.') => {
                let number = self.token();
                let number = self.number(number, start);
                self.found.keep(number).unwrap_or(Kind::Fault)
            }
            c if c.is_alphabetic() || c == '_' => self.word(start)?,
            c => {
                let place = self.place(start, start + c.len_utf8());
                let help =
                    if c == '\'' { "texts stand in double quotes: `\"a\"`" } else { "use numbers, texts, words, lists, maps and fields" };
                return Err(refuse(&place, "this kind of value is not used here", help));
            }
        };
        Ok(Tree { kind, place: self.place(start, self.at) })
    }

    /// The text from the next value, bracket or sign on.
    fn rest(&mut self) -> &'a str {
        let rest = skip_blank(&self.text[self.at..]);
        self.at = self.text.len() - rest.len();
        rest
    }

    /// Takes a sign if it is next.
    fn eat(&mut self, sign: char) -> bool {
        let there = self.rest().starts_with(sign);
        self.at += if there { sign.len_utf8() } else { 0 };
        there
    }

    /// A word or a number, up to what cannot belong to it.
    fn token(&mut self) -> &'a str {
        let rest = self.rest();
        let ends = |c: char| {
            c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | ',' | ':' | '"' | '\'' | '/' | '\u{200e}' | '\u{200f}')
        };
        let token = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += token.len();
        token
    }

    fn place(&self, start: usize, end: usize) -> Place {
        Place::new(self.source, Span::new(start, end))
    }

    fn word(&mut self, start: usize) -> Result<Kind> {
        let word = self.token();
        let end = self.at;
        if self.rest().starts_with('(') {
            return self.parenthesis(Some(bare(word).to_owned()));
        }
        self.at = end;
        match word {
            "true" => Ok(Kind::Bool(true)),
            "false" => Ok(Kind::Bool(false)),
            "inf" | "NaN" => {
                let message = format!("`{word}` is not a number that means anything here");
                self.found.0.extend(refuse(&self.place(start, end), &message, "write a finite number").0);
                Ok(Kind::Fault)
            }
            _ => Ok(Kind::Word(bare(word).to_owned())),
        }
    }

    fn string(&mut self) -> Result<String> {
        let rest = self.rest();
        let end = string(rest).unwrap_or(rest.len());
        let written = &rest[..end];
        self.at += end;
        match written.strip_prefix('"').and_then(|s| s.strip_suffix('"')) {
            Some(plain) if !plain.contains(['\\', '\r']) => Ok(plain.to_owned()),
            _ => ron::from_str(written).map_err(|e| syntax(self.source, written, &e).into()),
        }
    }

    fn number(&self, text: &str, start: usize) -> Result<Kind> {
        if text.len() < 19
            && text.bytes().all(|b| b.is_ascii_digit())
            && let Ok(n) = text.parse()
        {
            return Ok(Kind::Int(n));
        }
        if let Ok(n) = ron::from_str::<i64>(text) {
            return Ok(Kind::Int(n.into()));
        }
        if let Ok(n) = ron::from_str::<u64>(text) {
            return Ok(Kind::Int(n.into()));
        }
        let place = self.place(start, start + text.len());
        if !text.contains(['.', 'e', 'E']) {
            let whole = text.trim_start_matches(['+', '-']).chars().all(|c| c.is_ascii_digit() || c == '_');
            return Err(match whole {
                true => refuse(&place, &format!("`{}` is not a whole number below 2^64", printable(text)), "use a smaller number"),
                false => refuse(&place, &format!("`{}` is not a number", printable(text)), "write it in digits, without a suffix"),
            });
        }
        match ron::from_str::<f64>(text) {
            Ok(f) if f.is_finite() => Ok(Kind::Float(f)),
            _ => Err(refuse(
                &place,
                &format!("`{}` is not a number that can be used", printable(text)),
                "write it without a suffix, below 2^64",
            )),
        }
    }

    fn parenthesis(&mut self, name: Option<String>) -> Result<Kind> {
        let start = self.at;
        self.eat('(');
        let named = self.rest().starts_with(|c: char| c.is_alphabetic() || c == '_') && {
            self.token();
            self.eat(':')
        };
        self.at = start;
        Ok(if named { Kind::Struct(name, self.entries(')')?) } else { Kind::Tuple(name, self.items(')')?) })
    }

    /// Values in brackets, from the opening one to the one that closes.
    fn items(&mut self, close: char) -> Result<Vec<Tree>> {
        self.at += 1;
        let mut all = vec![];
        while !self.eat(close) {
            all.push(self.value()?);
            self.eat(',');
        }
        Ok(all)
    }

    /// Keys with values: those of a map are values themselves, most often texts; those of a struct are words.
    fn entries(&mut self, close: char) -> Result<Vec<Entry>> {
        self.at += 1;
        let mut all: Vec<Entry> = vec![];
        let mut seen = Seen::default();
        while !self.eat(close) {
            let rest = self.rest();
            let start = self.at;
            let key = match close {
                '}' if rest.starts_with('"') || is_raw(rest) => self.string()?,
                '}' => {
                    self.value()?;
                    self.text[start..self.at].to_owned()
                }
                _ => bare(self.token()).to_owned(),
            };
            let key_place = self.place(start, self.at);
            if !self.eat(':') {
                return Err(refuse(&key_place, "a `:` and a value are expected after this", "write `name: value`"));
            }
            let value = self.value()?;
            self.eat(',');
            match seen.before(&key, &all) {
                Some(first) => self.found.push(
                    Diagnostic::error(Code::E0103, format!("`{}` stands twice", printable(&key)))
                        .at(key_place, "here again")
                        .also(first, "first here")
                        .help("rename or remove one of them"),
                ),
                None => all.push(Entry { key, key_place, value }),
            }
        }
        Ok(all)
    }
}

/// Which keys have been there: few are looked through, many are hashed.
#[derive(Default)]
struct Seen(HashMap<String, usize>);

impl Seen {
    const FEW: usize = 16;

    /// The place of the key among `all`, those that came before it; else remembers it as the next.
    fn before(&mut self, key: &str, all: &[Entry]) -> Option<Place> {
        if all.len() < Self::FEW {
            return all.iter().find(|e| e.key == key).map(|e| e.key_place.clone());
        }
        if self.0.is_empty() {
            self.0.extend(all.iter().enumerate().map(|(i, e)| (e.key.clone(), i)));
        }
        match self.0.get(key) {
            Some(i) => all.get(*i).map(|e| e.key_place.clone()),
            None => {
                self.0.insert(key.to_owned(), all.len());
                None
            }
        }
    }
}

/// A word without the `r#` that RON allows before it.
fn bare(word: &str) -> &str {
    word.strip_prefix("r#").unwrap_or(word)
}

/// Whether a raw string begins here: `r"`, `r#"`.
fn is_raw(text: &str) -> bool {
    text.strip_prefix('r').is_some_and(|t| t.trim_start_matches('#').starts_with('"'))
}

fn refuse(place: &Place, message: &str, help: &str) -> Diagnostics {
    Diagnostic::error(Code::E0104, message).at(place.clone(), "here").help(help).into()
}
