//! Classes of label maps and their colours.
//!
//! Depends on nothing of this crate.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// Red, green, blue; written `#4cc9f0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour(pub [u8; 3]);

/// Those that come first: eight that tell apart on a grey image.
const FIRST: [[u8; 3]; 8] =
    [[76, 201, 240], [239, 71, 111], [255, 196, 46], [6, 214, 160], [171, 130, 255], [255, 150, 60], [180, 220, 80], [255, 140, 200]];
/// How many colours there are before they come again: one for each value of a byte but the background's.
const COUNT: usize = 255;

/// All colours in order. After the first eight each is the one, of many hues in several lightnesses, that is farthest from all before it as the
/// eye has it (distances in OKLab), so that neighbours are never alike.
static ALL: LazyLock<Vec<[u8; 3]>> = LazyLock::new(|| {
    let mut open: Vec<([u8; 3], [f64; 3])> = vec![];
    for lightness in [0.5, 0.58, 0.66, 0.74, 0.82, 0.9] {
        for chroma in [0.09, 0.13, 0.18, 0.23] {
            for hue in 0..72 {
                let angle = (f64::from(hue) * 5.0).to_radians();
                let lab = [lightness, chroma * angle.cos(), chroma * angle.sin()];
                open.extend(rgb(lab).map(|c| (c, lab)));
            }
        }
    }
    let apart = |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let mut all = FIRST.to_vec();
    let mut near: Vec<f64> =
        open.iter().map(|(_, lab)| FIRST.iter().map(|f| apart(lab, &oklab(*f))).fold(f64::INFINITY, f64::min)).collect();
    while all.len() < COUNT {
        let Some(best) = (0..open.len()).max_by(|a, b| near[*a].total_cmp(&near[*b])) else { break };
        let (colour, lab) = open[best];
        all.push(colour);
        near.iter_mut().zip(&open).for_each(|(near, (_, other))| *near = near.min(apart(&lab, other)));
    }
    all
});

/// OKLab (Ottosson 2020) of an sRGB colour.
fn oklab(colour: [u8; 3]) -> [f64; 3] {
    let [r, g, b] = colour.map(|v| {
        let v = f64::from(v) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    });
    let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
    let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
    let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
    [
        0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
        1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
        0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
    ]
}

/// The sRGB colour of an OKLab one; none where a screen has no such colour.
fn rgb([lightness, a, b]: [f64; 3]) -> Option<[u8; 3]> {
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    let linear = [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ];
    if linear.iter().any(|v| !(0.0..=1.0).contains(v)) {
        return None;
    }
    Some(linear.map(|v| (255.0 * if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }).round() as u8))
}

impl Colour {
    /// The colour that a label value has unless something else is said: black for 0, then 255 that come again. Of several values together
    /// [`colours`] gives each its own.
    pub fn of(label: u32) -> Self {
        match label.checked_sub(1) {
            None => Self([0; 3]),
            Some(n) => Self(ALL[n as usize % COUNT]),
        }
    }
}

/// The colours of label values that are shown together: that of [`Colour::of`], or where a value before has it the next one that none has.
/// Up to 255 values above 0 have colours of their own.
pub fn colours(values: &[u32]) -> Vec<Colour> {
    let mut taken = [false; COUNT];
    let mut own = |value: u32| {
        let Some(n) = value.checked_sub(1) else { return Colour::of(0) };
        let wanted = n as usize % COUNT;
        let free = (0..COUNT).map(|step| (wanted + step) % COUNT).find(|at| !taken[*at]).unwrap_or(wanted);
        taken[free] = true;
        Colour(ALL[free])
    };
    values.iter().map(|v| own(*v)).collect()
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
    pub value: u32,
    /// The byte that stands for it in the label maps of a picture: the value itself, or the place of the class in a list.
    pub place: u8,
    pub name: String,
    pub colour: Colour,
}

/// The classes of a picture: those that are known, and places that are only seen, called by their number. Without the background.
pub fn classes(known: &[Class], seen: &[bool; 256]) -> Vec<Class> {
    let of = |place: u8| {
        let known = known.iter().find(|c| c.place == place).cloned();
        let value = u32::from(place);
        known.or_else(|| seen[usize::from(place)].then(|| Class { value, place, name: place.to_string(), colour: Colour::of(value) }))
    };
    (1..=u8::MAX).filter_map(of).collect()
}

/// Which places a label map holds.
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
        for n in 0..=300 {
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
        let edema = Class { value: 205, place: 2, name: "edema".into(), colour: Colour([1, 2, 3]) };
        let all = classes(std::slice::from_ref(&edema), &seen(&[0, 0, 9]));
        assert_eq!(all, [edema, Class { value: 9, place: 9, name: "9".into(), colour: Colour::of(9) }]);
    }

    #[test]
    fn many_classes_have_colours_of_their_own() {
        let all: Vec<u32> = (1..=255).collect();
        let made = colours(&all);
        assert!(made.iter().enumerate().all(|(i, c)| *c == Colour::of(i as u32 + 1)), "each has that of its value");
        // As far apart as the eye goes: 0.02 in OKLab is a difference that is just seen side by side.
        let apart = |a: Colour, b: Colour| oklab(a.0).iter().zip(oklab(b.0)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let least = |n: usize| (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| apart(made[i], made[j])).fold(9.0, f64::min);
        assert!(least(118) > 0.045 && least(255) > 0.02, "{} {}", least(118), least(255));
        assert!(made.windows(2).all(|w| apart(w[0], w[1]) > 0.055), "neighbours");
        // None is grey, as the image is, or black, as the background.
        let chroma = |c: Colour| oklab(c.0)[1].hypot(oklab(c.0)[2]);
        assert!(made.iter().all(|c| chroma(*c) > 0.07 && oklab(c.0)[0] > 0.45));
        // Values of FreeSurfer's two hemispheres, 1000 apart, some of which would share a colour.
        let cortex: Vec<u32> = (0..=35).flat_map(|n| [1000 + n, 2000 + n]).chain([10, 265]).collect();
        let made: std::collections::BTreeSet<[u8; 3]> = colours(&cortex).iter().map(|c| c.0).collect();
        assert_eq!(made.len(), cortex.len());
        for lab in [[0.7, 0.05, -0.1], [0.5, -0.08, 0.06]] {
            let back = oklab(rgb(lab).unwrap());
            assert!(lab.iter().zip(back).all(|(a, b): (&f64, f64)| (a - b).abs() < 0.005), "{back:?}");
        }
        assert_eq!(rgb([0.5, 0.4, 0.4]), None);
    }
}
