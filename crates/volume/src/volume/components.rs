//! Connected components of label maps.
//!
//! Depends on nothing of this crate. Rows are cut into runs of one label, and runs that touch are joined in a forest of sets: work and memory go with
//! the runs, not with the voxels.

use ndarray::{Array3, ArrayView3};

/// Which voxels touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Neighbours {
    /// Those that share a face: 6.
    Faces,
    /// And those that share an edge: 18.
    Edges,
    /// And those that share a corner: 26.
    #[default]
    Corners,
}

impl Neighbours {
    /// The rows before a row that touch it (steps along D and H), and how far beyond its end a run reaches into them.
    fn rows(self) -> &'static [(usize, isize, usize)] {
        match self {
            Self::Faces => &[(0, -1, 0), (1, 0, 0)],
            Self::Edges => &[(0, -1, 1), (1, 0, 1), (1, -1, 0), (1, 1, 0)],
            Self::Corners => &[(0, -1, 1), (1, 0, 1), (1, -1, 1), (1, 1, 1)],
        }
    }
}

/// Touching voxels of one label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    pub label: u8,
    pub voxels: u64,
}

/// Every component of a label map.
#[derive(Clone, Debug, PartialEq)]
pub struct Components {
    /// `[D, H, W]`: 0 in the background, else the place in [`Components::all`], from 1.
    pub map: Array3<u32>,
    /// In the order of their first voxels.
    pub all: Vec<Component>,
}

/// Finds the components of labels `[D, H, W]`: touching voxels of the same label; 0 is background.
pub fn components(labels: ArrayView3<'_, u8>, neighbours: Neighbours) -> Components {
    let found = Forest::of(labels, neighbours);
    let (numbers, all) = found.number();
    let mut map = Array3::zeros(labels.dim());
    let (_, h, _) = labels.dim();
    for (run, number) in found.runs.iter().zip(numbers) {
        map.slice_mut(ndarray::s![run.row / h, run.row % h, run.from..run.to]).fill(number);
    }
    Components { map, all }
}

/// Sets all but the largest component of each label to 0; of equals the first stays. Returns the number of voxels that were changed.
pub fn keep_largest(labels: &mut Array3<u8>, neighbours: Neighbours) -> u64 {
    clear(labels, neighbours, |all| {
        let mut largest = [None::<usize>; 256];
        for (n, c) in all.iter().enumerate() {
            let best = &mut largest[usize::from(c.label)];
            if best.is_none_or(|b| all[b].voxels < c.voxels) {
                *best = Some(n);
            }
        }
        all.iter().enumerate().map(|(n, c)| largest[usize::from(c.label)] == Some(n)).collect()
    })
}

/// Sets components of fewer than `least` voxels to 0. Returns the number of voxels that were changed.
pub fn drop_small(labels: &mut Array3<u8>, least: u64, neighbours: Neighbours) -> u64 {
    clear(labels, neighbours, |all| all.iter().map(|c| c.voxels >= least).collect())
}

/// Clears the components that `keep` does not keep.
fn clear(labels: &mut Array3<u8>, neighbours: Neighbours, keep: impl Fn(&[Component]) -> Vec<bool>) -> u64 {
    let found = Forest::of(labels.view(), neighbours);
    let (numbers, all) = found.number();
    let keep = keep(&all);
    let (_, h, _) = labels.dim();
    let mut cleared = 0;
    for (run, number) in found.runs.iter().zip(numbers) {
        if !keep[number as usize - 1] {
            labels.slice_mut(ndarray::s![run.row / h, run.row % h, run.from..run.to]).fill(0);
            cleared += (run.to - run.from) as u64;
        }
    }
    cleared
}

/// Voxels `from..to` of a row (D times the height, plus H), all of one label.
#[derive(Clone, Copy, Debug)]
struct Run {
    row: usize,
    from: usize,
    to: usize,
    label: u8,
}

/// Runs and, for each, another one of its set with a lower place, or itself.
struct Forest {
    runs: Vec<Run>,
    parent: Vec<usize>,
}

impl Forest {
    fn of(labels: ArrayView3<'_, u8>, neighbours: Neighbours) -> Self {
        let (_, h, w) = labels.dim();
        let mut forest = Self { runs: vec![], parent: vec![] };
        // Where the runs of each row start; the last entry is where the next row's will.
        let mut starts = vec![0];
        for (row, line) in labels.rows().into_iter().enumerate() {
            let mut x = 0;
            while x < w {
                let from = x;
                let label = line[x];
                while x < w && line[x] == label {
                    x += 1;
                }
                if label != 0 {
                    forest.parent.push(forest.runs.len());
                    forest.runs.push(Run { row, from, to: x, label });
                }
            }
            starts.push(forest.runs.len());
            let (d, y) = (row / h, row % h);
            for (back, aside, reach) in neighbours.rows() {
                let (Some(d), Some(y)) = (d.checked_sub(*back), y.checked_add_signed(*aside).filter(|y| *y < h)) else { continue };
                let other = d * h + y;
                forest.touch(starts[row]..starts[row + 1], starts[other]..starts[other + 1], *reach);
            }
        }
        forest
    }

    /// Joins the runs of two rows that have one label and touch.
    fn touch(&mut self, mut here: std::ops::Range<usize>, mut there: std::ops::Range<usize>, reach: usize) {
        while !here.is_empty() && !there.is_empty() {
            let (p, q) = (here.start, there.start);
            let (a, b) = (self.runs[p], self.runs[q]);
            if a.label == b.label && a.from < b.to + reach && b.from < a.to + reach {
                self.join(p, q);
            }
            // The run that ends first can touch nothing more, save a run that starts where it ends and is reached aslant.
            if a.to < b.to || (a.to == b.to && reach == 0) {
                here.start += 1;
            } else if b.to < a.to {
                there.start += 1;
            } else {
                // Both end here: each may still reach the run after the other.
                self.aslant(p, q + 1, &there, reach);
                self.aslant(q, p + 1, &here, reach);
                here.start += 1;
                there.start += 1;
            }
        }
    }

    fn aslant(&mut self, one: usize, next: usize, range: &std::ops::Range<usize>, reach: usize) {
        if range.contains(&next) {
            let (a, b) = (self.runs[one], self.runs[next]);
            if a.label == b.label && b.from < a.to + reach {
                self.join(one, next);
            }
        }
    }

    fn root(&mut self, mut n: usize) -> usize {
        while self.parent[n] != n {
            // Paths are halved on the way.
            self.parent[n] = self.parent[self.parent[n]];
            n = self.parent[n];
        }
        n
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }

    /// The number of each run's component, from 1 in the order of first runs, and the components.
    fn number(&self) -> (Vec<u32>, Vec<Component>) {
        let mut all: Vec<Component> = vec![];
        let mut numbers = vec![0u32; self.runs.len()];
        for (n, run) in self.runs.iter().enumerate() {
            // A parent stands before its children: it has its number.
            numbers[n] = if self.parent[n] == n {
                all.push(Component { label: run.label, voxels: 0 });
                all.len() as u32
            } else {
                numbers[self.parent[n]]
            };
            all[numbers[n] as usize - 1].voxels += (run.to - run.from) as u64;
        }
        (numbers, all)
    }
}

#[cfg(test)]
mod tests;
