//! Postprocessing search, at the end of a run: what improves Dice on the validation cases is kept, as nnU-Net does.
//!
//! Part of `train`; may use `infer` and `metric`.

use std::iter::repeat_n;

use ndarray::Array3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::store::CaseStore;
use super::validate::{Segmented, counts, segment, summarise};
use crate::data::LostClass;
use crate::infer::{Card, Model, Postprocess};
use crate::text::Result;

/// Whether postprocessing is searched for.
///
/// By default it is not: the same cases choose the epoch, and a rule that takes pieces away, found on a few cases with one lesion each, takes a
/// second lesion away from the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(non_camel_case_types)]
pub enum PostprocessSearch {
    #[default]
    none,
    /// What raises the mean Dice of the validation cases and lowers that of no class goes into the best checkpoint.
    auto,
}

/// Least sizes of pieces that are tried, mm³.
const SIZES: [f64; 6] = [10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0];

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PostprocessFound {
    /// Does nothing where nothing helped.
    pub postprocess: Postprocess,
    /// Mean validation Dice without it and with it; NaN where there is nothing to score.
    pub before: f64,
    pub after: f64,
}

/// Tries, one after the other, to keep only the largest piece of all classes together, of each class, and pieces of a least size. What raises
/// the mean Dice over `cases` and lowers that of no class (or region) is kept for the next trial. `seen` is told how many cases
/// are segmented.
///
/// # Errors
/// What is wrong with a case's files, or the device.
pub fn choose(model: &Model, store: &CaseStore, cases: &[usize], mut seen: impl FnMut(usize)) -> Result<PostprocessFound> {
    let mut all = vec![];
    for (done, &case) in cases.iter().enumerate() {
        seen(done);
        all.push(Packed::of(&segment(model, store, case)?));
    }
    Ok(best(model.card(), &all))
}

fn best(card: &Card, cases: &[Packed]) -> PostprocessFound {
    let mut kept = Trial::of(Postprocess::default(), card, cases);
    let before = kept.mean;
    let mut consider = |change: &dyn Fn(&mut Postprocess)| {
        let mut other = kept.postprocess.clone();
        change(&mut other);
        let other = Trial::of(other, card, cases);
        if other.is_better(&kept) {
            kept = other;
        }
    };
    consider(&|p| p.largest_foreground = true);
    for (value, _) in card.labels.iter().skip(1) {
        consider(&|p| p.largest.push(*value));
    }
    for size in SIZES {
        consider(&|p| p.min_mm3 = size);
    }
    let number = |mean: Option<f64>| mean.unwrap_or(f64::NAN);
    PostprocessFound { postprocess: kept.postprocess, before: number(before), after: number(kept.mean) }
}

/// A candidate and its scores.
struct Trial {
    postprocess: Postprocess,
    /// Mean Dice of what is scored; none of what no reference has.
    dice: Vec<Option<f64>>,
    mean: Option<f64>,
}

impl Trial {
    fn of(postprocess: Postprocess, card: &Card, cases: &[Packed]) -> Self {
        let one = |case: &Packed| {
            let mut labels = unpack(&case.labels, case.size);
            postprocess.apply(&mut labels, &card.values(), case.spacing.iter().product());
            (case.id.clone(), counts(card, &labels, &unpack(&case.truth, case.size), case.spacing, &case.lost))
        };
        let scores = summarise(card, cases.par_iter().map(one).collect());
        Self { postprocess, dice: scores.classes.iter().map(|c| c.mean).collect(), mean: scores.mean }
    }

    fn is_better(&self, other: &Self) -> bool {
        self.mean > other.mean && self.dice.iter().zip(&other.dice).all(|(own, other)| own >= other)
    }
}

/// A segmented case in little memory: each label with how often it follows.
struct Packed {
    id: String,
    size: [usize; 3],
    labels: Vec<(u8, u32)>,
    truth: Vec<(u8, u32)>,
    spacing: [f64; 3],
    lost: Vec<LostClass>,
}

