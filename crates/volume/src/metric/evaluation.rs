//! Many cases brought together, and two sets of predictions held against each other.
//!
//! May use `figure`, `region`, `score`, `spread`, `wilcoxon` beside it.

use serde::Serialize;

use super::figure::{Better, Figure};
use super::overlap::Counts;
use super::region::Region;
use super::score::{Presence, Scores};
use super::spread::{Spread, spreads};
use super::wilcoxon::{SignedRank, holm, signed_rank};

/// The name of the row that has the mean over the regions of each case.
pub const MEAN: &str = "mean";
/// Worst cases that are named.
const WORST: usize = 5;
/// Below this a corrected p-value is a difference.
pub const SIGNIFICANT: f64 = 0.05;

/// One case, all regions.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    pub id: String,
    /// In the order of [`Evaluation::regions`].
    pub scores: Vec<Scores>,
}

/// All cases of one set of predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    pub regions: Vec<Region>,
    pub cases: Vec<Scored>,
}

/// One figure of one region over all cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The region, or [`MEAN`].
    pub region: String,
    pub figure: &'static str,
    pub better: Better,
    #[serde(flatten)]
    pub spread: Spread,
    /// The worst cases by this figure, worst first.
    pub worst: Vec<Case>,
    #[serde(skip)]
    pub of: Figure,
}

/// A case and its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Case {
    pub case: String,
    pub value: f64,
}

/// In how many cases a region is where, and its Dice over all voxels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Occurrence {
    pub region: String,
    pub values: Vec<u8>,
    pub in_both: usize,
    pub in_neither: usize,
    pub in_prediction_only: usize,
    pub in_reference_only: usize,
    /// Dice of all voxels of all cases taken together.
    pub pooled_dice: f64,
}

/// One figure of one region, of two sets of predictions for the same cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    pub region: String,
    pub figure: &'static str,
    pub better: Better,
    /// Means of the two sets; of absolute values where either sign is an error.
    pub mean: f64,
    pub against: f64,
    /// The paired difference, this set less the other.
    pub difference: Spread,
    /// Cases in which this set is better, worse and equal.
    pub wins: usize,
    pub losses: usize,
    pub equal: usize,
    pub wilcoxon: SignedRank,
    /// The p-value corrected by Holm's method for there being several regions, their mean among them.
    pub p_holm: f64,
    pub verdict: Verdict,
    #[serde(skip)]
    pub of: Figure,
}

/// What the test says of this set, at [`SIGNIFICANT`] after correction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Better,
    Worse,
    /// Not that they are equal: no difference was shown.
    Undecided,
}

impl Verdict {
    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Undecided => "undecided",
        }
    }
}

impl Evaluation {
    /// The regions, and [`MEAN`] after them if there are several.
    pub fn rows(&self) -> Vec<&str> {
        let mean = (self.regions.len() > 1).then_some(MEAN);
        self.regions.iter().map(|r| r.name.as_str()).chain(mean).collect()
    }

    /// One figure of one row, per case: of a region, or beyond these the mean over them. None where it was not asked for.
    pub fn column(&self, row: usize, figure: Figure) -> Option<Vec<f64>> {
        self.cases.iter().map(|c| value(c, row, figure)).collect()
    }

    /// Each figure of each region over the cases.
    pub fn summary(&self, figures: &[Figure], seed: u64) -> Vec<Row> {
        let asked = self.asked(figures);
        let columns: Vec<Vec<f64>> = asked.iter().map(|(_, _, _, column)| column.clone()).collect();
        let row = |((_, name, figure, column), spread): ((usize, &str, Figure, Vec<f64>), Spread)| {
            let mut order: Vec<usize> = (0..column.len()).collect();
            order.sort_by(|a, b| figure.badness(column[*b]).total_cmp(&figure.badness(column[*a])));
            let worst = order.into_iter().take(WORST).map(|i| Case { case: self.cases[i].id.clone(), value: column[i] }).collect();
            Row { region: name.to_owned(), figure: figure.key(), better: figure.better(), spread, worst, of: figure }
        };
        asked.into_iter().zip(spreads(&columns, seed)).map(row).collect()
    }

