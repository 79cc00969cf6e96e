//! The lines of a source that a diagnostic speaks of, cut and escaped so that they fit the terminal and cannot disturb it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::printable::{columns, show, width};
use super::super::{Label, Source};

/// A tab is shown as this many spaces.
const TAB: &str = "    ";

/// Lines of a source with marks under them.
pub struct Excerpt<'d> {
    /// The number of the first line.
    pub first: usize,
    /// The number of the last.
    pub last: usize,
    /// The lines; those between that are not shown are empty.
    pub text: String,
    pub marks: Vec<Underline<'d>>,
    /// Labels whose text has no room beside their marks.
    pub apart: Vec<&'d Label>,
}

/// A range of an excerpt's text with what is to be said there, which may be nothing.
pub struct Underline<'d> {
    pub span: Range<usize>,
    pub label: &'d str,
    pub primary: bool,
}

impl<'d> Excerpt<'d> {
    /// Cuts out what `labels`, all of one source, speak of: each line at most `room` columns wide, its labels included.
    pub fn new(source: &Source, labels: &[&'d Label], room: usize) -> Self {
        let mut lines: BTreeMap<usize, Vec<&'d Label>> = BTreeMap::new();
        for l in labels {
            lines.entry(source.line_column(l.place.span.start).0).or_default().push(l);
        }
        let first = lines.keys().next().copied().unwrap_or(1);
        let last = lines.keys().next_back().copied().unwrap_or(1);
        let mut e = Self { first, last, text: String::new(), marks: vec![], apart: vec![] };
        for n in first..=last {
            match lines.get(&n) {
                Some(labels) => e.line(source, n, labels, room),
                // One line between two that are shown is shown as well.
                None if lines.contains_key(&(n - 1)) && lines.contains_key(&(n + 1)) => e.line(source, n, &[], room),
                None => {}
            }
            e.text.push('\n');
        }
        e
    }

    fn line(&mut self, source: &Source, number: usize, labels: &[&'d Label], room: usize) {
        let whole = source.line(number);
        let text = source.text.get(whole.clone()).unwrap_or_default();
        // Spans as ranges of the line; what goes on in later lines is not marked.
        let span = |l: &Label| {
            let start = l.place.span.start.clamp(whole.start, whole.end) - whole.start;
            start..(l.place.span.end.clamp(whole.start, whole.end) - whole.start).max(start)
        };
        let leader = labels.iter().find(|l| l.primary).or(labels.first());
        let focus = leader.map_or(0..0, |l| span(l));
        // Of a very long line only what could be seen is looked at.
        let begin = text.floor_char_boundary(focus.start.saturating_sub(4 * room));
        let end = text.ceil_char_boundary((focus.start + 8 * room).min(text.len()));
        let cells: Vec<Cell> = text[begin..end].char_indices().map(|(i, c)| Cell::new(begin + i, c)).collect();
        let total: usize = cells.iter().map(|c| c.columns).sum();
        let column = |byte: usize| cells.iter().take_while(|c| c.start < byte).map(|c| c.columns).sum::<usize>();

        let said = |l: &Label| if l.text.is_empty() { 0 } else { 1 + columns(&l.text) };
        let fits = begin == 0 && end == text.len() && total <= room && labels.iter().all(|l| column(span(l).end) + said(l) <= room);
        let mut window = 0..total;
        if !fits {
            let (left, right) = (column(focus.start), column(focus.end).max(column(focus.start) + 1));
            let label = leader.map_or(0, |l| said(l));
            let until = if right - left + label + 2 <= room { right + label } else { right };
            let from = until.saturating_sub(room).min(left.saturating_sub(2));
            window = from..from + room;
        }
        let cut_left = begin > 0 || window.start > 0;
        let cut_right = end < text.len() || window.end < total;
        let seen = window.start + usize::from(cut_left)..window.end.min(total) - usize::from(cut_right && window.end <= total);

        if cut_left {
            self.text.push('…');
        }
        let mut at = 0;
        let mut shown: Vec<(Range<usize>, Range<usize>, usize)> = vec![];
        for c in &cells {
            if at >= seen.start && at + c.columns <= seen.end {
                let from = self.text.len();
                self.text.push_str(&c.text);
                shown.push((c.start..c.end, from..self.text.len(), at + c.columns - window.start));
            }
            at += c.columns;
        }
        let end_of_line = self.text.len();
        if cut_right {
            self.text.push('…');
        } else {
            // A mark may stand behind the last character.
            self.text.push(' ');
        }
        for l in labels {
            let s = span(l);
            let inside: Vec<_> =
                shown.iter().filter(|(b, ..)| b.start < s.end && s.start < b.end || s.is_empty() && b.start == s.start).collect();
            let (mark, after) = match (inside.first(), inside.last()) {
                (Some((_, a, _)), Some((_, b, column))) => (a.start..b.end, *column),
                _ if s.start >= end && !cut_right => (end_of_line..end_of_line + 1, total - window.start + 1),
                _ => {
                    self.apart.push(l);
                    continue;
                }
            };
            let beside = after + said(l) <= room;
            if !beside {
                self.apart.push(l);
            }
            self.marks.push(Underline { span: mark, label: if beside { &l.text } else { "" }, primary: l.primary });
        }
    }
}

/// A character of a line as it is shown.
struct Cell {
    start: usize,
    end: usize,
    text: String,
    columns: usize,
}

impl Cell {
    fn new(start: usize, c: char) -> Self {
        let mut text = String::new();
        if c == '\t' {
            text.push_str(TAB)
        } else {
            show(c, &mut text)
        }
        let columns = if text.len() > c.len_utf8() { text.len() } else { width(c) };
        Self { start, end: start + c.len_utf8(), text, columns }
    }
}
