//! The order of a scope's rows with few crossings: sweeps by barycentre, then exchanges of neighbours.
//!
//! May use `plan`. Rows of ports keep their order. Links count without direction; those within a row do not count.

use super::plan::{Holds, PictureLink, Slot};

/// Each row's slots from left to right.
pub fn order(slots: &[Slot], links: &[PictureLink], count: usize) -> Vec<Vec<usize>> {
    let mut above: Vec<Vec<usize>> = vec![vec![]; slots.len()];
    let mut below: Vec<Vec<usize>> = vec![vec![]; slots.len()];
    for l in links {
        let (a, b) = (slots[l.from].row, slots[l.to].row);
        let (upper, lower) = if a < b { (l.from, l.to) } else { (l.to, l.from) };
        if a.abs_diff(b) == 1 {
            below[upper].push(lower);
            above[lower].push(upper);
        }
    }
    let mut rows: Vec<Vec<usize>> = vec![vec![]; count];
    (0..slots.len()).for_each(|s| rows[slots[s].row].push(s));
    rows.iter_mut().for_each(|r| r.sort_by_key(|s| slots[*s].side));
    let mut best = rows.clone();
    let mut fewest = crossings(&rows, &below, slots.len());
    let sweeps = if slots.len() > 20_000 { 2 } else { 12 };
    for sweep in 0..sweeps {
        if fewest == 0 {
            break;
        }
        let down = sweep % 2 == 0;
        let near = if down { &above } else { &below };
        let mut at = positions(&rows, slots.len());
        for k in 0..count {
            let r = if down { k } else { count - 1 - k };
            if fixed(slots, &rows[r]) {
                continue;
            }
            let mut keyed: Vec<(u8, f64, usize)> =
                rows[r].iter().map(|s| (slots[*s].side, mean(&near[*s], &at).unwrap_or(at[*s]), *s)).collect();
            keyed.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            rows[r] = keyed.into_iter().map(|k| k.2).collect();
            spread(&rows[r], &mut at);
        }
        let now = crossings(&rows, &below, slots.len());
        if now < fewest {
            fewest = now;
            best.clone_from(&rows);
        }
    }
    if fewest > 0 && slots.len() < 3_000 {
        exchange(&mut best, slots, &above, &below);
    }
    best
}

fn fixed(slots: &[Slot], row: &[usize]) -> bool {
    row.iter().any(|s| matches!(slots[*s].holds, Holds::Port { .. }))
}

/// Positions from 0 to 1 within each row, so that short rows and long ones compare.
fn positions(rows: &[Vec<usize>], slots: usize) -> Vec<f64> {
    let mut at = vec![0.0; slots];
    rows.iter().for_each(|r| spread(r, &mut at));
    at
}

fn spread(row: &[usize], at: &mut [f64]) {
    for (k, s) in row.iter().enumerate() {
        at[*s] = (k as f64 + 0.5) / row.len() as f64;
    }
}

fn mean(near: &[usize], at: &[f64]) -> Option<f64> {
    (!near.is_empty()).then(|| near.iter().map(|n| at[*n]).sum::<f64>() / near.len() as f64)
}

/// How many pairs of links between neighbouring rows cross.
pub fn crossings(rows: &[Vec<usize>], below: &[Vec<usize>], slots: usize) -> u64 {
    let mut index = vec![0usize; slots];
    rows.iter().for_each(|r| r.iter().enumerate().for_each(|(k, s)| index[*s] = k));
    let mut total = 0;
    for (upper, lower) in rows.iter().zip(rows.iter().skip(1)) {
        // A Fenwick tree of the ends so far, read from the right.
        let mut tree = vec![0u64; lower.len() + 1];
        let mut so_far = 0;
        for s in upper {
            let mut ends: Vec<usize> = below[*s].iter().map(|t| index[*t]).collect();
            ends.sort_unstable();
            for e in &ends {
                let mut i = e + 1;
                let mut left = 0;
                while i > 0 {
                    left += tree[i];
                    i &= i - 1;
                }
                total += so_far - left;
            }
            for e in ends {
                so_far += 1;
                let mut i = e + 1;
                while i < tree.len() {
                    tree[i] += 1;
                    i += i & i.wrapping_neg();
                }
            }
        }
    }
    total
}

/// Neighbours change places where that removes crossings.
fn exchange(rows: &mut [Vec<usize>], slots: &[Slot], above: &[Vec<usize>], below: &[Vec<usize>]) {
    let mut index = vec![0usize; slots.len()];
    rows.iter().for_each(|r| r.iter().enumerate().for_each(|(k, s)| index[*s] = k));
    // Crossings of the links of `a` with those of `b` when `a` stands to the left.
    let pairs = |a: usize, b: usize, index: &[usize]| -> usize {
        [above, below]
            .iter()
            .map(|near| near[a].iter().map(|x| near[b].iter().filter(|y| index[**y] < index[*x]).count()).sum::<usize>())
            .sum()
    };
    for _ in 0..8 {
        let mut moved = false;
        for row in rows.iter_mut().filter(|r| !fixed(slots, r)) {
            for k in 1..row.len() {
                let (a, b) = (row[k - 1], row[k]);
                if slots[a].side == slots[b].side && pairs(b, a, &index) < pairs(a, b, &index) {
                    row.swap(k - 1, k);
                    index[b] = k - 1;
                    index[a] = k;
                    moved = true;
                }
            }
        }
        if !moved {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Mark;
    use super::*;

    fn slot(row: usize) -> Slot {
        Slot { holds: Holds::Lane(0), row, side: 0 }
    }

    #[test]
    fn a_crossing_is_counted_and_removed() {
        let slots = [slot(0), slot(0), slot(1), slot(1)];
        let links =
            [PictureLink { from: 0, to: 3, value: 0, mark: Mark::Same }, PictureLink { from: 1, to: 2, value: 0, mark: Mark::Same }];
        let below = vec![vec![3], vec![2], vec![], vec![]];
        assert_eq!(crossings(&[vec![0, 1], vec![2, 3]], &below, 4), 1);
        let rows = order(&slots, &links, 2);
        assert_eq!(crossings(&rows, &below, 4), 0);
    }

    #[test]
    fn crossings_of_a_complete_pair_of_rows() {
        // K(3,3) drawn in two rows has 9.
        let below = vec![vec![3, 4, 5], vec![3, 4, 5], vec![3, 4, 5], vec![], vec![], vec![]];
        assert_eq!(crossings(&[vec![0, 1, 2], vec![3, 4, 5]], &below, 6), 9);
    }
}
