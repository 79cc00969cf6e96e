//! How a segmentation differs from its reference, voxel by voxel, as a label map of its own.
//!
//! May use `palette` beside it.

use ndarray::{Array3, ArrayView3, Zip};

use serde::Serialize;

use super::palette::{Class, Colour};

/// Lines over what is wrong, which no class is drawn with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Hatch {
    /// Filled.
    #[default]
    None,
    Rising,
    Falling,
    Crossed,
}

impl Hatch {
    /// Whether a pixel lies on a line.
    pub fn covers(self, row: usize, column: usize) -> bool {
        const PERIOD: usize = 7;
        const LINE: usize = 2;
        let rising = (row + column) % PERIOD < LINE;
        let falling = (row + PERIOD - column % PERIOD) % PERIOD < LINE;
        match self {
            Hatch::None => true,
            Hatch::Rising => rising,
            Hatch::Falling => falling,
            Hatch::Crossed => rising || falling,
        }
    }
}

/// What a voxel may be, and how that is drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ErrorKind {
    #[serde(flatten)]
    pub class: Class,
    pub hatch: Hatch,
}

/// What a voxel may be, with the value that it has in [`errors`]. What is right is white, which no class is, and what is wrong is hatched. The colours
/// tell apart without red and green.
const KINDS: [(&str, [u8; 3], Hatch); 4] = [
    ("true positive", [255, 255, 255], Hatch::None),
    ("false positive", [255, 138, 61], Hatch::Rising),
    ("false negative", [90, 150, 255], Hatch::Falling),
    ("another class", [242, 225, 76], Hatch::Crossed),
];

/// The values of [`errors`] as classes: 1 where both maps have the same label, 2 where only the prediction, 3 where only the reference has one, 4
/// where they have different ones.
pub(super) fn kinds() -> Vec<ErrorKind> {
    let kind = |(n, (name, colour, hatch)): (usize, &(&str, [u8; 3], Hatch))| {
        let class = Class { value: n as u32 + 1, place: n as u8 + 1, name: (*name).into(), colour: Colour(*colour) };
        ErrorKind { class, hatch: *hatch }
    };
    KINDS.iter().enumerate().map(kind).collect()
}

/// How two maps of one shape differ: the values of [`kinds`], 0 where neither has a label. Of one class alone, or of all of them.
pub(super) fn errors(prediction: &ArrayView3<'_, u8>, reference: &ArrayView3<'_, u8>, class: Option<u8>) -> Array3<u8> {
    let seen = |v: u8| if class.is_none_or(|c| c == v) { v } else { 0 };
    Zip::from(prediction).and(reference).map_collect(|p, r| match (seen(*p), seen(*r)) {
        (0, 0) => 0,
        (p, r) if p == r => 1,
        (_, 0) => 2,
        (0, _) => 3,
        _ => 4,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_class_looks_like_a_kind() {
        // What is not hatched has a colour that no class has.
        for kind in kinds() {
            let alike = (1..=255).any(|v| Colour::of(v) == kind.class.colour);
            assert!(kind.hatch != Hatch::None || !alike && kind.class.colour.0 == [255; 3], "{kind:?}");
        }
        let lines = |hatch: Hatch| (0..49).filter(|n| hatch.covers(n / 7, n % 7)).count();
        assert_eq!([Hatch::None, Hatch::Rising, Hatch::Falling].map(lines), [49, 14, 14]);
    }

    #[test]
    fn every_pair_of_labels_has_its_kind() {
        let map = |labels: [u8; 6]| Array3::from_shape_vec((1, 1, 6), labels.to_vec()).unwrap();
        let (prediction, reference) = (map([0, 1, 1, 0, 2, 2]), map([0, 1, 0, 1, 1, 2]));
        let of = |class| errors(&prediction.view(), &reference.view(), class).into_raw_vec_and_offset().0;
        assert_eq!(of(None), [0, 1, 2, 3, 4, 1]);
        // Another class is an error of either of the two.
        assert_eq!(of(Some(1)), [0, 1, 2, 3, 3, 0]);
        assert_eq!(of(Some(2)), [0, 0, 0, 0, 2, 1]);
        assert_eq!(kinds().iter().map(|k| k.class.value).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }
}
