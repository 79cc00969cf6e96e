//! The spacing that images are brought to.
//!
//! Depends on nothing of this crate.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What an axis that stays as it is has in the place of a number.
const KEEP: &str = "keep";

/// A spacing in mm along D, H, W; `None` for an axis that keeps that of the image. In a config `(keep, 1.5, 1.5)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spacing(pub [Option<f64>; 3]);

impl Spacing {
    /// What an image becomes whose own spacing is this.
    pub fn of(&self, own: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|a| self.0[a].unwrap_or(own[a]))
    }

    /// Whether every number is a length.
    pub fn is_sound(&self) -> bool {
        self.0.iter().flatten().all(|s| s.is_finite() && *s > 0.0)
    }
}

impl From<[f64; 3]> for Spacing {
    fn from(mm: [f64; 3]) -> Self {
        Self(mm.map(Some))
    }
}

impl fmt::Display for Spacing {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let axes = self.0.map(|s| s.map_or(KEEP.to_owned(), |s| format!("{s:?}")));
        write!(f, "[{}]", axes.join(", "))
    }
}

/// One of its axes.
struct Axis(Option<f64>);

impl Serialize for Axis {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(mm) => mm.serialize(to),
            None => to.serialize_unit_variant("Axis", 0, KEEP),
        }
    }
}

impl Serialize for Spacing {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut axes = to.serialize_tuple(3)?;
        self.0.iter().try_for_each(|axis| axes.serialize_element(&Axis(*axis)))?;
        axes.end()
    }
}

impl<'de> Deserialize<'de> for Axis {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OneAxis)
    }
}

struct OneAxis;

impl<'de> Visitor<'de> for OneAxis {
    type Value = Axis;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a spacing in mm, or keep")
    }

    fn visit_f64<E: de::Error>(self, mm: f64) -> Result<Axis, E> {
        Ok(Axis(Some(mm)))
    }

    fn visit_u64<E: de::Error>(self, mm: u64) -> Result<Axis, E> {
        Ok(Axis(Some(mm as f64)))
    }

    fn visit_i64<E: de::Error>(self, mm: i64) -> Result<Axis, E> {
        Ok(Axis(Some(mm as f64)))
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Axis, E> {
        if word == KEEP { Ok(Axis(None)) } else { Err(E::invalid_value(de::Unexpected::Str(word), &self)) }
    }
}

impl<'de> Deserialize<'de> for Spacing {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_tuple(3, Axes)
    }
}

struct Axes;

impl<'de> Visitor<'de> for Axes {
    type Value = Spacing;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("three spacings in mm along D, H, W")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Spacing, A::Error> {
        let mut axes = [None; 3];
        for (at, axis) in axes.iter_mut().enumerate() {
            *axis = items.next_element::<Axis>()?.ok_or_else(|| de::Error::invalid_length(at, &self))?.0;
        }
        if items.next_element::<Axis>()?.is_some() {
            return Err(de::Error::invalid_length(4, &self));
        }
        Ok(Spacing(axes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_before_and_an_axis_may_stay() {
        let all = Spacing::from([6.35, 1.5, 2.0]);
        assert_eq!(serde_json::to_string(&all).unwrap(), serde_json::to_string(&[6.35, 1.5, 2.0]).unwrap());
        assert_eq!(ron::to_string(&all).unwrap(), ron::to_string(&[6.35, 1.5, 2.0]).unwrap());
        let kept = Spacing([None, Some(1.5), Some(2.0)]);
        assert_eq!(serde_json::to_string(&kept).unwrap(), r#"["keep",1.5,2.0]"#);
        assert_eq!(ron::to_string(&kept).unwrap(), "(keep,1.5,2.0)");
        for spacing in [all, kept] {
            assert_eq!(serde_json::from_str::<Spacing>(&serde_json::to_string(&spacing).unwrap()).unwrap(), spacing);
        }
        assert!(serde_json::from_str::<Spacing>(r#"["stay",1.5,2.0]"#).is_err());
        assert!(serde_json::from_str::<Spacing>("[1.5,2.0]").is_err() && serde_json::from_str::<Spacing>("[1,2,3,4]").is_err());
        assert_eq!(kept.of([9.0, 1.0, 1.0]), [9.0, 1.5, 2.0]);
        assert_eq!((kept.to_string(), all.to_string()), ("[keep, 1.5, 2.0]".to_owned(), "[6.35, 1.5, 2.0]".to_owned()));
        assert!(kept.is_sound() && !Spacing([None, Some(0.0), None]).is_sound());
    }
}
