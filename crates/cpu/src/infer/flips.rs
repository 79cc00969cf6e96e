//! Mirror images of a patch: what a network says of each, mirrored back, is averaged.
//!
//! Part of `infer`; depends on nothing of this crate.

use std::fmt;
use std::str::FromStr;

use ndarray::{Array5, ArrayView5, Axis};
use serde::{Deserialize, Serialize};

/// The axes along which images are mirrored at prediction, D, H, W of the network's axis order; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Flips([bool; 3]);

impl Flips {
    const LETTERS: [char; 3] = ['d', 'h', 'w'];
    /// What may stand for no axis at all.
    const NONE: &'static str = "none";

    /// Along each of D, H, W or not.
    pub fn new(axes: [bool; 3]) -> Self {
        Self(axes)
    }

    /// Every combination, the plain one first: 1, 2, 4 or 8.
    pub fn ways(self) -> impl Iterator<Item = [bool; 3]> {
        (0..8usize)
            .map(|bits| [bits >> 2 & 1 == 1, bits >> 1 & 1 == 1, bits & 1 == 1])
            .filter(move |way| (0..3).all(|a| self.0[a] || !way[a]))
    }

    /// `forward` of every mirror image of patches `[N, C, d, h, w]`, mirrored back and averaged.
    ///
    /// # Errors
    /// What `forward` refuses.
    pub fn average<E>(
        self,
        patches: ArrayView5<f32>,
        mut forward: impl FnMut(ArrayView5<f32>) -> Result<Array5<f32>, E>,
    ) -> Result<Array5<f32>, E> {
        let mut sum = forward(patches)?;
        let mut count = 1.0;
        for way in self.ways().skip(1) {
            let mut said = forward(mirrored(patches, way))?;
            for axis in (0..3).filter(|a| way[*a]) {
                said.invert_axis(Axis(axis + 2));
            }
            sum += &said;
            count += 1.0;
        }
        if count > 1.0 {
            sum.mapv_inplace(|v| v / count);
        }
        Ok(sum)
    }
}

fn mirrored(mut patches: ArrayView5<'_, f32>, way: [bool; 3]) -> ArrayView5<'_, f32> {
    (0..3).filter(|a| way[*a]).for_each(|a| patches.invert_axis(Axis(a + 2)));
    patches
}

impl fmt::Display for Flips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Self::LETTERS.iter().zip(self.0).filter(|(_, on)| *on).try_for_each(|(letter, _)| write!(f, "{letter}"))
    }
}

impl FromStr for Flips {
    type Err = String;

    /// Reads `dhw`, `w`, `hd`, `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut axes = [false; 3];
        if text == Self::NONE {
            return Ok(Self(axes));
        }
        for c in text.chars() {
            match Self::LETTERS.iter().position(|l| *l == c.to_ascii_lowercase()) {
                Some(axis) if !axes[axis] => axes[axis] = true,
                _ => {
                    return Err(
                        "axes are written as letters of dhw, each once: dhw for all eight mirror images, w for left and right".into()
                    );
                }
            }
        }
        Ok(Self(axes))
    }
}

impl TryFrom<String> for Flips {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Flips> for String {
    fn from(flips: Flips) -> Self {
        flips.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_read_and_counted() {
        for (text, count) in [("", 1), ("w", 2), ("dh", 4), ("DHW", 8), ("wd", 4)] {
            let flips: Flips = text.parse().unwrap();
            assert_eq!(flips.ways().count(), count);
            assert_eq!(flips.to_string().parse(), Ok(flips));
        }
        assert_eq!("w".parse::<Flips>().unwrap().ways().collect::<Vec<_>>(), [[false; 3], [false, false, true]]);
        assert!(["x", "dd", "d,h"].iter().all(|t| t.parse::<Flips>().is_err()));
    }

    #[test]
    fn the_average_commutes_with_mirroring() {
        // Whatever the function is, the average over all eight is the same for an image and for its mirror image, mirrored.
        let forward = |p: ArrayView5<f32>| {
            let (n, _, d, h, w) = p.dim();
            Ok::<_, ()>(Array5::from_shape_fn((n, 2, d, h, w), |(n, k, z, y, x)| {
                p[[n, 0, z, y, x]] * (k + 1) as f32 + (z * 9 + y * 5 + x * x) as f32
            }))
        };
        let image = Array5::from_shape_fn((2, 1, 2, 3, 4), |(n, _, z, y, x)| (n * 7 + z * 31 + y * 17 + x * 3) as f32 % 11.0);
        let all: Flips = "dhw".parse().unwrap();
        let plain = all.average(image.view(), forward).unwrap();
        for way in all.ways() {
            let turned = all.average(mirrored(image.view(), way), forward).unwrap();
            assert!(mirrored(turned.view(), way).iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-4));
        }
        // Along W alone, by hand: x*x becomes the mean of x*x and (3-x)*(3-x).
        let one = "w".parse::<Flips>().unwrap().average(image.view(), forward).unwrap();
        assert!((one[[1, 0, 1, 2, 0]] - (image[[1, 0, 1, 2, 0]] + 9.0 + 10.0 + 4.5)).abs() < 1e-5);
    }
}
