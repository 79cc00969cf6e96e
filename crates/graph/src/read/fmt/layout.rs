//! Groups as text again: four blanks a level, one entry a line where they do not fit into one.

use super::group::{Comment, Entry, Group, Piece};

/// A group goes on one line when the line fits into this many characters, or what stands on it without its indentation into [`OWN`].
const WIDTH: usize = 150;
const OWN: usize = 120;

/// So long may a line at this depth be.
fn most(depth: usize) -> usize {
    WIDTH.max(OWN + 4 * depth)
}

/// Lays the text out; `eol` ends its lines.
pub fn layout(whole: &Group, eol: &str) -> String {
    let mut w = Writer { out: String::new(), eol };
    w.entries(whole, 0);
    w.out
}

struct Writer<'e> {
    out: String,
    eol: &'e str,
}

/// A comment behind an entry, to be placed when its neighbours are known.
struct Behind<'g, 's> {
    /// Where in the output it goes, in bytes.
    at: usize,
    /// The column behind the entry.
    end: usize,
    comments: &'g [Comment<'s>],
    /// The column it had, moved as far as its line was.
    column: usize,
    gap: usize,
    /// The entry takes several lines: the comment stands by itself.
    alone: bool,
}

impl Writer<'_> {
    /// Entries and comments, each on its line.
    fn entries(&mut self, g: &Group, depth: usize) {
        let mut behind = vec![];
        let mut first = true;
        // Whether the entry before is on one line, without comments.
        let mut plain = false;
        for e in &g.entries {
            // Of a group that was on one line no entry shares one: it is spread because it is too long.
            let beside = plain && g.broken && e.shares && one_line(e).is_some_and(|t| self.column() + 2 + t.chars().count() <= most(depth));
            if beside {
                self.out.push(' ');
            } else {
                if !first {
                    self.out.push_str(self.eol);
                }
                for c in &e.leading {
                    self.own(c, depth, &mut first);
                }
                self.blank(e.blank, &mut first);
                self.indent(depth);
            }
            let from = self.out.len();
            self.pieces(&e.pieces, depth);
            plain = !self.out[from..].contains('\n') && e.trailing.is_empty() && one_line(e).is_some();
            let comma = !g.open.is_empty();
            if comma {
                self.out.push(',');
            }
            if let Some(c) = e.trailing.first() {
                let end = self.column();
                behind.push(Behind {
                    at: self.out.len(),
                    end,
                    comments: &e.trailing,
                    column: (c.column + 4 * depth).saturating_sub(e.indent),
                    gap: c.gap.saturating_sub(usize::from(comma && !e.comma)).max(1),
                    alone: self.out[from..].contains('\n'),
                });
            }
        }
        if !g.entries.is_empty() {
            self.out.push_str(self.eol);
        }
        for c in &g.last {
            self.own(c, depth, &mut first);
        }
        self.place(&behind, depth);
    }

    /// Writes the comments behind entries. Neighbours that stood in one column do so again.
    fn place(&mut self, all: &[Behind], depth: usize) {
        let mut columns: Vec<usize> = all.iter().map(|b| b.end + b.gap).collect();
        let lined: Vec<usize> = (0..all.len()).filter(|i| !all[*i].alone).collect();
        for run in lined.chunk_by(|a, b| all[*a].column == all[*b].column).filter(|run| run.len() > 1) {
            let least = run.iter().map(|i| all[*i].end).max().unwrap_or(0);
            let stood = all[run[0]].column;
            let column = if stood > least { stood } else { least + 2 };
            run.iter().for_each(|i| columns[*i] = column);
        }
        let Some(from) = all.first().map(|b| b.at) else { return };
        let text = self.out.split_off(from);
        let ends = all.iter().skip(1).map(|b| b.at).chain([from + text.len()]);
        for ((b, column), end) in all.iter().zip(columns).zip(ends) {
            (b.end..column).for_each(|_| self.out.push(' '));
            self.chain(b.comments, depth);
            self.out.push_str(&text[b.at - from..end - from]);
        }
    }

    /// Comments in a row; all that follow a line comment go below it, each on its line.
    fn chain(&mut self, comments: &[Comment], depth: usize) {
        let mut below = false;
        for (i, c) in comments.iter().enumerate() {
            if below {
                self.out.push_str(self.eol);
                self.indent(depth);
            } else if i > 0 {
                self.out.push(' ');
            }
            self.out.push_str(c.text);
            below |= c.line;
        }
    }

    /// A comment on a line of its own.
    fn own(&mut self, c: &Comment, depth: usize, first: &mut bool) {
        self.blank(c.blank, first);
        self.indent(depth);
        self.out.push_str(c.text);
        self.out.push_str(self.eol);
    }

    fn blank(&mut self, there: bool, first: &mut bool) {
        if there && !*first {
            self.out.push_str(self.eol);
        }
        *first = false;
    }

    fn indent(&mut self, depth: usize) {
        (0..depth).for_each(|_| self.out.push_str("    "));
    }

    /// The column that comes next.
    fn column(&self) -> usize {
        self.out[self.out.rfind('\n').map_or(0, |i| i + 1)..].chars().count()
    }

    fn pieces(&mut self, pieces: &[Piece], depth: usize) {
        for (i, p) in pieces.iter().enumerate() {
            match p {
                Piece::Atom(a) => self.out.push_str(a),
                Piece::Colon => self.out.push_str(": "),
                Piece::Comment(c) => {
                    if i > 0 && !self.out.ends_with([' ', '\n']) {
                        self.out.push(' ');
                    }
                    self.out.push_str(c.text);
                    if c.line {
                        self.out.push_str(self.eol);
                        self.indent(depth + 1);
                    } else if i + 1 < pieces.len() && !matches!(pieces[i + 1], Piece::Colon) {
                        self.out.push(' ');
                    }
                }
                Piece::Group(g) => self.group(g, depth),
            }
        }
    }

    fn group(&mut self, g: &Group, depth: usize) {
        if let Some(flat) = flat(g)
            && self.column() + flat.chars().count() + usize::from(depth > 0) <= most(depth)
        {
            self.out.push_str(&flat);
            return;
        }
        if let Some((before, inner)) = hugged(g)
            && self.column() + before.chars().count() + inner.open.len() <= most(depth)
        {
            self.out.push_str(&before);
            self.group(inner, depth);
            self.out.push_str(if g.open == "{" { " }" } else { g.close });
            return;
        }
        self.out.push_str(g.open);
        if let Some(c) = g.head.first() {
            (0..c.gap.max(1)).for_each(|_| self.out.push(' '));
            self.chain(&g.head, depth + 1);
        }
        self.out.push_str(self.eol);
        self.entries(g, depth + 1);
        self.indent(depth);
        self.out.push_str(g.close);
    }
}

