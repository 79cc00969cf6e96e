//! Where the weights are in what was saved: a dictionary of tensors, one within others, or a whole network as an object.
//!
//! Part of `import::pytorch`; may use `import::pickle` and `text`.

use std::collections::HashSet;

use crate::import::pickle::{Id, Pickle, Tensor, Value};
use crate::text::printable;

/// Dictionaries within dictionaries are looked at so deep.
const DEEPEST: usize = 64;
/// So many values are looked at.
const MOST: usize = 1 << 20;
/// Entries that hold the weights where a file has several dictionaries of tensors: what trainers call them, the first that is there.
const USUAL: [&str; 6] = ["state_dict", "model_state_dict", "network_weights", "model", "net", "model_state"];
/// Where an object of PyTorch's keeps its parts; no part of a weight's name.
const PARTS: [&str; 3] = ["_parameters", "_buffers", "_modules"];

/// The weights of a file.
#[derive(Debug, Default)]
pub struct WeightTree {
    /// The way to them from the root, joined by dots; empty for the root itself.
    pub key: String,
    /// Name and tensor, in the file's order.
    pub tensors: Vec<(String, Tensor)>,
    /// Other places that hold tensors, with their number.
    pub others: Vec<(String, usize)>,
    /// What lies among the weights and is no tensor.
    pub left_out: Vec<String>,
}

/// Finds the weights: at `key` if it is given (a way of names joined by dots, `.` for the root), else where they usually are.
///
/// # Errors
/// Why there are none, or none that is the one meant, in words, and what helps.
pub fn find(pickle: &Pickle, key: Option<&str>) -> Result<WeightTree, (String, String)> {
    if let Some(key) = key {
        let way = key.split('.').filter(|part| !part.is_empty());
        let mut at = Some(pickle.root);
        let mut walked = vec![];
        for part in way {
            walked.push(part);
            at = at.and_then(|id| pickle.entry(pickle.state(id), part));
        }
        let found = at.map(|id| flat(pickle, id, key));
        return found.filter(|tree| !tree.tensors.is_empty()).ok_or_else(|| {
            let there: Vec<String> = places(pickle).into_iter().map(|(key, _, count)| format!("`{}` ({count})", printable(&key))).collect();
            let help = if there.is_empty() {
                "it holds no tensors by name at all".to_owned()
            } else {
                format!("it has tensors at {}", there.join(", "))
            };
            (format!("it has no tensors at `{}`", printable(key)), help)
        });
    }
    let places = places(pickle);
    let usual = USUAL.iter().find_map(|name| places.iter().position(|(key, ..)| key == name));
    let chosen = match (places.len(), usual) {
        (0, _) => {
            let classes = if pickle.unknown.is_empty() { String::new() } else { format!("; it has {}", pickle.unknown.join(", ")) };
            return Err((format!("it holds no tensors by name{classes}"), "save the network's `state_dict()`".into()));
        }
        (1, _) => 0,
        (_, Some(at)) => at,
        _ => {
            let named: Vec<String> =
                places.iter().take(8).map(|(key, _, count)| format!("`{}` ({count} tensors)", printable(key))).collect();
            return Err((format!("it holds tensors in several places: {}", named.join(", ")), "say which with --key".into()));
        }
    };
    let (key, id, _) = &places[chosen];
    let mut tree = flat(pickle, *id, key);
    tree.others = places.iter().enumerate().filter(|(n, _)| *n != chosen).map(|(_, (key, _, count))| (key.clone(), *count)).collect();
    Ok(tree)
}

/// The dictionaries and objects that hold tensors by names, outermost first: the way to each, and how many tensors it has.
fn places(pickle: &Pickle) -> Vec<(String, Id, usize)> {
    let mut found = vec![];
    let mut open = std::collections::VecDeque::from([(String::new(), pickle.root, 0)]);
    let mut seen = HashSet::new();
    while let Some((way, id, depth)) = open.pop_front() {
        if depth > DEEPEST || !seen.insert(id) || seen.len() > MOST {
            continue;
        }
        let state = pickle.state(id);
        let Value::Dict(entries) = pickle.get(state) else { continue };
        let named = || entries.iter().filter_map(|(k, v)| if let Value::Text(k) = pickle.get(*k) { Some((k, *v)) } else { None });
        // An object is a network with all that is in it; a dictionary is one where it has tensors itself.
        if state != id || named().any(|(_, v)| matches!(pickle.get(v), Value::Tensor(_))) {
            let count = flat(pickle, id, &way).tensors.len();
            if count > 0 {
                found.push((way, id, count));
                continue;
            }
        }
        open.extend(named().map(|(k, v)| (if way.is_empty() { k.clone() } else { format!("{way}.{k}") }, v, depth + 1)));
    }
    found
}

/// All tensors below a value, their names joined by dots.
fn flat(pickle: &Pickle, root: Id, key: &str) -> WeightTree {
    let mut tree = WeightTree { key: key.trim_matches('.').to_owned(), ..WeightTree::default() };
    let mut open = vec![(String::new(), root, 0)];
    let mut looked = 0;
    // Depth first in the file's order: the last of the list is the next.
    while let Some((name, id, depth)) = open.pop() {
        looked += 1;
        if looked > MOST {
            break;
        }
        match pickle.get(id) {
            Value::Tensor(tensor) => tree.tensors.push((name, tensor.clone())),
            Value::Dict(_) | Value::Object { .. } if depth < DEEPEST => {
                let state = pickle.state(id);
                let object = state != id;
                let Value::Dict(entries) = pickle.get(state) else { continue };
                for (k, v) in entries.iter().rev() {
                    let Value::Text(part) = pickle.get(*k) else { continue };
                    let whole = match (name.is_empty(), object && PARTS.contains(&part.as_str())) {
                        (_, true) => name.clone(),
                        (true, false) => part.clone(),
                        (false, false) => format!("{name}.{part}"),
                    };
                    open.push((whole, *v, depth + 1));
                }
            }
            Value::Other if !name.is_empty() => tree.left_out.push(name),
            _ => {}
        }
    }
    tree
}
