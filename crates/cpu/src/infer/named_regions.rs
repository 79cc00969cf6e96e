//! Regions as people name them, in run configs and in cards: label values, in the order in which they are written.
//!
//! Part of `infer`; may use `metric`, and `regions` beside it.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Regions;
use crate::metric::Region;

/// `{"whole tumour": [1, 2, 3], "tumour core": [1, 3]}`: each is one output of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedRegions(pub Vec<(String, Vec<u32>)>);

impl NamedRegions {
    /// What the channels stand for and how they become labels; `paint` are the labels that they paint, if these are given.
    ///
    /// # Errors
    /// What makes no sense, in words.
    pub fn regions(&self, paint: Option<&[u32]>) -> Result<Regions, String> {
        let one = |(name, values): &(String, Vec<u32>)| {
            let mut values = values.clone();
            values.sort_unstable();
            Region { name: name.clone(), values }
        };
        Regions::new(self.0.iter().map(one).collect(), paint)
    }
}

impl Serialize for NamedRegions {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(name, values)| map.serialize_entry(name, values))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for NamedRegions {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = NamedRegions;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("regions by name: {\"whole\": [1, 2], \"core\": [1]}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = vec![];
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(NamedRegions(all))
            }
        }
        from.deserialize_map(Entries)
    }
}