/// An entry on one line, if it can be and holds no comments; those before and behind it are left out.
fn one_line(e: &Entry) -> Option<String> {
    let piece = |p: &Piece| match p {
        Piece::Atom(a) => (!a.contains('\n')).then(|| (*a).to_owned()),
        Piece::Colon => Some(": ".to_owned()),
        Piece::Group(g) => flat(g).filter(|_| !commented(g)),
        Piece::Comment(_) => None,
    };
    e.pieces.iter().map(piece).collect::<Option<Vec<_>>>().map(|all| all.concat())
}

/// Whether a comment stands in a group.
fn commented(g: &Group) -> bool {
    let inside = |p: &Piece| match p {
        Piece::Comment(_) => true,
        Piece::Group(g) => commented(g),
        _ => false,
    };
    !g.head.is_empty()
        || !g.last.is_empty()
        || g.entries.iter().any(|e| !e.leading.is_empty() || !e.trailing.is_empty() || e.pieces.iter().any(inside))
}

/// What stands on the first line of a group of which only the last entry spans lines, and the group in which that ends.
fn hugged<'g, 's>(g: &'g Group<'s>) -> Option<(String, &'g Group<'s>)> {
    let (last, before) = g.entries.split_last().filter(|_| g.hugs)?;
    let (Piece::Group(inner), start) = last.pieces.split_last()? else { return None };
    let mut text = format!("{}{}", g.open, if g.open == "{" { " " } else { "" });
    for e in before {
        text.push_str(&one_line(e)?);
        text.push_str(", ");
    }
    for p in start {
        match p {
            Piece::Atom(a) if !a.contains('\n') => text.push_str(a),
            Piece::Colon => text.push_str(": "),
            _ => return None,
        }
    }
    inner.broken.then_some((text, inner))
}

/// A group on one line, if it was on one and can be.
fn flat(g: &Group) -> Option<String> {
    if g.broken {
        return None;
    }
    let mut parts = vec![];
    for e in &g.entries {
        let mut text = comments(&e.leading)?;
        let mut after = !text.is_empty();
        for p in &e.pieces {
            match p {
                Piece::Colon => {
                    text.push_str(": ");
                    after = false;
                    continue;
                }
                Piece::Comment(c) if c.line => return None,
                Piece::Comment(c) => {
                    if !text.is_empty() && !text.ends_with(' ') {
                        text.push(' ');
                    }
                    text.push_str(c.text);
                    after = true;
                }
                Piece::Atom(_) | Piece::Group(_) => {
                    if std::mem::take(&mut after) {
                        text.push(' ');
                    }
                    match p {
                        Piece::Group(g) => text.push_str(&flat(g)?),
                        Piece::Atom(a) => text.push_str(a),
                        _ => {}
                    }
                }
            }
        }
        let behind = comments(&e.trailing)?;
        if !behind.is_empty() {
            text.push(' ');
            text.push_str(&behind);
        }
        parts.push(text);
    }
    let inside = [comments(&g.head)?, parts.join(", "), comments(&g.last)?];
    let inside = inside.into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join(" ");
    let space = if g.open == "{" && !inside.is_empty() { " " } else { "" };
    let text = format!("{}{space}{inside}{space}{}", g.open, g.close);
    (!text.contains('\n')).then_some(text)
}

/// Comments between others on a line; `None` when one ends its line.
fn comments(all: &[Comment]) -> Option<String> {
    all.iter().map(|c| (!c.line).then_some(c.text)).collect::<Option<Vec<_>>>().map(|t| t.join(" "))
}
