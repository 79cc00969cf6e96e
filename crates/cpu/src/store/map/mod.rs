//! Rules that bring foreign names of weights to ours, one a line:
//!
//! ```text
//! # PyTorch module                       ours
//! prefix param/
//! encoder.{i}.conv.{j}.norm.{*}       -> enc{i+1}.ghost{j/2+1}.norm.{*}
//! head.{*}                            -> head.conv.{*}
//! out.weight                          -> out.conv.weight transposed
//! ignore *.num_batches_tracked
//! ```
//!
//! `{name}` stands for a whole number, usable in an expression on the right beside the graph's parameters (`dec{levels - 1 - i}`); `{*}`
//! for anything; `{n*.1.submodule}` for a text as often as it stands there, `n` the number. The first rule whose pattern
//! matches and whose result is a weight of the graph is taken, so one file serves all variants of a network. `prefix` is taken off
//! where it is found. `ignore` names what is left out, whatever rule fits it: copies under other names, buffers, heads that a graph has not;
//! `*` in it stands for anything.
//!
//! Dimensions of 1 may stand in one file and not in the other (`[1, C, 1, 1, 1]` is `[C]`). Where the numbers lie otherwise a rule says so
//! at its end: `transposed` (the first two dimensions that are not 1 change places) or `reshaped` (the same numbers in other dimensions).

mod back;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use lmsc_graph::read::{Scope, Value, evaluate};

use super::Store;
use crate::ir::{Array, Arrays};
use crate::text::{Code, Diagnostic, Diagnostics, Place, Result, Source, Span};

pub use back::Exported;

/// A side of a rule has at most so many texts, numbers and rests.
const PARTS: usize = 64;

/// Rules in order.
#[derive(Clone, Debug, Default)]
pub struct NameMap {
    prefixes: Vec<String>,
    ignored: Vec<String>,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    from: Vec<Part>,
    to: Vec<Part>,
    layout: Layout,
}

/// How the numbers of a foreign array become those of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Layout {
    /// They are in place; dimensions of 1 may differ.
    #[default]
    Same,
    Transposed,
    Reshaped,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    /// A number by name on the left, an expression on the right.
    Number(String),
    /// A text as often as it stands there, counted under a name.
    Repeated {
        count: String,
        text: String,
    },
    Rest,
}

impl NameMap {
    /// Reads a file of rules.
    ///
    /// # Errors
    /// E0101 when it cannot be read, E0102 for each line that is no rule.
    pub fn read(path: &Path) -> Result<Self> {
        let source = Source::read(path)?;
        let mut map = Self::default();
        let mut found = Diagnostics::default();
        let mut start = 0;
        for line in source.text.split_inclusive('\n') {
            let place = Place::new(&source, Span::new(start, start + line.trim_end().len()));
            start += line.len();
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            if let Some(p) = line.strip_prefix("prefix ") {
                map.prefixes.push(p.trim().to_owned());
                continue;
            }
            if let Some(p) = line.strip_prefix("ignore ") {
                map.ignored.extend(p.split_whitespace().map(str::to_owned));
                continue;
            }
            match line.split_once("->").and_then(|(l, r)| rule(l.trim(), r.trim())) {
                Some(rule) => map.rules.push(rule),
                None => found.push(
                    Diagnostic::error(Code::E0102, "this is not a rule")
                        .at(place, "here")
                        .help("write `foreign.{i}.{*} -> ours{i+1}.{*}`, `prefix param/` or `ignore *.num_batches_tracked`"),
                ),
            }
        }
        if !found.has_errors() && map.rules.is_empty() && map.prefixes.is_empty() && map.ignored.is_empty() {
            let d = Diagnostic::error(Code::E0102, format!("`{}` has no rule", path.display()));
            found.push(d.help("write one a line, as `foreign.{i}.{*} -> ours{i + 1}.{*}`; names that are the graph's own need no map"));
        }
        found.or(map)
    }

