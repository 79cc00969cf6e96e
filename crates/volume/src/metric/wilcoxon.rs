//! Wilcoxon's signed-rank test: whether paired differences lie to one side of zero.
//!
//! Depends on nothing of this crate. Wilcoxon, "Individual comparisons by ranking methods" (1945).
//!
//! - Differences of zero are left out (Wilcoxon's own way); how many is told.
//! - Equal sizes share their mean rank. Sizes within 1e-9 of the largest are equal: 0.8 - 0.7 and 0.9 - 0.8 differ only by rounding.
//! - Up to 50 differences the p-value is exact: the share of all 2ⁿ assignments of signs that is at least as far from even, ties included.
//!   Beyond, it is the normal approximation with the variance corrected for ties, without a continuity correction.
//! - The p-value is two-sided.

use serde::Serialize;

/// Up to as many differences the distribution is counted out.
const EXACT: usize = 50;
/// Differences that are equal up to this share of the largest are ties.
const TIE: f64 = 1e-9;

/// The result of the test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SignedRank {
    /// Pairs, differences of zero among them.
    pub n: usize,
    pub zeros: usize,
    /// Sums of the ranks of the positive and of the negative differences.
    pub positive: f64,
    pub negative: f64,
    /// Two-sided; 1 where nothing differs.
    pub p: f64,
    /// Whether `p` is exact.
    pub exact: bool,
}

/// Tests `differences`, all of them finite.
pub fn signed_rank(differences: &[f64]) -> SignedRank {
    let largest = differences.iter().map(|d| d.abs()).fold(0.0, f64::max);
    let mut sizes: Vec<f64> = differences.iter().copied().filter(|d| d.abs() > TIE * largest).collect();
    sizes.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let mut twice = vec![]; // ranks, doubled so that shared ones are whole
    let mut ties = 0.0;
    let mut from = 0;
    while from < sizes.len() {
        let to = from + sizes[from..].iter().take_while(|d| d.abs() - sizes[from].abs() <= TIE * largest).count();
        twice.extend(std::iter::repeat_n(from + 1 + to, to - from));
        let t = (to - from) as f64;
        ties += t.powi(3) - t;
        from = to;
    }
    let sum = |side: fn(f64) -> bool| -> usize { sizes.iter().zip(&twice).filter(|(d, _)| side(**d)).map(|(_, r)| r).sum() };
    let (positive, negative) = (sum(|d| d > 0.0), sum(|d| d < 0.0));
    let exact = sizes.len() <= EXACT;
    let p =
        if exact { counted(&twice, positive.min(negative)) } else { approximate(sizes.len(), ties, positive.min(negative) as f64 / 2.0) };
    SignedRank {
        n: differences.len(),
        zeros: differences.len() - sizes.len(),
        positive: positive as f64 / 2.0,
        negative: negative as f64 / 2.0,
        p,
        exact,
    }
}

/// Twice the share of assignments of signs whose positive (doubled) ranks come to at most `least`.
fn counted(twice: &[usize], least: usize) -> f64 {
    let whole: usize = twice.iter().sum();
    let mut share = vec![0.0; whole + 1];
    share[0] = 1.0;
    let mut reach = 0;
    for rank in twice {
        for sum in (0..=reach).rev() {
            let half = share[sum] / 2.0;
            share[sum] = half;
            share[sum + rank] += half;
        }
        reach += rank;
    }
    (2.0 * share.iter().take(least + 1).sum::<f64>()).min(1.0)
}

fn approximate(n: usize, ties: f64, least: f64) -> f64 {
    let n = n as f64;
    let mean = n * (n + 1.0) / 4.0;
    let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties / 48.0;
    erfc((mean - least).abs() / (2.0 * variance).sqrt())
}

