//! Paired comparison of two sets of predictions for the same cases.
//!
//! May use `evaluation`, `figure`, `score`, `means`, `spread`, `wilcoxon` beside it.
//!
//! A pair is what the two sets have of one region in one case. Where neither has a value (the region is in no map) there is no pair. Where
//! one has predicted what the reference has not, and the other, rightly, nothing, the other counts as perfect: what is wrong on one side
//! only must not be left out.

use serde::Serialize;

use super::evaluation::Evaluation;
use super::figure::{Better, Metric};
use super::means::{MetricSample, mean};
use super::score::Scores;
use super::spread::{Spread, spreads};
use super::wilcoxon::{SignedRank, holm, least_p, pairs_needed, signed_rank};

/// Below this a corrected p-value is a difference.
pub const SIGNIFICANT: f64 = 0.05;

/// One figure of one region, of two sets of predictions for the same cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    pub region: String,
    pub figure: &'static str,
    pub better: Better,
    /// Means of the two sets over the pairs; of absolute values where either sign is an error.
    pub mean: Option<f64>,
    pub against: Option<f64>,
    /// The paired difference, this set less the other.
    pub difference: Spread,
    /// Pairs in which this set is better, worse and equal.
    pub wins: usize,
    pub losses: usize,
    pub equal: usize,
    pub wilcoxon: SignedRank,
    /// The p-value corrected by Holm's method for there being several regions, their mean among them.
    pub p_holm: f64,
    /// The least p-value, uncorrected, that as many pairs with a difference can give.
    pub least_p: f64,
    /// Pairs with a difference that it takes for a corrected p-value below [`SIGNIFICANT`].
    pub pairs_needed: usize,
    pub verdict: Verdict,
    #[serde(skip)]
    pub of: Metric,
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

impl Compared {
    /// Pairs with a difference.
    pub fn pairs(&self) -> usize {
        self.wilcoxon.n - self.wilcoxon.zeros
    }

    /// Whether there are so few pairs that no difference could be shown, however large.
    pub fn cannot_decide(&self) -> bool {
        self.pairs() < self.pairs_needed
    }
}

/// A pair of values of this set and the other one; none where there is no pair.
fn pair(own: &Scores, other: &Scores, figure: Metric) -> Option<[f64; 2]> {
    let size = |v: f64| if figure.better() == Better::NearerZero { v.abs() } else { v };
    let of = |s: &Scores| figure.of(s).map(size);
    match (of(own), of(other)) {
        (None, None) => None,
        (own, other) => Some([own, other].map(|v| v.unwrap_or(figure.perfect()))),
    }
}

fn scores(of: &Evaluation, case: usize, region: usize) -> Option<&Scores> {
    of.cases.get(case)?.scores.get(region)
}

impl Evaluation {
    /// Whether this set is better than another one of the same cases and regions, in the same order.
    pub fn compared(&self, against: &Evaluation, figures: &[Metric], seed: u64) -> Vec<Compared> {
        let referenced = self.referenced();
        let one = |region: usize, figure: Metric, case: usize| -> Option<[f64; 2]> {
            let pair = pair(scores(self, case, region)?, scores(against, case, region)?, figure)?;
            referenced[region].then_some(pair)
        };
        let of_case = |row: usize, figure: Metric, case: usize| -> Option<[f64; 2]> {
            if row < self.regions.len() {
                return one(row, figure, case);
            }
            let all: Vec<[f64; 2]> = (0..self.regions.len()).filter_map(|i| one(i, figure, case)).collect();
            Some([mean(all.iter().map(|p| Some(p[0])))?, mean(all.iter().map(|p| Some(p[1])))?])
        };
        let asked = self.asked(figures);
        let pairs: Vec<Vec<Option<[f64; 2]>>> =
            asked.iter().map(|(row, _, f)| (0..self.cases.len()).map(|case| of_case(*row, *f, case)).collect()).collect();
        let sample = |pairs: &Vec<Option<[f64; 2]>>| {
            let values: Vec<Option<f64>> = pairs.iter().map(|p| p.map(|[own, other]| own - other)).collect();
            MetricSample { parts: vec![values.clone()], values }
        };
        let samples: Vec<MetricSample> = pairs.iter().map(sample).collect();
        let differences: Vec<Vec<f64>> = samples.iter().map(|s| s.values.iter().flatten().copied().collect()).collect();
        let spread = spreads(&samples, seed);
        let tests: Vec<SignedRank> = differences.iter().map(|d| signed_rank(d)).collect();
        // The regions of one figure are a family: each figure asks its own question. One without a pair asks none.
        let mut corrected = vec![1.0; tests.len()];
        let mut sizes = vec![1; tests.len()];
        for figure in figures {
            let family: Vec<usize> = (0..pairs.len()).filter(|i| asked[*i].2 == *figure && tests[*i].n > 0).collect();
            let p = holm(&family.iter().map(|i| tests[*i].p).collect::<Vec<_>>());
            family.iter().for_each(|i| sizes[*i] = family.len());
            family.into_iter().zip(p).for_each(|(i, p)| corrected[i] = p);
        }
        let mut all = vec![];
        for (i, (_, name, figure)) in asked.into_iter().enumerate() {
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
                region: name.to_owned(),
                figure: figure.key(),
                better: figure.better(),
                mean: mean(pairs[i].iter().map(|p| p.map(|p| p[0]))),
                against: mean(pairs[i].iter().map(|p| p.map(|p| p[1]))),
                difference: spread[i],
                wins,
                losses,
                equal: test.n - wins - losses,
                wilcoxon: test,
                p_holm: corrected[i],
                least_p: least_p(test.n - test.zeros),
                pairs_needed: pairs_needed(SIGNIFICANT / sizes[i] as f64),
                verdict,
                of: figure,
            });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::evaluation::tests::evaluation;
    use super::*;

