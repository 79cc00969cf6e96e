//! Figures over many cases: mean, deviation, quartiles, and how far the mean is to be trusted.
//!
//! Depends on nothing of this crate.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Resamples of the bootstrap.
pub const RESAMPLES: usize = 10_000;

/// One figure over the cases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub n: usize,
    pub mean: f64,
    /// Standard deviation over cases (n - 1); none for fewer than two.
    pub deviation: Option<f64>,
    pub median: f64,
    /// First and third quartile, interpolated linearly between ranks.
    pub q1: f64,
    pub q3: f64,
    pub least: f64,
    pub greatest: f64,
    /// 95% interval of the mean; none for fewer than two cases.
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// The spread of each column; all columns run over the same cases, as many as the first has.
///
/// The interval is that of the percentile bootstrap: the 2.5th and 97.5th percentile of the means of [`RESAMPLES`] draws of as many cases
/// with replacement. All columns see the same draws, and the same `seed` gives the same ones.
pub fn spreads(columns: &[Vec<f64>], seed: u64) -> Vec<Spread> {
    let intervals = bootstrap(columns, seed);
    columns.iter().zip(intervals).map(|(column, interval)| spread(column, interval)).collect()
}

fn spread(column: &[f64], interval: Option<[f64; 2]>) -> Spread {
    let n = column.len();
    let mut sorted = column.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mean = column.iter().sum::<f64>() / n as f64;
    let squares: f64 = column.iter().map(|v| (v - mean).powi(2)).sum();
    Spread {
        n,
        mean,
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

/// Between the two nearest ranks; NaN of nothing.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * sorted.len().saturating_sub(1) as f64;
    let (low, high) = (sorted.get(at.floor() as usize), sorted.get(at.ceil() as usize));
    low.zip(high).map_or(f64::NAN, |(l, h)| l + (h - l) * at.fract())
}

fn bootstrap(columns: &[Vec<f64>], seed: u64) -> Vec<Option<[f64; 2]>> {
    let n = columns.first().map_or(0, Vec::len);
    if n < 2 {
        return vec![None; columns.len()];
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut means = vec![Vec::with_capacity(RESAMPLES); columns.len()];
    // How often each case is drawn says all that a mean needs.
    let mut drawn = vec![0.0; n];
    for _ in 0..RESAMPLES {
        drawn.fill(0.0);
        (0..n).for_each(|_| drawn[random.random_range(0..n)] += 1.0);
        for (means, column) in means.iter_mut().zip(columns) {
            means.push(column.iter().zip(&drawn).map(|(v, times)| v * times).sum::<f64>() / n as f64);
        }
    }
    means
        .into_iter()
        .map(|mut m| {
            m.sort_by(f64::total_cmp);
            Some([quantile(&m, 0.025), quantile(&m, 0.975)])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_by_hand() {
        let s = &spreads(&[vec![4.0, 1.0, 3.0, 2.0, 10.0]], 1)[0];
        assert_eq!((s.n, s.mean, s.median, s.q1, s.q3, s.least, s.greatest), (5, 4.0, 3.0, 2.0, 4.0, 1.0, 10.0));
        assert!((s.deviation.unwrap() - 12.5f64.sqrt()).abs() < 1e-12);
        let (low, high) = (s.low.unwrap(), s.high.unwrap());
        assert!(low > 1.0 && low < 3.0 && high > 5.0 && high < 10.0, "{low} {high}");
    }

    #[test]
    fn intervals_are_those_of_the_seed_and_near_the_normal_ones() {
        let column: Vec<f64> = (0..200).map(|i| f64::from(i * 73 % 200) / 200.0).collect();
        let one = spreads(&[column.clone(), vec![0.5; 200]], 7);
        assert_eq!(one, spreads(&[column.clone(), vec![0.5; 200]], 7));
        assert_ne!(one[0].low, spreads(&[column], 8)[0].low);
        assert_eq!((one[1].low, one[1].high), (Some(0.5), Some(0.5)));
        let half = 1.96 * one[0].deviation.unwrap() / 200f64.sqrt();
        assert!((one[0].high.unwrap() - one[0].mean - half).abs() < 0.1 * half);
        assert!((one[0].mean - one[0].low.unwrap() - half).abs() < 0.1 * half);
    }

    #[test]
    fn of_one_case_there_is_no_deviation() {
        let s = spreads(&[vec![0.5]], 1)[0];
        assert_eq!((s.mean, s.median, s.deviation, s.low, s.high), (0.5, 0.5, None, None, None));
        assert!(spreads(&[vec![]], 1)[0].mean.is_nan());
    }
}
