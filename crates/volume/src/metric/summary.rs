//! Scores of many cases: per case, per class, in total.
//!
//! May use `overlap` only. Classes are what is scored: the background is none of them, regions may be.

use serde::Serialize;

use super::overlap::Counts;

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseScore {
    pub id: String,
    /// Dice per foreground class, in the order of [`Summary::classes`].
    pub dice: Vec<f64>,
    /// Mean of `dice`.
    pub mean: f64,
    /// The counts behind it.
    pub counts: Vec<Counts>,
}

/// One foreground class over all cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScore {
    pub name: String,
    /// Mean over cases; every case counts the same. The one that papers report.
    pub mean: f64,
    /// Standard deviation over cases (n - 1; 0 for one case).
    pub deviation: f64,
    /// Dice of all voxels of all cases taken together.
    pub pooled: f64,
    /// Cases in which the class is in neither map (each counts as 1).
    pub both_empty: usize,
    /// Cases in which it is in one map only (each counts as 0).
    pub one_empty: usize,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub cases: Vec<CaseScore>,
    pub classes: Vec<ClassScore>,
    /// Mean over the foreground classes of their means; NaN (null in JSON) without cases or classes.
    pub mean: f64,
}

/// Brings cases together. `classes` names what is scored; each case has the counts of those.
pub fn summarise(classes: &[String], cases: Vec<(String, Vec<Counts>)>) -> Summary {
    let cases: Vec<CaseScore> = cases
        .into_iter()
        .map(|(id, counts)| {
            let counts: Vec<Counts> = counts.into_iter().chain(std::iter::repeat(Counts::default())).take(classes.len()).collect();
            let dice: Vec<f64> = counts.iter().map(|c| c.dice()).collect();
            CaseScore { id, mean: mean(&dice), dice, counts }
        })
        .collect();
    let classes: Vec<ClassScore> = classes.iter().enumerate().map(|(i, name)| class(name, i, &cases)).collect();
    let mean = mean(&classes.iter().map(|c| c.mean).collect::<Vec<_>>());
    Summary { cases, classes, mean }
}

fn class(name: &str, i: usize, cases: &[CaseScore]) -> ClassScore {
    let dice: Vec<f64> = cases.iter().map(|c| c.dice[i]).collect();
    let all = || cases.iter().map(|c| c.counts[i]);
    let m = mean(&dice);
    let squares: f64 = dice.iter().map(|d| (d - m).powi(2)).sum();
    ClassScore {
        name: name.into(),
        mean: m,
        deviation: if dice.len() > 1 { (squares / (dice.len() - 1) as f64).sqrt() } else { 0.0 },
        pooled: all().fold(Counts::default(), |a, b| a + b).dice(),
        both_empty: all().filter(|c| c.is_empty()).count(),
        one_empty: all().filter(|c| !c.is_empty() && (c.predicted() == 0 || c.reference() == 0)).count(),
    }
}

fn mean(v: &[f64]) -> f64 {
    v.iter().sum::<f64>() / v.len() as f64
}

#[cfg(test)]
mod tests {
    use super::super::score::counted;
    use super::*;

    fn counts(prediction: &[u8], reference: &[u8], classes: u8) -> Vec<Counts> {
        counted(prediction, reference, classes).into_iter().skip(1).collect()
    }

    #[test]
    fn cases_and_classes_by_hand() {
        let names = ["a".to_string(), "b".to_string()];
        let cases = vec![
            ("x".to_string(), counts(&[1, 1, 0, 0], &[1, 0, 0, 0], 3)), // a 2/3, b neither
            ("y".to_string(), counts(&[1, 2, 2, 0], &[1, 2, 0, 0], 3)), // a 1, b 2/3
            ("z".to_string(), counts(&[0, 0, 0, 0], &[2, 1, 0, 0], 3)), // a 0, b 0
        ];
        let s = summarise(&names, cases);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(s.cases[0].mean, (2.0 / 3.0 + 1.0) / 2.0);
        close(s.classes[0].mean, (2.0 / 3.0 + 1.0) / 3.0);
        close(s.classes[1].mean, (1.0 + 2.0 / 3.0) / 3.0);
        close(s.classes[0].pooled, 2.0 * 2.0 / 6.0);
        assert_eq!((s.classes[1].both_empty, s.classes[1].one_empty), (1, 1));
        close(s.mean, 5.0 / 9.0);
        close(s.classes[0].deviation, 0.509_175_077_217_315_6);
    }

    #[test]
    fn no_cases_is_not_a_perfect_score() {
        assert!(summarise(&["a".to_string()], vec![]).mean.is_nan());
    }
}
