//! Reflections of a patch. Uses nothing of the crate.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Probability of a flip along D, H and W; in a config one number for all three, or `(0.5, 0, 0)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flip(pub [f64; 3]);

impl Flip {
    /// The same probability for every axis.
    pub fn all(probability: f64) -> Self {
        Self([probability; 3])
    }
}

impl Serialize for Flip {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let [d, h, w] = self.0;
        if d == h && h == w { d.serialize(to) } else { self.0.serialize(to) }
    }
}

impl<'de> Deserialize<'de> for Flip {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Probabilities)
    }
}

struct Probabilities;

impl<'de> Visitor<'de> for Probabilities {
    type Value = Flip;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a probability, or three of them for D, H and W")
    }

    fn visit_f64<E: de::Error>(self, p: f64) -> Result<Flip, E> {
        Ok(Flip::all(p))
    }

    fn visit_u64<E: de::Error>(self, p: u64) -> Result<Flip, E> {
        Ok(Flip::all(p as f64))
    }

    fn visit_i64<E: de::Error>(self, p: i64) -> Result<Flip, E> {
        Ok(Flip::all(p as f64))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Flip, A::Error> {
        let mut all = [0.0; 3];
        for (i, p) in all.iter_mut().enumerate() {
            *p = items.next_element()?.ok_or_else(|| de::Error::invalid_length(i, &self))?;
        }
        if items.next_element::<f64>()?.is_some() {
            return Err(de::Error::invalid_length(4, &self));
        }
        Ok(Flip(all))
    }
}

/// Reverses one axis of every `[D, H, W]` block of `data`.
pub(super) fn reverse<T>(data: &mut [T], size: [usize; 3], axis: usize) {
    let length = size[axis];
    let inner: usize = size[axis + 1..].iter().product();
    if length < 2 || inner == 0 {
        return;
    }
    for block in data.chunks_exact_mut(length * inner) {
        if inner == 1 {
            block.reverse();
            continue;
        }
        for i in 0..length / 2 {
            let (front, back) = block.split_at_mut((length - 1 - i) * inner);
            front[i * inner..(i + 1) * inner].swap_with_slice(&mut back[..inner]);
        }
    }
}