    /// The name among `known` for a foreign one.
    pub fn apply(&self, foreign: &str, known: &HashSet<String>) -> Option<String> {
        self.place(foreign, known, &Scope::new()).map(|(name, _)| name)
    }

    /// Whether a foreign name is left out.
    pub fn ignores(&self, foreign: &str) -> bool {
        let name = self.prefixes.iter().find_map(|p| foreign.strip_prefix(p.as_str())).unwrap_or(foreign);
        self.ignored.iter().any(|p| fits(p, name) || fits(p, foreign))
    }

    fn place(&self, foreign: &str, known: &HashSet<String>, params: &Scope) -> Option<(String, Layout)> {
        let name = self.prefixes.iter().find_map(|p| foreign.strip_prefix(p.as_str())).unwrap_or(foreign);
        if self.ignores(foreign) {
            return None;
        }
        let ruled = self.rules.iter().find_map(|rule| {
            let mut numbers = params.clone();
            let mut rest = String::new();
            if !matches(&rule.from, name, &mut numbers, &mut rest, &mut HashSet::new()) {
                return None;
            }
            fill(&rule.to, &numbers, &rest).filter(|n| known.contains(n)).map(|n| (n, rule.layout))
        });
        ruled.or_else(|| known.contains(name).then(|| (name.to_owned(), Layout::Same)))
    }

    /// The arrays of a foreign file under the names `known` to the graph with their shapes, and each one's foreign name. What no rule takes is
    /// left out; what has another shape than the graph's is left as it is. `params` are the graph's parameters, for expressions.
    ///
    /// # Errors
    /// E0802 where two foreign arrays are mapped to one name.
    pub fn rename(
        &self,
        foreign: &Store,
        known: &BTreeMap<String, Vec<usize>>,
        params: &Scope,
        file: &Path,
    ) -> Result<(Arrays, BTreeMap<String, String>)> {
        let (mut ours, mut names) = (Arrays::new(), BTreeMap::<String, String>::new());
        let all: HashSet<String> = known.keys().cloned().collect();
        for (name, array) in &foreign.arrays {
            let Some((own, layout)) = self.place(name, &all, params) else { continue };
            if let Some(other) = names.insert(own.clone(), name.clone()) {
                let message = format!("`{other}` and `{name}` of `{}` are both mapped to `{own}`", file.display());
                return Err(Diagnostic::error(Code::E0802, message).help("make the rules of the map narrower").into());
            }
            let array = known.get(&own).map_or_else(|| array.clone(), |dims| laid_out(array, dims, layout));
            ours.insert(own, array);
        }
        Ok((ours, names))
    }
}

/// The dimensions that are not 1.
pub(crate) fn bare(dims: &[usize]) -> Vec<usize> {
    dims.iter().copied().filter(|n| *n != 1).collect()
}

/// An array in the dimensions wanted; as it is where it cannot be.
fn laid_out(array: &Array, wanted: &[usize], layout: Layout) -> Array {
    let (theirs, ours) = (bare(&array.dims), bare(wanted));
    match layout {
        _ if array.dims == wanted && layout != Layout::Transposed => array.clone(),
        Layout::Same if theirs == ours => Array::new(wanted, array.values.clone()),
        Layout::Reshaped if theirs.iter().product::<usize>() == ours.iter().product::<usize>() => Array::new(wanted, array.values.clone()),
        Layout::Transposed => {
            let (a, b) = (theirs.first().copied().unwrap_or(1), theirs.get(1).copied().unwrap_or(1));
            let inner: usize = theirs.iter().skip(2).product();
            let turned = [&[b, a][..theirs.len().min(2)], theirs.get(2..).unwrap_or_default()].concat();
            if theirs.len() < 2 || turned != ours {
                // One of the two is 1: nothing changes places in memory.
                return if theirs == ours { Array::new(wanted, array.values.clone()) } else { array.clone() };
            }
            let at = (0..b).flat_map(|j| (0..a).map(move |i| (i * b + j) * inner));
            Array::new(wanted, at.flat_map(|at| &array.values[at..at + inner]).copied().collect())
        }
        _ => array.clone(),
    }
}

