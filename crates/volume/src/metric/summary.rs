//! Scores of many cases: per case, per class, in total.
//!
//! May use `overlap`, `means` beside it. Classes are what is scored: the background is none of them, regions may be.

use serde::Serialize;

use super::means::Values;
use super::overlap::Counts;

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseScore {
    pub id: String,
    /// Dice per foreground class, in the order of [`ScoreSummary::classes`]; none where the class is in neither map.
    pub dice: Vec<Option<f64>>,
    /// Mean of those of the classes that any reference has.
    pub mean: Option<f64>,
    /// The counts behind it.
    pub counts: Vec<Counts>,
}

/// One foreground class over all cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScore {
    pub name: String,
    /// Mean over the cases that count; none where no reference has the class.
    pub mean: Option<f64>,
    /// Cases that count: those that have the class in either map; 0 where no reference has it.
    pub n: usize,
    /// Cases whose reference has the class, and those that have it in the prediction only (each of them counts as 0).
    pub in_reference: usize,
    pub in_prediction_only: usize,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoreSummary {
    pub cases: Vec<CaseScore>,
    pub classes: Vec<ClassScore>,
    /// Mean over the foreground classes of their means, of those that any reference has; none where no reference has any.
    pub mean: Option<f64>,
}

/// Brings cases together. `classes` names what is scored; each case has the counts of those.
pub fn summarise(classes: &[String], cases: Vec<(String, Vec<Counts>)>) -> ScoreSummary {
    let complete = |counts: Vec<Counts>| -> Vec<Counts> {
        counts.into_iter().chain(std::iter::repeat(Counts::default())).take(classes.len()).collect()
    };
    let cases: Vec<(String, Vec<Counts>)> = cases.into_iter().map(|(id, counts)| (id, complete(counts))).collect();
    let of = |i: usize| cases.iter().map(move |(_, counts)| counts[i]);
    let has = |i: usize| of(i).filter(|c| c.reference() > 0).count();
    let referenced: Vec<bool> = (0..classes.len()).map(|i| has(i) > 0).collect();
    let values = Values::new((0..classes.len()).map(|i| of(i).map(Counts::dice).collect()).collect(), &referenced);
    let class = |(i, name): (usize, &String)| ClassScore {
        name: name.clone(),
        mean: values.region(i),
        n: values.count(i),
        in_reference: has(i),
        in_prediction_only: of(i).filter(|c| c.reference() == 0 && c.predicted() > 0).count(),
    };
    let classes = classes.iter().enumerate().map(class).collect();
    let case = |(at, (id, counts)): (usize, &(String, Vec<Counts>))| CaseScore {
        id: id.clone(),
        dice: counts.iter().map(|c| c.dice()).collect(),
        mean: values.case(at),
        counts: counts.clone(),
    };
    ScoreSummary { cases: cases.iter().enumerate().map(case).collect(), classes, mean: values.mean() }
}

#[cfg(test)]
mod tests {
    use super::super::score::counted;
    use super::*;

    fn counts(prediction: &[u8], reference: &[u8], classes: u32) -> Vec<Counts> {
        counted(prediction, reference, classes).into_iter().skip(1).collect()
    }

    #[test]
    fn cases_and_classes_by_hand() {
        let names = ["a", "b", "never"].map(String::from);
        let cases = vec![
            ("x".to_string(), counts(&[1, 1, 0, 0], &[1, 0, 0, 0], 4)), // a 2/3, b neither
            ("y".to_string(), counts(&[1, 2, 2, 0], &[1, 2, 0, 0], 4)), // a 1, b 2/3
            ("z".to_string(), counts(&[0, 0, 0, 3], &[2, 1, 0, 0], 4)), // a 0, b 0, and the third where it is nowhere
        ];
        let s = summarise(&names, cases);
        let close = |a: Option<f64>, b: f64| assert!((a.unwrap() - b).abs() < 1e-12, "{a:?} {b}");
        assert_eq!((s.cases[0].dice[1], s.cases[2].dice[2], s.cases[0].dice[2]), (None, Some(0.0), None));
        close(s.cases[0].mean, 2.0 / 3.0);
        close(s.cases[2].mean, 0.0);
        close(s.classes[0].mean, (2.0 / 3.0 + 1.0) / 3.0);
        close(s.classes[1].mean, (2.0 / 3.0) / 2.0);
        assert_eq!((s.classes[0].n, s.classes[1].n, s.classes[1].in_reference), (3, 2, 2));
        assert_eq!((s.classes[2].mean, s.classes[2].n, s.classes[2].in_prediction_only), (None, 0, 1));
        close(s.mean, (5.0 / 9.0 + 1.0 / 3.0) / 2.0);
    }

    #[test]
    fn nothing_is_not_a_perfect_score() {
        assert_eq!(summarise(&["a".to_string()], vec![]).mean, None);
        let empty = summarise(&["a".to_string()], vec![("x".into(), counts(&[0, 0], &[0, 0], 2))]);
        assert_eq!((empty.mean, empty.cases[0].mean), (None, None));
        let stray = summarise(&["a".to_string()], vec![("x".into(), counts(&[0, 1], &[0, 0], 2))]);
        assert_eq!((stray.mean, stray.classes[0].in_prediction_only), (None, 1));
    }
}
