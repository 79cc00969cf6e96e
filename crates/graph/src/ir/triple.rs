//! A number for each of depth, height and width, written `3` or `(3, 3, 1)`.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `[D, H, W]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Triple(pub [usize; 3]);

impl Triple {
    pub const fn all(n: usize) -> Self {
        Self([n; 3])
    }

    /// Whether it is 0 on each axis.
    pub fn is_zero(&self) -> bool {
        self.0 == [0; 3]
    }
}

impl Serialize for Triple {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let [d, h, w] = self.0;
        if d == h && h == w {
            return s.serialize_u64(d as u64);
        }
        let mut t = s.serialize_tuple(3)?;
        for n in self.0 {
            t.serialize_element(&n)?;
        }
        t.end()
    }
}

impl<'de> Deserialize<'de> for Triple {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Triple;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an integer, or three of them for depth, height and width")
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Triple, E> {
                usize::try_from(n).map(Triple::all).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Triple, E> {
                u64::try_from(n).map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self)).and_then(|n| self.visit_u64(n))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut s: A) -> Result<Triple, A::Error> {
                let mut out = [0; 3];
                for (i, o) in out.iter_mut().enumerate() {
                    *o = s.next_element()?.ok_or_else(|| de::Error::invalid_length(i, &self))?;
                }
                match s.next_element::<usize>()? {
                    None => Ok(Triple(out)),
                    Some(_) => Err(de::Error::invalid_length(4, &self)),
                }
            }
        }
        d.deserialize_any(V)
    }
}
