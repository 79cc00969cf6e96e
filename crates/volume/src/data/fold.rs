//! Cross-validation: the folds that scikit-learn's `KFold(k, shuffle=True, random_state=seed)` makes of sorted cases, so that runs here
//! and runs of nnU-Net (five folds, seed 12345) are validated on the same cases.
//!
//! Depends on nothing of this crate.

use rand_mt::Mt;

/// The positions of `count` sorted cases that are in fold `fold` of `folds`, ascending. Folds differ in size by at most one case.
pub fn fold(count: usize, folds: usize, fold: usize, seed: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    shuffle(&mut order, seed);
    let (least, larger) = (count / folds.max(1), count % folds.max(1));
    let start = fold * least + fold.min(larger);
    let end = start + least + usize::from(fold < larger);
    let mut own = order.get(start.min(count)..end.min(count)).unwrap_or_default().to_vec();
    own.sort_unstable();
    own
}

/// As `numpy.random.RandomState(seed).shuffle`: from the end, each with one at or before it, drawn by masking 32 random bits.
fn shuffle(all: &mut [usize], seed: u32) {
    let mut random = Mt::new(seed);
    for last in (1..all.len()).rev() {
        let mask = (last as u32).checked_next_power_of_two().map_or(u32::MAX, |p| if p == last as u32 { 2 * p - 1 } else { p - 1 });
        let other = loop {
            let drawn = random.next_u32() & mask;
            if drawn as usize <= last {
                break drawn as usize;
            }
        };
        all.swap(last, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values: numpy 2.4.6, `r = numpy.random.RandomState(12345); x = numpy.arange(23); r.shuffle(x)`.
    #[test]
    fn the_order_is_that_of_numpy() {
        let mut all: Vec<usize> = (0..23).collect();
        shuffle(&mut all, 12345);
        assert_eq!(all, [10, 19, 8, 17, 3, 12, 16, 0, 15, 7, 18, 11, 14, 6, 20, 13, 22, 21, 9, 4, 1, 5, 2]);
    }

    // Expected values: the same shuffle cut as scikit-learn's KFold does, fold sizes n // k and one more for the first n % k.
    #[test]
    fn folds_are_those_of_scikit_learn() {
        let folds: Vec<Vec<usize>> = (0..5).map(|i| fold(23, 5, i, 12345)).collect();
        let want: [&[usize]; 5] = [&[3, 8, 10, 17, 19], &[0, 7, 12, 15, 16], &[6, 11, 14, 18, 20], &[9, 13, 21, 22], &[1, 2, 4, 5]];
        assert_eq!(folds, want);
        assert_eq!(fold(260, 5, 0, 12345)[..12], [9, 10, 16, 18, 20, 30, 33, 40, 47, 50, 52, 54]);
        assert_eq!([0, 1, 2].map(|i| fold(7, 3, i, 0)), [vec![1, 2, 6], vec![0, 3], vec![4, 5]]);
    }

    #[test]
    fn few_cases_give_empty_folds_not_errors() {
        assert_eq!((0..5).map(|i| fold(2, 5, i, 1).len()).collect::<Vec<_>>(), [1, 1, 0, 0, 0]);
        assert!(fold(0, 5, 4, 1).is_empty());
    }
}
