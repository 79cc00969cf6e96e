//! What a node is: its block with its fields, or its composite with its parameters.
//!
//! May use `wire` beside it, `block`, `read` and `text`.

use super::wire::{Ask, State, Surroundings, Wired};
use crate::block::{self, Spec};
use crate::read::budget::{Budget, Limit, NESTING};
use crate::read::{
    COMMAND_LINE, Composite, Entry, Kind, NodeQuestion, NodeText, OPEN, Reference, Scope, Tree, Value, Words, asked, fields, given, names,
    no_block, required, value, with, with_values,
};
use crate::text::{Code, Diagnostic, Diagnostics, Place, nearest, printable, suggestion};

/// What a node is.
pub enum Body<'t> {
    /// A block, and its fields if they could be read.
    Block(Result<Spec, Vec<String>>, &'static block::Entry),
    /// A composite with the values of its parameters, where its words were given, and the entries that are nothing of it.
    Composite(&'t Composite, Scope, Words, Vec<String>),
    /// What is read once the nodes of which it asks are lowered; the names of its outputs, where they are known.
    Later(Target<'t>, Option<Vec<String>>),
    /// What could not be found out.
    Unknown,
}

/// A block or a composite.
#[derive(Clone, Copy)]
pub enum Target<'t> {
    Block(&'static block::Entry),
    Composite(&'t Composite),
}

impl Body<'_> {
    /// The names of its outputs, where they are known.
    pub fn outputs(&self) -> Option<Vec<String>> {
        match self {
            Body::Block(Ok(spec), _) => Some(spec.outputs()),
            Body::Composite(c, ..) if c.whole => Some(c.outputs.iter().map(|o| o.name.clone()).collect()),
            Body::Later(_, outputs) => outputs.clone(),
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
    let unknown = Wired { text: n, body: Body::Unknown, inputs: vec![], asks: vec![], unclear: vec![], sound: false };
    if n.block.is_empty() {
        return unknown;
    }
    if let Some(c) = around.composites.get(n.block.as_str()) {
        let read = budget.take(Limit::Characters, c.weight, &n.block_place, found);
        return match read && entered(n, c, around, found) {
            true if asks(n, Target::Composite(c)) => later(n, Target::Composite(c), around, found),
            true => composite(n, c, around, around.params, found),
            false => unknown,
        };
    }
    if let Some(entry) = block::Entry::find(&n.block) {
        return match asks(n, Target::Block(entry)) {
            true => later(n, Target::Block(entry), around, found),
            false => built_in(n, entry, around, found),
        };
    }
    let d = Diagnostic::error(Code::E0201, format!("there is no block `{}`", printable(&n.block))).at(n.block_place.clone(), "used here");
    found.push(d.help(block::no_such_block(&n.block, around.composites.keys().copied())).echo(!around.all_blocks));
    let names: Vec<&str> = Spec::LIST.iter().map(|e| e.name).chain(around.composites.keys().copied()).collect();
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

/// The entries of a node that are no connections.
fn own<'n>(n: &'n NodeText, target: Target<'n>) -> impl Iterator<Item = &'n Entry> {
    n.entries.iter().filter(move |e| match target {
        Target::Block(entry) => entry.inputs.iter().all(|p| p.name != e.key),
        Target::Composite(c) => c.inputs.iter().all(|p| p.name != e.key),
    })
}

/// Whether a field of a node asks something of others, or a default of its composite does of what flows into it.
fn asks(n: &NodeText, target: Target) -> bool {
    let default = match target {
        Target::Block(_) => false,
        Target::Composite(c) => {
            c.params.iter().any(|p| n.entries.iter().all(|e| e.key != p.name) && !questions(&p.value, &mut |_, _| ()).is_empty())
        }
    };
    default || own(n, target).any(|e| !questions(&e.value, &mut |_, _| ()).is_empty())
}

/// What the expressions of a value ask.
fn questions(tree: &Tree, at: &mut dyn FnMut(&Tree, (NodeQuestion, String))) -> Vec<(NodeQuestion, String)> {
    let mut all = vec![];
    let mut open = vec![tree];
    while let Some(t) = open.pop() {
        match &t.kind {
            Kind::Str(s) => {
                for (question, of) in asked(s) {
                    at(t, (question, of.to_owned()));
                    all.push((question, of.to_owned()));
                }
            }
            Kind::List(items) | Kind::Tuple(_, items) => open.extend(items),
            Kind::Struct(_, e) | Kind::Map(e) => open.extend(e.iter().map(|e| &e.value)),
            _ => {}
        }
    }
    all
}

/// A node whose fields are read when it is lowered, with what they ask.
fn later<'n, 't>(n: &'n NodeText, target: Target<'t>, around: &Surroundings<'_, 't>, found: &mut Diagnostics) -> Wired<'n, 't> {
    let mut all: Vec<Ask> = vec![];
    let is_input = |key: &str| match target {
        Target::Block(entry) => entry.inputs.iter().any(|p| p.name == key),
        Target::Composite(c) => c.inputs.iter().any(|p| p.name == key),
    };
    let known = |name: &str| around.params.contains_key(name) || n.locals.iter().any(|(l, _)| l == name);
    for e in n.entries.iter().filter(|e| !is_input(&e.key)) {
        questions(&e.value, &mut |t, (question, text)| {
            // The length of a list that has a name asks nothing.
            let list = question == NodeQuestion::Length && known(&text);
            if !list && all.iter().all(|a| (a.question, &a.text) != (question, &text)) {
                let of = Reference::parse(&text, t.place.clone());
                all.push(Ask { question, text, of, state: State::There });
            }
        });
    }
    let outputs = match target {
        // Names of outputs do not depend on how many channels there are; a block with one output has no name for it.
        Target::Block(entry) => {
            let guess = all.iter().map(|a| ((a.question, a.text.clone()), Ok(Value::Int(16))));
            let scope = around.params.answering(guess, None);
            let sounding = Surroundings { params: &scope, ..*around };
            let wired = built_in(n, entry, &sounding, &mut Diagnostics::default());
            Some(wired.body.outputs().unwrap_or_else(|| vec![String::new()]))
        }
        Target::Composite(c) => c.whole.then(|| c.outputs.iter().map(|o| o.name.clone()).collect()),
    };
    let connections: Vec<&Entry> = n.entries.iter().filter(|e| is_input(&e.key)).collect();
    let inputs = references(&connections, found);
    Wired { text: n, body: Body::Later(target, outputs), inputs, asks: all, unclear: vec![], sound: true }
}

/// Reads what was left for later: the fields of a node with the answers that `around.params` has, of a composite whose defaults may ask of what
/// flows into it with those of `inside`. Whether that is sound.
pub fn read_now<'t>(
    n: &NodeText,
    target: Target<'t>,
    around: &Surroundings<'_, 't>,
    inside: &Scope,
    found: &mut Diagnostics,
) -> (Body<'t>, bool) {
    let w = match target {
        Target::Block(entry) => built_in(n, entry, around, found),
        Target::Composite(c) => composite(n, c, around, inside, found),
    };
    (w.body, w.sound)
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
                let foreign = refused.last().and_then(|key| block::field_meant(key, entry.inputs.iter().map(|p| p.name)));
                let ports: Vec<String> = entry.inputs.iter().map(|p| format!("`{}`", p.name)).collect();
                d = match foreign {
                    Some(input) => Diagnostic { help: vec![format!("it is called `{input}` here")], ..d },
                    // A field under its name elsewhere was told.
                    None if d.help.iter().any(|h| h.starts_with("it is called")) => d,
                    None => d.help(format!("inputs of `{}`: {}", n.block, ports.join(", "))),
                };
            }
            let place = d.labels.first().map(|l| l.place.clone());
            d = with_outside(d, rest.iter().copied().find(|e| Some(&e.value.place) == place.as_ref()), &scope);
            if let (Code::E0106, Some(form)) = (d.code, &n.form) {
                d = d.also(form.clone(), "the block is written here").help("add it at one of the two");
            }
            found.push(d);
        }
        refused
    });
    let sound = spec.is_ok();
    Wired { text: n, body: Body::Block(spec, entry), inputs, asks: vec![], unclear: vec![], sound }
}

