//! How many values each input of a node gets.
//!
//! May use `wire`, `body` beside it, `block`, `read` and `text`.

use super::body::Body;
use super::wire::{Wired, told};
use crate::block::Arity;
use crate::read::{Absent, Entry, Reference};
use crate::text::{Code, Diagnostic, Diagnostics, Place, nearest};

/// A connection to something that is not there.
pub struct Lack {
    pub port: String,
    pub absent: Absent,
}

/// Checks how many values each port got; whether that is sound. What lacks because of one node that is not there is told once. `known` says
/// whether a name is that of a node or an input.
pub fn arity(w: &Wired, lacks: &[Lack], known: &dyn Fn(&str) -> bool, found: &mut Diagnostics) -> bool {
    let ports: Vec<(&str, Arity, Option<&Place>)> = match &w.body {
        Body::Block(_, entry) => entry.inputs.iter().map(|p| (p.name, p.arity, None)).collect(),
        Body::Composite(c, ..) => {
            let arity = |optional| if optional { Arity::Optional } else { Arity::One };
            c.inputs.iter().map(|p| (p.name.as_str(), arity(p.optional), Some(&p.place))).collect()
        }
        Body::Unknown => return true,
    };
    let mut sound = true;
    // Ports that lack a node which is not there, by that node.
    let mut off: Vec<(&Absent, Vec<&str>)> = vec![];
    for &(name, arity, defined) in &ports {
        let given: Vec<&Reference> = w.inputs.iter().filter(|(p, _)| p == name).map(|(_, r)| r).collect();
        let unclear = w.unclear.iter().filter(|p| *p == name).count();
        let node = &w.text.id;
        let d = match (arity, given.len() + unclear) {
            (Arity::One | Arity::Many, 0) => {
                sound = false;
                if let Some(lack) = lacks.iter().find(|l| l.port == name) {
                    match off.iter_mut().find(|(a, _)| a.id == lack.absent.id) {
                        Some((_, names)) => names.push(name),
                        None => off.push((&lack.absent, vec![name])),
                    }
                    continue;
                }
                let message = format!("nothing is connected to the input `{name}` of `{node}`");
                let d = Diagnostic::error(Code::E0204, message).at(w.text.block_place.clone(), "here");
                d.help(format!("add `{name}: \"...\"`")).echo(w.text.entries.iter().any(|e| meant(e, name, w, &ports, known)))
            }
            (Arity::One | Arity::Optional, n) if n > 1 => {
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

/// Whether an entry that is neither input nor field was most likely meant for the port.
fn meant(e: &Entry, port: &str, w: &Wired, ports: &[(&str, Arity, Option<&Place>)], known: &dyn Fn(&str) -> bool) -> bool {
    let is_port = ports.iter().any(|(name, ..)| *name == e.key);
    let refused = !w.sound && !is_port && w.body.refused(&e.key);
    let names_node = || Reference::read(&e.value).is_ok_and(|r| known(&r.node));
    refused && (nearest(&e.key, [port]).is_some() || names_node())
}
