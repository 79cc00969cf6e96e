//! A place in the arena for each volume, from the first step that writes it to the last that reads it. May use nothing of the crate.

/// Floats between the beginnings of volumes: a cache line.
const ALIGN: usize = 16;

/// A volume's floats and the steps in which it lives.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    pub floats: usize,
    pub first: usize,
    pub last: usize,
}

/// The offset of each, and the size of the arena; `None` beyond what can be addressed. The largest first, each into the lowest
/// gap among those that live at the same time.
pub fn place(lives: &[Life]) -> Option<(Vec<usize>, usize)> {
    let mut order: Vec<usize> = (0..lives.len()).collect();
    order.sort_by_key(|i| (std::cmp::Reverse(lives[*i].floats), *i));
    let mut offsets = vec![0; lives.len()];
    let mut placed: Vec<usize> = vec![];
    let mut end = 0usize;
    for i in order {
        let l = lives[i];
        let floats = l.floats.checked_next_multiple_of(ALIGN)?;
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|j| lives[**j].first <= l.last && l.first <= lives[**j].last)
            .map(|j| (offsets[*j], offsets[*j] + lives[*j].floats.next_multiple_of(ALIGN)))
            .collect();
        taken.sort_unstable();
        let mut at = 0usize;
        for (a, b) in taken {
            if a >= at.checked_add(floats)? {
                break;
            }
            at = at.max(b);
        }
        offsets[i] = at;
        end = end.max(at.checked_add(floats)?);
        placed.push(i);
    }
    Some((offsets, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_together_lies_apart_and_room_is_used_again() {
        let life = |floats, first, last| Life { floats, first, last };
        let lives = [life(100, 0, 2), life(50, 1, 3), life(100, 3, 5), life(7, 2, 4), life(50, 5, 6)];
        let (at, end) = place(&lives).expect("it fits");
        for (i, a) in lives.iter().enumerate() {
            for (j, b) in lives.iter().enumerate().filter(|(j, _)| *j > i) {
                let apart = at[i] + a.floats <= at[j] || at[j] + b.floats <= at[i];
                assert!(apart || a.last < b.first || b.last < a.first, "{i} {j}");
            }
        }
        assert_eq!(end, 112 + 64 + 16, "the third lies where the first was");
    }
}
