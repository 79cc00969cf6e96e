//! Figures over many cases: mean, deviation, quartiles, and how far the mean is to be trusted.
//!
//! May use `means` beside it.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::means::{MetricSample, mean};

/// Resamples of the bootstrap.
pub const RESAMPLES: usize = 10_000;

/// One figure over the cases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Cases that count, and all.
    pub n: usize,
    pub of: usize,
    /// Like the others none where no case counts.
    pub mean: Option<f64>,
    /// Standard deviation over cases (n - 1); none for fewer than two.
    pub deviation: Option<f64>,
    pub median: Option<f64>,
    /// First and third quartile, interpolated linearly between ranks.
    pub q1: Option<f64>,
    pub q3: Option<f64>,
    pub least: Option<f64>,
    pub greatest: Option<f64>,
    /// 95% interval of the mean; none for fewer than two cases.
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// The spread of each figure; all run over the same cases, as many as the first has.
///
/// The interval is that of the percentile bootstrap: the 2.5th and 97.5th percentile of the means of [`RESAMPLES`] draws of as many cases
/// with replacement, those left out in which no case counts. All figures see the same draws, and the same `seed` gives the same ones.
pub fn spreads(samples: &[MetricSample], seed: u64) -> Vec<Spread> {
    let intervals = bootstrap(samples, seed);
    samples.iter().zip(intervals).map(|(sample, interval)| spread(sample, interval)).collect()
}

fn spread(sample: &MetricSample, interval: Option<[f64; 2]>) -> Spread {
    let mut sorted: Vec<f64> = sample.values.iter().flatten().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let middle = mean(sample.values.iter().copied()).unwrap_or_default();
    let squares: f64 = sample.values.iter().flatten().map(|v| (v - middle).powi(2)).sum();
    Spread {
        n,
        of: sample.values.len(),
        mean: mean(sample.parts.iter().map(|part| mean(part.iter().copied()))),
        deviation: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()),
        median: quantile(&sorted, 0.5),
        q1: quantile(&sorted, 0.25),
        q3: quantile(&sorted, 0.75),
        least: quantile(&sorted, 0.0),
        greatest: quantile(&sorted, 1.0),
        low: interval.map(|i| i[0]),
        high: interval.map(|i| i[1]),
    }
}

/// Between the two nearest ranks; none of nothing.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share * sorted.len().saturating_sub(1) as f64;
    let (low, high) = (sorted.get(at.floor() as usize)?, sorted.get(at.ceil() as usize)?);
    Some(low + (high - low) * at.fract())
}

fn bootstrap(samples: &[MetricSample], seed: u64) -> Vec<Option<[f64; 2]>> {
    let n = samples.first().map_or(0, |s| s.values.len());
    if n < 2 {
        return vec![None; samples.len()];
    }
    // What counts of each part, with its case.
    type Counted = Vec<(usize, f64)>;
    let counted = |part: &Vec<Option<f64>>| -> Counted { part.iter().enumerate().filter_map(|(i, v)| Some((i, (*v)?))).collect() };
    let parts: Vec<Vec<Counted>> = samples.iter().map(|s| s.parts.iter().map(counted).filter(|c| !c.is_empty()).collect()).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut means = vec![Vec::with_capacity(RESAMPLES); samples.len()];
    // How often each case is drawn says all that a mean needs.
    let mut drawn = vec![0.0; n];
    for _ in 0..RESAMPLES {
        drawn.fill(0.0);
        (0..n).for_each(|_| drawn[random.random_range(0..n)] += 1.0);
        let of_part = |part: &Counted| {
            let (sum, times) = part.iter().fold((0.0, 0.0), |(sum, times), (i, v)| (sum + v * drawn[*i], times + drawn[*i]));
            (times > 0.0).then(|| sum / times)
        };
        for (means, parts) in means.iter_mut().zip(&parts) {
            means.extend(mean(parts.iter().map(of_part)));
        }
    }
    let interval = |(mut means, sample): (Vec<f64>, &MetricSample)| {
        means.sort_by(f64::total_cmp);
        let several = sample.values.iter().flatten().nth(1).is_some();
        several.then(|| Some([quantile(&means, 0.025)?, quantile(&means, 0.975)?])).flatten()
    };
    means.into_iter().zip(samples).map(interval).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[f64]) -> MetricSample {
        let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
        MetricSample { parts: vec![values.clone()], values }
    }

    #[test]
    fn a_column_by_hand() {
        let s = &spreads(&[sample(&[4.0, 1.0, 3.0, 2.0, 10.0])], 1)[0];
        assert_eq!((s.n, s.of, s.mean, s.median), (5, 5, Some(4.0), Some(3.0)));
        assert_eq!((s.q1, s.q3, s.least, s.greatest), (Some(2.0), Some(4.0), Some(1.0), Some(10.0)));
        assert!((s.deviation.unwrap() - 12.5f64.sqrt()).abs() < 1e-12);
        let (low, high) = (s.low.unwrap(), s.high.unwrap());
        assert!(low > 1.0 && low < 3.0 && high > 5.0 && high < 10.0, "{low} {high}");
    }

    #[test]
    fn intervals_are_those_of_the_seed_and_near_the_normal_ones() {
        let column: Vec<f64> = (0..200).map(|i| f64::from(i * 73 % 200) / 200.0).collect();
        let one = spreads(&[sample(&column), sample(&[0.5; 200])], 7);
        assert_eq!(one, spreads(&[sample(&column), sample(&[0.5; 200])], 7));
        assert_ne!(one[0].low, spreads(&[sample(&column)], 8)[0].low);
        assert_eq!((one[1].low, one[1].high), (Some(0.5), Some(0.5)));
        let (half, mean) = (1.96 * one[0].deviation.unwrap() / 200f64.sqrt(), one[0].mean.unwrap());
        assert!((one[0].high.unwrap() - mean - half).abs() < 0.1 * half);
        assert!((mean - one[0].low.unwrap() - half).abs() < 0.1 * half);
    }

    #[test]
    fn of_one_case_there_is_no_deviation() {
        let s = spreads(&[sample(&[0.5])], 1)[0];
        assert_eq!((s.mean, s.median, s.deviation, s.low, s.high), (Some(0.5), Some(0.5), None, None, None));
        assert_eq!(spreads(&[sample(&[])], 1)[0].mean, None);
    }

    #[test]
    fn what_does_not_count_is_in_no_figure() {
        let values = vec![Some(0.25), None, Some(0.75), None];
        let other = vec![None, Some(1.0), None, None];
        let mean = MetricSample { values: vec![Some(0.25), Some(1.0), Some(0.75), None], parts: vec![values.clone(), other.clone()] };
        let all = spreads(
            &[MetricSample { parts: vec![values.clone()], values }, MetricSample { parts: vec![other.clone()], values: other }, mean],
            3,
        );
        assert_eq!((all[0].n, all[0].of, all[0].mean, all[0].least), (2, 4, Some(0.5), Some(0.25)));
        assert!(all[0].low >= Some(0.25) && all[0].high <= Some(0.75));
        assert_eq!((all[1].n, all[1].mean, all[1].low), (1, Some(1.0), None));
        // By hand: the mean of 0.5 and 1; the middle one of 0.25, 0.75 and 1.
        assert_eq!((all[2].n, all[2].mean, all[2].median), (3, Some(0.75), Some(0.75)));
    }
}
