//! Overlap of two label maps, from counted voxels: Dice, IoU, precision, recall.
//!
//! Depends on nothing of this crate.
//!
//! Convention: a class that is in neither the prediction nor the reference has no score; one that is in only one of them scores 0
//! everywhere, where the formula says 0 / 0 too.

use std::ops::{Add, AddAssign};

use serde::Serialize;

/// Voxels of one class: in both maps, only predicted, only in the reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub true_positives: u64,
    pub false_positives: u64,
    pub false_negatives: u64,
}

impl Counts {
    /// Voxels of the class in the prediction.
    pub fn predicted(self) -> u64 {
        self.true_positives + self.false_positives
    }

    /// Voxels of the class in the reference.
    pub fn reference(self) -> u64 {
        self.true_positives + self.false_negatives
    }

    /// Whether the class is in neither map.
    pub fn is_empty(self) -> bool {
        self.predicted() == 0 && self.reference() == 0
    }

    /// The Dice coefficient 2|P∩R| / (|P| + |R|), 0 to 1; like the others, none where the class is in neither map.
    pub fn dice(self) -> Option<f64> {
        self.share(2 * self.true_positives, self.predicted() + self.reference())
    }

    /// Intersection over union, the Jaccard index |P∩R| / |P∪R|, 0 to 1.
    pub fn iou(self) -> Option<f64> {
        self.share(self.true_positives, self.true_positives + self.false_positives + self.false_negatives)
    }

    /// The share of the prediction that is right, |P∩R| / |P|; 0 for a prediction of nothing where there is something.
    pub fn precision(self) -> Option<f64> {
        self.share(self.true_positives, self.predicted())
    }

    /// The share of the reference that is found, |P∩R| / |R|; 0 where something is predicted and there is nothing.
    pub fn recall(self) -> Option<f64> {
        self.share(self.true_positives, self.reference())
    }

    fn share(self, part: u64, whole: u64) -> Option<f64> {
        match whole {
            _ if self.is_empty() => None,
            0 => Some(0.0),
            _ => Some(part as f64 / whole as f64),
        }
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, o: Self) -> Self {
        Self {
            true_positives: self.true_positives + o.true_positives,
            false_positives: self.false_positives + o.false_positives,
            false_negatives: self.false_negatives + o.false_negatives,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

#[cfg(test)]
mod tests {
    use super::super::score::counted as counts;
    use super::*;

    #[test]
    fn a_case_by_hand() {
        let p = [0u8, 1, 1, 2, 2, 0, 9];
        let r = [0u8, 1, 2, 2, 1, 1, 0];
        let c = counts(&p, &r, 4);
        assert_eq!(c[1], Counts { true_positives: 1, false_positives: 1, false_negatives: 2 });
        assert_eq!(c[2], Counts { true_positives: 1, false_positives: 1, false_negatives: 1 });
        assert_eq!(c[1].dice(), Some(2.0 / 5.0));
        assert_eq!(c[1].iou(), Some(1.0 / 4.0));
        assert_eq!(c[1].precision(), Some(1.0 / 2.0));
        assert_eq!(c[1].recall(), Some(1.0 / 3.0));
        assert_eq!(c[2].dice(), Some(0.5));
        assert_eq!(c[0], Counts { true_positives: 1, false_positives: 1, false_negatives: 1 });
        assert!(c[3].is_empty());
    }

    #[test]
    fn empty_masks_follow_the_convention() {
        let (zero, one) = ([0u8; 4], [0u8, 1, 1, 0]);
        let all = |p: &[u8], r: &[u8]| {
            let c = counts(p, r, 2)[1];
            [c.dice(), c.iou(), c.precision(), c.recall()]
        };
        assert_eq!(all(&zero, &zero), [None; 4]);
        assert_eq!(all(&one, &zero), [Some(0.0); 4]);
        assert_eq!(all(&zero, &one), [Some(0.0); 4]);
        assert_eq!(all(&one, &one), [Some(1.0); 4]);
    }

    #[test]
    fn dice_is_symmetric() {
        let p: Vec<u8> = (0..500u32).map(|i| (i.wrapping_mul(2654435761) >> 13) as u8 % 3).collect();
        let r: Vec<u8> = (0..500u32).map(|i| (i.wrapping_mul(40503) >> 7) as u8 % 3).collect();
        let (a, b) = (counts(&p, &r, 3), counts(&r, &p, 3));
        for (x, y) in a.iter().zip(&b) {
            assert_eq!(x.dice(), y.dice());
            assert_eq!(x.precision(), y.recall());
            assert!(x.dice().is_some_and(|d| (0.0..=1.0).contains(&d)) && x.iou() <= x.dice());
        }
    }
}
