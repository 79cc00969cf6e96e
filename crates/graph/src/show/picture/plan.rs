//! A scope laid out without sizes: who stands in which row, in which order, and by which lanes values pass between rows.
//!
//! May use `model`, `rank`, `order`. Sizes come later ([`super::place`]), so a plan holds for every state of what is open inside.

use std::collections::BTreeMap;

use super::model::{Mark, Picture};
use super::order::order;
use super::rank::{Node, Rows, rows};

/// What stands in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Item(usize),
    /// A value passing a row. Values are called after the item that makes them.
    Lane(usize),
    /// Where a value enters or leaves the scope.
    Port {
        value: usize,
        enters: bool,
    },
}

/// A place in a row.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    pub holds: Holds,
    pub row: usize,
    /// 0 left, 1 between, 2 right; all 0 where nothing is folded.
    pub side: u8,
}

/// A stretch of a value's way, between neighbouring rows or within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureLink {
    pub from: usize,
    pub to: usize,
    pub value: usize,
    pub mark: Mark,
}

/// A scope's layout.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub slots: Vec<Slot>,
    /// The slots of each row from left to right.
    pub rows: Vec<Vec<usize>>,
    pub links: Vec<PictureLink>,
    pub folded: bool,
    /// Of a grid, about where each slot wishes to stand in its row; else empty.
    pub wish: Vec<f64>,
    /// Of each item, in their order: every wire leads to a greater rank.
    pub rank: Vec<usize>,
}

/// The plans of a picture.
#[derive(Clone, Debug, Default)]
pub struct Plans {
    pub root: Plan,
    /// Of the inside of each item that opens.
    pub inside: Vec<Option<Plan>>,
}

/// A port that the outside asks of a scope.
#[derive(Clone, Copy)]
struct Port {
    value: usize,
    enters: bool,
    /// It passes the upper border.
    top: bool,
    /// Where the value comes from or goes to outside, from left to right.
    at: f64,
}

/// A value within a scope: from an item of the scope (or from outside) to one (or to the outside).
struct Net {
    value: usize,
    from: Option<usize>,
    to: Option<usize>,
    mark: Mark,
}

/// Plans every scope.
pub fn plans(p: &Picture) -> Plans {
    let root = p.items.len();
    let mut nets: Vec<Vec<Net>> = (0..=root).map(|_| vec![]).collect();
    let depth = depths(p);
    for w in &p.wires {
        let (mut a, mut b) = (w.from, w.to);
        let net = |from, to| Net { value: w.from, from, to, mark: w.mark };
        while p.items[a].parent != p.items[b].parent {
            if depth[a] >= depth[b] {
                let Some(up) = p.items[a].parent else { break };
                nets[up].push(net(Some(a), None));
                a = up;
            } else {
                let Some(up) = p.items[b].parent else { break };
                nets[up].push(net(None, Some(b)));
                b = up;
            }
        }
        nets[p.items[a].parent.unwrap_or(root)].push(net(Some(a), Some(b)));
    }
    let mut asked: Vec<Vec<Port>> = vec![vec![]; root];
    let mut upwards = vec![false; root];
    let all = plan(p, &p.roots, &nets[root], &[], false, &mut asked, &mut upwards);
    let mut inside: Vec<Option<Plan>> = vec![None; root];
    // An item stands before those inside it, so what it asks of them is known in time.
    for i in (0..root).filter(|i| p.opens(*i)) {
        let ports = std::mem::take(&mut asked[i]);
        let up = upwards[i];
        inside[i] = Some(plan(p, &p.items[i].children, &nets[i], &ports, up, &mut asked, &mut upwards));
    }
    Plans { root: all, inside }
}

fn depths(p: &Picture) -> Vec<usize> {
    let mut depth = vec![0; p.items.len()];
    for (i, item) in p.items.iter().enumerate() {
        depth[i] = item.parent.map_or(0, |up| depth[up] + 1);
    }
    depth
}

