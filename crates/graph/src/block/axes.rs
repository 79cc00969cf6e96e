//! A number for each axis, as a block's field has it: a graph has three axes, or two.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ir::{Fault, Triple};
use crate::text::{Code, several};

/// `3` for every axis, `(3, 3)` for height and width of a graph in two dimensions, `(1, 3, 3)` for depth, height and width. In two dimensions
/// the depth is 1, and where it is not given it has the number of the field that changes nothing there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axes {
    /// How many numbers are given.
    given: usize,
    values: [usize; 3],
}

impl Axes {
    /// One number for all axes.
    pub const fn all(n: usize) -> Self {
        Self { given: 1, values: [n; 3] }
    }

    /// Whether it is 0 on each axis.
    pub fn is_zero(&self) -> bool {
        self.values.iter().take(self.given).all(|n| *n == 0)
    }

    /// Whether it is a size in two dimensions.
    pub fn is_plane(&self) -> bool {
        self.given == 2
    }

    /// Whether it is a size in three dimensions.
    pub fn is_volume(&self) -> bool {
        self.given == 3
    }

    /// Depth, height and width. `flat`: in two dimensions, where the depth is `neutral` unless it is given.
    ///
    /// # Errors
    /// E0104 when there are more or fewer numbers than the graph has axes.
    pub fn over(self, flat: bool, neutral: usize) -> Result<Triple, Fault> {
        let [a, b, c] = self.values;
        match self.given {
            1 => Ok(Triple([if flat { neutral } else { a }, a, a])),
            2 if flat => Ok(Triple([neutral, a, b])),
            3 => Ok(Triple([a, b, c])),
            n => {
                let (wanted, help) = match flat {
                    true => ("two numbers here, (H, W), or one for both", "write `(3, 3)` or `3`: the graph is in two dimensions"),
                    false => (
                        "three numbers here, (D, H, W), or one for all",
                        "write `(1, 3, 3)` or `3`; a graph whose `size` is (H, W) has two axes",
                    ),
                };
                Err(Fault::new(Code::E0104, format!("a size has {wanted}; {n} are given")).help(help))
            }
        }
    }
}

impl Default for Axes {
    fn default() -> Self {
        Self::all(0)
    }
}

impl Serialize for Axes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.given == 1 {
            return s.serialize_u64(self.values[0] as u64);
        }
        let given = self.given.min(3);
        let mut t = s.serialize_tuple(given)?;
        for n in self.values.iter().take(given) {
            t.serialize_element(n)?;
        }
        t.end()
    }
}

impl<'de> Deserialize<'de> for Axes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Axes;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a whole number, or one for each axis, as (1, 2, 2),")
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Axes, E> {
                usize::try_from(n).map(Axes::all).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Axes, E> {
                u64::try_from(n).map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self)).and_then(|n| self.visit_u64(n))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut s: A) -> Result<Axes, A::Error> {
                let mut all = Axes { given: 0, values: [0; 3] };
                while let Some(n) = s.next_element()? {
                    if let Some(value) = all.values.get_mut(all.given) {
                        *value = n;
                    }
                    all.given += 1;
                }
                // One number in a list is no number.
                if all.given < 2 {
                    let given = format!("{} in a list", several(all.given, "value"));
                    return Err(de::Error::invalid_type(de::Unexpected::Other(&given), &self));
                }
                Ok(all)
            }
        }
        d.deserialize_any(V)
    }
}
