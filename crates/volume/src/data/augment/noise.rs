//! Gaussian noise: its strength for a patch, and its samples.
//!
//! May use `augment` above it.

use std::fmt;

use rand::{Rng, RngExt};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::RandomRange;

/// Gaussian noise, of one strength for all channels of a patch; in a config a number or `(probability: 0.1, low: 0, high: 0.1)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// On every patch. Its standard deviation is drawn from 0 to this, in units of normalised intensity.
    Always(f64),
    /// On some patches. Its standard deviation is drawn from `low` to `high`, in standard deviations of the image's channel.
    Sometimes(RandomRange),
}

impl Default for Noise {
    fn default() -> Self {
        Self::Always(0.0)
    }
}

impl Noise {
    /// Standard deviations of a patch's noise: in units of normalised intensity, and in standard deviations of the image; one of them is 0.
    pub(super) fn draw(&self, rng: &mut impl Rng) -> (f64, f64) {
        match self {
            Self::Always(most) => (rng.random::<f64>() * most, 0.0),
            Self::Sometimes(range) => (0.0, range.draw(rng).unwrap_or(0.0)),
        }
    }
}

impl Serialize for Noise {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Always(most) => most.serialize(to),
            Self::Sometimes(range) => range.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Noise {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Forms)
    }
}

struct Forms;

impl<'de> Visitor<'de> for Forms {
    type Value = Noise;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a standard deviation, or (probability: ..., low: ..., high: ...)")
    }

    fn visit_f64<E: de::Error>(self, most: f64) -> Result<Noise, E> {
        Ok(Noise::Always(most))
    }

    fn visit_u64<E: de::Error>(self, most: u64) -> Result<Noise, E> {
        Ok(Noise::Always(most as f64))
    }

    fn visit_i64<E: de::Error>(self, most: i64) -> Result<Noise, E> {
        Ok(Noise::Always(most as f64))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Noise, A::Error> {
        RandomRange::deserialize(MapAccessDeserializer::new(fields)).map(Noise::Sometimes)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Noise, A::Error> {
        let all = Vec::<f64>::deserialize(SeqAccessDeserializer::new(items))?;
        let [probability, low, high] = all[..] else { return Err(de::Error::invalid_length(all.len(), &self)) };
        Ok(Noise::Sometimes(RandomRange { probability, low, high }))
    }
}

/// A nearly normal number (mean 0, deviation 1, within ±3.46): the sum of the four 16-bit parts of `bits`, each uniform.
///
/// A tenth of the cost of an exact one, and noise for augmentation needs no tails.
pub(super) fn bell(bits: u64) -> f32 {
    let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
    // Four uniforms on 0..65536: mean 4 * 32767.5, deviation 65536 * sqrt(4 / 12).
    (sum as f32 - 131_070.0) * (1.0 / 37_837.23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_a_range() {
        let read = |text: &str| ron::from_str::<Noise>(text);
        let range = Noise::Sometimes(RandomRange { probability: 0.1, low: 0.0, high: 0.2 });
        assert_eq!(read("0.1").unwrap(), Noise::Always(0.1));
        assert_eq!(read("0").unwrap(), Noise::Always(0.0));
        assert_eq!(read("(probability: 0.1, low: 0.0, high: 0.2)").unwrap(), range);
        assert_eq!(read("(0.1, 0.0, 0.2)").unwrap(), range);
        for text in ["(0.1, 0.2)", "(0.1, 0.2, 0.3, 0.4)", "(probability: 0.1)", "true"] {
            assert!(read(text).is_err(), "{text}");
        }
        for noise in [range, Noise::Always(0.25)] {
            assert_eq!(read(&ron::to_string(&noise).unwrap()).unwrap(), noise);
        }
    }
}
