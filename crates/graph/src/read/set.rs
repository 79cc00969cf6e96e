//! Changes from outside: `--set anchors=16`, `--set data.root=/volumes`.

use std::sync::Arc;

use super::tree::{Kind, Tree, parse};
use crate::text::{Code, Diagnostic, Place, Result, Source, Span};

/// What the text of a change calls its source.
pub const COMMAND_LINE: &str = "--set";

/// One change: a path and the value that it gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    pub path: String,
    pub path_place: Place,
    pub value: Tree,
}

impl Set {
    /// Reads `path=value`. The value is RON; what is not is taken as text, so that paths need no quotes.
    ///
    /// # Errors
    /// E0207 when there is no `=` or no path.
    pub fn parse(text: &str) -> Result<Set> {
        let source = Source::new(COMMAND_LINE, text);
        let whole = Place::new(&source, Span::new(0, text.len()));
        let refuse = |why: &str| {
            Diagnostic::error(Code::E0207, why).at(whole.clone(), "here").help("write `--set name=value`, as in `--set anchors=16`")
        };
        let (path, value) = text.split_once('=').ok_or_else(|| refuse("a value to set has the form `name=value`"))?;
        if path.trim().is_empty() {
            return Err(refuse("the name before `=` is missing").into());
        }
        let place = Place::new(&source, Span::new(path.len() + 1, text.len()));
        Ok(Set {
            path: path.trim().to_owned(),
            path_place: Place::new(&source, Span::new(0, path.len())),
            value: value_at(value.trim(), place),
        })
    }

    /// The value as it was written.
    pub fn text(&self) -> &str {
        self.path_place.source.text.split_once('=').map_or("", |(_, value)| value.trim())
    }
}

fn value_at(text: &str, place: Place) -> Tree {
    let as_text = || Tree { kind: Kind::Str(text.to_owned()), place: place.clone() };
    let own: Arc<Source> = Source::new(COMMAND_LINE, text);
    match parse(&own) {
        // A bare word is most often a file or a name; fields that take a choice accept a text as well. `None` takes a value away.
        Ok(Tree { kind: Kind::Word(w), .. }) if w != "None" => as_text(),
        Err(_) => as_text(),
        Ok(mut tree) => {
            tree.place = place;
            tree
        }
    }
}
