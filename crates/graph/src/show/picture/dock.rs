//! Where lines meet the boxes: spread along the upper and the lower side in the order of where they come from and go to.
//!
//! May use `model`, `plan`, `place`, `label`.

use std::collections::HashSet;

use super::label;
use super::model::Picture;
use super::place::{Placed, offset};
use super::plan::{Holds, Plan, Plans};

/// For each link of a plan the x where it leaves its source and where it enters its target.
pub struct Docks {
    pub leave: Vec<f64>,
    pub enter: Vec<f64>,
    /// Whether it leaves from beside others that have labels of their own.
    crowded: Vec<bool>,
}

/// What meets one side of a box at one point: a link that enters, or all that leave with one value.
struct Dock {
    /// Where the other ends are, on the average.
    other: f64,
    key: (bool, usize),
    links: Vec<usize>,
    room: f64,
}

impl Docks {
    pub fn new(p: &Picture, plans: &Plans, plan: &Plan, at: &Placed) -> Self {
        let n = plan.links.len();
        let mut d = Self { enter: vec![0.0; n], leave: vec![0.0; n], crowded: vec![false; n] };
        let mut sides: Vec<[Vec<Dock>; 2]> = (0..plan.slots.len()).map(|_| [vec![], vec![]]).collect();
        let mut dock = |s: usize, below: bool, key: (bool, usize), link: usize, other: f64, room: f64| {
            let side = &mut sides[s][usize::from(below)];
            // Links that enter stand alone, so they need no search.
            let own = if key.0 { None } else { side.iter_mut().find(|d| d.key == key) };
            match own {
                Some(d) => {
                    d.other += (other - d.other) / (d.links.len() as f64 + 1.0);
                    d.links.push(link);
                }
                None => side.push(Dock { other, key, links: vec![link], room }),
            }
        };
        for (k, l) in plan.links.iter().enumerate() {
            let (a, b) = (plan.slots[l.from], plan.slots[l.to]);
            let down = a.row < b.row;
            d.leave[k] = at.x[l.from] + offset(plans, plan, at, l.from, l.value, false, !down);
            d.enter[k] = at.x[l.to] + offset(plans, plan, at, l.to, l.value, true, a.row <= b.row);
            // Within a row, lines that bend over an open box stand on the upper side as well.
            if a.row == b.row && !at.inside.contains_key(&l.from) && !at.inside.contains_key(&l.to) {
                continue;
            }
            if let (Holds::Item(i), false) = (a.holds, at.inside.contains_key(&l.from)) {
                let out = p.items[i].outputs.iter().find(|o| o.from == l.value);
                let room = out.map_or(0.0, |o| label::width(&o.port, 9.5) + label::width(&o.shape, 9.5) + 12.0);
                dock(l.from, down, (false, l.value), k, at.x[l.to], room);
            }
            if let (Holds::Item(_), false) = (b.holds, at.inside.contains_key(&l.to)) {
                dock(l.to, a.row > b.row, (true, k), k, at.x[l.from], 18.0);
            }
        }
        for (s, both) in sides.into_iter().enumerate() {
            for mut side in both {
                side.sort_by(|a, b| a.other.total_cmp(&b.other));
                let crowded = side.iter().filter(|d| !d.key.0).count() > 1;
                let room = |d: &Dock| if d.key.0 || !crowded { 18.0 } else { d.room };
                let total: f64 = side.iter().map(room).sum();
                let scale = f64::min(1.0, (at.size[s].0 - 16.0) / total);
                let mut x = at.x[s] - total * scale / 2.0;
                for dock in &side {
                    let own = room(dock) * scale;
                    // A label stands to the right of its line.
                    let point = if crowded && !dock.key.0 { x + 7.0 } else { x + own / 2.0 };
                    for k in &dock.links {
                        if dock.key.0 {
                            d.enter[*k] = point;
                        } else {
                            d.leave[*k] = point;
                            d.crowded[*k] = crowded;
                        }
                    }
                    x += own;
                }
            }
        }
        d
    }

    /// Whether a box has one output, what it takes comes from above, and nothing meets its lower side.
    pub fn turns(&self, plan: &Plan, s: usize) -> bool {
        let row = |t: usize| plan.slots[t].row;
        let mut own =
            plan.links.iter().filter(|l| l.from == s || l.to == s).map(|l| (l.to == s, row(if l.from == s { l.to } else { l.from })));
        let value = plan.links.iter().find(|l| l.from == s).map(|l| l.value);
        let one = plan.links.iter().filter(|l| l.from == s).all(|l| Some(l.value) == value);
        let above = own.clone().any(|(enters, other)| enters && other < row(s));
        one && above && own.all(|(_, other)| other <= row(s))
    }

    /// The values of slots whose labels stand to the left of their lines, because one of these bends to the right.
    pub fn leftwards(&self, plan: &Plan) -> HashSet<(usize, usize)> {
        let bends = |k: &usize| {
            let l = plan.links[*k];
            !self.crowded[*k] && self.enter[*k] > self.leave[*k] + 24.0 && plan.slots[l.from].row != plan.slots[l.to].row
        };
        (0..plan.links.len()).filter(bends).map(|k| (plan.links[k].from, plan.links[k].value)).collect()
    }
}
