//! Regions as a run config names them: label values of the data set, in the order in which they are written.
//!
//! Part of `train`; may use `infer` and `metric`.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::loss::LabelScheme;
use crate::infer::Regions;
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

/// What a network learns that tells these labels (value and name of each class) apart, or these regions of them.
pub fn label_scheme(labels: &[(u32, String)], regions: Option<&Regions>) -> LabelScheme {
    let Some(regions) = regions else { return LabelScheme::Classes(labels.len()) };
    let classes = |r: &Region| (0..=u8::MAX).zip(labels).filter(|(_, (v, _))| r.values.contains(v)).map(|(class, _)| class).collect();
    LabelScheme::Regions(regions.channels.iter().map(classes).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_text_stays() {
        let named: NamedRegions = ron::from_str(r#"{"whole": [2, 1, 4], "core": [1, 4], "a": [4]}"#).unwrap();
        let regions = named.regions(None).unwrap();
        assert_eq!(regions.channels.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["whole", "core", "a"]);
        assert_eq!((regions.channels[0].values.as_slice(), regions.paint.as_slice()), (&[1, 2, 4][..], &[(0, 2), (1, 1), (2, 4)][..]));
        assert_eq!(ron::from_str::<NamedRegions>(&ron::to_string(&named).unwrap()).unwrap(), named);
        // Class indices, where the data set's labels are 0, 1, 2, 4.
        let labels: Vec<(u32, String)> = [0, 1, 2, 4].map(|v| (v, v.to_string())).to_vec();
        assert_eq!(label_scheme(&labels, Some(&regions)), LabelScheme::Regions(vec![vec![1, 2, 3], vec![1, 3], vec![3]]));
        assert_eq!(label_scheme(&labels, None), LabelScheme::Classes(4));
    }
}
