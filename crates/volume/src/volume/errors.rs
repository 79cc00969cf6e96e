//! How a segmentation differs from its reference, voxel by voxel, as a label map of its own.
//!
//! May use `palette` beside it.

use ndarray::{Array3, ArrayView3, Zip};

use super::palette::{Class, Colour};

/// What a voxel may be, with the value that it has in [`errors`]. The colours tell apart without red and green.
const KINDS: [(&str, [u8; 3]); 4] = [
    ("true positive", [46, 196, 166]),
    ("false positive", [255, 138, 61]),
    ("false negative", [90, 150, 255]),
    ("another class", [242, 225, 76]),
];

/// The values of [`errors`] as classes: 1 where both maps have the same label, 2 where only the prediction, 3 where only the reference has one, 4
/// where they have different ones.
pub(super) fn kinds() -> Vec<Class> {
    let class = |(n, (name, colour)): (usize, &(&str, [u8; 3]))| Class {
        value: n as u32 + 1,
        place: n as u8 + 1,
        name: (*name).into(),
        colour: Colour(*colour),
    };
    KINDS.iter().enumerate().map(class).collect()
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
    fn every_pair_of_labels_has_its_kind() {
        let map = |labels: [u8; 6]| Array3::from_shape_vec((1, 1, 6), labels.to_vec()).unwrap();
        let (prediction, reference) = (map([0, 1, 1, 0, 2, 2]), map([0, 1, 0, 1, 1, 2]));
        let of = |class| errors(&prediction.view(), &reference.view(), class).into_raw_vec_and_offset().0;
        assert_eq!(of(None), [0, 1, 2, 3, 4, 1]);
        // Another class is an error of either of the two.
        assert_eq!(of(Some(1)), [0, 1, 2, 3, 3, 0]);
        assert_eq!(of(Some(2)), [0, 0, 0, 0, 2, 1]);
        assert_eq!(kinds().iter().map(|k| k.value).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }
}
