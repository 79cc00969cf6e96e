//! Tokens as nested groups of entries, each comment with what it speaks of.

use super::token::{Kind, Token};

/// A comment.
#[derive(Clone, Copy, Debug)]
pub struct Comment<'s> {
    pub text: &'s str,
    pub line: bool,
    /// A blank line stands before it.
    pub blank: bool,
    pub column: usize,
    /// Blanks between it and what stands before it on its line.
    pub gap: usize,
}

/// A part of an entry.
#[derive(Clone, Debug)]
pub enum Piece<'s> {
    Atom(&'s str),
    Colon,
    Group(Group<'s>),
    Comment(Comment<'s>),
}

/// What stands between two commas.
#[derive(Clone, Debug, Default)]
pub struct Entry<'s> {
    /// Comments on lines of their own before it.
    pub leading: Vec<Comment<'s>>,
    /// A blank line stands before it, after the comments.
    pub blank: bool,
    pub pieces: Vec<Piece<'s>>,
    /// Comments behind it on its last line.
    pub trailing: Vec<Comment<'s>>,
    /// Whether a comma follows.
    pub comma: bool,
    /// It begins on the line on which the entry before it ends.
    pub shares: bool,
    /// The indentation of its last line in the text.
    pub indent: usize,
}

/// Entries in brackets; the whole text is one without brackets.
#[derive(Clone, Debug, Default)]
pub struct Group<'s> {
    pub open: &'s str,
    pub close: &'s str,
    /// Comments behind the opening bracket.
    pub head: Vec<Comment<'s>>,
    pub entries: Vec<Entry<'s>>,
    /// Comments on lines of their own after the last entry.
    pub last: Vec<Comment<'s>>,
    /// It spans lines in the text.
    pub broken: bool,
    /// It spans lines, but all its entries begin on its first line, and it closes where the last one ends: `(a: 1, b: (`, lines, `))`.
    pub hugs: bool,
}

/// The whole text; `None` when brackets do not match.
pub fn groups<'s>(tokens: &[Token<'s>]) -> Option<Group<'s>> {
    let mut p = Parser { tokens, ahead: &ahead(tokens), at: 0, indent: 0 };
    let g = p.group("")?;
    (p.at == tokens.len()).then_some(g)
}

/// What follows a comment.
#[derive(Clone, Copy)]
struct Ahead {
    /// Nothing but comments to the end of its line.
    ends_line: bool,
    /// Nothing but comments on its line, then a closing bracket.
    closes: bool,
    /// Nothing but comments before the next closing bracket, on whatever line.
    last: bool,
}

impl Ahead {
    const END: Self = Self { ends_line: true, closes: true, last: true };
}

/// What follows each token: looked up once from the end, as a comment may be one of very many.
fn ahead(tokens: &[Token]) -> Vec<Ahead> {
    let mut all = vec![Ahead::END; tokens.len()];
    for (i, t) in tokens.iter().enumerate().rev() {
        let after = all.get(i + 1).copied().unwrap_or(Ahead::END);
        let (ends_line, closes) = match tokens.get(i + 1) {
            None => (true, true),
            Some(n) if n.breaks > 0 => (true, n.kind == Kind::Close),
            Some(n) if n.is_comment() => (after.ends_line, after.closes),
            Some(n) => (false, n.kind == Kind::Close),
        };
        all[i] = Ahead {
            ends_line: ends_line || t.kind == Kind::Line,
            closes,
            last: if t.is_comment() { after.last } else { t.kind == Kind::Close },
        };
    }
    all
}

struct Parser<'t, 's> {
    tokens: &'t [Token<'s>],
    ahead: &'t [Ahead],
    at: usize,
    indent: usize,
}

