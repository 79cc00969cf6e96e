//! References: what an input or an output takes its value from.
//!
//! `"stem"`, `"lspm.texture"`, `"enc.features[2]"`, `"lspm.features | stem"`, `"block{last}"`.

use super::tree::{Kind, Tree};
use crate::text::{Code, Diagnostic, Diagnostics, Place};

/// One of the alternatives of a reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    pub node: String,
    pub port: Option<String>,
    /// The expression in `[...]`: which of a list.
    pub entry: Option<String>,
}

impl Name {
    fn parse(text: &str) -> Self {
        let text = text.trim();
        let (name, entry) = match text.strip_suffix(']').and_then(|t| split_index(t)) {
            Some((name, entry)) => (name.trim_end(), Some(entry.to_owned())),
            None => (text, None),
        };
        match name.split_once('.') {
            Some((n, p)) => Self { node: n.to_owned(), port: Some(p.to_owned()), entry },
            None => Self { node: name.to_owned(), port: None, entry },
        }
    }
}

/// `xs[ys[0]` is `xs` and `ys[0]`.
fn split_index(text: &str) -> Option<(&str, &str)> {
    let open = text.find('[')?;
    // A bracket inside of braces belongs to what fills them.
    (!text[..open].contains('{') || text[..open].matches('{').count() == text[..open].matches('}').count())
        .then(|| (&text[..open], &text[open + 1..]))
}

/// The value of a node or an input; of several alternatives, the first that is there.
#[derive(Clone, Debug)]
pub struct Reference {
    pub node: String,
    pub port: Option<String>,
    pub entry: Option<String>,
    /// What to take when that node is not there.
    pub others: Vec<Name>,
    pub text: String,
    pub place: Place,
    /// Which of a list, once that is known.
    pub at: Option<usize>,
    /// Whether it could not be read, which was told.
    pub faulty: bool,
}

impl Reference {
    /// One that could not be read, which was told.
    pub fn unread(place: &Place) -> Self {
        Self { faulty: true, ..Self::parse("", place.clone()) }
    }

    /// Reads a reference from a text.
    ///
    /// # Errors
    /// E0104 when it is not a text.
    pub fn read(tree: &Tree) -> std::result::Result<Self, Diagnostic> {
        let (Kind::Str(s) | Kind::Word(s)) = &tree.kind else {
            let help = "write \"stem\", or [\"stem\", \"image\"] where several are taken";
            return Err(Diagnostic::error(Code::E0104, format!("the name of a node in quotes is expected, but {} is given", tree.what()))
                .at(tree.place.clone(), "here")
                .echo(tree.kind == Kind::Fault)
                .help(help));
        };
        Ok(Self::parse(s, tree.place.clone()))
    }

    /// Reads a reference that stands at `place`.
    pub fn parse(text: &str, place: Place) -> Self {
        let mut all = alternatives(text).into_iter().map(Name::parse);
        let Name { node, port, entry } = all.next().unwrap_or_default();
        Self { node, port, entry, others: all.collect(), text: text.to_owned(), place, at: None, faulty: false }
    }

    /// The references of a field: one, or a list of them. What is none is told with E0104 in `found`, and has [`Reference::unread`] here.
    pub fn all(tree: &Tree, found: &mut Diagnostics) -> Vec<Self> {
        let items = if let Kind::List(items) = &tree.kind { items.as_slice() } else { std::slice::from_ref(tree) };
        items.iter().map(|t| found.keep(Self::read(t)).unwrap_or_else(|| Self::unread(&t.place))).collect()
    }

    /// All alternatives, the first one first.
    pub fn names(&self) -> Vec<Name> {
        let first = Name { node: self.node.clone(), port: self.port.clone(), entry: self.entry.clone() };
        std::iter::once(first).chain(self.others.iter().cloned()).collect()
    }

    /// Settles on one of the alternatives.
    pub fn choose(&mut self, name: Name) {
        (self.node, self.port, self.entry) = (name.node, name.port, name.entry);
        self.others.clear();
    }
}

/// Divides a text at each `|` that stands in no brackets.
fn alternatives(text: &str) -> Vec<&str> {
    let (mut depth, mut from) = (0usize, 0);
    let mut all = vec![];
    for (i, c) in text.char_indices() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => {
                all.push(&text[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    all.push(&text[from..]);
    all
}
