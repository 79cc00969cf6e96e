//! Which label value is which part of a brain tumour: the challenge and the data sets made of it number them differently.
//!
//! May use `region` beside it.
//!
//! | | core without enhancement | oedema | enhancing |
//! |---|---|---|---|
//! | BraTS 2017 to 2022 | 1 | 2 | 4 |
//! | BraTS since 2023 | 1 | 2 | 3 |
//! | Medical Segmentation Decathlon (Task01), nnU-Net's conversions | 2 | 1 | 3 |

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{Array3, ArrayView3, Axis, Zip};

use super::region::{LabelValue, Region};

/// A number for each label value that there is.
pub type PerValue = BTreeMap<LabelValue, u64>;

/// A way of numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// That of the brain tumour challenge; whether the enhancing tumour is 3 or 4 is seen from the references.
    Brats,
    /// That of the Medical Segmentation Decathlon.
    Msd,
}

/// Whole tumour (WT), tumour core (TC) and enhancing tumour (ET) of a numbering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    pub regions: Vec<Region>,
    /// What each label value is taken for.
    pub meaning: String,
    /// What speaks against that.
    pub doubts: Vec<String>,
}

/// The names of the regions.
const NAMES: [&str; 3] = ["WT", "TC", "ET"];

impl Numbering {
    /// The numbering of a name, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Brats, Self::Msd].into_iter().find(|n| n.name().eq_ignore_ascii_case(text.trim()))
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brats => "brats",
            Self::Msd => "brats-msd",
        }
    }

    /// The names of its regions.
    pub fn names() -> [&'static str; 3] {
        NAMES
    }

    /// Its regions, where `references` says how many voxels of each label value all references have, and `predictions` the same of each
    /// set of predictions. `faces` are those of [`faces`], of all references.
    ///
    /// # Errors
    /// When the references have values that it does not know, or a set of predictions has the enhancing tumour under another one.
    pub fn regions(self, references: &PerValue, predictions: &[PerValue], faces: &PerValue) -> Result<Numbered, String> {
        let (core, oedema): (LabelValue, LabelValue) = if self == Self::Brats { (1, 2) } else { (2, 1) };
        let enhancing = self.enhancing(references, predictions)?;
        let set = match (self, enhancing) {
            (Self::Msd, _) => "MSD Task01 and nnU-Net",
            (Self::Brats, 3) => "BraTS 2023",
            (Self::Brats, _) => "BraTS 2017 to 2022",
        };
        let mut parts = [(core, "core"), (oedema, "oedema"), (enhancing, "enhancing")];
        parts.sort_unstable();
        let list = parts.map(|(v, what)| format!("{v} {what}")).join(", ");
        let strange = |v: &&LabelValue| **v != 0 && parts.iter().all(|(p, _)| p != *v);
        if let Some(other) = references.keys().find(strange) {
            return Err(format!("the references hold the label value {other}, and the numbering of {set} has {list}"));
        }
        let mut doubts = vec![];
        let others: BTreeSet<&LabelValue> = predictions.iter().flat_map(|p| p.keys()).filter(strange).collect();
        if !others.is_empty() {
            let others: Vec<String> = others.into_iter().map(LabelValue::to_string).collect();
            doubts.push(format!("predictions hold label values that the numbering of {set} does not have: {}", others.join(", ")));
        }
        let number = |of: &PerValue, v: LabelValue| of.get(&v).copied().unwrap_or_default();
        let of = |v: LabelValue| (number(references, v), number(faces, v));
        let ((core_voxels, core_faces), (oedema_voxels, oedema_faces)) = (of(core), of(oedema));
        if core_voxels > 0 && oedema_voxels > 0 && core_faces > oedema_faces {
            let other = if self == Self::Brats { Self::Msd } else { Self::Brats };
            doubts.push(format!(
                "in the references label {core}, taken for the core, borders on the background more than label {oedema}, taken for the \
                 oedema around it ({core_faces} and {oedema_faces} voxel faces): are they numbered otherwise? see --region {}",
                other.name()
            ));
        }
        let region = |(name, values): (&str, &[LabelValue])| {
            let mut values = values.to_vec();
            values.sort_unstable();
            Region { name: name.to_owned(), values }
        };
        let values: [&[LabelValue]; 3] = [&[core, oedema, enhancing], &[core, enhancing], &[enhancing]];
        Ok(Numbered { regions: NAMES.into_iter().zip(values).map(region).collect(), meaning: format!("{set} numbering: {list}"), doubts })
    }

    /// The label value of the enhancing tumour.
    fn enhancing(self, references: &PerValue, predictions: &[PerValue]) -> Result<LabelValue, String> {
        if self == Self::Msd {
            return Ok(3);
        }
        let has = |all: &PerValue| (all.contains_key(&3), all.contains_key(&4));
        let own = match has(references) {
            (true, true) => return Err("the references hold both label values 3 and 4, as they did until 2015".to_owned()),
            (true, false) => 3,
            (false, true) => 4,
            // No reference has it: it is that of the predictions, for their names.
            (false, false) => return Ok(if predictions.iter().any(|p| has(p) == (true, false)) { 3 } else { 4 }),
        };
        let other = 7 - own;
        match predictions.iter().any(|p| p.contains_key(&other) && !p.contains_key(&own)) {
            true => Err(format!("the enhancing tumour is {own} in the references and {other} in the predictions")),
            false => Ok(own),
        }
    }
}

