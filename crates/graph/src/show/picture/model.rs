//! What a picture shows: a program as items inside items, and wires between the innermost of them.
//!
//! May use nothing of the compiler. Items are the user's nodes; a block of several operations holds these as items of its own.

use super::written::Field;

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Input,
    Output,
    Composite,
    Block,
    /// One operation inside a block.
    Operation,
}

/// What a comparison found of an item or wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    #[default]
    Same,
    Changed,
    Removed,
    Added,
}

/// Counts at batch 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Sum {
    pub params: u64,
    pub macs: u64,
    /// Bytes of all values, float32.
    pub activations: u64,
}

/// A value that leaves an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Out {
    /// Empty when the item has one output.
    pub port: String,
    /// The item that makes it.
    pub from: usize,
    pub shape: String,
}

/// A box.
#[derive(Clone, Debug)]
pub struct Item {
    /// `enc1.ghost1`; unique among the items that are no operations.
    pub path: String,
    /// `ghost1`
    pub name: String,
    /// `GhostConv3D`, or an operation's kind.
    pub block: String,
    pub kind: Kind,
    pub parent: Option<usize>,
    /// Items inside, in the order of running.
    pub children: Vec<usize>,
    pub fields: Vec<Field>,
    /// Its connections as written: the port, and what the value is called in its scope.
    pub inputs: Vec<(String, String)>,
    pub outputs: Vec<Out>,
    /// Numbers in its first output's channel, and whether it is a vector: what the layout goes by.
    pub voxels: u64,
    pub vector: bool,
    pub cost: Sum,
    /// Learned tensors that it owns itself, by name.
    pub weights: Vec<(String, Vec<usize>)>,
    /// Where the weights are that it uses without owning them.
    pub shares: Option<String>,
    /// File and line.
    pub place: Option<(String, usize)>,
    pub mark: Mark,
    /// What has changed, a sentence each.
    pub notes: Vec<String>,
}

/// A value on its way from an innermost item to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    pub from: usize,
    pub to: usize,
    /// The input of the user's node that it enters by, where that is known.
    pub port: String,
    pub mark: Mark,
}

/// A whole picture.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    pub name: String,
    /// What was changed from outside.
    pub set: Vec<String>,
    /// The graph's parameters and their values.
    pub params: Vec<(String, String)>,
    /// Each item stands before those inside it and after those it takes values from.
    pub items: Vec<Item>,
    pub roots: Vec<usize>,
    pub wires: Vec<Wire>,
    pub total: Sum,
    /// When two programs are compared: the other's name.
    pub versus: Option<String>,
}

impl Picture {
    /// Whether it can be opened.
    pub fn opens(&self, item: usize) -> bool {
        self.items.get(item).is_some_and(|i| !i.children.is_empty())
    }

    /// The items to open so that composites are seen down to a level; 1 shows the graph's own nodes.
    pub fn opened_to(&self, depth: usize) -> Vec<bool> {
        let mut level = vec![0usize; self.items.len()];
        let mut open = vec![false; self.items.len()];
        for (i, item) in self.items.iter().enumerate() {
            level[i] = item.parent.map_or(1, |p| level[p] + 1);
            open[i] = item.kind == Kind::Composite && !item.children.is_empty() && level[i] < depth;
        }
        open
    }

    /// For each item the one that stands for it when only `open` items are open: itself, or the outermost closed one around it.
    pub fn visible(&self, open: &[bool]) -> Vec<usize> {
        let mut seen = Vec::with_capacity(self.items.len());
        for (i, item) in self.items.iter().enumerate() {
            seen.push(match item.parent {
                Some(p) if seen.get(p) != Some(&p) || !open.get(p).copied().unwrap_or(false) => seen.get(p).copied().unwrap_or(p),
                _ => i,
            });
        }
        seen
    }

    pub(super) fn push(&mut self, item: Item) -> usize {
        let i = self.items.len();
        match item.parent {
            Some(p) => self.items[p].children.push(i),
            None => self.roots.push(i),
        }
        self.items.push(item);
        i
    }
}

impl Item {
    pub(super) fn new(path: &str, block: &str, kind: Kind, parent: Option<usize>) -> Self {
        Self {
            path: path.to_owned(),
            name: path.rsplit('.').next().unwrap_or(path).to_owned(),
            block: block.to_owned(),
            kind,
            parent,
            children: vec![],
            fields: vec![],
            inputs: vec![],
            outputs: vec![],
            voxels: 0,
            vector: true,
            cost: Sum::default(),
            weights: vec![],
            shares: None,
            place: None,
            mark: Mark::Same,
            notes: vec![],
        }
    }

    /// The name of the output by which a value leaves.
    pub fn port(&self, from: usize) -> &str {
        self.outputs.iter().find(|o| o.from == from).map_or("", |o| &o.port)
    }
}
