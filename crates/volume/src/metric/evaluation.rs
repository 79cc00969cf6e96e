//! Scores of many cases, and their statistics.
//!
//! May use `figure`, `means`, `region`, `score`, `spread` beside it.

use serde::Serialize;

use super::figure::{Better, Metric};
use super::means::{MetricSample, Values};
use super::overlap::Counts;
use super::region::{LabelValue, Region};
use super::score::{Presence, Scores};
use super::spread::{Spread, spreads};

/// The name of the row that has the mean over the regions.
pub const MEAN: &str = "mean";
/// Worst cases that are named.
const WORST: usize = 5;

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
pub struct RegionMetric {
    /// The region, or [`MEAN`].
    pub region: String,
    pub figure: &'static str,
    pub better: Better,
    #[serde(flatten)]
    pub spread: Spread,
    /// The worst cases by this figure, worst first.
    pub worst: Vec<CaseValue>,
    #[serde(skip)]
    pub of: Metric,
}

/// A case and its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseValue {
    pub case: String,
    pub value: f64,
}

/// In which cases a region is where, and its Dice over all voxels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Occurrence {
    pub region: String,
    pub values: Vec<LabelValue>,
    pub in_both: usize,
    pub in_neither: usize,
    pub in_prediction_only: usize,
    pub in_reference_only: usize,
    /// The names of those of the prediction only: the reference has nothing there.
    pub cases_in_prediction_only: Vec<String>,
    /// Voxels that are predicted in those.
    pub voxels_in_prediction_only: u64,
    /// Dice of all voxels of all cases taken together; none where no reference has the region.
    pub pooled_dice: Option<f64>,
}

impl Occurrence {
    /// Whether any reference has the region. One that none has enters no mean.
    pub fn is_referenced(&self) -> bool {
        self.in_both + self.in_reference_only > 0
    }
}

impl Evaluation {
    /// The regions, and [`MEAN`] after them if there are several.
    pub fn rows(&self) -> Vec<&str> {
        let mean = (self.regions.len() > 1).then_some(MEAN);
        self.regions.iter().map(|r| r.name.as_str()).chain(mean).collect()
    }

    /// Which regions any reference has.
    pub fn referenced(&self) -> Vec<bool> {
        let has = |i: usize| self.cases.iter().any(|c| c.scores.get(i).is_some_and(|s| s.counts.reference() > 0));
        (0..self.regions.len()).map(has).collect()
    }

    /// A figure of all regions and cases, as it counts in means.
    pub fn values(&self, figure: Metric) -> Values {
        let column = |i: usize| self.cases.iter().map(|c| c.scores.get(i).and_then(|s| figure.of(s))).collect();
        Values::new((0..self.regions.len()).map(column).collect(), &self.referenced())
    }

    /// One figure per case, of a region, or beyond these the mean over them; there is no mean of figures whose signs would cancel. What a
    /// case has of a region that no reference has is told here, and counts nowhere.
    pub fn column(&self, row: usize, figure: Metric) -> Vec<Option<f64>> {
        if row < self.regions.len() {
            return self.cases.iter().map(|c| c.scores.get(row).and_then(|s| figure.of(s))).collect();
        }
        let values = self.values(figure);
        (0..self.cases.len()).map(|at| values.case(at).filter(|_| figure.better() != Better::NearerZero)).collect()
    }

    /// Each figure of each region over the cases.
    pub fn summary(&self, figures: &[Metric], seed: u64) -> Vec<RegionMetric> {
        let asked = self.asked(figures);
        let values: Vec<Values> = figures.iter().map(|f| self.values(*f)).collect();
        let sample = |(row, _, figure): &(usize, &str, Metric)| -> MetricSample {
            let at = figures.iter().position(|f| f == figure).unwrap_or_default();
            if *row < self.regions.len() { values[at].of_region(*row) } else { values[at].of_mean() }
        };
        let samples: Vec<MetricSample> = asked.iter().map(sample).collect();
        let row = |(((_, name, figure), sample), spread): (((usize, &str, Metric), &MetricSample), Spread)| {
            let mut order: Vec<(usize, f64)> = sample.values.iter().enumerate().filter_map(|(i, v)| Some((i, (*v)?))).collect();
            order.sort_by(|(_, a), (_, b)| figure.badness(*b).total_cmp(&figure.badness(*a)));
            let worst = order.into_iter().take(WORST).map(|(i, value)| CaseValue { case: self.cases[i].id.clone(), value }).collect();
            RegionMetric { region: name.to_owned(), figure: figure.key(), better: figure.better(), spread, worst, of: figure }
        };
        asked.into_iter().zip(&samples).zip(spreads(&samples, seed)).map(row).collect()
    }

