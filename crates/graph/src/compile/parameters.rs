//! The values of a graph's parameters.
//!
//! May use `body` beside it, `read` and `text`.

use std::collections::HashSet;

use crate::read::{self, GraphText, Scope, Value, Words};
use crate::text::{Code, Diagnostics};

/// Parameters: their values, and where their words stand.
pub struct Parameters {
    pub values: Scope,
    pub words: Words,
}

/// The parameters, each after those that it uses, as a variant's come after those of its base that are set to use them. Those that use each other
/// come last, as they stand.
fn in_order(text: &GraphText) -> Vec<&read::Param> {
    let mut waiting: Vec<(&read::Param, Vec<&str>)> = text.params.iter().map(|p| (p, read::uses(&p.value))).collect();
    let names: HashSet<&str> = text.params.iter().map(|p| p.name.as_str()).collect();
    waiting.iter_mut().for_each(|(_, uses)| uses.retain(|name| names.contains(name)));
    let mut done: HashSet<&str> = HashSet::new();
    let mut all = vec![];
    while let Some(i) = waiting.iter().position(|(_, uses)| uses.iter().all(|name| done.contains(name))) {
        let (p, _) = waiting.remove(i);
        done.insert(&p.name);
        all.push(p);
    }
    all.extend(waiting.into_iter().map(|(p, _)| p));
    all
}

/// The values of the parameters; what is wrong with them is told, and their values are unknown.
pub fn parameters(text: &GraphText, found: &mut Diagnostics) -> Parameters {
    let mut values = Scope::new();
    let mut words = Words::new();
    if !text.whole.params {
        values.insert(read::OPEN.to_owned(), Value::Unknown);
    }
    for p in in_order(text) {
        // One that is declared and has no value yet uses this one.
        let ring =
            read::uses(&p.value).iter().any(|name| text.params.iter().any(|other| other.name == *name) && !values.contains_key(*name));
        let value = found.keep(
            read::value(&p.value, &values)
                .map_err(|d| if ring && d.code == Code::E0105 { d.help("a parameter may use others, but none that uses it") } else { d }),
        );
        if let Some(Value::Text(_)) = value {
            words.insert(p.name.clone(), super::body::chosen(&p.value).place.clone());
        }
        values.set_at(&p.name, value.unwrap_or(Value::Unknown), &p.value.place);
    }
    Parameters { values, words }
}
