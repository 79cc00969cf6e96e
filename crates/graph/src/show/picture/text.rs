//! The picture for the terminal: one line a node, and to its left the values that are alive there, each in a column of its own.
//!
//! May use `text`, `show::table`, and `model`, `view`, `label` beside it. A `●` takes what is joined to it (`├`, `╰`) and gives what leaves below it; lines that only pass
//! (`│`) are not joined. A skip is a column that stays open for long.

use std::collections::HashMap;

use super::label;
use super::model::{Kind, Picture};
use super::view::{View, leaving};
use crate::show::table::{Column, fit, left_out};
use crate::text::{columns, hang, squeeze};

/// So many values may have a column at once. Further ones are named where they are read: `← n7`.
const COLUMNS: usize = 20;

/// A row: what stands to its left, what stands there where the row goes on below itself, and of the lines of nodes the item.
struct Row {
    gutter: String,
    below: String,
    item: Option<usize>,
}

/// The picture with some items open, at most `width` columns wide where that can be helped.
pub fn text(p: &Picture, open: &[bool], width: usize) -> String {
    let view = View::new(p, open);
    let mut rails = Rails::new(&view, p.items.len());
    let mut rows: Vec<Row> = vec![];
    let mut named: HashMap<usize, String> = HashMap::new();
    let mut used: HashMap<usize, Vec<String>> = HashMap::new();
    for l in &view.lines {
        let all = used.entry(l.from).or_default();
        let shape = leaving(p, l.from, l.value);
        if !all.contains(&shape) {
            all.push(shape);
        }
    }
    for &i in &view.items {
        if view.open[i] {
            rows.push(Row { gutter: rails.passing(), below: rails.passing(), item: Some(i) });
            continue;
        }
        let symbol = match p.items[i].kind {
            Kind::Input => '○',
            Kind::Output => '◎',
            Kind::Composite => '◆',
            _ => '●',
        };
        let (gutter, afar) = rails.node(i, symbol);
        rows.push(Row { gutter, below: rails.below(i), item: Some(i) });
        if !afar.is_empty() {
            let more = if afar.len() > 3 { format!(" and {} more", afar.len() - 3) } else { String::new() };
            let names: Vec<&str> = afar.iter().take(3).map(|(from, _)| p.items[*from].path.as_str()).collect();
            named.insert(i, format!("← {}{more}", names.join(", ")));
        }
        if let Some(gutter) = rails.branch(i) {
            rows.push(Row { gutter, below: rails.passing(), item: None });
        }
    }
    // The line on which further values branch off names them; it follows the line of their node.
    let mut last = None;
    let mut further = vec![String::new(); rows.len()];
    for (k, row) in rows.iter().enumerate() {
        if row.item.is_none() {
            further[k] =
                last.and_then(|i| used.get(&i)).map(|all| all.iter().skip(1).cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default();
        }
        last = row.item.or(last);
    }
    let depths: Vec<usize> = rows.iter().map(|r| r.item.map_or(0, |i| view.depth(p, i))).collect();
    let none = vec![];
    let row = |k: usize| match rows[k].item {
        Some(i) => cells(p, &view, i, depths[k], used.get(&i).unwrap_or(&none)),
        None => [String::new(), String::new(), further[k].clone(), String::new(), String::new()],
    };
    let cells: Vec<Vec<String>> = (0..rows.len()).map(|k| row(k).to_vec()).collect();
    print(p, &rows, cells, &named, width)
}

fn cells(p: &Picture, view: &View, i: usize, depth: usize, used: &[String]) -> [String; 5] {
    let item = &p.items[i];
    let open = view.open[i];
    let name = format!("{}{}{}", "  ".repeat(depth), if open { "▾ " } else { "" }, label::cut(&item.name, 32));
    let end = matches!(item.kind, Kind::Input | Kind::Output);
    let block = if end { item.block.clone() } else { label::cut(&item.block, 28) };
    let shape = match item.kind {
        Kind::Output => item.fields.first().map(|f| f.text.clone()).unwrap_or_default(),
        _ if open => String::new(),
        _ => used.first().cloned().or_else(|| item.outputs.first().map(|o| o.shape.clone())).unwrap_or_default(),
    };
    let cost = |n: u64, text: String| if n == 0 { String::new() } else { text };
    [
        name,
        block,
        shape,
        cost(item.cost.params, label::short(item.cost.params)),
        cost(item.cost.macs, label::share(item.cost.macs, p.total.macs)),
    ]
}

fn print(p: &Picture, rows: &[Row], mut cells: Vec<Vec<String>>, named: &HashMap<usize, String>, width: usize) -> String {
    let gutter = rows.iter().map(|r| columns(&r.gutter).max(columns(&r.below))).max().unwrap_or(0);
    let mut heads = [("node", false, 0), ("block", false, 0), ("output", false, 0), ("params", true, 1), ("MACs", true, 2)]
        .map(|(heading, number, worth)| Column::new(heading, number, worth))
        .to_vec();
    // Numbers stand behind three spaces, not two.
    let gone = fit(&mut heads, &mut cells, width.saturating_sub(gutter + 2));
    let wide = |cell: &str| cell.split('\n').map(columns).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len())
        .map(|c| cells.iter().map(|r| wide(&r[c])).max().unwrap_or(0))
        .zip(&heads)
        .map(|(w, head)| if head.number { w.max(columns(&head.heading)) } else { w })
        .collect();
    let set = p.set.iter().map(|s| format!(" {s}")).collect::<String>();
    let title = format!("{}{set}: {} parameters, {} MACs", p.name, label::short(p.total.params), label::short(p.total.macs));
    let mut out = format!("{}\n\n", hang(&title, width));
    let line = |g: &str, c: &[&str], out: &mut String| {
        let start = out.len();
        out.push_str(&format!("{g}{} ", " ".repeat(gutter - columns(g))));
        for ((cell, w), head) in c.iter().zip(&widths).zip(&heads).filter(|((_, w), _)| **w > 0) {
            let room = " ".repeat(w.saturating_sub(columns(cell)));
            out.push_str(&if head.number { format!(" {room}{cell} ") } else { format!("{cell}{room}  ") });
        }
        out.truncate(start + out[start..].trim_end().len());
        out.push('\n');
    };
    line("", &heads.iter().map(|h| h.heading.as_ref()).collect::<Vec<_>>(), &mut out);
    for (row, cells) in rows.iter().zip(&cells) {
        let height = cells.iter().map(|c| 1 + c.matches('\n').count()).max().unwrap_or(1);
        let start = out.len();
        for n in 0..height {
            let part: Vec<&str> = cells.iter().map(|c| c.split('\n').nth(n).unwrap_or_default()).collect();
            line(if n == 0 { &row.gutter } else { &row.below }, &part, &mut out);
        }
        let Some(afar) = row.item.and_then(|i| named.get(&i)) else { continue };
        if height == 1 && columns(out[start..].trim_end()) + 2 + columns(afar) <= width {
            out.truncate(out.len() - 1);
            out.push_str(&format!("  {afar}\n"));
        } else {
            squeeze(afar, width.saturating_sub(gutter + 1)).iter().for_each(|l| line(&row.below, &[l.as_str()], &mut out));
        }
    }
    out + &left_out(&gone, width)
}

