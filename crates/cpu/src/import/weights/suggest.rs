//! A map proposed by shapes and order, for a file whose names say nothing to the graph.
//!
//! Part of `import::weights`; may use `store`, `compile` and `text`. Both lists of weights are aligned as two texts are by a comparison of files: the longest
//! row of pairs with the same shape, and the same kind where both say it (a bias, a running mean); what is left over is aligned again. Pairs
//! whose names differ in their numbers alone become one rule.

use std::collections::{BTreeMap, HashSet};

use super::Foreign;
use super::rules::{self, NamePair};
use crate::compile::Program;
use crate::store::{bare, is_counter};
use crate::text::printable;

/// Lists longer than that are not aligned.
const MOST: usize = 4000;
/// What is left over is aligned so often at most.
const ROUNDS: usize = 8;

/// A proposed map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The text of the map, with remarks on what found no partner.
    pub text: String,
    /// Weights of the graph that found one, of all.
    pub found: usize,
    pub all: usize,
}

/// A weight in a list to be aligned.
struct Entry<'a> {
    name: &'a str,
    /// The shape without dimensions of 1.
    dims: Vec<usize>,
    kind: Option<Kind>,
}

/// What a weight is, as the last part of its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Weight,
    Bias,
    Mean,
    Variance,
}

fn kind(name: &str) -> Option<Kind> {
    Some(match name.rsplit(['.', '/']).next()? {
        "weight" | "kernel" | "gamma" | "w" => Kind::Weight,
        "bias" | "beta" | "b" => Kind::Bias,
        "running_mean" | "moving_mean" => Kind::Mean,
        "running_var" | "moving_variance" => Kind::Variance,
        _ => return None,
    })
}

/// A name's texts and numbers, by which 2 comes before 10; then what kind of weight it is.
fn in_order(name: &str) -> (Vec<(String, u64)>, Option<Kind>) {
    let cut = name.rfind(['.', '/']).unwrap_or(0);
    let (texts, numbers) = rules::skeleton(&name[..cut]);
    let numbers = numbers.into_iter().map(|n| u64::try_from(n).unwrap_or(0)).chain(std::iter::repeat(0));
    (texts.into_iter().zip(numbers).collect(), kind(name))
}

/// Proposes a map from the names of a file to those of a graph.
pub fn suggest(program: &Program, foreign: &Foreign) -> Proposal {
    let mut tensors = program.graph.tensors();
    tensors.sort_by_key(|(value, ..)| *value);
    let ours: Vec<Entry> = tensors.iter().map(|(_, name, w)| Entry { name, dims: bare(&w.dims), kind: kind(name) }).collect();
    let mut theirs: Vec<Entry> = foreign
        .order
        .iter()
        .filter_map(|name| Some(Entry { name, dims: bare(&foreign.store.arrays.get(name)?.dims), kind: kind(name) }))
        .filter(|e| !is_counter(e.name))
        .collect();
    if foreign.form == super::SAFETENSORS {
        // Such a file is sorted by name, letter by letter; the order of the network is nearer to that of the numbers.
        theirs.sort_by_cached_key(|e| in_order(e.name));
    }
    let pairs = aligned(&ours, &theirs);
    let taken: HashSet<&str> = pairs.iter().map(|p| p.theirs.as_str()).collect();
    let own: HashSet<&str> = pairs.iter().map(|p| p.ours.as_str()).collect();
    let (found, all) = (pairs.len(), ours.len());
    let mut text =
        format!("# Proposed by shapes and order: {found} of {all} weights. Look at each rule; nothing but its output proves a map.\n");
    for rule in rules::generalised(&pairs) {
        text.push_str(&format!("{rule}\n"));
    }
    let list = |text: &mut String, head: &str, entries: Vec<&Entry>| {
        if !entries.is_empty() {
            text.push_str(&format!("# {head}:\n"));
            entries.iter().for_each(|e| text.push_str(&format!("#   {} {:?}\n", printable(e.name), e.dims)));
        }
    };
    list(&mut text, "weights of the graph without a partner", ours.iter().filter(|e| !own.contains(e.name)).collect());
    list(
        &mut text,
        "tensors of the file without a partner (`ignore NAME` leaves one out)",
        theirs.iter().filter(|e| !taken.contains(e.name)).collect(),
    );
    Proposal { text, found, all }
}

/// Pairs of the same shape and kind, in the graph's order.
fn aligned(ours: &[Entry], theirs: &[Entry]) -> Vec<NamePair> {
    let mut pairs = BTreeMap::new();
    let mut left: Vec<usize> = (0..ours.len().min(MOST)).collect();
    let mut right: Vec<usize> = (0..theirs.len().min(MOST)).collect();
    for _ in 0..ROUNDS {
        let found = longest(ours, theirs, &left, &right);
        if found.is_empty() {
            break;
        }
        pairs.extend(found.iter().copied());
        left.retain(|i| !found.iter().any(|(own, _)| own == i));
        right.retain(|j| !found.iter().any(|(_, other)| other == j));
    }
    pairs.into_iter().map(|(i, j)| NamePair { ours: ours[i].name.to_owned(), theirs: theirs[j].name.to_owned() }).collect()
}

/// The row of pairs that fit best, both lists in their order.
fn longest(ours: &[Entry], theirs: &[Entry], left: &[usize], right: &[usize]) -> Vec<(usize, usize)> {
    let score = |i: usize, j: usize| -> u32 {
        let (a, b) = (&ours[left[i]], &theirs[right[j]]);
        match (a.dims == b.dims, a.kind, b.kind) {
            (true, Some(x), Some(y)) if x == y => 3,
            (true, None, _) | (true, _, None) => 2,
            _ => 0,
        }
    };
    let width = right.len() + 1;
    let mut best = vec![0u32; (left.len() + 1) * width];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            let with = score(i, j);
            let taken = if with > 0 { with + best[(i + 1) * width + j + 1] } else { 0 };
            best[i * width + j] = taken.max(best[(i + 1) * width + j]).max(best[i * width + j + 1]);
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, vec![]);
    while i < left.len() && j < right.len() {
        let with = score(i, j);
        let here = best[i * width + j];
        if with > 0 && here == with + best[(i + 1) * width + j + 1] {
            pairs.push((left[i], right[j]));
            (i, j) = (i + 1, j + 1);
        } else if here == best[(i + 1) * width + j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}
