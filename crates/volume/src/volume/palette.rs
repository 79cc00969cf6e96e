//! Classes of label maps and their colours.
//!
//! Depends on nothing of this crate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Red, green, blue; written `#4cc9f0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour(pub [u8; 3]);

impl Colour {
    /// The colour that a label has unless something else is said: black for 0, then eight that tell apart on a grey image; they come again.
    pub fn of(label: u8) -> Self {
        const COLOURS: [[u8; 3]; 8] = [
            [76, 201, 240],
            [239, 71, 111],
            [255, 196, 46],
            [6, 214, 160],
            [171, 130, 255],
            [255, 150, 60],
            [180, 220, 80],
            [255, 140, 200],
        ];
        match label.checked_sub(1) {
            None => Self([0; 3]),
            Some(n) => Self(COLOURS[usize::from(n) % COLOURS.len()]),
        }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

impl FromStr for Colour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no colour: write #rrggbb");
        let digits = text.strip_prefix('#').filter(|d| d.len() == 6 && d.bytes().all(|b| b.is_ascii_hexdigit())).ok_or_else(wrong)?;
        let value = u32::from_str_radix(digits, 16).map_err(|_| wrong())?;
        let [_, r, g, b] = value.to_be_bytes();
        Ok(Self([r, g, b]))
    }
}

impl TryFrom<String> for Colour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Colour> for String {
    fn from(colour: Colour) -> Self {
        colour.to_string()
    }
}

/// A class as it stands in label files and in pictures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Class {
    /// Its value in label files.
    pub value: u8,
    pub name: String,
    pub colour: Colour,
}

/// The classes of a picture: those that are known, and those that are only seen, called by their value. Without the background.
pub fn classes(known: &[Class], seen: &[bool; 256]) -> Vec<Class> {
    let of = |value: u8| {
        let known = known.iter().find(|c| c.value == value).cloned();
        known.or_else(|| seen[usize::from(value)].then(|| Class { value, name: value.to_string(), colour: Colour::of(value) }))
    };
    (1..=u8::MAX).filter_map(of).collect()
}

/// Which values a label map holds.
pub fn seen<'a>(labels: impl IntoIterator<Item = &'a u8>) -> [bool; 256] {
    let mut seen = [false; 256];
    labels.into_iter().for_each(|l| seen[usize::from(*l)] = true);
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_as_they_are_written() {
        for n in 0..=255 {
            let colour = Colour::of(n);
            assert_eq!(colour.to_string().parse(), Ok(colour));
        }
        assert_eq!("#4cc9f0".parse(), Ok(Colour([76, 201, 240])));
        for wrong in ["", "#", "4cc9f0", "#4cc9f", "#4cc9f00", "#4cc9fg", "#+cc9f0", "#é3456"] {
            assert!(wrong.parse::<Colour>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_seen_is_called_by_its_value() {
        let edema = Class { value: 2, name: "edema".into(), colour: Colour([1, 2, 3]) };
        let all = classes(std::slice::from_ref(&edema), &seen(&[0, 0, 9]));
        assert_eq!(all, [edema, Class { value: 9, name: "9".into(), colour: Colour::of(9) }]);
    }
}