impl Packed {
    fn of(s: &Segmented) -> Self {
        Self {
            id: s.id.clone(),
            size: s.labels.dim().into(),
            labels: pack(&s.labels),
            truth: pack(&s.truth),
            spacing: s.spacing,
            lost: s.lost.clone(),
        }
    }
}

fn pack(labels: &Array3<u8>) -> Vec<(u8, u32)> {
    let mut runs: Vec<(u8, u32)> = vec![];
    for label in labels {
        match runs.last_mut() {
            Some((last, n)) if last == label && *n < u32::MAX => *n += 1,
            _ => runs.push((*label, 1)),
        }
    }
    runs
}

fn unpack(runs: &[(u8, u32)], size: [usize; 3]) -> Array3<u8> {
    let all = runs.iter().flat_map(|(label, n)| repeat_n(*label, *n as usize)).collect();
    Array3::from_shape_vec(size, all).unwrap_or_else(|_| unreachable!("as many as were packed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::Regions;
    use crate::metric::Region;

    /// Rows of voxels of 20 mm³, one character each; blanks are background.
    fn case(labels: &str, truth: &str) -> Packed {
        let row = |text: &str| {
            let values: Vec<u8> = text.bytes().map(|b| if b == b' ' { 0 } else { b - b'0' }).collect();
            Array3::from_shape_vec((1, 1, values.len()), values).unwrap()
        };
        Packed::of(&Segmented { id: "x".into(), labels: row(labels), truth: row(truth), spacing: [20.0, 1.0, 1.0], lost: vec![] })
    }

    fn card() -> Card {
        Card::new(vec!["t1".into()], (0..3).map(|v| (v, v.to_string())).collect(), [8; 3])
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let a = Array3::from_shape_fn((3, 4, 5), |(z, y, x)| (z * y + x / 3) as u8);
        assert_eq!(unpack(&pack(&a), [3, 4, 5]), a);
    }

    #[test]
    fn a_rule_is_kept_where_it_helps_and_harms_no_class() {
        // Class 1 has a stray piece; class 2 has two pieces that are right, so that its largest alone is worse.
        let found = best(&card(), &[case("111 1 22 222 ", "111   22 222 ")]);
        assert_eq!(found.postprocess, Postprocess { largest: vec![1], ..Postprocess::default() });
        // By hand: Dice of class 1 is 6/7 before, and all is right after.
        assert!((found.before - (6.0 / 7.0 + 1.0) / 2.0).abs() < 1e-12 && found.after == 1.0);
        // Strays of both classes beside their main pieces: the largest piece of all together does it at once.
        let found = best(&card(), &[case("11122 1 2 ", "11122     ")]);
        assert_eq!(found.postprocess, Postprocess { largest_foreground: true, ..Postprocess::default() });
        // Two good pieces of 40 mm³ in one case, a stray of 20 mm³ in another: only the size tells them apart.
        let found = best(&card(), &[case("11 11 22 22", "11 11 22 22"), case("11 1 22 2 ", "11   22   ")]);
        assert_eq!(found.postprocess, Postprocess { min_mm3: 30.0, ..Postprocess::default() });
        // Nothing to gain.
        let found = best(&card(), &[case("11 22", "11 22")]);
        assert!(found.postprocess.is_none() && found.before == found.after);
    }

    #[test]
    fn of_regions_none_may_lose() {
        let region = |name: &str, values: &[u32]| Region { name: name.into(), values: values.to_vec() };
        let regions = Regions::new(vec![region("whole", &[1, 2]), region("core", &[1])], None).unwrap();
        let card = Card { regions: Some(regions), ..card() };
        // The second piece of the core is right for the whole, and wrong for the core itself: keeping the largest would lower the whole.
        let found = best(&card, &[case("2111  1 ", "2111  2 ")]);
        assert!(found.postprocess.is_none(), "{found:?}");
        let found = best(&card, &[case("2111  1 ", "2111    ")]);
        assert_eq!((found.postprocess.largest_foreground, found.after), (true, 1.0));
    }
}
