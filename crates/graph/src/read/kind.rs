//! Which kind of file a RON text is: a graph, a run config, a card, or blocks to import; and the one sentence where another was expected.
//!
//! May use `tree` beside it and `text`.

use std::path::Path;
use std::sync::Arc;

use super::syntax::skip_blank;
use super::tree::{Kind, Tree, parsed};
use crate::text::file::{is_json, plain};
use crate::text::{Diagnostic, FileKind, Place, Source, Span};

/// Fields that a graph has and a run config has not, and the other way round.
const GRAPH: &[&str] =
    &["source", "extends", "import", "params", "inputs", "blocks", "nodes", "outputs", "drop", "replace", "claims", "lints"];
const CONFIG: &[&str] = &[
    "recipe",
    "graph",
    "initial",
    "map",
    "freeze",
    "rates",
    "frozen_statistics",
    "data",
    "regions",
    "paint",
    "split",
    "patch",
    "slices",
    "batch",
    "normalise",
    "spacing",
    "crop",
    "nan",
    "cache",
    "augment",
    "foreground",
    "loss",
    "optimiser",
    "schedule",
    "epochs",
    "budget",
    "steps",
    "validate",
    "patience",
    "overlap",
    "postprocess",
    "workers",
    "precision",
    "checkpointing",
    "seed",
    "device",
];

/// Fields that every card has, and neither a graph nor a run config.
const CARD: &[&str] = &["modalities", "labels"];

/// What the file at `path` is; [`FileKind::Unknown`] where it cannot be read.
pub fn recognise(path: &Path) -> FileKind {
    match FileKind::of(path) {
        Ok(FileKind::Text) => {
            let source = Source::read(path).ok();
            let kind = source.and_then(|s| Some(of_tree(&parsed(&s).ok()?.0, &s)));
            kind.unwrap_or(FileKind::Text)
        }
        Ok(kind) => kind,
        Err(_) => FileKind::Unknown,
    }
}

/// What a tree is, by the names of its fields.
fn of_tree(tree: &Tree, source: &Source) -> FileKind {
    let keys: Vec<&str> = tree.entries().unwrap_or_default().iter().map(|e| e.key.as_str()).collect();
    let count = |names: &[&str]| keys.iter().filter(|k| names.contains(k)).count();
    let (graph, config) = (count(GRAPH), count(CONFIG));
    if count(CARD) == CARD.len() {
        FileKind::Card
    } else if config > graph {
        let named = match tree.get("graph").map(|t| &t.kind) {
            Some(Kind::Str(graph)) => Some(plain(&Path::new(&source.name).parent().unwrap_or(Path::new("")).join(graph))),
            _ => None,
        };
        FileKind::Config(named)
    } else if keys.iter().any(|k| matches!(*k, "blocks" | "import"))
        && !keys.iter().any(|k| matches!(*k, "extends" | "inputs" | "nodes" | "outputs"))
    {
        FileKind::Blocks
    } else if graph > 0 {
        FileKind::Graph
    } else {
        FileKind::Text
    }
}

/// A text parsed where one kind of file is `wanted` (`a graph`): as [`parsed`], unless it is clearly of another kind.
///
/// # Errors
/// E0110 for a file of another kind; E0102 where the text is not RON.
pub(super) fn parsed_as(source: &Arc<Source>, wanted: Wanted) -> crate::text::Result<(Tree, crate::text::Diagnostics)> {
    let other = |kind: FileKind| instead(source, &kind, wanted.name());
    let result = parsed(source);
    if !matches!(&result, Ok((tree, _)) if !json_like(tree)) && is_json(&source.text) {
        return Err(other(FileKind::Json).into());
    }
    let (tree, found) = result.map_err(|mut refused| {
        if wanted == Wanted::Config && skip_blank(&source.text).is_empty() {
            let help =
                "write `(graph: ..., data: ..., patch: ..., epochs: ...)`; `lmsc explain config` shows one, `lmsc data plan` proposes one";
            refused.0.iter_mut().for_each(|d| d.help = vec![help.into()]);
        }
        refused
    })?;
    match of_tree(&tree, source) {
        kind @ (FileKind::Graph | FileKind::Config(_) | FileKind::Blocks | FileKind::Card) if !wanted.takes(&kind) => {
            Err(other(kind).into())
        }
        _ => Ok((tree, found)),
    }
}

/// A map, or a list of maps, with something in it: what a JSON file is as RON.
fn json_like(tree: &Tree) -> bool {
    match &tree.kind {
        Kind::Map(entries) => !entries.is_empty(),
        Kind::List(items) => items.iter().any(json_like),
        _ => false,
    }
}

/// The error that a text is `kind`, at its beginning.
fn instead(source: &Arc<Source>, kind: &FileKind, wanted: &str) -> Diagnostic {
    let blank = source.text.len() - skip_blank(&source.text).len();
    let end = source.text[blank..].chars().next().map_or(blank, |c| blank + c.len_utf8());
    kind.instead_of(wanted, Path::new(&source.name)).at(Place::new(source, Span::new(blank, end)), "this file")
}

/// What a text is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Graph,
    /// A graph or composites, to begin from.
    Base,
    Blocks,
    Config,
}

impl Wanted {
    fn name(self) -> &'static str {
        match self {
            Wanted::Graph | Wanted::Base => "a graph",
            Wanted::Blocks => "a file that only defines `blocks`",
            Wanted::Config => "a run config",
        }
    }

    fn takes(self, kind: &FileKind) -> bool {
        match self {
            Wanted::Graph => *kind == FileKind::Graph,
            Wanted::Base => matches!(kind, FileKind::Graph | FileKind::Blocks),
            Wanted::Blocks => *kind == FileKind::Blocks,
            Wanted::Config => matches!(kind, FileKind::Config(_)),
        }
    }
}
