//! A scope laid out without sizes: who stands in which row, in which order, and by which lanes values pass between rows.
//!
//! May use `model`, `rank`, `order`. Sizes come later ([`super::place`]), so a plan holds for every state of what is open inside.

use std::collections::BTreeMap;

use super::model::Picture;
use super::order::order;
use super::rank::{Node, Rows, rows};

/// What stands in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Item(usize),
    /// A value passing a row. Values are called after the item that makes them.
    Lane(usize),
    /// Where a value enters or leaves the scope.
    Port { value: usize, enters: bool },
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
pub struct Link {
    pub from: usize,
    pub to: usize,
    pub value: usize,
}

/// A scope's layout.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub slots: Vec<Slot>,
    /// The slots of each row from left to right.
    pub rows: Vec<Vec<usize>>,
    pub links: Vec<Link>,
    pub folded: bool,
}

/// The plans of a picture.
#[derive(Clone, Debug, Default)]
pub struct Plans {
    pub root: Plan,
    /// Of the inside of each item that opens.
    pub inside: Vec<Option<Plan>>,
}

/// A port that the outside asks of a scope: the value, its direction, and whether it passes the upper border.
type Port = (usize, bool, bool);

/// A value within a scope: from an item of the scope (or from outside) to one (or to the outside).
type Net = (usize, Option<usize>, Option<usize>);

/// Plans every scope.
pub fn plans(p: &Picture) -> Plans {
    let root = p.items.len();
    let mut nets: Vec<Vec<Net>> = vec![vec![]; root + 1];
    let depth = depths(p);
    for w in &p.wires {
        let (mut a, mut b) = (w.from, w.to);
        while p.items[a].parent != p.items[b].parent {
            if depth[a] >= depth[b] {
                let Some(up) = p.items[a].parent else { break };
                nets[up].push((w.from, Some(a), None));
                a = up;
            } else {
                let Some(up) = p.items[b].parent else { break };
                nets[up].push((w.from, None, Some(b)));
                b = up;
            }
        }
        nets[p.items[a].parent.unwrap_or(root)].push((w.from, Some(a), Some(b)));
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
    let edges: Vec<(usize, usize)> = nets.iter().filter_map(|(_, a, b)| Some((slot_of[&(*a)?], slot_of[&(*b)?]))).collect();
    let nodes: Vec<Node> = items.iter().map(|i| Node { voxels: p.items[*i].voxels, vector: p.items[*i].vector }).collect();
    let Rows { row, side, folded, count, .. } = rows(&nodes, &edges);

    // Row 0 and the last row are for ports.
    let mut slots: Vec<Slot> = vec![];
    for (k, i) in items.iter().enumerate() {
        let row = if up { count - 1 - row[k] } else { row[k] };
        slots.push(Slot { holds: Holds::Item(*i), row: row + 1, side: side[k] });
        upwards[*i] = if side[k] == 2 { !up } else { up };
    }
    let mut enters: BTreeMap<usize, usize> = BTreeMap::new();
    let mut leaves: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &(value, into, top) in ports {
        let s = slots.len();
        slots.push(Slot { holds: Holds::Port { value, enters: into }, row: if top { 0 } else { count + 1 }, side: 0 });
        if into {
            enters.insert(value, s);
        } else {
            leaves.entry(value).or_default().push(s);
        }
    }

    let mut ways: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (value, a, b) in nets {
        let from = match a {
            Some(a) => slot_of.get(a),
            None => enters.get(value),
        };
        let to = match b {
            Some(b) => slot_of.get(b).map(std::slice::from_ref),
            None => leaves.get(value).map(Vec::as_slice),
        };
        let (Some(from), Some(to)) = (from, to) else { continue };
        ways.entry((*from, *value)).or_default().extend(to);
    }
    let span: usize = ways.iter().map(|((from, _), to)| to.iter().map(|t| slots[*t].row.abs_diff(slots[*from].row)).max().unwrap_or(0)).sum();
    let longest = if span > most_lanes(items.len()) { 16 } else { usize::MAX };
    let mut links = vec![];
    for ((from, value), mut to) in ways {
        to.sort_unstable();
        to.dedup();
        run(&mut slots, &mut links, from, value, &to, longest, folded);
    }
    for l in &links {
        let (a, b) = (slots[l.from], slots[l.to]);
        if let Holds::Item(i) = a.holds {
            let port = (l.value, false, b.row <= a.row);
            if p.opens(i) && !asked[i].contains(&port) {
                asked[i].push(port);
            }
        }
        if let Holds::Item(i) = b.holds
            && p.opens(i)
        {
            asked[i].push((l.value, true, a.row <= b.row));
        }
    }
    let rows = order(&slots, &links, count + 2);
    Plan { slots, rows, links, folded }
}

/// The way of one value: a lane down and a lane up from its source, and from these a branch to each reader.
fn run(slots: &mut Vec<Slot>, links: &mut Vec<Link>, from: usize, value: usize, to: &[usize], longest: usize, folded: bool) {
    let start = slots[from];
    let (near, far): (Vec<usize>, Vec<usize>) = to.iter().partition(|t| slots[**t].row.abs_diff(start.row) <= longest);
    links.extend(far.into_iter().map(|t| Link { from, to: t, value }));
    for down in [true, false] {
        let ahead = |t: &usize| if down { slots[*t].row > start.row } else { slots[*t].row < start.row };
        let there: Vec<usize> = near.iter().filter(|t| ahead(t)).copied().collect();
        let Some(steps) = there.iter().map(|t| slots[*t].row.abs_diff(start.row)).max() else { continue };
        let same = !folded || there.iter().all(|t| slots[*t].side == start.side && !matches!(slots[*t].holds, Holds::Port { .. }));
        let side = if !folded { 0 } else if same { start.side } else { 1 };
        let mut way = vec![from];
        for k in 1..steps {
            let row = if down { start.row + k } else { start.row - k };
            let lane = slots.len();
            slots.push(Slot { holds: Holds::Lane(value), row, side });
            links.push(Link { from: way[k - 1], to: lane, value });
            way.push(lane);
        }
        for t in there {
            let k = slots[t].row.abs_diff(start.row);
            links.push(Link { from: way[k - 1], to: t, value });
        }
    }
    links.extend(near.iter().filter(|t| slots[**t].row == start.row).map(|t| Link { from, to: *t, value }));
}