    /// Where each region occurs.
    pub fn occurrences(&self) -> Vec<Occurrence> {
        let referenced = self.referenced();
        let one = |(i, region): (usize, &Region)| {
            let all = || self.cases.iter().filter_map(move |c| Some((c, c.scores.get(i)?)));
            let count = |p: Presence| all().filter(|(_, s)| s.presence == p).count();
            let alone = || all().filter(|(_, s)| s.presence == Presence::PredictionOnly);
            let pooled = all().fold(Counts::default(), |sum, (_, s)| sum + s.counts).dice();
            Occurrence {
                region: region.name.clone(),
                values: region.values.clone(),
                in_both: count(Presence::Both),
                in_neither: count(Presence::Neither),
                in_prediction_only: count(Presence::PredictionOnly),
                in_reference_only: count(Presence::ReferenceOnly),
                cases_in_prediction_only: alone().map(|(c, _)| c.id.clone()).collect(),
                voxels_in_prediction_only: alone().map(|(_, s)| s.counts.predicted()).sum(),
                pooled_dice: pooled.filter(|_| referenced[i]),
            }
        };
        self.regions.iter().enumerate().map(one).collect()
    }

    /// Every row with its name and each figure that it can have, regions first to last.
    pub(super) fn asked(&self, figures: &[Metric]) -> Vec<(usize, &str, Metric)> {
        let lesions = self.cases.iter().flat_map(|c| &c.scores).any(|s| s.lesions.is_some());
        let can =
            |row: usize, f: Metric| (lesions || !f.is_lesion_wise()) && (row < self.regions.len() || f.better() != Better::NearerZero);
        let all = self.rows().into_iter().enumerate().flat_map(|(i, name)| figures.iter().map(move |f| (i, name, *f)));
        all.filter(|(row, _, f)| can(*row, *f)).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Empty, LabelPair, Settings, SurfaceConvention};
    use super::*;
    use ndarray::Array3;

    const FIGURES: &[Metric] = &[Metric::Dice, Metric::Hd95, Metric::VolumeDifference];

    /// Cases whose prediction of region `b` is off by as many voxels.
    pub(in super::super) fn evaluation(off: &[usize]) -> Evaluation {
        let regions = vec![Region::parse("a=1").unwrap(), Region::parse("b=2,3").unwrap()];
        let block = |from: usize| {
            Array3::from_shape_fn((6, 6, 20), |(d, _, w)| if d == 0 { 1 } else { u8::from((from..from + 4).contains(&w)) * 2 })
        };
        let settings = Settings { convention: SurfaceConvention::DeepMind, tolerance: 1.0, lesions: None, empty: Empty::Absent };
        let scores = |off: &usize| {
            let (p, r) = (block(2 + off), block(2));
            let pair = LabelPair::new(&p, &r, [1.0, 1.0, 2.0]).unwrap();
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
        assert_eq!((rows[3].spread.mean, rows[3].spread.least), (Some((1.0 + 0.5 + 0.75) / 3.0), Some(0.5)));
        assert_eq!(rows[6].spread.mean, Some((1.0 + 0.75 + 0.875) / 3.0));
        assert_eq!(rows[3].worst.iter().map(|w| w.case.as_str()).collect::<Vec<_>>(), ["case1", "case2", "case0"]);
        assert_eq!((rows[4].worst[0].case.as_str(), rows[4].worst[0].value), ("case1", 4.0));
        assert_eq!(e.occurrences()[1].pooled_dice, Some(0.75));
        assert_eq!(e.occurrences()[1].in_both, 3);
    }
}
