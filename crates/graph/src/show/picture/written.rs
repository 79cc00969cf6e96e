//! What a user wrote of each node: its fields with their values, and which node each of its inputs names.
//!
//! May use `read`, `compile`, `block`. The op graph says what flows; this adds the words. What cannot be found here is only not shown.

use std::collections::HashMap;

use crate::compile::Program;
use crate::read::{self, Changes, Composite, Entry, Kind, NodeText, Reference, Scope, Tree};
use crate::text::{Diagnostics, Source};

/// One field of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    /// As written: `"width * 2"`.
    pub text: String,
    /// What an expression comes to: `16`; empty when the text says it already.
    pub value: String,
}

/// A node's words.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub fields: Vec<Field>,
    pub inputs: Vec<Given>,
    pub composite: bool,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub port: String,
    /// What the value is called where the node stands: `lspm.texture`, or the input of the composite around it.
    pub said: String,
    /// The node of the whole graph whose value it takes; none when an optional input of a composite is not connected.
    pub from: Option<Origin>,
}

/// The output of a node, by path and port.
pub type Origin = (String, String);

/// The words of every node, by path.
pub fn written(program: &Program) -> HashMap<String, Written> {
    let mut all = HashMap::new();
    let source = Source::new("resolved", program.resolved());
    let Ok(text) = read::parse(&source).and_then(|t| read::graph(&t)) else { return all };
    let composites: HashMap<&str, &Composite> = text.blocks.iter().map(|c| (c.name.as_str(), c)).collect();
    let inputs = text.inputs.iter().map(|i| (i.name.clone(), Some((i.name.clone(), String::new())))).collect();
    let mut w = Walk { composites, all: &mut all, depth: 0 };
    w.scope(&text.nodes, &text.changes, &program.params, "", &inputs);
    all
}

/// What the names of a composite's inputs stand for outside of it.
type Bound = HashMap<String, Option<Origin>>;

struct Walk<'a> {
    composites: HashMap<&'a str, &'a Composite>,
    all: &'a mut HashMap<String, Written>,
    depth: usize,
}

impl Walk<'_> {
    fn scope(&mut self, nodes: &[NodeText], changes: &Changes, params: &Scope, prefix: &str, inputs: &Bound) {
        if self.depth > 64 {
            return;
        }
        let nodes = read::expand(nodes, changes, params, &mut Diagnostics::default()).nodes;
        let there: HashMap<&str, ()> = nodes.iter().map(|n| (n.id.as_str(), ())).collect();
        for n in nodes.iter() {
            let path = join(prefix, &n.id);
            let scope = read::with(params, &n.locals);
            let composite = self.composites.get(n.block.as_str()).copied();
            let ports: Vec<&str> = match composite {
                Some(c) => c.inputs.iter().map(|p| p.name.as_str()).collect(),
                None => crate::block::Entry::find(&n.block).map(|e| e.inputs.iter().map(|p| p.name).collect()).unwrap_or_default(),
            };
            let mut w = Written { composite: composite.is_some(), ..Written::default() };
            for e in &n.entries {
                if ports.contains(&e.key.as_str()) {
                    for r in Reference::all(&e.value, &mut Diagnostics::default()) {
                        w.inputs.extend(source(&r, &there, prefix, inputs).map(|(said, from)| Given { port: e.key.clone(), said, from }));
                    }
                } else {
                    w.fields.push(field(e, &scope));
                }
            }
            if let Some(c) = composite {
                let mut inner = scope.clone().into_owned();
                for p in &c.params {
                    let given = n.entries.iter().find(|e| e.key == p.name).map(|e| &e.value);
                    let value = match given {
                        Some(t) => read::given(&p.name, t, &p.value, &scope),
                        None => read::value(&p.value, &inner),
                    };
                    if let Ok(v) = value {
                        inner.insert(p.name.clone(), v);
                    }
                }
                let bound =
                    c.inputs.iter().map(|p| (p.name.clone(), w.inputs.iter().find(|g| g.port == p.name).and_then(|g| g.from.clone())));
                self.depth += 1;
                self.scope(&c.nodes, &c.changes, &inner, &path, &bound.collect());
                self.depth -= 1;
            }
            self.all.insert(path, w);
        }
    }
}

/// The first of a reference's alternatives that is there: what it is called, and what it is.
fn source(r: &Reference, there: &HashMap<&str, ()>, prefix: &str, inputs: &Bound) -> Option<(String, Option<Origin>)> {
    let mut unconnected = None;
    for read::Name { node, port, .. } in &r.names() {
        if there.contains_key(node.as_str()) {
            let said = port.as_ref().map_or(node.clone(), |p| format!("{node}.{p}"));
            return Some((said, Some((join(prefix, node), port.clone().unwrap_or_default()))));
        }
        match inputs.get(node) {
            Some(Some(outside)) => return Some((node.clone(), Some(outside.clone()))),
            Some(None) => unconnected = unconnected.or(Some((node.clone(), None))),
            None => {}
        }
    }
    unconnected
}

fn join(prefix: &str, id: &str) -> String {
    if prefix.is_empty() { id.to_owned() } else { format!("{prefix}.{id}") }
}

fn field(e: &Entry, scope: &Scope) -> Field {
    let text = e.value.to_string();
    let value = values(&e.value, scope).filter(|v| *v != text && format!("{v:?}") != text).unwrap_or_default();
    Field { name: e.key.clone(), text, value }
}

/// What the expressions of a field come to.
fn values(t: &Tree, scope: &Scope) -> Option<String> {
    let group = |items: &[Tree]| items.iter().map(|t| values(t, scope)).collect::<Option<Vec<_>>>().map(|v| v.join(", "));
    match &t.kind {
        Kind::Str(_) => read::value(t, scope).ok().map(|v| v.to_string()),
        Kind::List(items) => group(items).map(|g| format!("[{g}]")),
        Kind::Tuple(None, items) => group(items).map(|g| format!("({g})")),
        _ => Some(t.to_string()),
    }
}