    /// Where each region occurs.
    pub fn occurrences(&self) -> Vec<Occurrence> {
        let one = |(i, region): (usize, &Region)| {
            let all = || self.cases.iter().filter_map(move |c| c.scores.get(i));
            let count = |p: Presence| all().filter(|s| s.presence == p).count();
            Occurrence {
                region: region.name.clone(),
                values: region.values.clone(),
                in_both: count(Presence::Both),
                in_neither: count(Presence::Neither),
                in_prediction_only: count(Presence::PredictionOnly),
                in_reference_only: count(Presence::ReferenceOnly),
                pooled_dice: all().fold(Counts::default(), |sum, s| sum + s.counts).dice(),
            }
        };
        self.regions.iter().enumerate().map(one).collect()
    }

    /// Whether this set is better than another one of the same cases and regions, in the same order.
    pub fn compared(&self, against: &Evaluation, figures: &[Figure], seed: u64) -> Vec<Compared> {
        let pairs: Vec<_> = self
            .asked(figures)
            .into_iter()
            .filter_map(|(row, name, figure, own)| {
                let size = |v: Vec<f64>| if figure.better() == Better::NearerZero { v.into_iter().map(f64::abs).collect() } else { v };
                Some((name, figure, size(own), size(against.column(row, figure)?)))
            })
            .collect();
        let differences: Vec<Vec<f64>> =
            pairs.iter().map(|(_, _, own, other)| own.iter().zip(other).map(|(o, a)| o - a).collect()).collect();
        let spread = spreads(&differences, seed);
        let tests: Vec<SignedRank> = differences.iter().map(|d| signed_rank(d)).collect();
        // The regions of one figure are a family: each figure asks its own question.
        let mut corrected = vec![1.0; tests.len()];
        for figure in figures {
            let family: Vec<usize> = (0..pairs.len()).filter(|i| pairs[*i].1 == *figure).collect();
            let p = holm(&family.iter().map(|i| tests[*i].p).collect::<Vec<_>>());
            family.into_iter().zip(p).for_each(|(i, p)| corrected[i] = p);
        }
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let mut all = vec![];
        for (i, (name, figure, own, other)) in pairs.iter().enumerate() {
            let test = tests[i];
            let sign = if figure.better() == Better::Higher { 1.0 } else { -1.0 };
            let gains = |side: f64| differences[i].iter().filter(|d| **d * sign * side > 0.0).count();
            let (wins, losses) = (gains(1.0), gains(-1.0));
            let verdict = match (test.positive - test.negative) * sign {
                _ if corrected[i] >= SIGNIFICANT => Verdict::Undecided,
                lead if lead > 0.0 => Verdict::Better,
                _ => Verdict::Worse,
            };
            all.push(Compared {
                region: (*name).to_owned(),
                figure: figure.key(),
                better: figure.better(),
                mean: mean(own),
                against: mean(other),
                difference: spread[i],
                wins,
                losses,
                equal: own.len() - wins - losses,
                wilcoxon: test,
                p_holm: corrected[i],
                verdict,
                of: *figure,
            });
        }
        all
    }

    /// Every (row, its name, figure, values) that can be had, regions first to last.
    fn asked(&self, figures: &[Figure]) -> Vec<(usize, &str, Figure, Vec<f64>)> {
        let rows = self.rows();
        let all = rows.iter().enumerate().flat_map(|(i, name)| figures.iter().map(move |f| (i, *name, *f)));
        all.filter_map(|(i, name, f)| Some((i, name, f, self.column(i, f)?))).collect()
    }
}

