//! The names that expressions may use, and what they may ask of the nodes and inputs around them.
//!
//! May use `value` beside it and `text`.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer};

use super::value::Value;
use crate::text::Place;

/// So many entries of lists the expressions of one graph may go through together.
pub const ENTRIES: u64 = 50_000_000;

/// What an expression may ask of a node or an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeQuestion {
    /// `channels(x)`: of one value, or a list of those of several.
    Channels,
    /// `connected(x)`: of an input.
    Connected,
    /// `len(xs)`: of an input that takes a list.
    Length,
}

impl NodeQuestion {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            NodeQuestion::Channels => "channels",
            NodeQuestion::Connected => "connected",
            NodeQuestion::Length => "len",
        }
    }
}

/// An answer, or why there is none: message and remedy.
pub type Answer = Result<Value, (String, String)>;

/// Names with their values, and answers to questions. Scopes that were made from each other share what they may spend on lists.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    names: BTreeMap<String, Value>,
    answers: Arc<BTreeMap<(NodeQuestion, String), Answer>>,
    inputs: Option<Arc<Vec<String>>>,
    /// Where the values of some names were written.
    places: Arc<BTreeMap<String, Place>>,
    /// Of a turn of loops, their variables in words: `where s = 5`.
    turn: Option<Arc<str>>,
    /// Whether the values of its names may be others where it is used.
    varies: bool,
    /// Of a text that has no parameters, such as a run config: a word in it is no name.
    nameless: bool,
    spent: Arc<AtomicU64>,
}

impl Scope {
    pub fn new() -> Self {
        Self::default()
    }

    /// Of a text that has no parameters: a word where a number is wanted is told as a word.
    pub fn nameless() -> Self {
        Self { nameless: true, ..Self::default() }
    }

    /// Whether it is of a text that has no parameters.
    pub fn is_nameless(&self) -> bool {
        self.nameless
    }

    /// The same names, with the answers to some questions in place of others. `inputs`: those of which may be asked, where only they may.
    pub fn answering(&self, answers: impl IntoIterator<Item = ((NodeQuestion, String), Answer)>, inputs: Option<Vec<String>>) -> Self {
        Self { answers: Arc::new(answers.into_iter().collect()), inputs: inputs.map(Arc::new), ..self.clone() }
    }

    /// The same with further answers, where anything may be asked.
    pub fn knowing(&self, more: impl IntoIterator<Item = ((NodeQuestion, String), Answer)>) -> Self {
        let mut answers = (*self.answers).clone();
        answers.extend(more);
        Self { answers: Arc::new(answers), inputs: None, ..self.clone() }
    }

    /// These names, with the answers that `other` knows.
    pub fn as_asked_in(mut self, other: &Scope) -> Self {
        self.answers = other.answers.clone();
        self.inputs = other.inputs.clone();
        self
    }

    /// The same where values stand for all of their kind: of what follows from just these nothing is said.
    pub fn varying(&self) -> Self {
        Self { varies: true, ..self.clone() }
    }

    /// Whether values stand for all of their kind.
    pub fn varies(&self) -> bool {
        self.varies
    }

    /// Gives a name its value, and says where that was written.
    pub fn set_at(&mut self, name: &str, value: Value, place: &Place) {
        self.names.insert(name.to_owned(), value);
        Arc::make_mut(&mut self.places).insert(name.to_owned(), place.clone());
    }

    /// Where the value of a name was written.
    pub fn place(&self, name: &str) -> Option<&Place> {
        self.places.get(name)
    }

    /// With the variables of loops.
    pub fn in_turn(&self, locals: &[(String, Value)]) -> Self {
        let mut own = self.clone();
        let told: Vec<String> = locals.iter().filter(|(_, v)| !v.unknown()).map(|(n, v)| format!("{n} = {v}")).collect();
        if !told.is_empty() {
            own.turn = Some(format!("where {}", told.join(", ")).into());
        }
        if locals.iter().any(|(name, _)| own.places.contains_key(name)) {
            let places = Arc::make_mut(&mut own.places);
            locals.iter().for_each(|(name, _)| _ = places.remove(name));
        }
        own.extend(locals.iter().cloned());
        own
    }

    /// The turn of loops that this is, in words.
    pub fn turn(&self) -> Option<&str> {
        self.turn.as_deref()
    }

    /// The answer to a question, if it was foreseen.
    pub fn answer(&self, question: NodeQuestion, of: &str) -> Option<&Answer> {
        self.answers.get(&(question, of.to_owned()))
    }

    /// The inputs of which may be asked, where nothing else may.
    pub fn inputs(&self) -> Option<&[String]> {
        self.inputs.as_deref().map(Vec::as_slice)
    }

    /// Takes entries of lists from what all expressions may go through; `false` when nothing is left.
    pub fn spend(&self, entries: usize) -> bool {
        let n = u64::try_from(entries).unwrap_or(u64::MAX).min(ENTRIES);
        self.spent.fetch_add(n, Ordering::Relaxed).saturating_add(n) <= ENTRIES
    }
}

impl Deref for Scope {
    type Target = BTreeMap<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.names
    }
}

impl DerefMut for Scope {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.names
    }
}

impl<const N: usize> From<[(String, Value); N]> for Scope {
    fn from(names: [(String, Value); N]) -> Self {
        Self { names: names.into(), ..Self::default() }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.names.serialize(s)
    }
}
