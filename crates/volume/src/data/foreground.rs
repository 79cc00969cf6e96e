//! Which patches of a batch are placed at foreground.
//!
//! May use `patch`.

use std::fmt;

use rand::{Rng, RngExt};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::patch::PatchSampling;

/// The part of the patches that are placed at a foreground voxel; in a config a number or `(at_least: 1, part: 0.33)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Foreground {
    /// Each patch with this probability, by itself. The voxel lies anywhere in it.
    Each(f64),
    /// The last patches of each batch. The voxel lies in their middle.
    Last(LastPatches),
}

/// As many patches of each batch as nnU-Net takes: all but `round(batch * (1 - part))`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastPatches {
    /// Patches of each batch, whatever the part.
    #[serde(default)]
    pub at_least: usize,
    /// 0 to 1.
    pub part: f64,
}

impl Default for Foreground {
    fn default() -> Self {
        Self::Each(1.0 / 3.0)
    }
}

impl Foreground {
    /// How patch number `at` of a batch of `of` is placed. One number is drawn in any case.
    pub fn aim(&self, at: usize, of: usize, rng: &mut impl Rng) -> PatchSampling {
        let chance = rng.random::<f64>();
        match self {
            Self::Each(part) if chance < *part => PatchSampling::Holding,
            Self::Last(last) if at + last.count(of) >= of => PatchSampling::Centred,
            _ => PatchSampling::Anywhere,
        }
    }

    /// Says what is wrong with the numbers of batches of `batch` patches, if anything: (field, value, what it must be).
    pub fn fault(&self, batch: usize) -> Option<(&'static str, String, String)> {
        let (field, part) = match self {
            Self::Each(part) => ("foreground", *part),
            Self::Last(last) => ("foreground.part", last.part),
        };
        if !(0.0..=1.0).contains(&part) {
            return Some((field, part.to_string(), "from 0 to 1".into()));
        }
        match self {
            Self::Last(last) if last.at_least > batch => {
                Some(("foreground.at_least", last.at_least.to_string(), format!("at most `batch`, {batch}")))
            }
            _ => None,
        }
    }
}

impl LastPatches {
    fn count(&self, of: usize) -> usize {
        // Halves to the even number, as Python rounds.
        let others = (of as f64 * (1.0 - self.part)).round_ties_even() as usize;
        of.saturating_sub(others).max(self.at_least)
    }
}

impl Serialize for Foreground {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Each(part) => part.serialize(to),
            Self::Last(last) => last.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Foreground {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Forms)
    }
}

struct Forms;

impl<'de> Visitor<'de> for Forms {
    type Value = Foreground;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a part from 0 to 1, or (at_least: ..., part: ...)")
    }

    fn visit_f64<E: de::Error>(self, part: f64) -> Result<Foreground, E> {
        Ok(Foreground::Each(part))
    }

    fn visit_u64<E: de::Error>(self, part: u64) -> Result<Foreground, E> {
        Ok(Foreground::Each(part as f64))
    }

    fn visit_i64<E: de::Error>(self, part: i64) -> Result<Foreground, E> {
        Ok(Foreground::Each(part as f64))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Foreground, A::Error> {
        LastPatches::deserialize(MapAccessDeserializer::new(fields)).map(Foreground::Last)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng::{RngStream, draw};
    use super::*;

    fn last(at_least: usize, part: f64) -> Foreground {
        Foreground::Last(LastPatches { at_least, part })
    }

    #[test]
    fn a_number_or_so_many_of_each_batch() {
        let read = |text: &str| ron::from_str::<Foreground>(text);
        assert_eq!(read("0.5").unwrap(), Foreground::Each(0.5));
        assert_eq!(read("1").unwrap(), Foreground::Each(1.0));
        assert_eq!(read("(at_least: 1, part: 0.33)").unwrap(), last(1, 0.33));
        assert_eq!(read("(part: 0.33)").unwrap(), last(0, 0.33));
        assert!(read("(at_least: 1)").is_err() && read("(part: 0.3, of: 2)").is_err() && read("true").is_err());
        for foreground in [Foreground::default(), last(2, 0.5)] {
            assert_eq!(read(&ron::to_string(&foreground).unwrap()).unwrap(), foreground);
        }
    }

    #[test]
    fn the_last_of_a_batch_are_placed_at_foreground() {
        let aims = |f: Foreground, of: usize| -> Vec<bool> {
            (0..of).map(|at| f.aim(at, of, &mut draw(1, RngStream::Patch, 0, at as u64)) == PatchSampling::Centred).collect()
        };
        assert_eq!(aims(last(0, 0.33), 2), [false, true]);
        assert_eq!(aims(last(1, 0.33), 2), [false, true]);
        assert_eq!(aims(last(0, 0.1), 2), [false, false]);
        assert_eq!(aims(last(1, 0.0), 3), [false, false, true]);
        assert_eq!(aims(last(0, 0.33), 9).iter().filter(|c| **c).count(), 3);
        assert_eq!(aims(last(0, 1.0), 3), [true; 3]);
        // The number of patches by a coin each.
        let held =
            (0..300).filter(|i| Foreground::Each(0.3).aim(0, 1, &mut draw(1, RngStream::Patch, 0, *i)) == PatchSampling::Holding).count();
        assert!((60..120).contains(&held), "{held}");
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        assert_eq!(Foreground::Each(1.5).fault(2).unwrap().0, "foreground");
        assert_eq!(last(0, f64::NAN).fault(2).unwrap().0, "foreground.part");
        assert_eq!(last(3, 0.5).fault(2).unwrap().0, "foreground.at_least");
        assert_eq!(last(2, 0.5).fault(2), None);
    }
}
