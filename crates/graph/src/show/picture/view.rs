//! What is seen of a picture in one state of opening: closed items, open ones around them, and lines between closed ones.
//!
//! May use `model`. For the formats that lay out by themselves.

use std::collections::HashSet;

use super::model::{Mark, Picture};

/// A line between two closed items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub from: usize,
    pub to: usize,
    /// The item that makes the value.
    pub value: usize,
    pub mark: Mark,
}

/// The items that are seen and their lines.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Open items and closed ones, in order: each before those inside it.
    pub items: Vec<usize>,
    /// Whether an item is open.
    pub open: Vec<bool>,
    pub lines: Vec<Line>,
}

impl View {
    pub fn new(p: &Picture, open: &[bool]) -> Self {
        let seen = p.visible(open);
        let open: Vec<bool> = (0..p.items.len()).map(|i| seen[i] == i && p.opens(i) && open.get(i).copied().unwrap_or(false)).collect();
        let items = (0..p.items.len()).filter(|i| seen[*i] == *i).collect();
        let mut known = HashSet::new();
        let mut lines = vec![];
        for w in &p.wires {
            let (from, to) = (seen[w.from], seen[w.to]);
            if from != to && known.insert((from, to, w.from)) {
                lines.push(Line { from, to, value: w.from, mark: w.mark });
            }
        }
        Self { items, open, lines }
    }

    /// How many open items stand around an item.
    pub fn depth(&self, p: &Picture, item: usize) -> usize {
        std::iter::successors(p.items[item].parent, |i| p.items[*i].parent).count()
    }
}

/// The shape of a value as it leaves an item, with the name of the output where there are several.
pub fn leaving(p: &Picture, item: usize, value: usize) -> String {
    let i = &p.items[item];
    let out = i.outputs.iter().find(|o| o.from == value).or(p.items[value].outputs.first());
    match out {
        Some(o) if o.port.is_empty() => o.shape.clone(),
        Some(o) => format!("{} {}", o.port, o.shape),
        None => String::new(),
    }
}
