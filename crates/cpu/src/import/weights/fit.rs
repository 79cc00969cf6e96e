//! Foreign weights as those of a graph: all of them, in their shapes, and nothing left over.
//!
//! Part of `import::weights`; may use `store`, `compile` and `text`.

use std::collections::{BTreeMap, HashSet};

use super::Foreign;
use crate::compile::Program;
use crate::ir::Arrays;
use crate::store::{NameMap, bare, is_counter};
use crate::text::{Code, Diagnostic, Diagnostics, Result, a_few, nearest, printable};

/// So many weights of a kind of mistake are named one by one.
const NAMED: usize = 6;

/// Weights by the graph's names.
#[derive(Clone, Debug)]
pub struct Fitted {
    pub arrays: Arrays,
    /// The foreign name of each.
    pub names: BTreeMap<String, String>,
    /// Foreign tensors that the map ignores, and counters.
    pub ignored: Vec<String>,
}

/// Gives each weight of the graph its numbers.
///
/// # Errors
/// E0802 for every weight that is missing or has another shape, and for every foreign tensor that no rule of the map uses or ignores.
pub fn fit(program: &Program, foreign: &Foreign, map: &NameMap) -> Result<Fitted> {
    let known: BTreeMap<String, Vec<usize>> = program.graph.tensors().into_iter().map(|(_, name, w)| (name, w.dims)).collect();
    let (mut arrays, names) = map.rename(&foreign.store, &known, &program.params, &foreign.path)?;
    arrays.retain(|name, _| known.contains_key(name));
    let taken: HashSet<&str> = names.values().map(String::as_str).collect();
    let (mut ignored, mut unused) = (vec![], vec![]);
    for name in foreign.order.iter().filter(|name| !taken.contains(name.as_str())) {
        if is_counter(name) || map.ignores(name) { ignored.push(name.clone()) } else { unused.push(name.as_str()) }
    }
    let file = foreign.path.display();
    let mut found = Diagnostics::default();
    let (mut missing, mut misshapen) = (vec![], vec![]);
    for (name, own) in &known {
        match arrays.get(name) {
            None => missing.push(name),
            Some(array) if array.dims != *own && found.0.len() >= NAMED => misshapen.push(name.as_str()),
            Some(array) if array.dims != *own => {
                let theirs = names.get(name).map_or("", String::as_str);
                let message = format!("`{name}` is {own:?} in the graph, and `{}` is {:?} in `{file}`", printable(theirs), array.dims);
                found.push(Diagnostic::error(Code::E0802, message).help(
                    "give the graph the parameters that the weights were trained with (--set), or say `transposed` or `reshaped` in the map's rule",
                ));
            }
            Some(_) => {}
        }
    }
    if !misshapen.is_empty() {
        let message = format!("{} more weights of the graph have other shapes in `{file}`: {}", misshapen.len(), a_few(&misshapen, NAMED));
        found.push(Diagnostic::error(Code::E0802, message).help("the weights belong to other parameters of the graph, or to another one"));
    }
    for name in missing.iter().take(NAMED) {
        let own = &known[*name];
        let message = format!("`{name}` {own:?} of the graph has no weight in `{file}`");
        found.push(Diagnostic::error(Code::E0802, message).help(candidate(name, own, &unused, foreign)));
    }
    if missing.len() > NAMED {
        let rest: Vec<&str> = missing[NAMED..].iter().map(|name| name.as_str()).collect();
        let message = format!("{} more weights of the graph have none: {}", rest.len(), a_few(&rest, NAMED));
        found.push(Diagnostic::error(Code::E0802, message).help("--suggest-map proposes a map by shapes and order"));
    }
    if !unused.is_empty() {
        let shown: Vec<String> = unused.iter().map(|name| printable(name)).collect();
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        let message = format!(
            "{} of `{file}` {} of no use to the graph: {}",
            told(unused.len()),
            if unused.len() == 1 { "is" } else { "are" },
            a_few(&shown, NAMED)
        );
        found.push(Diagnostic::error(Code::E0802, message).help("give it a rule in the map, or leave it out with `ignore NAME`"));
    }
    found.or(Fitted { arrays, names, ignored })
}

fn told(count: usize) -> String {
    if count == 1 { "one tensor".into() } else { format!("{count} tensors") }
}

/// What may be meant: of what is of no use, what has the same shape and the nearest name.
fn candidate(name: &str, own: &[usize], unused: &[&str], foreign: &Foreign) -> String {
    let alike: Vec<&str> =
        unused.iter().copied().filter(|other| foreign.store.arrays.get(*other).is_some_and(|a| bare(&a.dims) == bare(own))).collect();
    let last = |name: &str| name.rsplit(['.', '/']).next().unwrap_or_default().to_owned();
    let meant =
        nearest(name, alike.iter().copied()).or_else(|| alike.iter().copied().find(|a| last(a) == last(name))).or(alike.first().copied());
    match meant {
        Some(other) => {
            format!("`{}` has its shape and is of no use yet; --suggest-map proposes a map by shapes and order", printable(other))
        }
        None => "nothing that is left over has its shape: the graph's parameters may be others (--set)".into(),
    }
}