/// Lanes beyond this many are not kept apart: long values are drawn straight.
fn most_lanes(items: usize) -> usize {
    4_000 + 8 * items
}

fn plan(p: &Picture, items: &[usize], nets: &[Net], ports: &[Port], up: bool, asked: &mut [Vec<Port>], upwards: &mut [bool]) -> Plan {
    let mut slot_of: BTreeMap<usize, usize> = BTreeMap::new();
    items.iter().enumerate().for_each(|(k, i)| {
        slot_of.insert(*i, k);
    });
    let edges: Vec<(usize, usize)> = nets.iter().filter_map(|n| Some((slot_of[&n.from?], slot_of[&n.to?]))).collect();
    let nodes: Vec<Node> = items.iter().map(|i| Node { voxels: p.items[*i].voxels, vector: p.items[*i].vector }).collect();
    let Rows { rank, row, side, folded, count, wish } = rows(&nodes, &edges);

    // Row 0 and the last row are for ports.
    let mut slots: Vec<Slot> = vec![];
    for (k, i) in items.iter().enumerate() {
        let row = if up { count - 1 - row[k] } else { row[k] };
        slots.push(Slot { holds: Holds::Item(*i), row: row + 1, side: side[k] });
        upwards[*i] = if side[k] == 2 { !up } else { up };
    }
    let mut enters: BTreeMap<usize, usize> = BTreeMap::new();
    let mut leaves: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut ports = ports.to_vec();
    ports.sort_by(|a, b| a.at.total_cmp(&b.at));
    for Port { value, enters: into, top, .. } in ports {
        let s = slots.len();
        slots.push(Slot { holds: Holds::Port { value, enters: into }, row: if top { 0 } else { count + 1 }, side: 0 });
        if into {
            enters.insert(value, s);
        } else {
            leaves.entry(value).or_default().push(s);
        }
    }

    // By source and value: the targets, each with its mark; wires of different marks on one way are drawn as unchanged.
    let mut ways: BTreeMap<(usize, usize), BTreeMap<usize, Mark>> = BTreeMap::new();
    for n in nets {
        let from = match n.from {
            Some(a) => slot_of.get(&a),
            None => enters.get(&n.value),
        };
        let to = match n.to {
            Some(b) => slot_of.get(&b).map(std::slice::from_ref),
            None => leaves.get(&n.value).map(Vec::as_slice),
        };
        let (Some(from), Some(to)) = (from, to) else { continue };
        let way = ways.entry((*from, n.value)).or_default();
        for t in to {
            way.entry(*t).and_modify(|m| *m = both(*m, n.mark)).or_insert(n.mark);
        }
    }
    let span: usize =
        ways.iter().map(|((from, _), to)| to.keys().map(|t| slots[*t].row.abs_diff(slots[*from].row)).max().unwrap_or(0)).sum();
    let longest = if span > most_lanes(items.len()) { 16 } else { usize::MAX };
    let mut links = vec![];
    for ((from, value), to) in ways {
        let to: Vec<(usize, Mark)> = to.into_iter().collect();
        run(&mut slots, &mut links, from, value, &to, longest, folded);
    }
    let wish = wish.map(|own| wishes(own, &slots, &links)).unwrap_or_default();
    let rows = if wish.is_empty() { order(&slots, &links, count + 2) } else { in_order(&slots, &wish, count + 2) };
    let mut at = vec![0.0; slots.len()];
    for row in &rows {
        row.iter().enumerate().for_each(|(k, s)| at[*s] = (k as f64 + 0.5) / row.len() as f64);
    }
    for l in &links {
        let (a, b) = (slots[l.from], slots[l.to]);
        if let Holds::Item(i) = a.holds {
            let top = b.row <= a.row;
            if p.opens(i) && !asked[i].iter().any(|p| p.value == l.value && !p.enters && p.top == top) {
                asked[i].push(Port { value: l.value, enters: false, top, at: at[l.to] });
            }
        }
        if let Holds::Item(i) = b.holds
            && p.opens(i)
        {
            asked[i].push(Port { value: l.value, enters: true, top: a.row <= b.row, at: at[l.from] });
        }
    }
    Plan { slots, rows, links, folded, wish, rank }
}

