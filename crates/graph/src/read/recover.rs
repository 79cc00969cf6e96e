//! Reading on after an error: what was refused is noted, something that fits stands in for it, and the value is read again.
//!
//! May use `tree`, `de` beside it and `text`.

use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::de::Refusal;
use super::tree::{Entry, Tree};
use crate::text::{Code, Place};

/// So many errors of one value are told.
const MOST: usize = 100;

/// What was refused of a value so far.
#[derive(Debug, Default)]
pub struct Noted {
    values: Vec<Place>,
    keys: Vec<Place>,
    /// Fields that are missing in the group at a place; without one, in the outermost.
    missing: Vec<(Option<Place>, &'static str)>,
    /// Fields that keys which are unknown were most likely meant to be.
    meant: Vec<&'static str>,
}

impl Noted {
    /// Whether the value was refused, or the name before its parentheses.
    pub fn has_value(&self, tree: &Tree) -> bool {
        !self.values.is_empty() && (self.values.contains(&tree.place) || self.values.contains(&tree.name_place()))
    }

    pub fn has_key(&self, entry: &Entry) -> bool {
        self.keys.contains(&entry.key_place)
    }

    /// The fields that are missing in the group at `place`.
    pub fn missing(&self, place: Option<&Place>) -> Vec<&'static str> {
        self.missing.iter().filter(|(at, _)| at.as_ref() == place).map(|(_, name)| *name).collect()
    }

    /// Notes what was refused; `false` where that changes nothing, so that reading again would fail alike.
    fn note(&mut self, r: &Refusal) -> bool {
        let new = |all: &mut Vec<Place>, place: &Place| {
            let new = !all.contains(place);
            all.push(place.clone());
            new
        };
        match (r.code, r.field, &r.place) {
            (Code::E0106, Some(field), place) => {
                let one = (place.clone(), field);
                let new = !self.missing.contains(&one);
                self.missing.push(one);
                new
            }
            (Code::E0107, meant, Some(place)) => {
                self.meant.extend(meant);
                new(&mut self.keys, place)
            }
            (_, _, Some(place)) => new(&mut self.values, place),
            (_, _, None) => false,
        }
    }
}

/// Reads until nothing new is refused.
///
/// # Errors
/// Everything that was refused. That a field is missing which another was most likely meant to be is an echo of that.
pub(super) fn each<T>(read: impl Fn(&Noted) -> Result<T, Refusal>) -> Result<T, Vec<Refusal>> {
    let mut noted = Noted::default();
    let mut told: Vec<Refusal> = vec![];
    while told.len() < MOST {
        match read(&noted) {
            Ok(value) if told.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(mut r) => {
                r.echo |= r.code == Code::E0106 && r.field.is_some_and(|f| noted.meant.contains(&f));
                let on = noted.note(&r);
                if on || told.is_empty() {
                    told.push(r);
                }
                if !on {
                    break;
                }
            }
        }
    }
    Err(told)
}

/// Stands in for what was refused: becomes any type.
pub(super) struct Stand;

impl<'de> de::Deserializer<'de> for Stand {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_u64(1)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_bool(false)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_borrowed_str("_")
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_borrowed_str("_")
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_none()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_seq(Stands { left: 0, names: &[] })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, n: usize, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_seq(Stands { left: n, names: &[] })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, n: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_tuple(n, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_map(Stands { left: 0, names: &[] })
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, names: &'static [&'static str], visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_map(Stands { left: names.len(), names })
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, names: &'static [&'static str], visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_enum(First(names))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit_struct identifier ignored_any
    }
}

/// So many stand-ins, with these names where they are fields.
struct Stands {
    left: usize,
    names: &'static [&'static str],
}

impl<'de> SeqAccess<'de> for Stands {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(Stand).map(Some)
    }
}

impl<'de> MapAccess<'de> for Stands {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        let Some((first, rest)) = self.names.split_first() else { return Ok(None) };
        self.names = rest;
        let key: de::value::StrDeserializer<Refusal> = (*first).into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Refusal> {
        seed.deserialize(Stand)
    }
}

/// The first of a choice.
struct First(&'static [&'static str]);

impl<'de> de::EnumAccess<'de> for First {
    type Error = Refusal;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Refusal> {
        let key: de::value::StrDeserializer<Refusal> = self.0.first().copied().unwrap_or_default().into_deserializer();
        Ok((seed.deserialize(key)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for First {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Refusal> {
        seed.deserialize(Stand)
    }

    fn tuple_variant<V: Visitor<'de>>(self, n: usize, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_seq(Stands { left: n, names: &[] })
    }

    fn struct_variant<V: Visitor<'de>>(self, names: &'static [&'static str], visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_map(Stands { left: names.len(), names })
    }
}
