//! What a name stands for in a scope.
//!
//! May use `wire` beside it, `read` and `text`.

use std::collections::HashMap;

use super::wire::Surroundings;
use crate::read::budget::Budget;
use crate::read::{Absent, LAST, Last, Name, NodeText, Reference};
use crate::text::{Code, Diagnostic, Diagnostics, printable, suggestion};

/// What a reference leads to.
pub enum Source<'a> {
    Node(usize),
    /// An input of the scope, through which something flows.
    Input,
    /// Something that is written, and is not there.
    Absent(&'a Absent),
    /// Nothing that is known; why was told.
    Unclear,
}

/// The names of a scope.
pub struct Names<'n, 'a, 't, 'f> {
    pub nodes: &'n [NodeText],
    pub index: &'f HashMap<&'n str, usize>,
    /// The outputs of each node, where they are known.
    pub ports: &'f [Option<Vec<String>>],
    pub around: &'f Surroundings<'a, 't>,
    pub budget: &'f mut Budget,
    pub found: &'f mut Diagnostics,
}

impl<'n, 'a, 't, 'f> Names<'n, 'a, 't, 'f> {
    /// What a reference leads to; an error is told.
    pub fn source(&mut self, r: &Reference) -> Source<'f> {
        if r.faulty {
            return Source::Unclear;
        }
        if let Some(help) = joined(&r.text) {
            let d = Diagnostic::error(Code::E0202, format!("`{}` is not the name of a node", printable(&r.text)));
            self.tell(d.at(r.place.clone(), "named here").help(help));
            return Source::Unclear;
        }
        match self.around.inputs.get(&r.node) {
            Some(None) if r.port.is_none() => return Source::Input,
            Some(Some(absent)) if r.port.is_none() => return Source::Absent(absent),
            _ => {}
        }
        if let Some(&i) = self.index.get(r.node.as_str()) {
            return self.output(r, i);
        }
        if let Some(absent) = self.around.absent.get(&r.node) {
            return Source::Absent(absent);
        }
        // A node whose name is refused is spoken of by that name.
        if self.index.contains_key(r.text.trim()) {
            return Source::Unclear;
        }
        let (echo, help) = match self.around.loops.iter().find(|l| l.could_be(&r.node)) {
            Some(l) => (!l.sound, Some(l.told())),
            // The last turn of a loop whose turns are not known.
            None => (self.around.loops.iter().any(|l| l.unclear(&r.node) || !l.sound && r.node.contains(LAST)), None),
        };
        let mut d = Diagnostic::error(Code::E0202, format!("there is no node `{}`", printable(&r.node))).at(r.place.clone(), "named here");
        match self.outside(&r.node).or(help) {
            Some(help) => d = d.help(help),
            None if self.budget.suggests(self.nodes.len()) => {
                let names = self.nodes.iter().map(|n| n.id.as_str()).chain(self.around.inputs.keys().map(String::as_str));
                let mut names: Vec<&str> = names.collect();
                names.sort_unstable();
                d = d.help(suggestion(&r.node, names.iter().copied(), "nodes"));
            }
            None => {}
        }
        self.tell(d.echo(echo || !self.around.whole.0));
        Source::Unclear
    }

    /// The help where a composite names a node or an input of the graph.
    fn outside(&self, name: &str) -> Option<String> {
        let (block, g) = (self.around.within.last()?, self.around.graph);
        let turn = |id: &str| match (id.split_once('{'), id.rsplit_once('}')) {
            (Some((before, _)), Some((_, after))) => {
                let inside = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                inside.is_some_and(|i| !i.is_empty() && i.chars().all(|c| c.is_ascii_digit()))
            }
            _ => id == name,
        };
        let there = g.inputs.iter().any(|i| i.name == name) || g.nodes.iter().any(|n| turn(&n.id));
        there.then(|| {
            let name = printable(name);
            format!("a composite sees its own inputs alone: make it one, `inputs: [\"{name}\"]`, and connect it where `{block}` is used")
        })
    }

    /// The output of a node that a reference names.
    fn output(&mut self, r: &Reference, i: usize) -> Source<'f> {
        let Some(known) = self.ports[i].as_ref() else { return Source::Unclear };
        let port = r.port.as_deref().unwrap_or("");
        if known.iter().any(|k| k == port) && r.port.as_deref() != Some("") {
            return Source::Node(i);
        }
        let (message, help) = match (r.port.as_deref(), known.as_slice()) {
            (Some(p), [only]) if only.is_empty() => (
                format!("`{}` has one output, which has no name; `{}` is not there", r.node, printable(p)),
                format!("write \"{}\"", r.node),
            ),
            (Some(p), _) => {
                (format!("`{}` has no output `{}`", r.node, printable(p)), suggestion(p, known.iter().map(String::as_str), "outputs"))
            }
            (None, _) => {
                let all: Vec<String> = known.iter().map(|k| format!("\"{}.{k}\"", r.node)).collect();
                (format!("`{}` has several outputs", r.node), format!("say which: {}", all.join(", ")))
            }
        };
        let d = Diagnostic::error(Code::E0203, message).at(r.place.clone(), "named here");
        self.tell(d.also(self.nodes[i].id_place.clone(), "this node").help(help));
        Source::Unclear
    }

    fn tell(&mut self, d: Diagnostic) {
        if let Some(l) = d.labels.first() {
            self.budget.fault(&l.place);
        }
        self.found.push(d);
    }

    /// Whether a name is that of a node or an input.
    pub fn known(&self) -> impl Fn(&str) -> bool + use<'f, 'n, 'a, 't> {
        let (index, inputs) = (self.index, self.around.inputs);
        move |name| index.contains_key(name) || inputs.contains_key(name)
    }
}