/// From one row of a grid to the next a value goes so far to the right.
const DRIFT: f64 = 35.0;

/// Where the slots of a grid wish to stand, those of its items known: lanes and ports by what they lead from, or to.
fn wishes(own: Vec<f64>, slots: &[Slot], links: &[PictureLink]) -> Vec<f64> {
    let items = own.len();
    let mut wish = own;
    wish.resize(slots.len(), f64::NAN);
    // The links of a way stand in order.
    for l in links.iter().filter(|l| l.to >= items) {
        wish[l.to] = wish[l.from] + DRIFT;
    }
    for l in links.iter().rev().filter(|l| l.from >= items) {
        if wish[l.from].is_nan() {
            wish[l.from] = wish[l.to] - DRIFT;
        }
    }
    wish.iter_mut().filter(|w| w.is_nan()).for_each(|w| *w = 0.0);
    wish
}

/// The slots of each row in the order of their wishes.
fn in_order(slots: &[Slot], wish: &[f64], count: usize) -> Vec<Vec<usize>> {
    let mut rows: Vec<Vec<usize>> = vec![vec![]; count];
    (0..slots.len()).for_each(|s| rows[slots[s].row].push(s));
    rows.iter_mut().for_each(|r| r.sort_by(|a, b| wish[*a].total_cmp(&wish[*b])));
    rows
}

fn both(a: Mark, b: Mark) -> Mark {
    if a == b { a } else { Mark::Same }
}

/// The way of one value: a lane down and a lane up from its source, and from these a branch to each reader.
fn run(slots: &mut Vec<Slot>, links: &mut Vec<PictureLink>, from: usize, value: usize, to: &[(usize, Mark)], longest: usize, folded: bool) {
    let start = slots[from];
    let (near, far): (Vec<_>, Vec<_>) = to.iter().copied().partition(|(t, _)| slots[*t].row.abs_diff(start.row) <= longest);
    links.extend(far.into_iter().map(|(to, mark)| PictureLink { from, to, value, mark }));
    for down in [true, false] {
        let ahead = |t: usize| if down { slots[t].row > start.row } else { slots[t].row < start.row };
        let there: Vec<(usize, Mark)> = near.iter().filter(|(t, _)| ahead(*t)).copied().collect();
        let Some(steps) = there.iter().map(|(t, _)| slots[*t].row.abs_diff(start.row)).max() else { continue };
        let same = !folded || there.iter().all(|(t, _)| slots[*t].side == start.side && !matches!(slots[*t].holds, Holds::Port { .. }));
        let side = if !folded {
            0
        } else if same {
            start.side
        } else {
            1
        };
        let plain = there.iter().all(|(_, m)| *m == Mark::Same);
        let mut way = vec![from];
        // A lane is marked as those are that it still leads to.
        for k in 1..steps {
            let row = if down { start.row + k } else { start.row - k };
            let ahead = || there.iter().filter(|(t, _)| slots[*t].row.abs_diff(start.row) > k).map(|(_, m)| *m);
            let mark = if plain { Mark::Same } else { ahead().reduce(both).unwrap_or_default() };
            let lane = slots.len();
            slots.push(Slot { holds: Holds::Lane(value), row, side });
            links.push(PictureLink { from: way[k - 1], to: lane, value, mark });
            way.push(lane);
        }
        for (to, mark) in there {
            let k = slots[to].row.abs_diff(start.row);
            links.push(PictureLink { from: way[k - 1], to, value, mark });
        }
    }
    links.extend(near.iter().filter(|(t, _)| slots[*t].row == start.row).map(|(to, mark)| PictureLink {
        from,
        to: *to,
        value,
        mark: *mark,
    }));
}
