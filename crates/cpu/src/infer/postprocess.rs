//! What is done to a segmentation after the network: small pieces and all but the largest one are taken away, holes are filled.
//!
//! Part of `infer`; may use `volume`.

use std::fmt;

use ndarray::Array3;
use serde::{Deserialize, Serialize};

use crate::volume::{Neighbours, drop_small, fill_holes, keep_largest};

/// Which pieces of a segmentation stay. Voxels are of one piece when they touch at a face, an edge or a corner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Postprocess {
    /// Label values of the classes of which only the largest piece stays.
    pub largest: Vec<u32>,
    /// Whether only the largest piece of all classes together stays.
    pub largest_foreground: bool,
    /// Pieces of one class that are smaller than this, in mm³, go.
    pub min_mm3: f64,
    /// Whether background that a class encloses, so that no path over faces leads out of it, becomes that class; last of all.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fill_holes: bool,
}

impl Postprocess {
    /// Whether it does anything.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Sets what goes to 0, the background, then fills holes. Returns the number of voxels that were changed.
    ///
    /// `labels` are `[D, H, W]`, places in `values`, which are those of label files; `voxel` is the volume of one voxel in mm³. Small pieces go
    /// first.
    pub fn apply(&self, labels: &mut Array3<u8>, values: &[u32], voxel: f64) -> u64 {
        let neighbours = Neighbours::Corners;
        let mut cleared = 0;
        if self.min_mm3 > 0.0 && voxel > 0.0 {
            // A piece of just that size stays, whatever rounding says.
            cleared += drop_small(labels, (self.min_mm3 / voxel * (1.0 - 1e-9)).ceil() as u64, neighbours);
        }
        let only = |labels: &mut Array3<u8>, part: &dyn Fn(u8) -> u8| {
            let mut kept = labels.mapv(part);
            let count = keep_largest(&mut kept, neighbours);
            labels.zip_mut_with(&kept, |label, kept| {
                if part(*label) != 0 && *kept == 0 {
                    *label = 0;
                }
            });
            count
        };
        if !self.largest.is_empty() {
            let wanted = |l: u8| values.get(usize::from(l)).is_some_and(|v| self.largest.contains(v));
            cleared += only(labels, &|l| if wanted(l) { l } else { 0 });
        }
        if self.largest_foreground {
            cleared += only(labels, &|l| u8::from(l != 0));
        }
        if self.fill_holes {
            for class in (1..values.len()).filter_map(|c| u8::try_from(c).ok()) {
                if !labels.iter().any(|l| *l == class) {
                    continue;
                }
                let filled = fill_holes(&labels.mapv(|l| l == class));
                labels.zip_mut_with(&filled, |label, inside| {
                    if *inside && *label == 0 {
                        *label = class;
                        cleared += 1;
                    }
                });
            }
        }
        cleared
    }
}

impl fmt::Display for Postprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = vec![];
        if self.min_mm3 > 0.0 {
            all.push(format!("pieces below {} mm³ go", self.min_mm3));
        }
        if !self.largest.is_empty() {
            let values: Vec<String> = self.largest.iter().map(u32::to_string).collect();
            all.push(format!("the largest piece of {} stays", values.join(", of ")));
        }
        if self.largest_foreground {
            all.push("the largest piece of all classes together stays".into());
        }
        if self.fill_holes {
            all.push("holes are filled".into());
        }
        f.write_str(&if all.is_empty() { "nothing".into() } else { all.join("; ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of voxels, one character each; blanks are background.
    fn row(text: &str) -> Array3<u8> {
        let values: Vec<u8> = text.bytes().map(|b| if b == b' ' { 0 } else { b - b'0' }).collect();
        Array3::from_shape_vec((1, 1, values.len()), values).unwrap()
    }

    #[test]
    fn pieces_go_as_asked() {
        let before = "11 1 22 2 133";
        for (post, after, gone) in [
            (Postprocess::default(), before, 0),
            (Postprocess { largest: vec![205], ..Default::default() }, "11   22 2  33", 2),
            (Postprocess { largest: vec![205, 2], ..Default::default() }, "11   22    33", 3),
            (Postprocess { largest_foreground: true, ..Default::default() }, "          133", 6),
            (Postprocess { min_mm3: 3.0, ..Default::default() }, "11   22    33", 3),
            (Postprocess { min_mm3: 3.0001, ..Default::default() }, "             ", 9),
            (Postprocess { min_mm3: 2.0, largest: vec![2], largest_foreground: true, ..Default::default() }, "11           ", 7),
            (Postprocess { fill_holes: true, ..Default::default() }, before, 0),
        ] {
            let mut labels = row(before);
            // 1.5 mm³ a voxel: two voxels are 3 mm³.
            assert_eq!(post.apply(&mut labels, &[0, 205, 2, 3], 1.5), gone, "{post:?}");
            assert_eq!(labels, row(after), "{post:?}");
        }
    }

    #[test]
    fn each_class_fills_what_it_encloses() {
        // A shell of 1 around a hole and a voxel of 2, beside a shell with a window.
        let mut labels = Array3::zeros((5, 5, 10));
        for (z, y, x) in (1..4).flat_map(|z| (1..4).flat_map(move |y| (1..5).map(move |x| (z, y, x)))) {
            labels[[z, y, x]] = 1u8;
        }
        (labels[[2, 2, 2]], labels[[2, 2, 3]]) = (0, 2);
        for (z, y, x) in (1..4).flat_map(|z| (1..4).flat_map(move |y| (6..9).map(move |x| (z, y, x)))) {
            labels[[z, y, x]] = 2;
        }
        (labels[[2, 2, 7]], labels[[2, 2, 6]]) = (0, 0);
        let before = labels.clone();
        let post = Postprocess { fill_holes: true, ..Default::default() };
        assert_eq!(post.apply(&mut labels, &[0, 1, 2], 1.0), 1);
        assert_eq!((labels[[2, 2, 2]], labels[[2, 2, 3]], labels[[2, 2, 7]]), (1, 2, 0));
        assert_eq!(labels.iter().zip(&before).filter(|(a, b)| a != b).count(), 1);
    }
}
