//! What flows through the connections of a scope: single values and lists.
//!
//! May use `wire` beside it, `ir`, `read`, `text`.

use std::collections::HashMap;

use super::wire::Wired;
use crate::ir::Value;
use crate::read::{Absent, Composite, Reference};
use crate::text::{Code, Diagnostic, Diagnostics, several};

/// What flows out of a node by one of its ports, or into a scope: without a value where it could not be made.
#[derive(Clone, Debug)]
pub enum FlowOutput {
    One(Option<Value>),
    Many(Vec<Option<Value>>),
}

/// The values of a scope's names, by port.
pub type FlowValues = HashMap<String, Vec<(String, FlowOutput)>>;

/// What flows into an input of a scope.
#[derive(Clone, Debug)]
pub enum Flow {
    Value(Value),
    /// A list of values, of which some could not be made because of an error that was told.
    Many(Vec<Option<Value>>),
    /// Nothing, and why.
    Nothing(Absent),
    /// What could not be made, because of an error that was told.
    Unknown,
}

/// A connection: the port, what it names, and the value if it could be made.
pub type Connection<'r> = (&'r str, &'r Reference, Option<Value>);

/// What flows into the inputs of a composite.
pub fn flows(c: &Composite, w: &Wired, path: &str, x: &[Connection]) -> HashMap<String, Flow> {
    let flow = |port: &str, list: bool| {
        let given: Vec<Option<Value>> = x.iter().filter(|(n, ..)| *n == port).map(|(.., v)| *v).collect();
        let unclear = w.unclear.iter().any(|p| p == port);
        match (given.as_slice(), c.inputs.iter().find(|p| p.name == port)) {
            (_, Some(p)) if list && (!unclear && (p.optional || !given.is_empty())) => Flow::Many(given),
            _ if list => Flow::Unknown,
            ([v, ..], _) => v.map_or(Flow::Unknown, Flow::Value),
            ([], Some(p)) if p.optional && !unclear => {
                let why = format!("is an optional input that `{path}` does not connect");
                Flow::Nothing(Absent { id: port.to_owned(), why, place: p.place.clone() })
            }
            _ => Flow::Unknown,
        }
    };
    c.inputs.iter().map(|p| (p.name.clone(), flow(&p.name, p.list))).collect()
}

/// The connections of a node value by value, each by its place among `w.inputs`; and whether each input takes as many values as it gets.
pub fn flat(
    w: &Wired,
    values: &FlowValues,
    inputs: &HashMap<String, Flow>,
    found: &mut Diagnostics,
) -> (Vec<(usize, Option<Value>)>, bool) {
    let mut all = vec![];
    let mut fits = true;
    let ports = w.body.inputs();
    for (k, (port, r)) in w.inputs.iter().enumerate() {
        let takes = ports.iter().find(|(name, ..)| name == port).map(|(_, takes, _)| *takes);
        match picked(r, values, inputs, found) {
            FlowOutput::One(v) => all.push((k, v)),
            FlowOutput::Many(list) => match takes {
                Some(t) if t.list => all.extend(list.iter().map(|v| (k, *v))),
                _ if list.len() == 1 => all.push((k, list[0])),
                _ => {
                    fits = false;
                    let what = format!("the input `{port}` of `{}` takes one value", w.text.id);
                    found.push(several_for(&r.text, list.len(), &what).at(r.place.clone(), "here"));
                }
            },
        }
    }
    for (port, takes, _) in ports.iter().filter(|(_, t, _)| t.list && t.required) {
        let connected: Vec<usize> = (0..w.inputs.len()).filter(|k| w.inputs[*k].0 == *port).collect();
        if !connected.is_empty() && w.unclear.iter().all(|p| p != port) && all.iter().all(|(k, _)| !connected.contains(k)) && takes.list {
            fits = false;
            let r = &w.inputs[connected[0]].1;
            let message = format!("nothing is connected to the input `{port}` of `{}`: `{}` is empty", w.text.id, r.text);
            found.push(Diagnostic::error(Code::E0204, message).at(r.place.clone(), "here").help("connect one value or more"));
        }
    }
    (all, fits)
}

pub fn several_for(text: &str, n: usize, takes: &str) -> Diagnostic {
    let text = crate::text::printable(text).to_string();
    let help = if n == 0 { "connect a list with entries".to_owned() } else { format!("say which, \"{text}[0]\"") };
    Diagnostic::error(Code::E0204, format!("{takes}, and `{text}` has {n}")).help(help)
}

/// The value or the list that a reference takes; an entry that is not there is told.
pub fn picked(r: &Reference, values: &FlowValues, inputs: &HashMap<String, Flow>, found: &mut Diagnostics) -> FlowOutput {
    let out = find(r, values, inputs);
    let refuse = |message: String, help: &str| Diagnostic::error(Code::E0203, message).at(r.place.clone(), "named here").help(help);
    let name = || r.port.as_ref().map_or(r.node.clone(), |p| format!("{}.{p}", r.node));
    match (r.at, &out) {
        (None, _) | (Some(_), FlowOutput::One(None)) => out,
        (Some(i), FlowOutput::Many(all)) => match all.get(i) {
            Some(v) => FlowOutput::One(*v),
            None => {
                let range = if all.is_empty() { String::new() } else { format!(", 0 to {}", all.len() - 1) };
                let message = format!("`{}` has {}{range}, and entry {i} is asked for", name(), several(all.len(), "entry"));
                found.push(refuse(message, "entries are counted from 0"));
                FlowOutput::One(None)
            }
        },
        (Some(_), FlowOutput::One(Some(_))) => {
            found.push(refuse(format!("`{}` is one value, and has no entries", name()), "leave out the `[...]`"));
            FlowOutput::One(None)
        }
    }
}

/// What a reference names, as far as it could be made.
pub fn find(r: &Reference, values: &FlowValues, inputs: &HashMap<String, Flow>) -> FlowOutput {
    if r.port.is_none()
        && let Some(flow) = inputs.get(&r.node)
    {
        return match flow {
            Flow::Value(v) => FlowOutput::One(Some(*v)),
            Flow::Many(all) => FlowOutput::Many(all.clone()),
            Flow::Nothing(_) | Flow::Unknown => FlowOutput::One(None),
        };
    }
    let port = r.port.as_deref().unwrap_or("");
    let out = values.get(&r.node).and_then(|all| all.iter().find(|(p, _)| p == port));
    out.map_or(FlowOutput::One(None), |(_, out)| out.clone())
}
