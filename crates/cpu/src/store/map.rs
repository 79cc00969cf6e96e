//! Rules that bring foreign names of weights to ours, one a line:
//!
//! ```text
//! # PyTorch module                       ours
//! prefix param/
//! encoder.{i}.conv.{j}.norm.{*}       -> enc{i+1}.ghost{j/2+1}.norm.{*}
//! head.{*}                            -> head.conv.{*}
//! ```
//!
//! `{name}` stands for a whole number, usable in an expression on the right; `{*}` for anything. The first rule whose pattern
//! matches and whose result is a weight of the graph is taken, so one file serves all variants of a network. `prefix` is taken off
//! where it is found.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use lmsc_graph::read::{Scope, Value, evaluate};

use super::Store;
use crate::ir::Arrays;
use crate::text::{Code, Diagnostic, Diagnostics, Place, Result, Source, Span};

/// A side of a rule has at most so many texts, numbers and rests.
const PARTS: usize = 64;

/// Rules in order.
#[derive(Clone, Debug, Default)]
pub struct NameMap {
    prefixes: Vec<String>,
    rules: Vec<(Vec<Part>, Vec<Part>)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    /// A number by name on the left, an expression on the right.
    Number(String),
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
            let rule = line.split_once("->").and_then(|(l, r)| Some((parts(l.trim())?, parts(r.trim())?)));
            match rule {
                Some(rule) => map.rules.push(rule),
                None => found.push(
                    Diagnostic::error(Code::E0102, "this is not a rule")
                        .at(place, "here")
                        .help("write `foreign.{i}.{*} -> ours{i+1}.{*}`, or `prefix param/`"),
                ),
            }
        }
        found.or(map)
    }

    /// The name among `known` for a foreign one.
    pub fn apply(&self, foreign: &str, known: &HashSet<String>) -> Option<String> {
        let name = self.prefixes.iter().find_map(|p| foreign.strip_prefix(p.as_str())).unwrap_or(foreign);
        let ruled = self.rules.iter().find_map(|(from, to)| {
            let mut numbers = Scope::new();
            let mut rest = String::new();
            if !matches(from, name, &mut numbers, &mut rest, &mut HashSet::new()) {
                return None;
            }
            fill(to, &numbers, &rest).filter(|n| known.contains(n))
        });
        ruled.or_else(|| known.contains(name).then(|| name.to_owned()))
    }

    /// The arrays of a foreign file under the names `known` to the graph, and each one's foreign name. What no rule takes is left out.
    ///
    /// # Errors
    /// E0802 where two foreign arrays are mapped to one name.
    pub fn rename(&self, foreign: &Store, known: &HashSet<String>, file: &Path) -> Result<(Arrays, BTreeMap<String, String>)> {
        let (mut ours, mut names) = (Arrays::new(), BTreeMap::<String, String>::new());
        for (name, array) in &foreign.arrays {
            let Some(own) = self.apply(name, known) else { continue };
            if let Some(other) = names.insert(own.clone(), name.clone()) {
                let message = format!("`{other}` and `{name}` of `{}` are both mapped to `{own}`", file.display());
                return Err(Diagnostic::error(Code::E0802, message).help("make the rules of the map narrower").into());
            }
            ours.insert(own, array.clone());
        }
        Ok((ours, names))
    }
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
                all.push(if inside == "*" { Part::Rest } else { Part::Number(inside.to_owned()) });
                rest = next;
            }
        }
    }
    (1..=PARTS).contains(&all.len()).then_some(all)
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
            Part::Rest => out.push_str(rest),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> NameMap {
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
}
