//! A graph's text with its meaning: parameters, inputs, composites, nodes, outputs.

use std::collections::HashMap;

use super::claim::Claim;
use super::reference::Reference;
use super::tree::{Entry, Kind, Tree};
use super::value::Value;
use crate::text::{Diagnostics, Place};

/// A whole graph as written, after `extends` and `set`.
#[derive(Clone, Debug)]
pub struct GraphText {
    pub name: String,
    pub params: Vec<Param>,
    pub inputs: Vec<InputText>,
    pub blocks: Vec<Composite>,
    pub nodes: Vec<NodeText>,
    pub outputs: Vec<OutputText>,
    pub changes: Changes,
    pub claims: Vec<Claim>,
    /// What is wrong with those claims that could not be read.
    pub unread: Diagnostics,
    /// What is said of lints in the file.
    pub lints: Vec<(String, Place, String)>,
    pub place: Place,
    /// Whether the names of all inputs and nodes, of all outputs, and of all composites could be read.
    pub whole: Whole,
}

/// Which names of a scope are all known; of others it cannot be said that something is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    pub params: bool,
    pub nodes: bool,
    pub outputs: bool,
    pub blocks: bool,
}

/// A named value; a composite's may be `Required`.
#[derive(Clone, Debug)]
pub struct Param {
    pub name: String,
    pub place: Place,
    pub value: Tree,
}

/// An input: its channels, and the size it has when none is asked for.
#[derive(Clone, Debug)]
pub struct InputText {
    pub name: String,
    pub place: Place,
    /// None where they could not be read, which was told.
    pub channels: Option<Tree>,
    pub size: Option<Tree>,
    /// In how many dimensions it is, where that is said.
    pub dims: Option<Tree>,
}

/// An input of a composite; `"texture?"` may stay unconnected, `"xs[]"` takes a list, `"xs[]?"` one that may be empty.
#[derive(Clone, Debug)]
pub struct PortText {
    pub name: String,
    pub optional: bool,
    pub list: bool,
    pub place: Place,
}

/// A block written in RON.
#[derive(Clone, Debug)]
pub struct Composite {
    pub name: String,
    pub place: Place,
    pub params: Vec<Param>,
    pub inputs: Vec<PortText>,
    pub nodes: Vec<NodeText>,
    /// One output without a name, or several with.
    pub outputs: Vec<OutputText>,
    pub changes: Changes,
    /// How much text its parameters and outputs are.
    pub weight: usize,
    /// Whether its parameters, inputs and outputs could be read.
    pub whole: bool,
    /// Whether the names of its inputs and nodes could be.
    pub names: bool,
    /// Names of parameters that are not its own which it may use, and where.
    pub free: HashMap<String, Place>,
}

/// A node: which block, and what is written in its parentheses (fields and connections alike).
#[derive(Clone, Debug)]
pub struct NodeText {
    pub id: String,
    pub id_place: Place,
    pub block: String,
    pub block_place: Place,
    pub entries: Vec<Entry>,
    /// The variables of the loop that it came from.
    pub locals: Vec<(String, Value)>,
    /// How much text it is.
    pub weight: usize,
    /// Whether its name or its block could not be read, which was told.
    pub faulty: bool,
    /// Where it is said that its turns feed each other.
    pub chained: Option<Place>,
    /// Where the block is written, if a parameter holds it.
    pub form: Option<Place>,
    /// The node whose weights it uses.
    pub shares: Option<Reference>,
}

/// What a scope gives: the value of a node, or a list of such.
#[derive(Clone, Debug)]
pub struct OutputText {
    /// Empty for the one output of a composite.
    pub name: String,
    pub place: Place,
    pub from: Vec<Reference>,
    /// Whether it is a list.
    pub list: bool,
}

impl OutputText {
    pub(super) fn read(name: &str, place: &Place, tree: &Tree, found: &mut Diagnostics) -> Self {
        let list = matches!(tree.kind, Kind::List(_));
        Self { name: name.to_owned(), place: place.clone(), from: Reference::all(tree, found), list }
    }
}

/// What a variant or the file itself changes of the nodes that loops make.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Nodes that are left out; what they fed is as if it were not connected.
    pub dropped: Vec<Dropped>,
    /// Nodes that take the place of a turn of that name.
    pub over: Vec<String>,
    /// Fields of single turns: the node, and the field with its value.
    pub turns: Vec<(String, Entry)>,
}

/// A name in `drop`.
#[derive(Clone, Debug)]
pub struct Dropped {
    pub name: String,
    pub place: Place,
    /// Whether an entry has this name; else it may be that of a turn.
    pub entry: bool,
}
