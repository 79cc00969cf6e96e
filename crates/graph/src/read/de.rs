//! A serde deserializer over a tree: typed values with places in every error, and expressions where numbers are asked for.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::choice::Choice;
use super::expr::{evaluate, is_name};
use super::parameter::uses;
use super::recover::{Noted, Stand, each};
use super::scope::Scope;
use super::tree::{Entry, Kind, Tree};
use super::value::{AS_TEXT, Value};
use super::words::classes;
use crate::block::{field_meant, word_meant};
use crate::text::{Code, Diagnostic, Diagnostics, Place, nearest, printable, several};

/// What serde refused, and where.
#[derive(Debug)]
pub struct Refusal {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) place: Option<Place>,
    /// The field that is missing, or that a field of an unknown name was most likely meant to be.
    pub(super) field: Option<&'static str>,
    /// The parameter whose word does not fit here.
    pub(super) word: Option<Box<str>>,
    /// Whether it may only follow from an error that was told before.
    pub(super) echo: bool,
    /// What is written at its place and at another, where that is more than usual.
    pub(super) labels: Option<Box<Labels>>,
}

/// What is written at the place of a refusal, and at another.
#[derive(Debug)]
pub(super) struct Labels {
    here: String,
    also: Option<(Place, String)>,
}

impl Refusal {
    fn new(code: Code, message: String) -> Self {
        Self { code, message, help: None, place: None, field: None, word: None, echo: false, labels: None }
    }

    pub(super) fn at(mut self, place: &Place) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    /// As a diagnostic. `whole` is its place when nothing narrower is known; a word that a parameter gave is told where it was given, if
    /// `words` knows that.
    pub fn diagnostic(self, whole: &Place, words: &Words) -> Diagnostic {
        let place = self.place.unwrap_or_else(|| whole.clone());
        let d = Diagnostic::error(self.code, self.message).echo(self.echo);
        let d = match self.word.as_ref().and_then(|name| words.get(&**name)) {
            Some(given) => d.at(given.clone(), "given here").also(place, "used here"),
            None => match self.labels.map(|l| *l) {
                Some(Labels { here, also: Some((other, text)) }) => d.at(place, here).also(other, text),
                Some(Labels { here, also: None }) => d.at(place, here),
                None => d.at(place, "here"),
            },
        };
        d.help(self.help.unwrap_or_else(|| "write the kind of value that is expected".into()))
    }
}

/// Where the words of parameters were given.
pub type Words = std::collections::HashMap<String, Place>;

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Code::E0104, message.to_string())
    }

    fn invalid_length(n: usize, expected: &dyn de::Expected) -> Self {
        let given = format!("{} given", several(n, "value") + if n == 1 { " is" } else { " are" });
        let help = "give as many values as are expected, with commas between".to_owned();
        Self { help: Some(help), ..Self::custom(format!("{given}, but {expected} is expected")) }
    }

    fn invalid_type(given: de::Unexpected, expected: &dyn de::Expected) -> Self {
        let given = match given {
            de::Unexpected::Str(word) => format!("`{}`", printable(word)),
            de::Unexpected::Float(f) => format!("{f:?}"),
            de::Unexpected::Signed(n) => n.to_string(),
            de::Unexpected::Unsigned(n) => n.to_string(),
            de::Unexpected::Bool(b) => format!("`{b}`"),
            de::Unexpected::Seq => "a list".into(),
            de::Unexpected::Map => "a group of fields".into(),
            other => other.to_string(),
        };
        let expected = expected.to_string();
        let help = format!("write {}", expected.trim_end_matches(','));
        Self { help: Some(help), ..Self::custom(format!("{expected} is expected, but {given} is given")) }
    }

    fn invalid_value(given: de::Unexpected, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(given, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        let message = format!("the field `{field}` is missing");
        Self { help: Some(format!("add `{field}: ...`")), field: Some(field), ..Self::new(Code::E0106, message) }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let message = format!("there is no field `{}` here", printable(field));
        let near = nearest(field, expected.iter().copied());
        let foreign = field_meant(field, expected.iter().copied());
        let help = match (near, foreign) {
            (None, Some(own)) => format!("it is called `{own}` here"),
            _ => crate::text::suggestion(field, expected.iter().copied(), "fields"),
        };
        let meant = near.or(foreign).and_then(|n| expected.iter().find(|e| **e == n)).copied();
        Self { help: Some(help), field: meant, ..Self::new(Code::E0107, message) }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let message = format!("`{}` is not one of the choices here", printable(variant));
        let all = expected.iter().map(|e| format!("`{e}`")).collect::<Vec<_>>().join(", ");
        let foreign = word_meant(variant).filter(|own| own.split('(').next().is_some_and(|word| expected.contains(&word)));
        let help = match (foreign, nearest(variant, expected.iter().copied())) {
            (Some(own), _) => format!("it is called `{own}` here"),
            (None, Some(n)) => format!("did you mean `{n}`? choices: {all}"),
            (None, None) => format!("choices: {all}"),
        };
        Self { help: Some(help), ..Self::new(Code::E0104, message) }
    }
}