impl<'s> Parser<'_, 's> {
    fn peek(&self) -> Option<Token<'s>> {
        self.tokens.get(self.at).copied()
    }

    fn take(&mut self) -> Option<Token<'s>> {
        let t = self.peek()?;
        if t.breaks > 0 || self.at == 0 {
            self.indent = t.column;
        }
        self.at += 1;
        Some(t)
    }

    fn comment(&mut self) -> Option<Comment<'s>> {
        let before = self.at.checked_sub(1).and_then(|i| self.tokens.get(i)).map_or(0, |t| t.end);
        let t = self.take()?;
        let gap = if t.breaks > 0 { 0 } else { t.column.saturating_sub(before) };
        Some(Comment { text: t.text, line: t.kind == Kind::Line, blank: t.breaks > 1, column: t.column, gap })
    }

    /// What follows the token here.
    fn ahead(&self) -> Ahead {
        self.ahead.get(self.at).copied().unwrap_or(Ahead::END)
    }

    /// Comments on the line of what was just taken.
    fn behind(&mut self) -> Vec<Comment<'s>> {
        let mut all = vec![];
        while self.peek().is_some_and(|t| t.is_comment() && t.breaks == 0) && (self.ahead().ends_line || self.ahead().closes) {
            all.extend(self.comment());
        }
        all
    }

    /// After the opening bracket; takes the closing one.
    fn group(&mut self, open: &'s str) -> Option<Group<'s>> {
        let close = match open {
            "(" => ")",
            "[" => "]",
            "{" => "}",
            _ => "",
        };
        let from = self.at;
        let mut g = Group { open, close, ..Group::default() };
        if !open.is_empty() {
            g.head = self.behind();
        }
        let mut hugs = !open.is_empty() && g.head.is_empty();
        loop {
            let mut leading = vec![];
            while let Some(t) = self.peek().filter(Token::is_comment) {
                let own = t.kind == Kind::Line || self.ahead().ends_line || self.ahead().closes;
                if !own {
                    break;
                }
                leading.extend(self.comment());
            }
            let ends = match self.peek() {
                None => open.is_empty(),
                Some(t) if t.kind == Kind::Close => {
                    hugs &= t.breaks == 0;
                    !open.is_empty() && t.text == close
                }
                Some(t) => {
                    let beside = t.breaks == 0 && leading.is_empty();
                    hugs &= beside;
                    let e = self.entry(leading)?;
                    hugs &= e.trailing.is_empty();
                    g.entries.push(Entry { shares: beside && !g.entries.is_empty(), ..e });
                    continue;
                }
            };
            hugs &= leading.is_empty();
            g.last = leading;
            if !open.is_empty() {
                self.take();
            }
            g.broken = self.tokens[from..self.at].iter().any(|t| t.breaks > 0);
            g.hugs = hugs && g.broken;
            return ends.then_some(g);
        }
    }

    /// One entry with its comma. At the top, attributes and the value are entries without commas.
    fn entry(&mut self, leading: Vec<Comment<'s>>) -> Option<Entry<'s>> {
        let mut e = Entry { leading, blank: self.peek()?.breaks > 1, ..Entry::default() };
        while let Some(t) = self.peek() {
            match t.kind {
                Kind::Close => break,
                Kind::Comma => {
                    // A comment between an entry and its comma that sits on the next line stays with the entry.
                    let stays = e.pieces.iter().rposition(|p| !matches!(p, Piece::Comment(c) if c.line)).map_or(0, |i| i + 1);
                    e.trailing.extend(e.pieces.drain(stays..).filter_map(|p| if let Piece::Comment(c) = p { Some(c) } else { None }));
                    self.take();
                    e.comma = true;
                    break;
                }
                Kind::Line | Kind::Block => {
                    // Behind the last entry: on its line they are its own, below it they belong to the brackets.
                    if self.ahead().last {
                        break;
                    }
                    let c = self.comment()?;
                    e.pieces.push(Piece::Comment(c));
                }
                Kind::Open => {
                    self.take();
                    e.pieces.push(Piece::Group(self.group(t.text)?));
                }
                Kind::Colon => {
                    self.take();
                    e.pieces.push(Piece::Colon);
                }
                Kind::Attribute => {
                    self.take();
                    e.pieces.push(Piece::Atom(t.text));
                    break;
                }
                Kind::Atom => {
                    self.take();
                    e.pieces.push(Piece::Atom(t.text));
                }
            }
        }
        e.indent = self.indent;
        e.trailing.extend(self.behind());
        (!e.pieces.is_empty()).then_some(e)
    }
}
