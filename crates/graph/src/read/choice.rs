//! Choices by name, `relu` or `leaky_relu(slope: 0.1)`, as serde's enums.
//!
//! May use `de`, `recover`, `tree`, `value` beside it and `text`.

use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, Visitor};

use super::de::{De, Refusal};
use super::recover::Stand;
use super::tree::{Kind, Tree};
use super::value::Value;
use crate::text::{Code, printable, several};

/// A choice by its name.
pub(super) struct Choice<'a, 'n>(pub(super) De<'a, 'n>);

impl<'de> de::EnumAccess<'de> for Choice<'de, '_> {
    type Error = Refusal;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Refusal> {
        let mut parameter = None;
        let mut unknown = false;
        let name = match &self.0.tree.kind {
            // A parameter whose value is a word stands for that word.
            Kind::Str(s) => match self.0.scope.get(s) {
                Some(Value::Text(word)) => {
                    parameter = Some(s);
                    word.as_str()
                }
                Some(Value::Form(form)) => form.name(),
                value => {
                    unknown = value == Some(&Value::Unknown);
                    s.as_str()
                }
            },
            _ => self.0.tree.name().unwrap_or_default(),
        };
        let place = self.0.tree.name_place();
        let key: de::value::StrDeserializer<Refusal> = name.into_deserializer();
        let variant = seed.deserialize(key);
        Ok((variant.map_err(|r| Refusal { word: parameter.map(|p| p.as_str().into()), echo: unknown, ..r }.at(&place))?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Choice<'de, '_> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        match &self.0.tree.kind {
            Kind::Tuple(_, items) if !items.is_empty() => Err(self.0.wrong("a word without parentheses")),
            Kind::Struct(_, e) if !e.is_empty() => Err(self.0.wrong("a word without parentheses")),
            _ => Ok(()),
        }
    }

    /// `Name(value)`; `Name(field: ...)` is the variant whose one value has these fields.
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Refusal> {
        match &self.0.tree.kind {
            Kind::Tuple(_, items) if items.len() == 1 => De::inner(seed, &items[0], self.0.scope, self.0.noted),
            Kind::Struct(..) | Kind::Tuple(..) => seed.deserialize(self.0),
            _ => Err(self.0.wrong("a choice with its value in parentheses")),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, n: usize, visitor: V) -> Result<V::Value, Refusal> {
        de::Deserializer::deserialize_tuple(self.0, n, visitor)
    }

    /// `Name(field: value)`; a bare `Name` has none of them, and `Name(value, ...)` the first ones.
    fn struct_variant<V: Visitor<'de>>(self, names: &'static [&'static str], visitor: V) -> Result<V::Value, Refusal> {
        match &self.0.tree.kind {
            Kind::Word(_) | Kind::Str(_) => visitor.visit_map(self.0.fields(vec![])),
            Kind::Tuple(_, items) if items.len() > names.len() => {
                let name = self.0.tree.name().unwrap_or_default();
                let given = format!("{} given", several(items.len(), "value") + if items.len() == 1 { " is" } else { " are" });
                Err(self.0.refuse(
                    format!("`{name}` has {}, but {given}", several(names.len(), "field")),
                    "give a value for each field, or name them",
                ))
            }
            Kind::Tuple(_, items) => visitor.visit_map(Positions { fields: names.iter().zip(items), value: None, de: self.0 }),
            _ => de::Deserializer::deserialize_map(self.0, visitor).map_err(|r| self.of_form(r)),
        }
    }
}

impl Choice<'_, '_> {
    /// An unknown field of a choice names the choice.
    fn of_form(&self, r: Refusal) -> Refusal {
        let entries = self.0.tree.entries().unwrap_or_default();
        let own = entries.iter().find(|e| r.code == Code::E0107 && r.place.as_ref() == Some(&e.key_place));
        match (own, self.0.tree.name()) {
            (Some(e), Some(name)) => Refusal { message: format!("`{name}` has no field `{}`", printable(&e.key)), ..r },
            _ => r,
        }
    }
}

/// The values of a choice that are given without the names of its fields.
struct Positions<'a, 'n> {
    fields: std::iter::Zip<std::slice::Iter<'static, &'static str>, std::slice::Iter<'a, Tree>>,
    value: Option<&'a Tree>,
    de: De<'a, 'n>,
}

impl<'de> MapAccess<'de> for Positions<'de, '_> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        let Some((name, value)) = self.fields.next() else { return Ok(None) };
        self.value = Some(value);
        let key: de::value::StrDeserializer<Refusal> = (*name).into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Refusal> {
        match self.value.take() {
            Some(value) => De::inner(seed, value, self.de.scope, self.de.noted),
            None => seed.deserialize(Stand),
        }
    }
}
