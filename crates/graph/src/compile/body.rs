//! What a node is: its block with its fields, or its composite with its parameters.
//!
//! May use `wire` beside it, `block`, `read` and `text`.

use super::wire::{Surroundings, Wired};
use crate::block::{self, Spec};
use crate::read::budget::{Budget, Limit, NESTING};
use crate::read::{Composite, Entry, NodeText, Reference, Scope, Value, Words, fields, given, no_block, required, value, with, with_values};
use crate::text::{Code, Diagnostic, Diagnostics, nearest, printable, suggestion};

/// What a node is.
pub enum Body<'t> {
    /// A block, and its fields if they could be read.
    Block(Result<Spec, Vec<String>>, &'static block::Entry),
    /// A composite with the values of its parameters, where its words were given, and the entries that are nothing of it.
    Composite(&'t Composite, Scope, Words, Vec<String>),
    /// What could not be found out.
    Unknown,
}

impl Body<'_> {
    /// The names of its outputs, where they are known.
    pub fn outputs(&self) -> Option<Vec<String>> {
        match self {
            Body::Block(Ok(spec), _) => Some(spec.outputs()),
            Body::Composite(c, ..) if c.whole => Some(c.outputs.iter().map(|(n, _)| n.clone()).collect()),
            _ => None,
        }
    }

    /// Whether it has no field, parameter or input of that name.
    pub fn refused(&self, key: &str) -> bool {
        match self {
            Body::Block(Err(keys), _) | Body::Composite(_, _, _, keys) => keys.iter().any(|k| k == key),
            _ => false,
        }
    }
}

/// Finds out what a node is; what is wrong is told.
pub fn body<'n, 't>(n: &'n NodeText, around: &Surroundings<'_, 't>, budget: &mut Budget, found: &mut Diagnostics) -> Wired<'n, 't> {
    let unknown = Wired { text: n, body: Body::Unknown, inputs: vec![], unclear: vec![], sound: false };
    if n.block.is_empty() {
        return unknown;
    }
    if let Some(c) = around.composites.get(n.block.as_str()) {
        let read = budget.take(Limit::Characters, c.weight, &n.block_place, found);
        return if read && entered(n, c, around, found) { composite(n, c, around, found) } else { unknown };
    }
    if let Some(entry) = Spec::LIST.iter().find(|e| e.name == n.block) {
        return built_in(n, entry, around, found);
    }
    let names: Vec<&str> = Spec::LIST.iter().map(|e| e.name).chain(around.composites.keys().copied()).collect();
    let d = Diagnostic::error(Code::E0201, format!("there is no block `{}`", printable(&n.block))).at(n.block_place.clone(), "used here");
    found.push(d.help(suggestion(&n.block, names.iter().copied(), "blocks")).echo(!around.all_blocks));
    // Most likely another composite was meant: what is inside of it is looked at as well.
    let near = nearest(&n.block, names.iter().copied()).and_then(|near| around.composites.get(near));
    if let Some(c) = near.filter(|c| !around.within.contains(&c.name.as_str()) && around.within.len() < NESTING) {
        let mut params = around.params.clone();
        params.extend(c.params.iter().map(|p| (p.name.clone(), Value::Unknown)));
        let unclear = c.inputs.iter().map(|p| p.name.clone()).collect();
        return Wired { body: Body::Composite(c, params, Words::new(), vec![]), unclear, ..unknown };
    }
    unknown
}

fn built_in<'n, 't>(
    n: &'n NodeText,
    entry: &'static block::Entry,
    around: &Surroundings<'_, 't>,
    found: &mut Diagnostics,
) -> Wired<'n, 't> {
    let (connections, rest): (Vec<&Entry>, Vec<&Entry>) = n.entries.iter().partition(|e| entry.inputs.iter().any(|p| p.name == e.key));
    let inputs = references(&connections, found);
    let scope = with(around.params, &n.locals);
    let valued: Vec<Entry> = rest.iter().map(|e| with_values(e, &scope)).collect();
    let read = fields(&valued.iter().collect::<Vec<_>>(), &scope, |f| Spec::read(&n.block, f).unwrap_or_else(|| Err(no_block(&n.block))));
    let spec = read.map_err(|refusals| {
        let mut refused = vec![];
        for r in refusals {
            let mut d = r.diagnostic(&n.block_place, around.words);
            if d.code == Code::E0107 {
                let place = d.labels.first().map(|l| &l.place);
                refused.extend(rest.iter().filter(|e| Some(&e.key_place) == place).map(|e| e.key.clone()));
                let ports: Vec<String> = entry.inputs.iter().map(|p| format!("`{}`", p.name)).collect();
                d = d.help(format!("inputs of `{}`: {}", n.block, ports.join(", ")));
            }
            found.push(d);
        }
        refused
    });
    let sound = spec.is_ok();
    Wired { text: n, body: Body::Block(spec, entry), inputs, unclear: vec![], sound }
}