/// Reads `T` from a tree.
///
/// # Errors
/// Everything that does not fit, each at its place.
pub fn read<'a, T: Deserialize<'a>>(tree: &'a Tree, scope: &'a Scope) -> Result<T, Diagnostics> {
    let told = each(|noted| T::deserialize(De { tree, scope, noted }));
    told.map_err(|all| Diagnostics(all.into_iter().map(|r| r.diagnostic(&tree.place, &Words::new())).collect()))
}

/// Reads a struct whose fields are given one by one; `read` makes it of them.
///
/// # Errors
/// Everything that does not fit.
pub fn fields<'a, T>(
    entries: &[&'a Entry],
    scope: &'a Scope,
    read: impl Fn(Fields<'a, '_>) -> Result<T, Refusal>,
) -> Result<T, Vec<Refusal>> {
    each(|noted| read(Fields::new(entries.to_vec(), scope, noted, None)))
}

/// That there is no block of this name.
pub fn no_block(name: &str) -> Refusal {
    Refusal::new(Code::E0201, format!("there is no block `{}`", printable(name)))
}

/// A value with the names that its expressions may use, and what of it was refused before.
#[derive(Clone, Copy)]
pub(super) struct De<'a, 'n> {
    pub(super) tree: &'a Tree,
    pub(super) scope: &'a Scope,
    pub(super) noted: &'n Noted,
}

impl<'a, 'n> De<'a, 'n> {
    /// A value inside of this one; what was refused before has a stand-in.
    pub(super) fn inner<T: DeserializeSeed<'a>>(seed: T, tree: &'a Tree, scope: &'a Scope, noted: &'n Noted) -> Result<T::Value, Refusal> {
        let result = if noted.has_value(tree) { seed.deserialize(Stand) } else { seed.deserialize(De { tree, scope, noted }) };
        result.map_err(|r| r.at(&tree.place))
    }

    pub(super) fn fields(&self, entries: Vec<&'a Entry>) -> Fields<'a, 'n> {
        Fields::new(entries, self.scope, self.noted, Some(&self.tree.place))
    }
    fn integer(&self) -> Result<i128, Refusal> {
        match &self.tree.kind {
            Kind::Int(n) => Ok(*n),
            Kind::Str(s) => match self.evaluated(s, "a whole number")? {
                Value::Int(n) => Ok(n.into()),
                other => Err(self.refuse(
                    format!("a whole number is expected, but \"{}\" is {other}", printable(s)),
                    "write an expression that gives a whole number",
                )),
            },
            Kind::Float(f) => {
                Err(self.refuse(format!("a whole number is expected, but {f:?} is given"), "write it without a decimal point"))
            }
            _ => Err(self.refuse(
                format!("a whole number is expected, but {} is given", self.tree.what()),
                "write a number or an expression in quotes",
            )),
        }
    }

    fn evaluated(&self, text: &str, wanted: &str) -> Result<Value, Refusal> {
        if self.scope.is_nameless() && is_name(text.trim()) {
            return Err(self.refuse(format!("{wanted} is expected, but `{}` is given", printable(text)), &format!("write {wanted}")));
        }
        evaluate(text, self.scope).map_err(|w| Refusal {
            labels: Some(Box::new(Labels { here: w.label(), also: w.list.map(|list| (list.1, format!("`{}` is set here", list.0))) })),
            help: Some(w.help),
            place: Some(self.tree.place.clone()),
            echo: w.echo,
            ..Refusal::new(Code::E0105, w.message)
        })
    }

    /// The word that a text stands for: that of a parameter, or the name of a norm or a function in quotes.
    fn word<'s>(&'s self, text: &'s str) -> Option<&'s str> {
        match self.scope.get(text) {
            Some(value) => value.word(),
            None => (!classes(text).is_empty()).then_some(text),
        }
    }

    /// Whether it is the word `none`.
    fn none(&self) -> bool {
        match &self.tree.kind {
            Kind::Word(w) => w == "none",
            Kind::Str(s) => self.word(s) == Some("none"),
            _ => false,
        }
    }

    pub(super) fn refuse(&self, message: String, help: &str) -> Refusal {
        let echo = self.tree.kind == Kind::Fault;
        Refusal { help: Some(help.into()), place: Some(self.tree.place.clone()), echo, ..Refusal::new(Code::E0104, message) }
    }

    /// That a whole number is not of those that are taken; with other values of parameters it may be.
    fn beyond(&self, n: i128, most: i128) -> Refusal {
        let r = match n {
            ..0 => self.refuse(format!("{n} is negative"), "a count or size is 0 or more"),
            _ => self.refuse(format!("{n} is too large: the most is {most}"), "use a smaller number"),
        };
        Refusal { echo: r.echo || self.scope.varies() && !uses(self.tree).is_empty(), ..r }
    }

    pub(super) fn wrong(&self, expected: &str) -> Refusal {
        self.refuse(format!("{expected} is expected, but {} is given", self.tree.what()), &format!("write {expected}"))
    }
}

