//! Cases into training and validation.
//!
//! May use `rng` only.

use rand::RngExt;

use super::rng::{RngStream, draw};

/// Splits ids into (training, validation): sorted, shuffled by the seed, the first `fraction` of them (rounded, and with two or
/// more cases at least one and not all) for validation. The order of `ids` does not matter; both parts come back sorted.
pub fn split(ids: &[String], seed: u64, fraction: f64) -> (Vec<String>, Vec<String>) {
    let mut ids = ids.to_vec();
    ids.sort();
    ids.dedup();
    let mut rng = draw(seed, RngStream::Split, 0, 0);
    for last in (1..ids.len()).rev() {
        ids.swap(last, rng.random_range(0..=last as u64) as usize);
    }
    let wanted = (ids.len() as f64 * fraction.clamp(0.0, 1.0)).round() as usize;
    let held = if fraction > 0.0 && ids.len() > 1 { wanted.clamp(1, ids.len() - 1) } else { 0 };
    let mut train = ids.split_off(held);
    train.sort();
    ids.sort();
    (train, ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_input_does_not_matter_and_nothing_is_lost() {
        let ids: Vec<String> = (0..208).map(|i| format!("case_{i:03}")).collect();
        let (train, val) = split(&ids, 7, 0.2);
        assert_eq!((train.len(), val.len()), (166, 42));
        let mut turned = ids.clone();
        turned.reverse();
        turned.rotate_left(31);
        assert_eq!(split(&turned, 7, 0.2), (train.clone(), val.clone()));
        let mut all = [train, val.clone()].concat();
        all.sort();
        assert_eq!(all, ids);
        assert_ne!(split(&ids, 8, 0.2).1, val);
    }

    #[test]
    fn small_sets_keep_a_case_on_each_side() {
        let ids = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
        assert_eq!(split(&ids(2), 0, 0.01).1.len(), 1);
        assert_eq!(split(&ids(2), 0, 1.0).0.len(), 1);
        assert_eq!(split(&ids(1), 0, 0.5).0.len(), 1);
        assert_eq!(split(&ids(5), 0, 0.0).1.len(), 0);
        assert_eq!(split(&[], 0, 0.5), (vec![], vec![]));
    }
}
