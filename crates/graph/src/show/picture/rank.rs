//! Which row each item of a scope stands in.
//!
//! May use nothing. Ranks are longest paths. A scope that narrows and widens again, as a U-Net does, is folded at its deepest
//! rank: what follows stands on the right and runs upwards, each level beside its own size. One that widens again and again, as the nested
//! skips of U-Net++ do, is a grid: a row for each size, and in it from left to right what follows each other.

/// What the rows go by.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    pub voxels: u64,
    /// Vectors have no size and follow the others.
    pub vector: bool,
}

/// Ranks, rows and sides of a scope's items.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Every edge leads to a greater rank.
    pub rank: Vec<usize>,
    pub row: Vec<usize>,
    /// 0 on the way down, 2 on the way up, 1 between.
    pub side: Vec<u8>,
    pub folded: bool,
    pub count: usize,
    /// Of a grid, about where each item wishes to stand in its row, in pixels.
    pub wish: Option<Vec<f64>>,
}

/// Rows for `nodes`; an edge leads from a smaller index to a greater one (others are passed over).
pub fn rows(nodes: &[Node], edges: &[(usize, usize)]) -> Rows {
    let rank = ranks(nodes.len(), edges);
    let count = rank.iter().max().map_or(0, |r| r + 1);
    let side = vec![0; nodes.len()];
    if let Some((row, wish, count)) = grid(nodes, edges, &rank) {
        return Rows { rank, row, side, folded: false, count, wish: Some(wish) };
    }
    match fold(nodes, edges, &rank, count) {
        Some((row, side, count)) => Rows { rank, row, side, folded: true, count, wish: None },
        None => Rows { row: rank.clone(), side, rank, folded: false, count, wish: None },
    }
}

/// A grid has at most so many sizes and items.
const MOST: (usize, usize) = (12, 200);

/// About as wide is a box, and as far is the next size to the right.
const BOX: f64 = 195.0;
const STEP: f64 = 70.0;

/// Rows by size where what has grown to a size feeds another that has.
fn grid(nodes: &[Node], edges: &[(usize, usize)], rank: &[usize]) -> Option<(Vec<usize>, Vec<f64>, usize)> {
    let mut levels: Vec<u64> = nodes.iter().map(|n| n.voxels).collect();
    levels.sort_unstable_by(|a, b| b.cmp(a));
    levels.dedup();
    if nodes.iter().any(|n| n.vector) || levels.len() > MOST.0 || nodes.len() > MOST.1 {
        return None;
    }
    let grows = |n: usize| edges.iter().any(|(a, b)| *b == n && nodes[*a].voxels < nodes[n].voxels);
    let again = |(a, b): &(usize, usize)| nodes[*a].voxels == nodes[*b].voxels && grows(*a) && grows(*b);
    if !edges.iter().any(again) {
        return None;
    }
    let row: Vec<usize> = nodes.iter().map(|n| levels.iter().position(|l| *l == n.voxels).unwrap_or(0)).collect();
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by_key(|n| rank[*n]);
    let mut wish = vec![0.0; nodes.len()];
    let mut end: Vec<Option<f64>> = vec![None; levels.len()];
    for n in order {
        let before = edges.iter().filter(|(_, b)| *b == n).map(|(a, _)| wish[*a] + if row[*a] == row[n] { BOX } else { STEP });
        wish[n] = before.chain(end[row[n]].map(|x| x + BOX)).fold(0.0, f64::max);
        end[row[n]] = Some(wish[n]);
    }
    Some((row, wish, levels.len()))
}

fn ranks(n: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut next: Vec<Vec<usize>> = vec![vec![]; n];
    let mut fed = vec![false; n];
    for &(a, b) in edges.iter().filter(|(a, b)| a < b) {
        next[a].push(b);
        fed[b] = true;
    }
    let mut rank = vec![0; n];
    for a in 0..n {
        for &b in &next[a] {
            rank[b] = rank[b].max(rank[a] + 1);
        }
    }
    // What nothing feeds stands next to what it feeds.
    for a in (0..n).filter(|a| !fed[*a]) {
        rank[a] = next[a].iter().map(|b| rank[*b]).min().map_or(0, |r: usize| r.saturating_sub(1));
    }
    rank
}

/// Both halves must span this factor in voxels: two halvings of three axes.
const DEPTH: u64 = 64;

type Folded = (Vec<usize>, Vec<u8>, usize);

fn fold(nodes: &[Node], edges: &[(usize, usize)], rank: &[usize], count: usize) -> Option<Folded> {
    // The size of each rank: that of the longest path. What stands beside it, as a head for each level does, has any size.
    let spine = spine(nodes, edges, rank);
    let mut size: Vec<Option<u64>> = vec![None; count];
    spine.iter().filter(|n| !nodes[**n].vector).for_each(|n| size[rank[*n]] = Some(nodes[*n].voxels));
    let least = nodes.iter().filter(|n| !n.vector).map(|n| n.voxels).min()?;
    let turn = nodes.iter().zip(rank).filter(|(n, _)| !n.vector && n.voxels == least).map(|(_, r)| *r).max()?;
    size[turn] = Some(least);
    let far = least.checked_mul(DEPTH)?;
    let largest = |ranks: std::ops::Range<usize>| size[ranks].iter().flatten().max().copied().unwrap_or(0);
    if largest(0..turn) < far || largest(turn + 1..count) < far {
        return None;
    }

    // Levels: sizes that only fall on the left and only grow on the right.
    let mut level = vec![0u64; count];
    let mut running = u64::MAX;
    for r in 0..=turn {
        running = running.min(size[r].unwrap_or(running));
        level[r] = running;
    }
    running = least;
    for r in turn + 1..count {
        running = running.max(size[r].unwrap_or(running));
        level[r] = running;
    }
    let mut levels = level.clone();
    levels.sort_unstable_by(|a, b| b.cmp(a));
    levels.dedup();

    let mut place = vec![0; count];
    let mut top = 0;
    for l in levels {
        let left: Vec<usize> = (0..=turn).filter(|r| level[*r] == l).collect();
        let right: Vec<usize> = (turn + 1..count).rev().filter(|r| level[*r] == l).collect();
        let height = left.len().max(right.len());
        // The last stage of a level stands beside the first one that comes back to it. At the top the ends meet, too.
        for half in [&left, &right] {
            for (k, r) in half.iter().enumerate() {
                place[*r] = top + k + if top == 0 && k == 0 { 0 } else { height - half.len() };
            }
        }
        top += height;
    }
    let row = rank.iter().map(|r| place[*r]).collect();
    Some((row, sides(edges, rank, turn, &spine), top))
}

