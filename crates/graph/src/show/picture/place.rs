//! Sizes and coordinates: a plan with what is open becomes boxes and points, in pixels.
//!
//! May use `model`, `plan`, `label`. `page.js` does the same when a box is opened; the two must agree.

use std::collections::BTreeMap;

use super::label;
use super::model::{Item, Kind, Picture};
use super::plan::{Holds, Plan, Plans};

/// Around the inside of an open box.
pub const PAD: f64 = 18.0;
/// The title of an open box.
pub const HEAD: f64 = 30.0;
const LANE: f64 = 15.0;
const ROW: f64 = 34.0;

/// A scope with coordinates, its upper left corner at 0.
#[derive(Clone, Debug, Default)]
pub struct Placed {
    pub width: f64,
    pub height: f64,
    /// The middle of each slot.
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    pub size: Vec<(f64, f64)>,
    /// Upper and lower end of each row.
    pub rows: Vec<(f64, f64)>,
    /// The inside of open items, by slot.
    pub inside: BTreeMap<usize, Placed>,
}

/// The three lines of a closed box.
pub fn lines(item: &Item) -> [String; 3] {
    let cost = match (item.cost.params, item.cost.macs) {
        (0, 0) => String::new(),
        (p, 0) => format!("{} params", label::short(p)),
        (0, m) => format!("{} MACs", label::short(m)),
        (p, m) => format!("{} params · {} MACs", label::short(p), label::short(m)),
    };
    match item.kind {
        Kind::Input => [label::cut(&item.name, 26), item.outputs.first().map(|o| o.shape.clone()).unwrap_or_default(), String::new()],
        Kind::Output => [label::cut(&item.name, 26), item.fields.first().map(|f| f.text.clone()).unwrap_or_default(), String::new()],
        _ => [label::cut(&item.name, 26), label::cut(&item.block, 28), cost],
    }
}

/// The size of a closed box.
pub fn closed(item: &Item) -> (f64, f64) {
    let [name, block, cost] = lines(item);
    let text = label::width(&name, 13.5).max(label::width(&block, 11.0)).max(label::width(&cost, 10.0));
    let outs = item.outputs.iter().map(|o| label::width(&o.port, 9.5) + label::width(&o.shape, 9.5) + 16.0).sum::<f64>();
    let wide = if item.outputs.len() > 1 && item.kind != Kind::Operation { outs + 48.0 } else { 0.0 };
    let height = match (item.kind, cost.is_empty()) {
        (Kind::Input | Kind::Output, _) => 40.0,
        (Kind::Operation, _) | (_, true) => 42.0,
        _ => 58.0,
    };
    (f64::max(92.0, text + 26.0).max(wide).ceil(), height)
}

/// Places the whole picture with some items open.
pub fn place(p: &Picture, plans: &Plans, open: &[bool]) -> Placed {
    scope(p, plans, &plans.root, open)
}

fn scope(p: &Picture, plans: &Plans, plan: &Plan, open: &[bool]) -> Placed {
    let mut out = Placed { size: vec![(0.0, 0.0); plan.slots.len()], ..Placed::default() };
    for (s, slot) in plan.slots.iter().enumerate() {
        if let Holds::Item(i) = slot.holds {
            out.size[s] = match plans.inside[i].as_ref().filter(|_| open[i]) {
                Some(inner) => {
                    let inner = scope(p, plans, inner, open);
                    let title = label::width(&p.items[i].name, 13.5) + label::width(&p.items[i].block, 11.0) + 60.0;
                    let size = (f64::max(inner.width + 2.0 * PAD, title.ceil()), inner.height + HEAD + PAD);
                    out.inside.insert(s, inner);
                    size
                }
                None => closed(&p.items[i]),
            };
        }
    }
    out.x = across(plans, plan, &out);
    down(plan, &mut out);
    out
}

/// Where a link meets an open box, from the box's middle; 0 elsewhere.
pub fn offset(plans: &Plans, plan: &Plan, out: &Placed, s: usize, value: usize, enters: bool, top: bool) -> f64 {
    let (Holds::Item(i), Some(inner)) = (plan.slots[s].holds, out.inside.get(&s)) else { return 0.0 };
    let Some(inside) = plans.inside[i].as_ref() else { return 0.0 };
    let edge = if top { 0 } else { inside.rows.len() - 1 };
    let port = inside.rows[edge].iter().find(|t| inside.slots[**t].holds == Holds::Port { value, enters });
    port.map_or(0.0, |t| inner.x[*t] - inner.width / 2.0)
}