/// The complementary error function for x ≥ 0, to about 1e-15 relative: a series near 0, a continued fraction beyond.
fn erfc(x: f64) -> f64 {
    use std::f64::consts::{FRAC_2_SQRT_PI, PI};
    let square = x * x;
    if x < 2.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..100 {
            term *= 2.0 * square / (2.0 * f64::from(n) + 1.0);
            sum += term;
        }
        return 1.0 - FRAC_2_SQRT_PI * (-square).exp() * sum;
    }
    let tail = (1..=120).rev().fold(0.0, |tail, n| f64::from(n) / 2.0 / (x + tail));
    (-square).exp() / (PI.sqrt() * (x + tail))
}

/// The least p-value that as many differences other than zero can give: all of them on one side. 1 of none.
pub fn least_p(differences: usize) -> f64 {
    0.5f64.powi(i32::try_from(differences).unwrap_or(i32::MAX).saturating_sub(1)).min(1.0)
}

/// How many differences it takes for a p-value below `level`.
pub fn pairs_needed(level: f64) -> usize {
    (1..=1100).find(|n| least_p(*n) < level).unwrap_or(usize::MAX)
}

/// Holm's correction of p-values for there being several of them, in their order.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut corrected = vec![0.0; p.len()];
    let mut above: f64 = 0.0;
    for (rank, i) in order.into_iter().enumerate() {
        above = above.max((p[i] * (p.len() - rank) as f64).min(1.0));
        corrected[i] = above;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cases_by_hand() {
        // All of five on one side: 2 of 32 assignments are as far from even.
        let t = signed_rank(&[0.1, 0.2, 0.3, 0.4, 0.5]);
        assert_eq!((t.positive, t.negative, t.p, t.exact), (15.0, 0.0, 2.0 / 32.0, true));
        // Zeros are left out, equal sizes share a rank, rounding makes no difference.
        let t = signed_rank(&[0.0, 0.8 - 0.7, 0.9 - 0.8, -(0.3 - 0.2), 1.0]);
        assert_eq!((t.n, t.zeros, t.positive, t.negative), (5, 1, 8.0, 2.0));
        // Signs of ranks 2, 2, 2, 4 with a sum of at most 2: none, or one of the three.
        assert_eq!(t.p, 2.0 * 4.0 / 16.0);
        assert_eq!(signed_rank(&[0.0; 4]).p, 1.0);
        assert_eq!(signed_rank(&[]).p, 1.0);
    }

    #[test]
    fn the_test_is_symmetric() {
        let d: Vec<f64> = (0..80).map(|i| f64::from(i * 37 % 41) - 17.5).collect();
        let back: Vec<f64> = d.iter().map(|d| -d).collect();
        for n in [7, 50, 51, 80] {
            let (a, b) = (signed_rank(&d[..n]), signed_rank(&back[..n]));
            assert_eq!((a.p, a.positive, a.negative), (b.p, b.negative, b.positive));
            assert_eq!(a.exact, n <= 50);
        }
    }

    #[test]
    fn erfc_has_its_digits() {
        // From 30-digit arithmetic.
        for (x, y) in [
            (0.0, 1.0),
            (0.5, 0.479_500_122_186_953_5),
            (1.0, 0.157_299_207_050_285_13),
            (1.999, 0.004_698_443_348_629_488),
            (2.0, 0.004_677_734_981_047_266),
            (3.0, 2.209_049_699_858_544e-5),
            (5.0, 1.537_459_794_428_034_8e-12),
        ] {
            assert!((erfc(x) - y).abs() <= 1e-12 * y.max(1e-3), "{x}: {} {y}", erfc(x));
        }
    }

    #[test]
    fn the_least_p_is_reached() {
        for n in 0..12 {
            let all: Vec<f64> = (1..=n).map(|i| i as f64).collect();
            assert_eq!(signed_rank(&all).p, least_p(n), "{n}");
        }
        assert_eq!((pairs_needed(0.05), pairs_needed(0.05 / 3.0), pairs_needed(0.0)), (6, 7, usize::MAX));
    }

    #[test]
    fn holm_by_hand() {
        assert_eq!(holm(&[0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]);
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