/// A value of an item.
type Net = (usize, usize);

struct Rails {
    /// What each column holds.
    columns: Vec<Option<Net>>,
    /// Where each living value is.
    at: HashMap<Net, usize>,
    /// How often a value is still to be read.
    readers: HashMap<Net, usize>,
    inputs: Vec<Vec<Net>>,
    outputs: Vec<Vec<Net>>,
    /// The column of the node that was drawn last.
    own: usize,
}

impl Rails {
    fn new(view: &View, items: usize) -> Self {
        let mut r = Self {
            columns: vec![],
            at: HashMap::new(),
            readers: HashMap::new(),
            inputs: vec![vec![]; items],
            outputs: vec![vec![]; items],
            own: 0,
        };
        // A line back to an earlier item has no place here; only comparisons have any.
        for l in view.lines.iter().filter(|l| l.from < l.to) {
            let net = (l.from, l.value);
            r.inputs[l.to].push(net);
            *r.readers.entry(net).or_insert(0) += 1;
            if !r.outputs[l.from].contains(&net) {
                r.outputs[l.from].push(net);
            }
        }
        r
    }

    fn free(&mut self) -> usize {
        self.columns.iter().position(Option::is_none).unwrap_or_else(|| {
            self.columns.push(None);
            self.columns.len() - 1
        })
    }