/// Where a value that comes from the command line was given there.
fn outside<'s>(tree: &Tree, scope: &'s Scope) -> impl Iterator<Item = (String, &'s Place)> {
    let text = if let Kind::Str(text) = &tree.kind { text.as_str() } else { "" };
    let used: Vec<String> = names(text).map(str::to_owned).collect();
    used.into_iter().filter_map(|name| scope.place(&name).filter(|p| p.source.name == COMMAND_LINE).map(|p| (name, p)))
}

/// An error in the value of a field, with the places on the command line that it comes from.
pub(super) fn with_outside(d: Diagnostic, entry: Option<&Entry>, scope: &Scope) -> Diagnostic {
    let Some(entry) = entry else { return d };
    outside(&entry.value, scope).fold(d, |d, (name, place)| match d.labels.iter().any(|l| l.place == *place) {
        true => d,
        false => d.also(place.clone(), format!("`{}` is set here", printable(&name))),
    })
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

/// A composite with its parameters: what is given has the answers of the scope around, defaults have those of `inside`.
fn composite<'n, 't>(
    n: &'n NodeText,
    c: &'t Composite,
    around: &Surroundings<'_, 't>,
    inside: &Scope,
    found: &mut Diagnostics,
) -> Wired<'n, 't> {
    let (mut params, mut words) = seen(n, c, around, found);
    params = params.as_asked_in(inside);
    let mut sound = c.whole;
    let (connections, rest): (Vec<&Entry>, Vec<&Entry>) = n.entries.iter().partition(|e| c.inputs.iter().any(|p| p.name == e.key));
    let names: Vec<&str> = c.inputs.iter().map(|p| p.name.as_str()).chain(c.params.iter().map(|p| p.name.as_str())).collect();
    let strange: Vec<&Entry> = rest.into_iter().filter(|e| c.params.iter().all(|p| p.name != e.key)).collect();
    for e in &strange {
        let d = Diagnostic::error(Code::E0107, format!("`{}` has no input or parameter `{}`", c.name, printable(&e.key)));
        let d = d.at(e.key_place.clone(), "here").also(c.place.clone(), "defined here");
        let help = match block::field_meant(&e.key, names.iter().copied()) {
            Some(meant) if nearest(&e.key, names.iter().copied()).is_none() => format!("it is called `{meant}` here"),
            _ => suggestion(&e.key, names.iter().copied(), "inputs and parameters"),
        };
        found.push(d.help(help).echo(!c.whole));
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
        let written = own.map_or(&p.value.place, |e| outside(&e.value, &outer).next().map_or(&e.value.place, |(_, place)| place));
        params.set_at(&p.name, value, written);
    }
    let inputs = references(&connections, found);
    let refused = strange.iter().map(|e| e.key.clone()).collect();
    Wired { text: n, body: Body::Composite(c, params, words, refused), inputs, asks: vec![], unclear: vec![], sound }
}

/// The parameters that a composite sees beside its own: those of the graph. Where the graph has none of a name, it still sees one of the composite
/// around it, with a warning; where both have one and they differ, it is told which is meant.
fn seen(n: &NodeText, c: &Composite, around: &Surroundings, found: &mut Diagnostics) -> (Scope, Words) {
    let mut params = around.globals.clone();
    let mut words = around.words.clone();
    for (name, value) in around.params.iter() {
        let global = around.globals.get(name);
        if name == OPEN {
            params.insert(name.clone(), value.clone());
        }
        if global == Some(value) || name == OPEN {
            continue;
        }
        let (Some(place), Some(user)) = (c.free.get(name), around.within.last()) else {
            words.remove(name);
            continue;
        };
        match global {
            Some(global) if !matches!((value, global), (Value::Unknown, _) | (_, Value::Unknown)) => {
                let message = format!(
                    "`{name}` is `{}` in the graph and `{}` in `{user}`, and `{}` does not say which it means",
                    printable(&global.to_string()),
                    printable(&value.to_string()),
                    c.name
                );
                let d = Diagnostic::error(Code::E0105, message).at(place.clone(), "used here").also(n.block_place.clone(), "in this node");
                found.push(d.help(format!("give `{}` a parameter `{name}`, and pass it: `{name}: \"{name}\"`", c.name)));
                params.insert(name.clone(), Value::Unknown);
            }
            Some(_) => {}
            None => {
                let message = format!("`{}` reads the parameter `{name}` of `{user}`, which uses it", c.name);
                let d =
                    Diagnostic::warning(Code::W0104, message).at(place.clone(), "read here").also(n.block_place.clone(), "in this node");
                found.push(d.help(format!("give `{}` a parameter `{name}`, and pass it: `{name}: \"{name}\"`", c.name)));
                params.insert(name.clone(), value.clone());
            }
        }
    }
    (params, words)
}

/// Where the word of a parameter stands: the first one of `OneOf(...)`.
pub(super) fn chosen(declared: &Tree) -> &Tree {
    match &declared.kind {
        Kind::Tuple(Some(name), items) if name == "OneOf" => items.first().unwrap_or(declared),
        _ => declared,
    }
}

/// The connections of a node; those that cannot be read are told, and are unread ones.
fn references(entries: &[&Entry], found: &mut Diagnostics) -> Vec<(String, Reference)> {
    entries.iter().flat_map(|e| Reference::all(&e.value, found).into_iter().map(|r| (e.key.clone(), r))).collect()
}