/// Whole numbers: range errors speak of the number that was found.
macro_rules! integers {
    ($($method:ident $visit:ident $t:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
            let n = self.integer()?;
            match <$t>::try_from(n) {
                Ok(n) => visitor.$visit(n).map_err(|r: Refusal| r.at(&self.tree.place)),
                Err(_) => Err(self.beyond(n, <$t>::MAX.into())),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for De<'de, '_> {
    type Error = Refusal;

    integers! {
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64,
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64,
    }

    /// Only types that take more than one form ask for this (a size: a number or three); a text is an expression there.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.tree.kind {
            Kind::Int(n) if *n > i128::from(i64::MAX) => self.deserialize_u64(visitor),
            // A parameter that is a word, or a word in quotes.
            Kind::Str(s) if self.word(s).is_some() => visitor.visit_enum(Choice(self)).map_err(|r| r.at(&self.tree.place)),
            Kind::Int(_) | Kind::Str(_) => self.deserialize_i64(visitor),
            Kind::Float(f) => visitor.visit_f64(*f).map_err(|r: Refusal| r.at(&self.tree.place)),
            Kind::Bool(b) => visitor.visit_bool(*b).map_err(|r: Refusal| r.at(&self.tree.place)),
            // A choice with its fields: `group(4)`, `leaky_relu(slope: 0.1)`.
            Kind::Tuple(Some(_), _) | Kind::Struct(Some(_), _) => visitor.visit_enum(Choice(self)).map_err(|r| r.at(&self.tree.place)),
            Kind::List(_) | Kind::Tuple(..) => self.deserialize_seq(visitor),
            Kind::Struct(..) | Kind::Map(_) => self.deserialize_map(visitor),
            Kind::Word(w) => visitor.visit_str(w).map_err(|r: Refusal| r.at(&self.tree.place)),
            Kind::Fault => Err(self.wrong("a value")),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.tree.kind {
            Kind::Bool(b) => visitor.visit_bool(*b),
            Kind::Str(s) => match self.evaluated(s, "`true` or `false`")? {
                Value::Bool(b) => visitor.visit_bool(b),
                other => Err(self.refuse(
                    format!("`true` or `false` is expected, but \"{}\" is {other}", printable(s)),
                    "compare it, as in \"anchors > 0\"",
                )),
            },
            _ => Err(self.wrong("`true` or `false`")),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.tree.kind {
            Kind::Float(f) => visitor.visit_f64(*f).map_err(|r: Refusal| r.at(&self.tree.place)),
            Kind::Int(n) => visitor.visit_f64(*n as f64).map_err(|r: Refusal| r.at(&self.tree.place)),
            Kind::Str(s) => match self.evaluated(s, "a number")?.number() {
                Some(f) => visitor.visit_f64(f).map_err(|r: Refusal| r.at(&self.tree.place)),
                None => Err(self.wrong("a number")),
            },
            _ => Err(self.wrong("a number")),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.tree.kind {
            Kind::Str(s) | Kind::Word(s) => visitor.visit_borrowed_str(s).map_err(|r: Refusal| r.at(&self.tree.place)),
            _ => Err(self.wrong("a text in quotes")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refusal> {
        Err(self.wrong("bytes"))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refusal> {
        Err(self.wrong("bytes"))
    }

    /// A value stands for itself; `None` and `Some(...)` may be written too.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.tree.kind {
            Kind::Word(w) if w == "None" => visitor.visit_none(),
            _ if self.none() => visitor.visit_none(),
            Kind::Tuple(Some(n), items) if n == "Some" && items.len() == 1 => visitor.visit_some(De { tree: &items[0], ..self }),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.tree.kind {
            Kind::Tuple(_, t) if t.is_empty() => visitor.visit_unit(),
            _ => Err(self.wrong("`()`")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        match &self.tree.kind {
            Kind::Str(s) | Kind::Word(s) if name == AS_TEXT => visitor.visit_str(s).map_err(|r: Refusal| r.at(&self.tree.place)),
            Kind::Tuple(Some(_), _) | Kind::Struct(Some(_), _) if name == AS_TEXT => {
                visitor.visit_str(&self.tree.on_a_line()).map_err(|r: Refusal| r.at(&self.tree.place))
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.tree.kind {
            Kind::List(items) | Kind::Tuple(_, items) => {
                visitor.visit_seq(Items { items: items.iter(), scope: self.scope, noted: self.noted }).map_err(|r| r.at(&self.tree.place))
            }
            _ => Err(self.wrong("a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, n: usize, visitor: V) -> Result<V::Value, Refusal> {
        match &self.tree.kind {
            Kind::List(items) | Kind::Tuple(_, items) if items.len() != n => Err(self.refuse(
                format!("{} expected, but {} given", several(n, "value") + if n == 1 { " is" } else { " are" }, items.len()),
                &format!("write {} with commas between", several(n, "value")),
            )),
            _ => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, n: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_tuple(n, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let entries = self.tree.entries().ok_or_else(|| self.wrong("a map or a group of fields"))?;
        visitor.visit_map(self.fields(entries.iter().collect())).map_err(|r| r.at(&self.tree.place))
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_map(visitor)
    }

    /// A norm may also be a whole number, of groups, and an initialisation any number.
    fn deserialize_enum<V: Visitor<'de>>(self, name: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Refusal> {
        match &self.tree.kind {
            Kind::Int(_) if name == "Norm" => self.deserialize_u64(visitor),
            Kind::Int(_) | Kind::Float(_) if name == "Init" => self.deserialize_f64(visitor),
            // A number by an expression: no word of a parameter, nor one in quotes.
            Kind::Str(s)
                if matches!(name, "Norm" | "Init") && self.word(s).is_none() && !matches!(self.scope.get(s), Some(Value::Unknown)) =>
            {
                if name == "Norm" {
                    self.deserialize_u64(visitor)
                } else {
                    self.deserialize_f64(visitor)
                }
            }
            Kind::Word(_) | Kind::Str(_) | Kind::Struct(Some(_), _) | Kind::Tuple(Some(_), _) => {
                visitor.visit_enum(Choice(self)).map_err(|r| r.at(&self.tree.place))
            }
            _ => Err(self.wrong("a choice by name")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }
}

struct Items<'a, 'n> {
    items: std::slice::Iter<'a, Tree>,
    scope: &'a Scope,
    noted: &'n Noted,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        let Some(tree) = self.items.next() else { return Ok(None) };
        De::inner(seed, tree, self.scope, self.noted).map(Some)
    }
}

/// Fields given one by one; also a deserializer of the struct that they make.
pub struct Fields<'a, 'n> {
    entries: std::vec::IntoIter<&'a Entry>,
    /// Fields that are missing, as was told before.
    missing: std::vec::IntoIter<&'static str>,
    /// The entry whose key was read; none for a missing field.
    value: Option<&'a Entry>,
    scope: &'a Scope,
    noted: &'n Noted,
}

impl<'a, 'n> Fields<'a, 'n> {
    fn new(mut entries: Vec<&'a Entry>, scope: &'a Scope, noted: &'n Noted, place: Option<&Place>) -> Self {
        entries.retain(|e| !noted.has_key(e));
        Self { entries: entries.into_iter(), missing: noted.missing(place).into_iter(), value: None, scope, noted }
    }
}

impl<'de> MapAccess<'de> for Fields<'de, '_> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        self.value = self.entries.next();
        let (key, place) = match self.value {
            Some(entry) => (entry.key.as_str(), Some(&entry.key_place)),
            None => match self.missing.next() {
                Some(missing) => (missing, None),
                None => return Ok(None),
            },
        };
        let key: de::value::BorrowedStrDeserializer<Refusal> = de::value::BorrowedStrDeserializer::new(key);
        seed.deserialize(key).map(Some).map_err(|r| if let Some(place) = place { r.at(place) } else { r })
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Refusal> {
        match self.value.take() {
            Some(entry) => De::inner(seed, &entry.value, self.scope, self.noted),
            None => seed.deserialize(Stand),
        }
    }
}

impl<'de> de::Deserializer<'de> for Fields<'de, '_> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_map(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
