//! What is done to a segmentation after the network: small pieces and all but the largest one are taken away.
//!
//! Part of `infer`; may use `volume`.

use std::fmt;

use ndarray::Array3;
use serde::{Deserialize, Serialize};

use crate::volume::{Neighbours, drop_small, keep_largest};

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
}

impl Postprocess {
    /// Whether it does anything.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Sets what goes to 0, the background. Returns the number of voxels that were changed.
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
            (Postprocess { min_mm3: 2.0, largest: vec![2], largest_foreground: true }, "11           ", 7),
        ] {
            let mut labels = row(before);
            // 1.5 mm³ a voxel: two voxels are 3 mm³.
            assert_eq!(post.apply(&mut labels, &[0, 205, 2, 3], 1.5), gone, "{post:?}");
            assert_eq!(labels, row(after), "{post:?}");
        }
    }
}