/// The longest path, from its end: of several ways to a node the one through the smallest volume.
fn spine(nodes: &[Node], edges: &[(usize, usize)], rank: &[usize]) -> Vec<usize> {
    let mut before: Vec<Vec<usize>> = vec![vec![]; nodes.len()];
    edges.iter().filter(|(a, b)| a < b).for_each(|(a, b)| before[*b].push(*a));
    let mut all = vec![];
    let mut at = (0..nodes.len()).max_by_key(|n| rank[*n]);
    while let Some(n) = at {
        all.push(n);
        let previous = before[n].iter().filter(|m| rank[**m] + 1 == rank[n]);
        at = previous.min_by_key(|m| (nodes[**m].vector, nodes[**m].voxels, **m)).copied();
    }
    all
}

/// The longest path runs down the left and up the right; what stands beside it and serves both halves is drawn between them.
fn sides(edges: &[(usize, usize)], rank: &[usize], turn: usize, spine: &[usize]) -> Vec<u8> {
    let mut side: Vec<u8> = rank.iter().map(|r| if *r > turn { 2 } else { 0 }).collect();
    let mut serves = vec![[false; 2]; rank.len()];
    for &(a, b) in edges.iter().filter(|(a, b)| a < b) {
        serves[a][usize::from(side[b] == 2)] = true;
        serves[b][usize::from(side[a] == 2)] = true;
    }
    let mut on = vec![false; rank.len()];
    spine.iter().for_each(|n| on[*n] = true);
    for n in 0..rank.len() {
        let [left, right] = serves[n];
        let other = if side[n] == 2 { left } else { right };
        if !on[n] && other {
            side[n] = 1;
        }
    }
    side
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(size: u64) -> Node {
        Node { voxels: size * size * size, vector: false }
    }

    #[test]
    fn a_line_is_a_line() {
        let r = rows(&[node(8); 3], &[(0, 1), (1, 2), (0, 2)]);
        assert_eq!((r.rank, r.row, r.folded), (vec![0, 1, 2], vec![0, 1, 2], false));
    }

    #[test]
    fn what_nothing_feeds_stands_by_its_reader() {
        let r = rows(&[node(8); 5], &[(0, 1), (1, 2), (3, 4), (2, 4)]);
        assert_eq!(r.rank, vec![0, 1, 2, 2, 3]);
    }

    #[test]
    fn the_last_stages_of_the_largest_size_meet() {
        // The input and the first stage; two layers stand between the last stage and the output.
        let nodes = [node(64), node(64), node(32), node(16), node(32), node(64), node(64), node(64), node(64)];
        let edges = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8), (1, 5), (2, 4)];
        assert_eq!(rows(&nodes, &edges).row, [0, 3, 4, 5, 4, 3, 2, 1, 0]);
    }

    #[test]
    fn nested_skips_are_a_grid() {
        // x00 x10 x20 x01 x11 x02 of U-Net++.
        let nodes = [node(64), node(32), node(16), node(64), node(32), node(64)];
        let edges = [(0, 1), (1, 2), (0, 3), (1, 3), (1, 4), (2, 4), (0, 5), (3, 5), (4, 5)];
        let r = rows(&nodes, &edges);
        let wish = r.wish.unwrap();
        assert_eq!((r.row, r.count), (vec![0, 1, 2, 0, 1, 0], 3));
        assert!([(0, 3), (3, 5), (1, 4)].iter().all(|(a, b)| wish[*b] - wish[*a] >= BOX) && wish[1] < wish[3] && wish[4] < wish[5]);
    }

    #[test]
    fn heads_of_the_largest_size_beside_each_level_keep_it_folded() {
        // 64, 32, 16 | 32, 64, and a head of 64 at each level, the deepest one's beside the first level of the way up.
        let nodes = [node(64), node(32), node(16), node(64), node(32), node(64), node(64), node(64)];
        let edges = [(0, 1), (1, 2), (2, 3), (2, 4), (1, 4), (4, 5), (4, 6), (0, 6), (6, 7)];
        let r = rows(&nodes, &edges);
        assert!(r.folded);
        assert_eq!((r.row[0], r.row[1], r.row[2], r.row[4], r.row[7]), (0, 2, 3, 2, 0));
    }

    #[test]
    fn a_u_is_folded_and_its_levels_meet() {
        // 64, 64, 32, 16 | 32, 64, 64: down, and up again.
        let nodes = [node(64), node(64), node(32), node(16), node(32), node(64), node(64)];
        let edges = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (1, 5), (2, 4)];
        let r = rows(&nodes, &edges);
        assert!(r.folded);
        assert_eq!(r.side, [0, 0, 0, 0, 2, 2, 2]);
        assert_eq!(r.row, [0, 1, 2, 3, 2, 1, 0]);
        assert!(edges.iter().all(|(a, b)| r.rank[*a] < r.rank[*b]));
    }
}
