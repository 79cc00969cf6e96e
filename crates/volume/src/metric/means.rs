//! Which values count in a mean. The one place for the rule, for evaluation, validation and reports alike:
//!
//! - A region that is in neither map of a case has no value there, and no part in a mean.
//! - A region that no reference has enters no mean, whatever was predicted: what is scored follows from the references.
//! - The mean of a region is over the cases in which it has a value; the mean over regions is that of their means.
//!
//! So no mean rises when a prediction gets worse: a voxel in the wrong place lowers a value or adds a 0, and never adds a region.
//!
//! Depends on nothing of this crate.

/// Values of regions in cases; none where a region is in neither map.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Of each region, over the cases.
    columns: Vec<Vec<Option<f64>>>,
}

/// A figure over cases, as its spread is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSample {
    /// Of each case.
    pub values: Vec<Option<f64>>,
    /// The columns whose means have the figure's mean as their mean; `values` alone for one region.
    pub parts: Vec<Vec<Option<f64>>>,
}

/// The mean of those that there are; none of none.
pub fn mean(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, n) = values.into_iter().flatten().fold((0.0, 0usize), |(sum, n), v| (sum + v, n + 1));
    (n > 0).then(|| sum / n as f64)
}

/// Whether a mean is better than that of an earlier epoch. Where none has a mean, the later one is taken.
pub fn is_better(own: Option<f64>, than: Option<f64>) -> bool {
    than.is_none_or(|than| own.is_some_and(|own| own > than))
}

impl Values {
    /// `columns` are those of the regions, over the same cases; `referenced` says which regions any reference has.
    pub fn new(columns: Vec<Vec<Option<f64>>>, referenced: &[bool]) -> Self {
        let known = |i: usize| referenced.get(i).copied().unwrap_or(false);
        let masked = |(i, column): (usize, Vec<Option<f64>>)| if known(i) { column } else { vec![None; column.len()] };
        Self { columns: columns.into_iter().enumerate().map(masked).collect() }
    }

    /// In how many cases a region has a value.
    pub fn count(&self, region: usize) -> usize {
        self.columns.get(region).map_or(0, |c| c.iter().flatten().count())
    }

    /// The mean of a region over the cases.
    pub fn region(&self, region: usize) -> Option<f64> {
        mean(self.columns.get(region)?.iter().copied())
    }

    /// The mean of a case over the regions.
    pub fn case(&self, case: usize) -> Option<f64> {
        mean(self.columns.iter().map(|c| c.get(case).copied().flatten()))
    }

    /// The mean over the regions of their means.
    pub fn mean(&self) -> Option<f64> {
        mean((0..self.columns.len()).map(|i| self.region(i)))
    }

    /// The spread of a region is that of its values.
    pub fn of_region(&self, region: usize) -> MetricSample {
        let values = self.columns.get(region).cloned().unwrap_or_default();
        MetricSample { parts: vec![values.clone()], values }
    }

    /// The spread of the mean over regions is that of the cases' means.
    pub fn of_mean(&self) -> MetricSample {
        let cases = self.columns.first().map_or(0, Vec::len);
        MetricSample { values: (0..cases).map(|i| self.case(i)).collect(), parts: self.columns.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_in_no_mean() {
        let v = Values::new(
            vec![vec![Some(0.5), Some(1.0), None], vec![None, Some(0.0), None], vec![Some(0.0), None, None]],
            &[true, true, false],
        );
        assert_eq!((v.region(0), v.region(1), v.region(2), v.region(3)), (Some(0.75), Some(0.0), None, None));
        assert_eq!((v.case(0), v.case(1), v.case(2)), (Some(0.5), Some(0.5), None));
        assert_eq!((v.mean(), v.count(0), v.count(2)), (Some(0.375), 2, 0));
        assert_eq!(v.of_mean().values, [Some(0.5), Some(0.5), None]);
        assert_eq!(Values::new(vec![vec![Some(1.0)]], &[false]).mean(), None);
    }

    #[test]
    fn an_epoch_without_a_mean_is_not_better_than_one_that_has_it() {
        assert!(is_better(Some(0.5), Some(0.4)) && !is_better(Some(0.4), Some(0.4)) && !is_better(None, Some(0.1)));
        assert!(is_better(Some(0.0), None) && is_better(None, None));
    }
}
