//! RON as tokens that keep comments, line breaks and columns.

/// What a token is; its text is as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `(`, `[`, `{`
    Open,
    /// `)`, `]`, `}`
    Close,
    Comma,
    Colon,
    /// A word, number or text.
    Atom,
    /// `#![enable(...)]`
    Attribute,
    /// From `//` to the end of the line.
    Line,
    /// `/* ... */`
    Block,
}

/// A token and how it stands in the text.
#[derive(Clone, Copy, Debug)]
pub struct Token<'s> {
    pub kind: Kind,
    pub text: &'s str,
    /// Line breaks between the token before and this one.
    pub breaks: usize,
    /// The column where it begins, from 0; a tab goes to the next multiple of 4.
    pub column: usize,
    /// The column behind it.
    pub end: usize,
}

impl Token<'_> {
    pub fn is_comment(&self) -> bool {
        matches!(self.kind, Kind::Line | Kind::Block)
    }
}

/// The tokens of a text; `None` for what is not RON.
pub fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut all = vec![];
    let mut column = 0;
    let mut rest = text;
    loop {
        let after = rest.trim_start();
        let blank = &rest[..rest.len() - after.len()];
        let breaks = blank.matches('\n').count();
        column = advance(column, blank);
        if after.is_empty() {
            return Some(all);
        }
        let (kind, length) = next(after)?;
        let (token, tail) = after.split_at_checked(length).filter(|(t, _)| !t.is_empty())?;
        let end = advance(column, token);
        all.push(Token { kind, text: token.trim_end(), breaks, column, end });
        column = end;
        rest = tail;
    }
}

/// The column after `text` that begins at `column`.
fn advance(column: usize, text: &str) -> usize {
    text.chars().fold(column, |c, ch| match ch {
        '\n' => 0,
        '\r' => c,
        '\t' => (c / 4 + 1) * 4,
        _ => c + 1,
    })
}

/// What stands at the beginning, and its length in bytes.
fn next(s: &str) -> Option<(Kind, usize)> {
    let first = s.chars().next()?;
    Some(match first {
        '(' | '[' | '{' => (Kind::Open, 1),
        ')' | ']' | '}' => (Kind::Close, 1),
        ',' => (Kind::Comma, 1),
        ':' => (Kind::Colon, 1),
        '"' => (Kind::Atom, quoted(s, '"')?),
        '\'' => (Kind::Atom, quoted(s, '\'')?),
        '/' if s.starts_with("//") => (Kind::Line, s.find('\n').unwrap_or(s.len())),
        '/' if s.starts_with("/*") => (Kind::Block, block(s)?),
        '#' if s.starts_with("#!") => (Kind::Attribute, s.find(']')? + 1),
        _ => (Kind::Atom, word(s)?),
    })
}

/// A text in quotes, with its escapes.
fn quoted(s: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (i, c) in s.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(i + 1),
            _ => {}
        }
    }
    None
}

/// A comment that may hold others.
fn block(s: &str) -> Option<usize> {
    let (mut depth, mut i) = (0usize, 0);
    while let Some(rest) = s.get(i..).filter(|r| !r.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            i += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            i += 2;
            if depth == 0 {
                return Some(i);
            }
        } else {
            i += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    None
}

/// A word, a number, or a text with a prefix: `r#"..."#`, `b"..."`.
fn word(s: &str) -> Option<usize> {
    let prefix = s.find(|c: char| !matches!(c, 'b' | 'r')).unwrap_or(s.len());
    let after = &s[prefix..];
    if s[..prefix].ends_with('r') {
        let hashes = after.bytes().take_while(|b| *b == b'#').count();
        if after[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = prefix + hashes + 1;
            return s[body..].find(&end).map(|i| body + i + end.len());
        }
    }
    if &s[..prefix] == "b" && after.starts_with(['"', '\'']) {
        return quoted(after, after.chars().next()?).map(|n| prefix + n);
    }
    let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | ',' | ':' | '"' | '\'' | '/');
    Some(s.find(ends).unwrap_or(s.len())).filter(|n| *n > 0)
}
