//! RON as a tree in which every value, key and name knows its place.
//!
//! `ron` parses; each value is first taken as raw text, whose position in the source is its place.

use std::fmt;
use std::sync::Arc;

use ron::value::RawValue;
use serde::de::{Deserialize, MapAccess, SeqAccess, Visitor};

use super::syntax::{offset, skip_blank, syntax, unclosed};
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
            Kind::Int(_) | Kind::Float(_) | Kind::Bool(_) => 0,
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
    let tree = Reader { source, found: &mut found }.value(raw.get_ron())?;
    found.or(tree)
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    found: &'a mut Diagnostics,
}

impl Reader<'_> {
    /// `raw` is a slice of the source that `ron` accepts; the nesting is therefore bounded by `ron`'s limit.
    fn value(&mut self, raw: &str) -> Result<Tree> {
        let text = skip_blank(raw).trim_end();
        let start = offset(self.source, text);
        let place = Place::new(self.source, Span::new(start, start + text.len()));
        let word: String = text.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '#' | '.' | '+' | '-')).collect();
        let first = text.chars().next().unwrap_or('(');
        let kind = match first {
            '(' => self.parenthesis(None, text)?,
            '[' => Kind::List(self.all(self.take::<Vec<&RawValue>>(text)?)?),
            '{' => Kind::Map(self.entries(self.take::<Pairs<true>>(text)?.0)?),
            '"' => Kind::Str(self.take(text)?),
            'r' if text[1..].starts_with(['"', '#']) => Kind::Str(self.take(text)?),
            'b' if text[1..].starts_with(['"', '\'']) || text.starts_with("br") && text[2..].starts_with(['"', '#']) => {
                return Err(refuse(&place, "bytes are not used here", "write a text, without the `b` before it"));
            }
            c if c.is_ascii_digit() || matches!(c, '+' | '-' | '.') => self.number(text, &place)?,
            c if c.is_alphabetic() || c == '_' => match word.as_str() {
                "true" => Kind::Bool(true),
                "false" => Kind::Bool(false),
                "inf" | "NaN" => {
                    return Err(refuse(&place, &format!("`{word}` is not a number that means anything here"), "write a finite number"));
                }
                _ => {
                    let after = skip_blank(&text[word.len()..]);
                    if after.is_empty() { Kind::Word(word) } else { self.parenthesis(Some(word), after)? }
                }
            },
            _ => return Err(refuse(&place, "this kind of value is not used here", "use numbers, texts, words, lists, maps and fields")),
        };
        Ok(Tree { kind, place })
    }

    fn number(&self, text: &str, place: &Place) -> Result<Kind> {
        if let Ok(n) = ron::from_str::<i64>(text) {
            return Ok(Kind::Int(n.into()));
        }
        if let Ok(n) = ron::from_str::<u64>(text) {
            return Ok(Kind::Int(n.into()));
        }
        if !text.contains(['.', 'e', 'E']) {
            let whole = text.trim_start_matches(['+', '-']).chars().all(|c| c.is_ascii_digit() || c == '_');
            return Err(match whole {
                true => refuse(place, &format!("`{}` is not a whole number below 2^64", printable(text)), "use a smaller number"),
                false => refuse(place, &format!("`{}` is not a number", printable(text)), "write it in digits, without a suffix"),
            });
        }
        match ron::from_str::<f64>(text) {
            Ok(f) if f.is_finite() => Ok(Kind::Float(f)),
            _ => Err(refuse(
                place,
                &format!("`{}` is not a number that can be used", printable(text)),
                "write it without a suffix, below 2^64",
            )),
        }
    }

    fn parenthesis(&mut self, name: Option<String>, text: &str) -> Result<Kind> {
        Ok(match self.take::<Inside>(text)? {
            Inside::Named(pairs) => Kind::Struct(name, self.entries(pairs)?),
            Inside::Plain(items) => Kind::Tuple(name, self.all(items)?),
        })
    }

    fn all(&mut self, raw: Vec<&RawValue>) -> Result<Vec<Tree>> {
        raw.into_iter().map(|r| self.value(r.get_ron())).collect()
    }

    fn entries(&mut self, pairs: Vec<(&str, &RawValue)>) -> Result<Vec<Entry>> {
        let mut all: Vec<Entry> = Vec::with_capacity(pairs.len());
        let mut seen: std::collections::HashMap<String, Place> = std::collections::HashMap::with_capacity(pairs.len());
        for (raw_key, value) in pairs {
            let text = skip_blank(raw_key).trim_end();
            let start = offset(self.source, text);
            let key_place = Place::new(self.source, Span::new(start, start + text.len()));
            let key = if text.starts_with('"') { self.take::<String>(text)? } else { text.trim_start_matches("r#").to_owned() };
            let value = self.value(value.get_ron())?;
            match seen.get(&key) {
                Some(first) => self.found.push(
                    Diagnostic::error(Code::E0103, format!("`{}` stands twice", printable(&key)))
                        .at(key_place, "here again")
                        .also(first.clone(), "first here")
                        .help("rename or remove one of them"),
                ),
                None => {
                    seen.insert(key.clone(), key_place.clone());
                    all.push(Entry { key, key_place, value });
                }
            }
        }
        Ok(all)
    }

    fn take<'de, T: Deserialize<'de>>(&self, text: &'de str) -> Result<T> {
        ron::from_str(text).map_err(|e| syntax(self.source, text, &e).into())
    }
}

fn refuse(place: &Place, message: &str, help: &str) -> Diagnostics {
    Diagnostic::error(Code::E0104, message).at(place.clone(), "here").help(help).into()
}

/// Keys and raw values of a map (`QUOTED`) or a struct.
struct Pairs<'de, const QUOTED: bool>(Vec<(&'de str, &'de RawValue)>);

/// What stands between parentheses.
enum Inside<'de> {
    Named(Vec<(&'de str, &'de RawValue)>),
    Plain(Vec<&'de RawValue>),
}

struct Collect<const QUOTED: bool>;

impl<'de, const QUOTED: bool> Visitor<'de> for Collect<QUOTED> {
    type Value = Inside<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("fields or values in parentheses")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = vec![];
        while let Some(key) = if QUOTED { map.next_key::<&RawValue>()?.map(RawValue::get_ron) } else { map.next_key::<&str>()? } {
            all.push((key, map.next_value()?));
        }
        Ok(Inside::Named(all))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut all = vec![];
        while let Some(v) = seq.next_element()? {
            all.push(v);
        }
        Ok(Inside::Plain(all))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Inside::Plain(vec![]))
    }
}

impl<'de> Deserialize<'de> for Inside<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Collect::<false>)
    }
}

impl<'de> Deserialize<'de> for Pairs<'de, true> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match d.deserialize_map(Collect::<true>)? {
            Inside::Named(all) => Ok(Self(all)),
            Inside::Plain(_) => Ok(Self(vec![])),
        }
    }
}