/// Signs that join names to what is no name, and what is written instead.
const JOINED: &[(char, &str)] = &[(',', ""), ('+', "Add"), ('*', "Multiply"), ('-', "Subtract")];

/// The help for a text that has several names, joined by signs.
fn joined(text: &str) -> Option<String> {
    let (sign, block) = JOINED.iter().find(|(sign, _)| text.contains(*sign))?;
    let parts: Vec<&str> = text.split(*sign).map(str::trim).collect();
    let named = |n: &str| n.starts_with(char::is_alphabetic) && n.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    if !parts.iter().copied().all(named) {
        return None;
    }
    let quoted: Vec<String> = parts.iter().map(|n| format!("\"{}\"", printable(n))).collect();
    Some(match *block {
        "" => format!("several are a list: [{}]", quoted.join(", ")),
        "Add" => format!("a sum is a node of its own: `Add(x: [{}])`", quoted.join(", ")),
        block => format!("that is a node of its own: `{block}(a: {}, b: {})`", quoted[0], quoted[1..].join(", ")),
    })
}

/// Chains that begin with the last turn of others may be this many.
const HOPS: usize = 64;

/// What `{last}` stands for, by what stands before and after it.
pub type Lasts = HashMap<(String, String), Last>;

/// Of a reference with alternatives, keeps the first that is there; `{last}` is looked up.
pub fn settle(r: &mut Reference, there: &dyn Fn(&str) -> bool, lasts: &Lasts) {
    if r.faulty || r.others.is_empty() && !r.node.contains(LAST) {
        return;
    }
    let (name, _) = chosen(r, there, lasts, HOPS);
    r.choose(name);
}

/// The first of a reference's alternatives that is there, else the last one; and whether it is there.
fn chosen(r: &Reference, there: &dyn Fn(&str) -> bool, lasts: &Lasts, hops: usize) -> (Name, bool) {
    let mut kept = Name::default();
    for name in r.names() {
        let (name, is) = looked_up(name, there, lasts, hops);
        if is {
            return (name, true);
        }
        kept = name;
    }
    (kept, false)
}

fn looked_up(name: Name, there: &dyn Fn(&str) -> bool, lasts: &Lasts, hops: usize) -> (Name, bool) {
    let Some((before, after)) = name.node.split_once(LAST) else {
        let is = there(&name.node);
        return (name, is);
    };
    let Some(last) = lasts.get(&(before.to_owned(), after.to_owned())) else { return (name, false) };
    match (&last.id, &last.start, &last.absent) {
        (Some(id), ..) => (Name { node: id.clone(), ..name }, there(id)),
        (None, Some(start), _) if name.port.is_none() && name.entry.is_none() && hops > 0 => chosen(start, there, lasts, hops - 1),
        (None, _, Some(absent)) => (Name { node: absent.id.clone(), ..name }, false),
        _ => (name, false),
    }
}