/// Whether a tensor counts the batches that a batch norm of PyTorch's has seen: no network computes with it.
pub(crate) fn is_counter(name: &str) -> bool {
    name.rsplit(['.', '/']).next() == Some("num_batches_tracked")
}

/// Whether a name is what a pattern with `*` for anything says.
pub fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn rule(from: &str, to: &str) -> Option<Rule> {
    let layouts = [(" transposed", Layout::Transposed), (" reshaped", Layout::Reshaped)];
    let said = layouts.into_iter().find_map(|(word, layout)| Some((to.strip_suffix(word)?.trim_end(), layout)));
    let (to, layout) = said.unwrap_or((to, Layout::Same));
    Some(Rule { from: parts(from)?, to: parts(to)?, layout })
}

fn parts(text: &str) -> Option<Vec<Part>> {
    let mut all = vec![];
    let mut rest = text;
    while !rest.is_empty() {
        match rest.split_once('{') {
            None => {
                all.push(Part::Text(rest.to_owned()));
                break;
            }
            Some((before, after)) => {
                let (inside, next) = after.split_once('}')?;
                if !before.is_empty() {
                    all.push(Part::Text(before.to_owned()));
                }
                all.push(match inside.split_once('*') {
                    Some(("", "")) => Part::Rest,
                    Some((count, text)) if !text.is_empty() && is_name(count) => {
                        Part::Repeated { count: count.to_owned(), text: text.to_owned() }
                    }
                    _ => Part::Number(inside.to_owned()),
                });
                rest = next;
            }
        }
    }
    (1..=PARTS).contains(&all.len()).then_some(all)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a name is what the parts say. `failed` holds what is known not to match, by how much is left of both: without it several rests would be
/// tried in every combination.
fn matches(parts: &[Part], name: &str, numbers: &mut Scope, rest: &mut String, failed: &mut HashSet<(usize, usize)>) -> bool {
    if failed.contains(&(parts.len(), name.len())) {
        return false;
    }
    let found = match parts.split_first() {
        None => name.is_empty(),
        Some((Part::Text(t), more)) => name.strip_prefix(t.as_str()).is_some_and(|n| matches(more, n, numbers, rest, failed)),
        Some((Part::Number(n), more)) => {
            let end = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
            name[..end].parse().is_ok_and(|value| {
                numbers.insert(n.clone(), Value::Int(value));
                matches(more, &name[end..], numbers, rest, failed)
            })
        }
        Some((Part::Repeated { count, text }, more)) => {
            let most = name.as_bytes().chunks(text.len()).take_while(|c| *c == text.as_bytes()).count();
            (0..=most).rev().any(|n| {
                numbers.insert(count.clone(), Value::Int(n as i64));
                matches(more, &name[n * text.len()..], numbers, rest, failed)
            })
        }
        Some((Part::Rest, more)) => name.char_indices().map(|(i, _)| i).chain([name.len()]).rev().any(|i| {
            let found = matches(more, &name[i..], numbers, rest, failed);
            if found {
                *rest = name[..i].to_owned();
            }
            found
        }),
    };
    if !found {
        failed.insert((parts.len(), name.len()));
    }
    found
}

fn fill(parts: &[Part], numbers: &Scope, rest: &str) -> Option<String> {
    let mut out = String::new();
    for p in parts {
        match p {
            Part::Text(t) => out.push_str(t),
            Part::Number(e) => out.push_str(&evaluate(e, numbers).ok()?.to_string()),
            Part::Repeated { .. } => return None,
            Part::Rest => out.push_str(rest),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn map(text: &str) -> NameMap {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        NameMap::read(file.path()).expect("rules")
    }

    #[test]
    fn numbers_shift_and_the_graph_decides_between_rules() {
        let m = map(
            "# comment\nprefix param/\ne.{i}.conv.{j}.primary.{*} -> enc{i+1}.ghost{j/2+1}.primary.{*}\ne.{i}.conv.{j}.primary.{*} -> enc{i+1}.ghost{j/2+1}.conv.{*}\n",
        );
        let ghost = HashSet::from(["enc2.ghost2.primary.weight".to_owned(), "head.weight".to_owned()]);
        let dense = HashSet::from(["enc2.ghost2.conv.weight".to_owned()]);
        assert_eq!(m.apply("param/e.1.conv.2.primary.weight", &ghost).as_deref(), Some("enc2.ghost2.primary.weight"));
        assert_eq!(m.apply("e.1.conv.2.primary.weight", &dense).as_deref(), Some("enc2.ghost2.conv.weight"));
        assert_eq!(m.apply("param/head.weight", &ghost).as_deref(), Some("head.weight"));
        assert_eq!(m.apply("grad/e.1.conv.2.primary.weight", &ghost), None);
    }

    #[test]
    fn repeated_texts_are_counted_and_parameters_are_known() {
        let m = map("model{n*.1.sub}.0.{*} -> down{n}.{*}\nmodel{n*.1.sub}.2.{*} -> up{levels - 1 - n}.{*}\n");
        let known = BTreeMap::from([("down2.weight".to_owned(), vec![1]), ("up1.weight".to_owned(), vec![1])]);
        let array = Array::new([1], vec![1.0]);
        let arrays = [("model.1.sub.1.sub.0.weight".to_owned(), array.clone()), ("model.1.sub.2.weight".to_owned(), array)];
        let foreign = Store { arrays: Arrays::from(arrays), ..Store::default() };
        let params = Scope::from([("levels".to_owned(), Value::Int(3))]);
        let (ours, names) = m.rename(&foreign, &known, &params, Path::new("w.safetensors")).expect("it fits");
        assert_eq!(ours.len(), 2, "{names:?}");
        assert_eq!(names["up1.weight"], "model.1.sub.2.weight");
    }

    #[test]
    fn what_is_ignored_has_no_place_and_layouts_follow() {
        let m = map("ignore *.all_modules.* decoder.encoder.*\nout.{*} -> head.{*} transposed\ntable -> table reshaped\n");
        let known = BTreeMap::from([
            ("a.weight".to_owned(), vec![2, 3]),
            ("head.weight".to_owned(), vec![3, 2, 1, 1, 1]),
            ("table".to_owned(), vec![3, 2]),
            ("scale".to_owned(), vec![2]),
        ]);
        let array = |dims: &[usize]| Array::new(dims, (0..dims.iter().product()).map(|i| i as f32).collect());
        let foreign = Store {
            arrays: Arrays::from([
                ("a.all_modules.0.weight".to_owned(), array(&[2, 3])),
                ("decoder.encoder.a".to_owned(), array(&[1])),
                ("a.weight".to_owned(), array(&[2, 3])),
                ("out.weight".to_owned(), array(&[2, 3, 1, 1, 1])),
                ("table".to_owned(), array(&[1, 2, 3])),
                ("scale".to_owned(), array(&[1, 2, 1, 1, 1])),
            ]),
            ..Store::default()
        };
        let (ours, names) = m.rename(&foreign, &known, &Scope::new(), Path::new("w.safetensors")).expect("it fits");
        assert_eq!(names.keys().collect::<Vec<_>>(), ["a.weight", "head.weight", "scale", "table"]);
        assert_eq!(ours["head.weight"], Array::new([3, 2, 1, 1, 1], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
        assert_eq!(ours["table"], Array::new([3, 2], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
        assert_eq!(ours["scale"].dims, [2]);
    }
}