/// For each label (at its place) the faces that its voxels have in common with those of the background, 0.
pub fn faces(labels: &Array3<u8>) -> [u64; 256] {
    let mut all = [0; 256];
    for axis in 0..3 {
        let n = labels.len_of(Axis(axis));
        if n < 2 {
            continue;
        }
        let along = |from: usize, to: usize| -> ArrayView3<'_, u8> { labels.slice_axis(Axis(axis), (from..to).into()) };
        Zip::from(along(0, n - 1)).and(along(1, n)).for_each(|a, b| {
            if (*a == 0) != (*b == 0) {
                all[usize::from(a | b)] += 1;
            }
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voxels(values: &[LabelValue]) -> PerValue {
        values.iter().map(|v| (*v, 10)).collect()
    }

    fn of(n: Numbering, references: &[LabelValue], predictions: &[LabelValue]) -> Result<Vec<Vec<LabelValue>>, String> {
        let all = n.regions(&voxels(references), &[voxels(predictions)], &PerValue::new())?;
        Ok(all.regions.into_iter().map(|r| r.values).collect())
    }

    #[test]
    fn brain_tumours_of_each_numbering() {
        let brats = |r: &[LabelValue], p: &[LabelValue]| of(Numbering::Brats, r, p);
        assert_eq!(brats(&[0, 1, 2, 4], &[1, 2, 4]).unwrap(), [vec![1, 2, 4], vec![1, 4], vec![4]]);
        assert_eq!(brats(&[0, 1, 2, 3], &[1]).unwrap(), [vec![1, 2, 3], vec![1, 3], vec![3]]);
        assert_eq!(of(Numbering::Msd, &[0, 1, 2, 3], &[1]).unwrap(), [vec![1, 2, 3], vec![2, 3], vec![3]]);
        // Without the enhancing tumour in a reference the predictions say it; a stray voxel of the other value does not.
        assert_eq!(brats(&[1, 2], &[3]).unwrap()[2], [3]);
        assert_eq!(brats(&[1, 2, 3], &[3, 4]).unwrap()[2], [3]);
        assert!(brats(&[3, 4], &[]).is_err() && brats(&[1, 7], &[]).is_err() && brats(&[3], &[4]).is_err());
        assert!(of(Numbering::Msd, &[1, 2, 4], &[]).unwrap_err().contains("1 oedema, 2 core, 3 enhancing"));
    }

    #[test]
    fn what_does_not_fit_is_doubted() {
        let faces = PerValue::from([(1, 100), (2, 3)]);
        let doubts = |n: Numbering, p: &[LabelValue]| n.regions(&voxels(&[1, 2, 3]), &[voxels(p)], &faces).unwrap().doubts;
        assert!(doubts(Numbering::Brats, &[1])[0].contains("--region brats-msd"));
        assert!(doubts(Numbering::Msd, &[1]).is_empty());
        assert!(doubts(Numbering::Msd, &[1, 4, 9])[0].ends_with("4, 9"));
    }

    #[test]
    fn faces_are_those_to_the_background() {
        // A row 0 1 1 2 0: label 1 has one face to the background, label 2 one; as a column of itself the same.
        for shape in [(1, 1, 5), (5, 1, 1)] {
            let labels = Array3::from_shape_vec(shape, vec![0, 1, 1, 2, 0]).unwrap();
            assert_eq!(faces(&labels)[..4], [0, 1, 1, 0]);
        }
    }
}
