//! Validation: the cases that training does not see, segmented whole, Dice per class or region.
//!
//! Part of `train`; may use `data`, `infer` and `metric`.

use ndarray::Array3;

use super::store::CaseStore;
use crate::data::LostClass;
use crate::infer::{Card, Model};
use crate::metric::{self, ClassScore, Counts, LabelPair, Region, ScoreSummary};
use crate::text::{Code, Diagnostic, Result, printable};

/// A case as the network has segmented it, and as it is; classes `[D, H, W]`.
pub struct Segmented {
    pub id: String,
    pub labels: Array3<u8>,
    pub truth: Array3<u8>,
    /// Distance between voxels in mm, along D, H, W.
    pub spacing: [f64; 3],
    /// Classes that preparation has lost.
    pub lost: Vec<LostClass>,
}

/// Segments a case as prediction would, without postprocessing.
///
/// # Errors
/// What is wrong with its files, or the device.
pub fn segment(model: &Model, store: &CaseStore, case: usize) -> Result<Segmented> {
    let sample = store.sample(case)?;
    let labels = model.segment(sample.image.view())?;
    Ok(Segmented { id: sample.id.clone(), labels, truth: sample.label.clone(), spacing: sample.spacing, lost: sample.lost.clone() })
}

/// What is right and wrong in two maps of classes, for each of what the card says is scored. What is in the file and not in `truth`, since
/// preparation has `lost` it, is missed, whatever was predicted: it counts by the voxels of its file.
pub fn counts(card: &Card, labels: &Array3<u8>, truth: &Array3<u8>, spacing: [f64; 3], lost: &[LostClass]) -> Vec<Counts> {
    let values = card.values();
    let pair = LabelPair::new(labels, truth, spacing).map(|p| p.of_values(&values));
    let is_of = |region: &Region, l: &&LostClass| values.get(usize::from(l.class)).is_some_and(|v| region.values.contains(v));
    let one = |region: &Region| {
        let mut counts = pair.as_ref().map(|p| p.counts(region)).unwrap_or_default();
        if counts.reference() == 0 {
            counts.false_negatives += lost.iter().filter(|l| is_of(region, l)).map(|l| l.voxels).sum::<u64>();
        }
        counts
    };
    card.scored().iter().map(one).collect()
}

/// Cases with what [`counts`] says of them, summed up.
pub fn summarise(card: &Card, cases: Vec<(String, Vec<Counts>)>) -> ScoreSummary {
    let names: Vec<String> = card.scored().into_iter().map(|region| region.name).collect();
    metric::summarise(&names, cases)
}

/// What the validation cases lack, a warning each: classes that none of them has and that are in no mean, and those that only some have. There are
/// `of` such cases, of which fewer may have been looked at.
pub fn absences(scores: &ScoreSummary, of: usize) -> Vec<Diagnostic> {
    let all = scores.cases.len();
    let part = if all < of { " of those before the last epoch" } else { "" };
    let no_case = if all < of { "no case that is validated before the last epoch" } else { "no validation case" };
    let list = |of: &dyn Fn(&ClassScore) -> bool, said: &dyn Fn(&ClassScore) -> String| -> Vec<String> {
        scores.classes.iter().filter(|c| of(c)).map(said).collect()
    };
    let none = list(&|c| c.in_reference == 0, &|c| format!("`{}`", printable(&c.name)));
    let some = list(&|c| (1..all).contains(&c.in_reference), &|c| format!("`{}` in {}", printable(&c.name), c.in_reference));
    let mut found = vec![];
    if scores.mean.is_none() {
        let message = format!("nothing to score: {no_case} has {}", if none.is_empty() { "a class".into() } else { none.join(" or ") });
        found.push(Diagnostic::warning(Code::E0704, message).help(
            "there is no mean Dice: the last epoch is kept as the best, and `patience` has no say; look at the label files with \
             `lmsc data check`, or change `split`",
        ));
    } else if !none.is_empty() {
        let message = format!("{no_case} has {}: it is in no mean Dice, chooses no epoch and is shown as -", none.join(" or "));
        found.push(Diagnostic::warning(Code::E0704, message).help("take it out of the labels, or change `split`"));
    }
    if !some.is_empty() {
        let message =
            format!("of {all} validation cases{part} {}: the Dice of a class is the mean over the cases that have it", some.join(", "));
        found.push(Diagnostic::warning(Code::E0704, message).help("a case without it in label and prediction does not count for it"));
    }
    found
}

/// Segments `cases` as prediction would, and scores them. `seen` is told how many are done.
///
/// # Errors
/// What is wrong with a case's files, or the device.
pub fn validate(model: &Model, store: &CaseStore, cases: &[usize], mut seen: impl FnMut(usize)) -> Result<ScoreSummary> {
    let mut counted = vec![];
    for (done, &case) in cases.iter().enumerate() {
        seen(done);
        let s = segment(model, store, case)?;
        counted.push((s.id, counts(model.card(), &s.labels, &s.truth, s.spacing, &s.lost)));
    }
    Ok(summarise(model.card(), counted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_case_has_is_told() {
        let names = ["a", "b", "never"].map(String::from);
        let has = |n: u64| Counts { true_positives: n, ..Counts::default() };
        let of_all = |cases: Vec<Vec<Counts>>, of: usize| {
            let cases = cases.into_iter().enumerate().map(|(i, c)| (i.to_string(), c)).collect();
            absences(&metric::summarise(&names, cases), of).into_iter().map(|d| d.message).collect::<Vec<_>>()
        };
        let said = |cases: Vec<Vec<Counts>>| {
            let of = cases.len();
            of_all(cases, of)
        };
        let two = said(vec![vec![has(1), has(1), has(0)], vec![has(1), has(0), has(0)]]);
        assert!(two[0].starts_with("no validation case has `never`: ") && two[1].starts_with("of 2 validation cases `b` in 1"), "{two:?}");
        assert!(said(vec![vec![has(1), has(1), has(1)]]).is_empty());
        let some = of_all(vec![vec![has(1), has(1), has(0)]], 4);
        assert!(some[0].starts_with("no case that is validated before the last epoch has `never`: "), "{some:?}");
        let stray = Counts { false_positives: 3, ..Counts::default() };
        let nothing = said(vec![vec![has(0), stray, has(0)]]);
        assert_eq!(nothing, ["nothing to score: no validation case has `a` or `b` or `never`"]);
    }

    #[test]
    fn what_preparation_has_lost_is_missed_whatever_is_predicted() {
        let labels = vec![(0, "background".to_owned()), (205, "lesion".to_owned()), (420, "organ".to_owned())];
        let card = Card::new(vec!["t1".into()], labels, [8; 3]);
        let map = |values: [u8; 4]| Array3::from_shape_vec((1, 1, 4), values.to_vec()).unwrap();
        let lost = [LostClass { class: 1, voxels: 3 }];
        let truth = map([0, 0, 2, 2]);
        let dice = |labels: [u8; 4], lost: &[LostClass]| {
            counts(&card, &map(labels), &truth, [1.0; 3], lost).into_iter().map(Counts::dice).collect::<Vec<_>>()
        };
        for predicted in [[0, 0, 2, 2], [1, 0, 2, 2], [1, 1, 2, 2]] {
            assert_eq!(dice(predicted, &lost), [Some(0.0), Some(1.0)], "{predicted:?}");
        }
        assert_eq!(counts(&card, &map([0; 4]), &truth, [1.0; 3], &lost)[0].reference(), 3);
        assert_eq!(dice([1, 0, 2, 2], &[]), [Some(0.0), Some(1.0)]);
    }
}