/// Whether a composite may be opened here: it does not contain itself, and is not too deep inside of others.
fn entered(n: &NodeText, c: &Composite, around: &Surroundings, found: &mut Diagnostics) -> bool {
    if around.within.contains(&c.name.as_str()) {
        let path: Vec<&str> = around.within.iter().copied().chain([c.name.as_str()]).collect();
        let d = Diagnostic::error(Code::E0208, format!("the composite `{}` contains itself: {}", c.name, path.join(" -> ")));
        found.push(
            d.at(n.block_place.clone(), "used here")
                .also(c.place.clone(), "defined here")
                .help("a composite uses other blocks than itself"),
        );
        return false;
    }
    if around.within.len() >= NESTING {
        let d = Diagnostic::error(Code::E0501, format!("composites stand in one another more than {NESTING} deep"));
        found.push(
            d.at(n.block_place.clone(), "used here")
                .also(c.place.clone(), "defined here")
                .help("use composites side by side, or put the nodes of one into another"),
        );
        return false;
    }
    true
}

fn composite<'n, 't>(n: &'n NodeText, c: &'t Composite, around: &Surroundings<'_, 't>, found: &mut Diagnostics) -> Wired<'n, 't> {
    let mut params = around.params.clone();
    let mut words = around.words.clone();
    let mut sound = c.whole;
    let (connections, rest): (Vec<&Entry>, Vec<&Entry>) = n.entries.iter().partition(|e| c.inputs.iter().any(|p| p.name == e.key));
    let names: Vec<&str> = c.inputs.iter().map(|p| p.name.as_str()).chain(c.params.iter().map(|p| p.name.as_str())).collect();
    let strange: Vec<&Entry> = rest.into_iter().filter(|e| c.params.iter().all(|p| p.name != e.key)).collect();
    for e in &strange {
        let d = Diagnostic::error(Code::E0107, format!("`{}` has no input or parameter `{}`", c.name, printable(&e.key)));
        let d = d.at(e.key_place.clone(), "here").also(c.place.clone(), "defined here");
        found.push(d.help(suggestion(&e.key, names.iter().copied(), "inputs and parameters")).echo(!c.whole));
        sound = false;
    }
    let outer = with(around.params, &n.locals);
    for p in &c.params {
        let own = n.entries.iter().find(|e| e.key == p.name);
        let result = match own {
            Some(e) => given(&p.name, &e.value, &p.value, &outer),
            None if required(&p.value) => {
                let d = Diagnostic::error(Code::E0106, format!("`{}` needs the parameter `{}`", c.name, p.name));
                let d = d.at(n.block_place.clone(), "used here").also(p.place.clone(), "required here");
                // An entry of nearly that name was told.
                let slip = strange.iter().any(|e| nearest(&e.key, names.iter().copied()) == Some(&p.name));
                Err(d.help(format!("add `{}: ...`", p.name)).echo(slip))
            }
            None => value(&p.value, &params).map_err(|d| Diagnostic { echo: d.echo || !c.whole, ..d }),
        };
        let value = found.keep(result).unwrap_or_else(|| {
            sound = false;
            Value::Unknown
        });
        match value {
            Value::Text(_) => {
                let place = own.map_or_else(|| chosen(&p.value), |e| &e.value).place.clone();
                words.insert(p.name.clone(), place);
            }
            _ => {
                words.remove(&p.name);
            }
        }
        params.insert(p.name.clone(), value);
    }
    let inputs = references(&connections, found);
    let refused = strange.iter().map(|e| e.key.clone()).collect();
    Wired { text: n, body: Body::Composite(c, params, words, refused), inputs, unclear: vec![], sound }
}

/// Where the word of a parameter stands: the first one of `OneOf(...)`.
pub(super) fn chosen(declared: &crate::read::Tree) -> &crate::read::Tree {
    match &declared.kind {
        crate::read::Kind::Tuple(Some(name), items) if name == "OneOf" => items.first().unwrap_or(declared),
        _ => declared,
    }
}

/// The connections of a node; those that cannot be read are told, and are unread ones.
fn references(entries: &[&Entry], found: &mut Diagnostics) -> Vec<(String, Reference)> {
    entries.iter().flat_map(|e| Reference::all(&e.value, found).into_iter().map(|r| (e.key.clone(), r))).collect()
}
