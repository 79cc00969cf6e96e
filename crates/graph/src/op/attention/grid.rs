//! How the voxels of a volume fall into windows, and which entry of a table belongs to two of them.

use super::{Attention, AttentionBias};
use crate::ir::{place, places};

impl Attention {
    /// For each window the voxels of its tokens, row by row within it; all voxels where there is no window. For a size that `infer` accepts.
    pub fn tokens(&self, size: [usize; 3]) -> Vec<Vec<usize>> {
        self.in_windows(size, |rolled, shift| place(size, std::array::from_fn(|a| (rolled[a] + shift[a]) % size[a].max(1))))
    }

    /// For each window the part of the rolled volume that each of its tokens is of: tokens of other parts are masked from each other. Nothing where
    /// there is no mask.
    pub fn regions(&self, size: [usize; 3]) -> Option<Vec<Vec<usize>>> {
        let (window, shift) = self.window_over(size).ok().filter(|(_, shift)| self.mask && *shift != [0; 3])?;
        Some(self.in_windows(size, |rolled, _| {
            let part = |a: usize| match rolled[a] {
                _ if shift[a] == 0 => 0,
                p if p < size[a] - window[a] => 0,
                p if p < size[a] - shift[a] => 1,
                _ => 2,
            };
            (part(0) * 3 + part(1)) * 3 + part(2)
        }))
    }

    /// What `of` gives for each token of each window: it takes the token's place in the rolled volume, and the shift.
    fn in_windows(&self, size: [usize; 3], of: impl Fn([usize; 3], [usize; 3]) -> usize) -> Vec<Vec<usize>> {
        let Ok((window, shift)) = self.window_over(size) else { return vec![] };
        let counts: [usize; 3] = std::array::from_fn(|a| size[a] / window[a].max(1));
        let one = |(_, w): (usize, [usize; 3])| {
            places(window).map(|(_, t)| of(std::array::from_fn(|a| w[a] * window[a] + t[a]), shift)).collect()
        };
        places(counts).map(one).collect()
    }

    /// For each query of a window (rows) and each key (columns) the row of the table, or the place of its grid, whose number is added. Nothing where
    /// there is no bias.
    pub fn bias_places(&self, q: [usize; 3], k: [usize; 3]) -> Option<Vec<usize>> {
        match &self.bias {
            AttentionBias::None => None,
            AttentionBias::Relative { full, steps } => {
                let (window, _) = self.window_over(q).ok()?;
                let tokens: Vec<[usize; 3]> = places(full.0).map(|(_, t)| t).take(window.iter().product()).collect();
                let entry = |i: &[usize; 3], j: &[usize; 3]| (0..3).map(|a| (i[a] + full.0[a] - 1 - j[a]) * steps.0[a]).sum();
                Some(tokens.iter().flat_map(|i| tokens.iter().map(move |j| entry(i, j))).collect())
            }
            AttentionBias::Offsets { grid, stride } => {
                let entry = |i: [usize; 3], j: [usize; 3]| place(grid.0, std::array::from_fn(|a| (stride.0[a] * i[a]).abs_diff(j[a])));
                Some(places(q).flat_map(|(_, i)| places(k).map(move |(_, j)| entry(i, j))).collect())
            }
        }
    }

    /// Where the number of a place ([`Attention::bias_places`]) and a head stands in the table.
    pub fn entry(&self, place: usize, head: usize) -> usize {
        match &self.bias {
            AttentionBias::Offsets { grid, .. } => head * grid.0.iter().product::<usize>() + place,
            _ => place * self.heads + head,
        }
    }
}