fn across(plans: &Plans, plan: &Plan, out: &Placed) -> Vec<f64> {
    let n = plan.slots.len();
    // Neighbours in the rows above and below: where they stand, by how much the ends are shifted, and how stiff the link is.
    let mut near: [Vec<Vec<(usize, f64, f64)>>; 2] = [vec![vec![]; n], vec![vec![]; n]];
    for l in &plan.links {
        let (a, b) = (plan.slots[l.from], plan.slots[l.to]);
        if a.row.abs_diff(b.row) != 1 {
            continue;
        }
        let down = a.row < b.row;
        let shift = offset(plans, plan, out, l.from, l.value, false, !down) - offset(plans, plan, out, l.to, l.value, true, down);
        let soft = |h: Holds| matches!(h, Holds::Item(_));
        let weight = match (soft(a.holds), soft(b.holds)) {
            (false, false) => 8.0,
            (true, true) => {
                if a.side == b.side {
                    3.0
                } else {
                    0.5
                }
            }
            _ => 1.0,
        };
        near[usize::from(!down)][l.to].push((l.from, shift, weight));
        near[usize::from(down)][l.from].push((l.to, -shift, weight));
    }
    let gap = |a: usize, b: usize| {
        let lane = |s: usize| !matches!(plan.slots[s].holds, Holds::Item(_));
        let sides = if plan.slots[a].side == plan.slots[b].side { 0.0 } else { 12.0 };
        let between = match (lane(a), lane(b)) {
            (true, true) => LANE,
            // In a grid shapes stand between neighbours.
            (false, false) if !plan.wish.is_empty() => 56.0,
            (false, false) => 30.0,
            _ => 20.0,
        };
        out.size[a].0 / 2.0 + out.size[b].0 / 2.0 + between + sides
    };
    let mut x = vec![0.0; n];
    if !plan.wish.is_empty() {
        for row in &plan.rows {
            let wish: Vec<f64> = row.iter().map(|s| plan.wish[*s]).collect();
            settle(row, &wish, &gap, &mut x);
        }
        return x;
    }
    for row in &plan.rows {
        let mut at = 0.0;
        for (k, s) in row.iter().enumerate() {
            at += if k == 0 { 0.0 } else { gap(row[k - 1], *s) };
            x[*s] = at;
        }
        let shift = at / 2.0;
        row.iter().for_each(|s| x[*s] -= shift);
    }
    let sweeps = if n > 20_000 { 2 } else { 12 };
    for sweep in 0..sweeps {
        for k in 0..plan.rows.len() {
            let (r, side) = if sweep % 2 == 0 { (k, 0) } else { (plan.rows.len() - 1 - k, 1) };
            let wish: Vec<f64> = plan.rows[r].iter().map(|s| pull(&near[side][*s], &x).unwrap_or(x[*s])).collect();
            settle(&plan.rows[r], &wish, &gap, &mut x);
        }
    }
    let chains = chains(plan);
    let turns = if n > 2_000 { 12 } else { 90 };
    for turn in 0..turns {
        // Every chain wishes to be straight: where its members stand, and at first where their links pull them, on the average.
        let mut mean = vec![(0.0, 0.0); n];
        for s in 0..n {
            let both = near[0][s].iter().chain(&near[1][s]).filter(|(t, ..)| chains[*t] != chains[s]).copied().collect::<Vec<_>>();
            let wish = pull(&both, &x).filter(|_| turn * 3 < turns).map_or(x[s], |w| 0.7 * x[s] + 0.3 * w);
            mean[chains[s]].0 += wish;
            mean[chains[s]].1 += 1.0;
        }
        for row in &plan.rows {
            let wish: Vec<f64> = row.iter().map(|s| mean[chains[*s]].0 / mean[chains[*s]].1).collect();
            settle(row, &wish, &gap, &mut x);
        }
    }
    x
}

/// The mean of where links pull.
fn pull(near: &[(usize, f64, f64)], x: &[f64]) -> Option<f64> {
    let (sum, weight) = near.iter().fold((0.0, 0.0), |(sum, w), (t, shift, k)| (sum + k * (x[*t] + shift), w + k));
    (weight > 0.0).then(|| sum / weight)
}

