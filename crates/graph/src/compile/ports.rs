//! How many values each input of a node gets.
//!
//! May use `wire`, `body` beside it, `block`, `read` and `text`.

use super::body::{Body, Target};
use super::wire::{Wired, told};
use crate::block::Arity;
use crate::read::{Absent, Entry, Kind, PortText, Reference, Value};
use crate::text::{Code, Diagnostic, Diagnostics, Place, nearest};

/// How many values an input takes.
#[derive(Clone, Copy, Debug)]
pub struct Takes {
    /// Whether it must be connected.
    pub required: bool,
    /// Whether it takes several.
    pub list: bool,
}

impl Body<'_> {
    /// The inputs with how many values each takes, and where it is defined.
    pub fn inputs(&self) -> Vec<(&str, Takes, Option<&Place>)> {
        let takes = |arity: Arity| Takes { required: arity != Arity::Optional, list: arity == Arity::Many };
        let block = |entry: &'static crate::block::Entry| entry.inputs.iter().map(move |p| (p.name, takes(p.arity), None)).collect();
        match self {
            Body::Block(_, entry) | Body::Later(Target::Block(entry), _) => block(entry),
            Body::Composite(c, ..) | Body::Later(Target::Composite(c), _) => {
                let takes = |p: &PortText| Takes { required: !p.optional, list: p.list };
                c.inputs.iter().map(|p| (p.name.as_str(), takes(p), Some(&p.place))).collect()
            }
            Body::Unknown => vec![],
        }
    }
}

/// A connection to something that is not there.
pub struct Lack {
    pub port: String,
    pub absent: Absent,
}

/// Checks how many values each port got; whether that is sound. What lacks because of one node that is not there is told once. `known` says
/// whether a name is that of a node or an input.
pub fn arity(w: &Wired, lacks: &[Lack], known: &dyn Fn(&str) -> bool, found: &mut Diagnostics) -> bool {
    if matches!(w.body, Body::Unknown) {
        return true;
    }
    let ports = w.body.inputs();
    let mut sound = true;
    // Ports that lack a node which is not there, by that node.
    let mut off: Vec<(&Absent, Vec<&str>)> = vec![];
    for &(name, takes, defined) in &ports {
        let given: Vec<&Reference> = w.inputs.iter().filter(|(p, _)| p == name).map(|(_, r)| r).collect();
        let unclear = w.unclear.iter().filter(|p| *p == name).count();
        let node = &w.text.id;
        let d = match (takes, given.len() + unclear) {
            (Takes { required: true, .. }, 0) => {
                sound = false;
                if let Some(lack) = lacks.iter().find(|l| l.port == name) {
                    match off.iter_mut().find(|(a, _)| a.id == lack.absent.id) {
                        Some((_, names)) => names.push(name),
                        None => off.push((&lack.absent, vec![name])),
                    }
                    continue;
                }
                if let Some(d) = emptied(w, name, defined) {
                    found.push(if let Some(p) = defined { d.also(p.clone(), "this input") } else { d });
                    continue;
                }
                let message = format!("nothing is connected to the input `{name}` of `{node}`");
                let d = Diagnostic::error(Code::E0204, message).at(w.text.block_place.clone(), "here");
                d.help(format!("add `{name}: \"...\"`")).echo(w.text.entries.iter().any(|e| meant(e, name, w, &ports, known)))
            }
            (Takes { list: false, .. }, n) if n > 1 => {
                sound = false;
                let message = format!("{n} values are connected to the input `{name}` of `{node}`, which takes one");
                let place = given.get(1).or(given.first()).map_or(&w.text.block_place, |r| &r.place);
                let d = Diagnostic::error(Code::E0204, message).at(place.clone(), "here");
                d.help("connect one, or put a `Concat` or `Add` between")
            }
            _ => continue,
        };
        found.push(if let Some(p) = defined { d.also(p.clone(), "this input") } else { d });
    }
    for (absent, names) in off {
        let all: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
        let inputs = if all.len() == 1 { "input" } else { "inputs" };
        let message =
            format!("nothing is connected to the {inputs} {} of `{}`: `{}` {}", all.join(" and "), w.text.id, absent.id, told(absent));
        let place = w.text.entries.iter().find(|e| names.contains(&e.key.as_str())).map_or(&w.text.block_place, |e| &e.value.place);
        let d = Diagnostic::error(Code::E0204, message).at(place.clone(), "connected here").also(absent.place.clone(), "by this");
        found.push(d.help(format!("connect `{}` to a node that is there, or leave it out as well", w.text.id)));
    }
    sound
}

/// That the list which is written for a port has no entry in this turn.
fn emptied(w: &Wired, port: &str, defined: Option<&Place>) -> Option<Diagnostic> {
    let e = w.text.entries.iter().find(|e| e.key == port)?;
    let Kind::List(items) = &e.value.kind else { return None };
    let locals: Vec<String> = w.text.locals.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let turn = if locals.is_empty() { String::new() } else { format!(", where {}", locals.join(", ")) };
    let message = format!("the list for the input `{port}` of `{}` is empty here{turn}", w.text.id);
    let when = match w.text.locals.first() {
        Some((name, value @ Value::Int(_))) => format!(", as by `when: \"{name} > {value}\"`"),
        _ => String::new(),
    };
    let mut help = format!("leave the node out where there is nothing to take{when}");
    if defined.is_some() {
        help.push_str(&format!(", or declare the input as \"{port}[]?\", a list that may be empty"));
    }
    items.is_empty().then(|| Diagnostic::error(Code::E0204, message).at(e.value.place.clone(), "this has no entry").help(help))
}

/// That a node's turns cannot feed each other, as its input `x` takes a list or is not there.
pub fn chained(w: &Wired, found: &mut Diagnostics) {
    let Some(place) = w.text.chained.as_ref().filter(|_| !matches!(w.body, Body::Unknown)) else { return };
    let why = match w.body.inputs().iter().find(|(name, ..)| *name == "x") {
        Some((_, Takes { list: false, .. }, _)) => return,
        Some(_) => "its input `x` takes a list",
        None => "it has no input `x`",
    };
    found.push(
        Diagnostic::error(Code::E0204, format!("`{}` cannot be chained: {why}", w.text.block))
            .at(place.clone(), "here")
            .help("name the turn before: `for: \"i in 0..4\", x: [\"cat{i - 1} | image\", \"skip{i}\"]`"),
    );
}

/// Whether an entry that is neither input nor field was most likely meant for the port.
fn meant(e: &Entry, port: &str, w: &Wired, ports: &[(&str, Takes, Option<&Place>)], known: &dyn Fn(&str) -> bool) -> bool {
    let is_port = ports.iter().any(|(name, ..)| *name == e.key);
    let refused = !w.sound && !is_port && w.body.refused(&e.key);
    let names_node = || Reference::read(&e.value).is_ok_and(|r| known(&r.node));
    refused && (nearest(&e.key, [port]).is_some() || names_node())
}