    #[test]
    fn a_better_set_is_told_from_a_worse_one() {
        let (good, bad) = (evaluation(&[0, 0, 0, 0, 0, 1, 0, 0]), evaluation(&[1, 2, 3, 1, 2, 3, 1, 0]));
        let find = |of: &[Compared], figure: &str| of.iter().find(|c| c.region == "b" && c.figure == figure).cloned().unwrap();
        let there = good.compared(&bad, &[Metric::Dice], 1);
        let dice = find(&there, "dice");
        assert_eq!((dice.wins, dice.losses, dice.equal), (7, 0, 1));
        assert_eq!((dice.wilcoxon.p, dice.wilcoxon.zeros), (2.0 / 128.0, 1));
        assert_eq!((dice.p_holm, dice.verdict), (3.0 * 2.0 / 128.0, Verdict::Better));
        assert!(dice.difference.mean > Some(0.0) && dice.difference.low > Some(0.0));
        let back = bad.compared(&good, &[Metric::Hd95], 1);
        let hd95 = find(&back, "hd95_mm");
        assert_eq!((hd95.wins, hd95.losses, hd95.verdict), (0, 7, Verdict::Worse));
        assert!(hd95.difference.mean > Some(0.0));
        assert_eq!(find(&good.compared(&good, &[Metric::Dice], 1), "dice").verdict, Verdict::Undecided);
    }

    #[test]
    fn few_pairs_cannot_decide() {
        let (good, bad) = (evaluation(&[0, 0, 0, 0]), evaluation(&[1, 2, 3, 4]));
        let dice = good.compared(&bad, &[Metric::Dice], 1).into_iter().find(|c| c.region == "b").unwrap();
        // Region `a` and the mean are of the family: 0.05 / 3 takes 7 pairs.
        assert_eq!((dice.verdict, dice.pairs(), dice.least_p, dice.pairs_needed), (Verdict::Undecided, 4, 0.125, 7));
        assert!(dice.cannot_decide());
    }

    #[test]
    fn what_one_side_alone_got_wrong_is_a_pair() {
        let (mut own, mut other) = (evaluation(&[0, 0, 0]), evaluation(&[0, 0, 0]));
        // In case 0 no map has region `b`; in case 1 only the other set has predicted it.
        let nothing = |e: &mut Evaluation, case: usize| {
            let s = &mut e.cases[case].scores[1];
            *s = Scores::of_nothing(&super::super::Settings {
                convention: super::super::SurfaceConvention::DeepMind,
                tolerance: 1.0,
                lesions: None,
                empty: super::super::Empty::Absent,
            });
        };
        nothing(&mut own, 0);
        nothing(&mut other, 0);
        nothing(&mut own, 1);
        other.cases[1].scores[1].dice = Some(0.0);
        let b = own.compared(&other, &[Metric::Dice], 1).into_iter().find(|c| c.region == "b").unwrap();
        assert_eq!((b.difference.n, b.difference.of, b.wins, b.losses, b.equal), (2, 3, 1, 0, 1));
        assert_eq!((b.mean, b.against), (Some(1.0), Some(0.5)));
        let back = other.compared(&own, &[Metric::Dice], 1).into_iter().find(|c| c.region == "b").unwrap();
        assert_eq!((back.wins, back.losses), (0, 1));
    }
}