    /// All living values, passing.
    fn passing(&self) -> String {
        let all: Vec<char> = self.columns.iter().map(|c| if c.is_some() { '│' } else { ' ' }).collect();
        join(&all, usize::MAX, 0)
    }

    /// All that lives on below a node's line, before its further values branch off.
    fn below(&self, item: usize) -> String {
        let own = |c: usize| c == self.own && !self.outputs[item].is_empty();
        let all: Vec<char> = self.columns.iter().enumerate().map(|(c, n)| if n.is_some() || own(c) { '│' } else { ' ' }).collect();
        join(&all, usize::MAX, 0)
    }

    /// The line of a node, and the values that it reads but that have no column.
    fn node(&mut self, item: usize, symbol: char) -> (String, Vec<Net>) {
        let inputs = std::mem::take(&mut self.inputs[item]);
        let (mut ends, mut afar) = (vec![], vec![]);
        let mut joined = vec![];
        for net in &inputs {
            let Some(&c) = self.at.get(net) else {
                afar.push(*net);
                continue;
            };
            joined.push(c);
            let left = self.readers.get_mut(net).map_or(0, |n| {
                *n -= 1;
                *n
            });
            if left == 0 {
                ends.push(c);
                self.at.remove(net);
            }
        }
        let own = match ends.first() {
            Some(c) => *c,
            None => self.free(),
        };
        let (lo, hi) = joined.iter().fold((own, own), |(lo, hi), c| (lo.min(*c), hi.max(*c)));
        let all: Vec<char> = (0..self.columns.len())
            .map(|c| match (c == own, joined.contains(&c), ends.contains(&c)) {
                (true, ..) => symbol,
                (_, true, true) if c == lo => '╰',
                (_, true, true) if c == hi => '╯',
                (_, true, true) => '┴',
                (_, true, false) if c == lo => '├',
                (_, true, false) if c == hi => '┤',
                (_, true, false) => '┼',
                _ if self.columns[c].is_some() => '│',
                _ if lo < c && c < hi => '─',
                _ => ' ',
            })
            .collect();
        ends.iter().for_each(|c| self.columns[*c] = None);
        self.own = own;
        (join(&all, lo, hi), afar)
    }

    /// Puts the node's values into columns: the first below it, others beside, which takes a line of its own.
    fn branch(&mut self, item: usize) -> Option<String> {
        let own = self.own;
        let outputs = std::mem::take(&mut self.outputs[item]);
        let mut new = vec![];
        for (k, net) in outputs.iter().enumerate() {
            let c = if k == 0 { own } else { self.free() };
            if c >= COLUMNS {
                continue;
            }
            self.columns[c] = Some(*net);
            self.at.insert(*net, c);
            if k > 0 {
                new.push(c);
            }
        }
        if new.is_empty() {
            while self.columns.last().is_some_and(Option::is_none) {
                self.columns.pop();
            }
            return None;
        }
        let (lo, hi) = new.iter().fold((own, own), |(lo, hi), c| (lo.min(*c), hi.max(*c)));
        let all: Vec<char> = (0..self.columns.len())
            .map(|c| match (c == own, new.contains(&c)) {
                (true, _) if lo == own => '├',
                (true, _) if hi == own => '┤',
                (true, _) => '┼',
                (_, true) if c == lo => '╭',
                (_, true) if c == hi => '╮',
                (_, true) => '┬',
                _ if self.columns[c].is_some() => '│',
                _ if lo < c && c < hi => '─',
                _ => ' ',
            })
            .collect();
        Some(join(&all, lo, hi))
    }
}

/// Columns with a space between them, a dash from `lo` to `hi`.
fn join(all: &[char], lo: usize, hi: usize) -> String {
    let mut out = String::new();
    for (c, sign) in all.iter().enumerate() {
        out.push(*sign);
        out.push(if lo <= c && c < hi { '─' } else { ' ' });
    }
    out.trim_end().to_owned()
}