/// What should stand in one line: the lanes of a value, and items that follow each other. Each slot has its chain's first slot.
fn chains(plan: &Plan) -> Vec<usize> {
    let n = plan.slots.len();
    let mut below: Vec<Option<usize>> = vec![None; n];
    let mut taken = vec![false; n];
    for pass in 0..3 {
        for l in &plan.links {
            let (a, b) = (plan.slots[l.from], plan.slots[l.to]);
            let (upper, lower) = if a.row < b.row { (l.from, l.to) } else { (l.to, l.from) };
            let item = |h: Holds| matches!(h, Holds::Item(_));
            let alike = match pass {
                0 => !item(a.holds) && !item(b.holds),
                1 => item(a.holds) && item(b.holds) && a.side == b.side,
                // A lane may stand between two items that follow each other.
                _ => item(a.holds) != item(b.holds) && a.side == b.side && a.side != 1,
            };
            if alike && a.row.abs_diff(b.row) == 1 && below[upper].is_none() && !taken[lower] {
                below[upper] = Some(lower);
                taken[lower] = true;
            }
        }
    }
    let mut chain: Vec<usize> = (0..n).collect();
    for row in &plan.rows {
        for s in row {
            if let Some(t) = below[*s] {
                chain[t] = chain[*s];
            }
        }
    }
    chain
}

/// The positions nearest to what each slot wishes (least squares) that keep the order and the gaps: pooling of neighbours.
fn settle(row: &[usize], wish: &[f64], gap: &dyn Fn(usize, usize) -> f64, x: &mut [f64]) {
    // Blocks of slots that push against each other: wished start, weight, number of slots.
    let mut blocks: Vec<(f64, f64, usize)> = vec![];
    let mut ahead = Vec::with_capacity(row.len());
    let mut sum = 0.0;
    for (k, s) in row.iter().enumerate() {
        sum += if k == 0 { 0.0 } else { gap(row[k - 1], *s) };
        ahead.push(sum);
        let (mut at, mut weight, mut count) = (wish[k] - sum, 1.0, 1);
        while let Some((a, w, n)) = blocks.pop_if(|b| b.0 >= at) {
            at = (at * weight + a * w) / (weight + w);
            weight += w;
            count += n;
        }
        blocks.push((at, weight, count));
    }
    let mut k = 0;
    for (at, _, count) in blocks {
        for _ in 0..count {
            x[row[k]] = at + ahead[k];
            k += 1;
        }
    }
}

/// How high a link within a row bends over what stands between its ends.
pub fn bow(plan: &Plan, from: usize, to: usize) -> f64 {
    let row = &plan.rows[plan.slots[from].row];
    let index = |s: usize| row.iter().position(|t| *t == s).unwrap_or(0);
    let (a, b) = (index(from), index(to));
    let between = &row[a.min(b) + 1..a.max(b)];
    let items = between.iter().filter(|s| matches!(plan.slots[**s].holds, Holds::Item(_))).count();
    ROW + 20.0 * items.saturating_sub(1).min(6) as f64
}

/// Rows from top to bottom; the gap below a row grows with how far its links lead to the side.
fn down(plan: &Plan, out: &mut Placed) {
    let count = plan.rows.len();
    let left = (0..out.x.len()).map(|s| out.x[s] - out.size[s].0 / 2.0).fold(f64::INFINITY, f64::min);
    if left.is_finite() {
        out.x.iter_mut().for_each(|x| *x -= left);
    }
    out.width = (0..out.x.len()).map(|s| out.x[s] + out.size[s].0 / 2.0).fold(0.0, f64::max);
    let mut reach = vec![0.0f64; count];
    for l in &plan.links {
        let (a, b) = (plan.slots[l.from].row, plan.slots[l.to].row);
        if a.abs_diff(b) == 1 {
            let r = a.min(b);
            reach[r] = reach[r].max((out.x[l.from] - out.x[l.to]).abs());
        }
    }
    let mut arc = vec![0.0f64; count];
    for l in plan.links.iter().filter(|l| plan.slots[l.from].row == plan.slots[l.to].row) {
        let r = plan.slots[l.from].row;
        // Above the first row there is no gap.
        let room = if r <= 1 { 0.0 } else { ROW };
        arc[r] = arc[r].max(0.75 * (bow(plan, l.from, l.to) - room));
    }
    let mut y = 0.0;
    out.y = vec![0.0; out.x.len()];
    for (r, row) in plan.rows.iter().enumerate() {
        y += arc[r];
        let height = row.iter().map(|s| out.size[*s].1).fold(0.0, f64::max);
        row.iter().for_each(|s| out.y[*s] = y + height / 2.0);
        out.rows.push((y, y + height));
        y += height;
        if r + 1 < count {
            let ports = row.is_empty() || plan.rows[r + 1].is_empty();
            y += if ports && (r == 0 || r + 2 == count) { 0.0 } else { ROW + (0.07 * reach[r]).min(36.0) };
        }
    }
    out.height = y;
}