/// A case's figure for a region, or beyond these the mean over them; there is no mean of figures whose signs would cancel.
pub fn value(case: &Scored, row: usize, figure: Figure) -> Option<f64> {
    if let Some(scores) = case.scores.get(row) {
        return figure.of(scores);
    }
    let all: Vec<f64> = case.scores.iter().map(|s| figure.of(s)).collect::<Option<_>>()?;
    (!all.is_empty() && figure.better() != Better::NearerZero).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::{Convention, Pair, Settings};
    use super::*;
    use ndarray::Array3;

    const FIGURES: &[Figure] = &[Figure::Dice, Figure::Hd95, Figure::VolumeDifference];

    /// Cases whose prediction of region `b` is off by as many voxels.
    fn evaluation(off: &[usize]) -> Evaluation {
        let regions = vec![Region::parse("a=1").unwrap(), Region::parse("b=2,3").unwrap()];
        let block = |from: usize| {
            Array3::from_shape_fn((6, 6, 20), |(d, _, w)| if d == 0 { 1 } else { u8::from((from..from + 4).contains(&w)) * 2 })
        };
        let settings = Settings { convention: Convention::DeepMind, tolerance: 1.0, lesions: None };
        let scores = |off: &usize| {
            let (p, r) = (block(2 + off), block(2));
            let pair = Pair::new(&p, &r, [1.0, 1.0, 2.0]).unwrap();
            regions.iter().map(|r| pair.score(r, &settings)).collect()
        };
        let cases = off.iter().enumerate().map(|(i, o)| Scored { id: format!("case{i}"), scores: scores(o) }).collect();
        Evaluation { regions, cases }
    }

    #[test]
    fn regions_and_their_mean_are_summarised() {
        let e = evaluation(&[0, 2, 1]);
        let rows = e.summary(FIGURES, 1);
        let names: Vec<(&str, &str)> = rows.iter().map(|r| (r.region.as_str(), r.figure)).collect();
        let mean = [("mean", "dice"), ("mean", "hd95_mm")];
        assert_eq!(names[3..], [&[("b", "dice"), ("b", "hd95_mm"), ("b", "volume_difference_ml")][..], &mean].concat());
        assert_eq!((rows[3].spread.mean, rows[3].spread.least), ((1.0 + 0.5 + 0.75) / 3.0, 0.5));
        assert_eq!(rows[6].spread.mean, (1.0 + 0.75 + 0.875) / 3.0);
        assert_eq!(rows[3].worst.iter().map(|w| w.case.as_str()).collect::<Vec<_>>(), ["case1", "case2", "case0"]);
        assert_eq!((rows[4].worst[0].case.as_str(), rows[4].worst[0].value), ("case1", 4.0));
        assert_eq!(e.occurrences()[1].pooled_dice, 0.75);
        assert_eq!(e.occurrences()[1].in_both, 3);
    }

    #[test]
    fn a_better_set_is_told_from_a_worse_one() {
        let (good, bad) = (evaluation(&[0, 0, 0, 0, 0, 1, 0, 0]), evaluation(&[1, 2, 3, 1, 2, 3, 1, 0]));
        let find = |of: &[Compared], figure: &str| of.iter().find(|c| c.region == "b" && c.figure == figure).cloned().unwrap();
        let there = good.compared(&bad, &[Figure::Dice], 1);
        let dice = find(&there, "dice");
        assert_eq!((dice.wins, dice.losses, dice.equal), (7, 0, 1));
        assert_eq!((dice.wilcoxon.p, dice.wilcoxon.zeros), (2.0 / 128.0, 1));
        assert_eq!((dice.p_holm, dice.verdict), (3.0 * 2.0 / 128.0, Verdict::Better));
        assert!(dice.difference.mean > 0.0 && dice.difference.low > Some(0.0));
        let back = bad.compared(&good, &[Figure::Hd95], 1);
        let hd95 = find(&back, "hd95_mm");
        assert_eq!((hd95.wins, hd95.losses, hd95.verdict), (0, 7, Verdict::Worse));
        assert!(hd95.difference.mean > 0.0);
        assert_eq!(find(&good.compared(&good, &[Figure::Dice], 1), "dice").verdict, Verdict::Undecided);
    }
}
