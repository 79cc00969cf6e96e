//! A place in one arena for each of many buffers, of which those that live at the same time lie apart.

use std::collections::BTreeSet;

use super::overflow;
use crate::ir::Fault;

/// A buffer's bytes, and the first and the last step in which it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub bytes: u64,
    pub first: usize,
    pub last: usize,
}

/// After so many looks at buffers that are alive together the rest is put behind the others: where a hundred thousand values live
/// at once there is little to share, and looking at each pair of them takes minutes.
const LOOKS: usize = 1 << 22;

/// The largest first, each into the tightest gap between those that are alive with it. Gives the offset of each and the end of the last.
///
/// # Errors
/// E0501 beyond 64 bits.
pub fn place(lives: &[Life]) -> Result<(Vec<u64>, u64), Fault> {
    let mut order: Vec<usize> = (0..lives.len()).collect();
    order.sort_by_key(|i| (std::cmp::Reverse(lives[*i].bytes), lives[*i].first, *i));
    let steps = lives.iter().map(|l| l.last + 1).max().unwrap_or(0);
    let mut placed = Lifetimes::new(steps);
    let mut offsets = vec![0u64; lives.len()];
    let mut end = 0u64;
    let mut taken: Vec<(u64, u64)> = vec![];
    let mut looks = 0;
    for i in order {
        let Life { bytes, first, last } = lives[i];
        if looks > LOOKS {
            offsets[i] = end;
            end = end.checked_add(bytes).ok_or_else(overflow)?;
            continue;
        }
        taken.clear();
        placed.meeting(first, last, |j| taken.push((offsets[j], offsets[j] + lives[j].bytes)));
        looks += taken.len();
        taken.sort_unstable();
        let mut free = 0;
        let mut best: Option<(u64, u64)> = None;
        for (from, to) in &taken {
            let gap = from.saturating_sub(free);
            if gap >= bytes && best.is_none_or(|(g, _)| gap < g) {
                best = Some((gap, free));
            }
            free = free.max(*to);
        }
        let offset = best.map_or(free, |(_, o)| o);
        offsets[i] = offset;
        end = end.max(offset.checked_add(bytes).ok_or_else(overflow)?);
        placed.insert(i, first, last);
    }
    Ok((offsets, end))
}

/// Lifetimes that can be asked which of them meet another: a segment tree for those that began before it, and an ordered set for
/// those that begin within it. So placing a chain takes `n log n`.
struct Lifetimes {
    leaves: usize,
    tree: Vec<Vec<usize>>,
    begin: BTreeSet<(usize, usize)>,
}

impl Lifetimes {
    fn new(steps: usize) -> Self {
        let leaves = steps.next_power_of_two();
        Self { leaves, tree: vec![vec![]; 2 * leaves], begin: BTreeSet::new() }
    }

    fn insert(&mut self, i: usize, first: usize, last: usize) {
        self.begin.insert((first, i));
        let (mut from, mut to) = (first + self.leaves, last + self.leaves + 1);
        while from < to {
            if from % 2 == 1 {
                self.tree[from].push(i);
                from += 1;
            }
            if to % 2 == 1 {
                to -= 1;
                self.tree[to].push(i);
            }
            from /= 2;
            to /= 2;
        }
    }

    fn meeting(&self, first: usize, last: usize, mut found: impl FnMut(usize)) {
        let mut at = first + self.leaves;
        while at > 0 {
            self.tree[at].iter().for_each(|i| found(*i));
            at /= 2;
        }
        if first < last {
            self.begin.range((first + 1, 0)..=(last, usize::MAX)).for_each(|(_, i)| found(*i));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_together_lies_apart_and_room_is_used_again() {
        let life = |bytes, first, last| Life { bytes, first, last };
        let lives = [life(100, 0, 2), life(50, 1, 3), life(100, 3, 5), life(7, 2, 4), life(50, 5, 6)];
        let (at, end) = place(&lives).expect("it fits");
        for (i, a) in lives.iter().enumerate() {
            for (j, b) in lives.iter().enumerate().filter(|(j, _)| *j > i) {
                let apart = at[i] + a.bytes <= at[j] || at[j] + b.bytes <= at[i];
                assert!(apart || a.last < b.first || b.last < a.first, "{i} {j}");
            }
        }
        assert_eq!(end, 100 + 50 + 7, "the third lies where the first was");
    }
}
