//! A map read backwards: the graph's weights under the names of the program that the map is for.
//!
//! Part of `store::map`. A rule `enc.{i}.{*} -> down{i + 1}.{*}` leads from `down3.weight` back to `enc.2.weight`: the numbers on its left are found by trying
//! them in its right side. Every name found is mapped again, and only one that leads back counts.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use lmsc_graph::read::{Scope, Value, evaluate};

use super::{Layout, NameMap, Part, Rule, bare, fill, is_counter, laid_out};
use crate::ir::{Array, Arrays};
use crate::store::Store;
use crate::text::{Code, Diagnostic, Diagnostics, Result, a_few, printable};

/// Numbers in foreign names are looked for below this.
const NUMBERS: i64 = 256;
/// No more names are looked at for a weight.
const MOST: usize = 8;
/// So many weights of a kind of mistake are named.
const NAMED: usize = 6;

/// Weights under foreign names.
#[derive(Clone, Debug, Default)]
pub struct Exported {
    pub arrays: Arrays,
    /// Tensors of the file that was followed which are none of the graph's weights, and so left out.
    pub left_out: Vec<String>,
}

impl NameMap {
    /// The weights `own` of a graph under foreign names, in foreign layouts. `params` are the graph's parameters.
    ///
    /// # Errors
    /// E0802 for every weight that no rule leads back from, and for every one that has several foreign names.
    pub fn export(&self, own: &Arrays, params: &Scope) -> Result<Exported> {
        let known: HashSet<String> = own.keys().cloned().collect();
        let mut out = Exported::default();
        let (mut none, mut several, mut found) = (vec![], vec![], Diagnostics::default());
        for (name, array) in own {
            let names = self.back(name, &known, params);
            let mut names = names.into_iter();
            match (names.next(), names.next()) {
                (None, _) => none.push(name.as_str()),
                (Some((foreign, layout)), None) => drop(out.arrays.insert(foreign, turned_back(array, None, layout))),
                (Some((one, _)), Some((other, _))) => several.push(format!("{name}: `{}`, `{}`", printable(&one), printable(&other))),
            }
        }
        if !none.is_empty() {
            let message = format!("no rule of the map leads to {}, so it has no foreign name", a_few(&none, NAMED));
            found.push(
                Diagnostic::error(Code::E0802, message)
                    .help("give the map a rule for it, or follow a checkpoint of the other program (--like)"),
            );
        }
        if let Some(first) = several.first() {
            let message = format!("{} of the graph's weights have several foreign names by the map, among them {first}", several.len());
            found.push(Diagnostic::error(Code::E0802, message).help("follow a checkpoint of the other program: --like FILE has its names"));
        }
        found.or(out)
    }

    /// As [`NameMap::export`], under the names and in the shapes of a foreign file. Copies of a weight under further names follow it; counters stay.
    ///
    /// # Errors
    /// E0802 for every weight that has no place in the file, and for one that does not take its shape.
    pub fn export_like(&self, own: &Arrays, params: &Scope, like: &Store, file: &Path) -> Result<Exported> {
        let known: HashSet<String> = own.keys().cloned().collect();
        let mut out = Exported::default();
        let mut placed: BTreeMap<&str, &str> = BTreeMap::new();
        let mut found = Diagnostics::default();
        for (foreign, theirs) in &like.arrays {
            let Some((name, layout)) = self.place(foreign, &known, params) else { continue };
            let (Some((name, array)), false) = (own.get_key_value(&name), placed.values().any(|n| *n == name)) else { continue };
            let array = turned_back(array, Some(&theirs.dims), layout);
            if array.dims != theirs.dims {
                let message =
                    format!("`{name}` is {:?}, and `{}` of `{}` is {:?}", array.dims, printable(foreign), file.display(), theirs.dims);
                found.push(Diagnostic::error(Code::E0802, message).help("follow a checkpoint of the same network"));
            }
            placed.insert(foreign, name);
            out.arrays.insert(foreign.clone(), array);
        }
        for (foreign, theirs) in like.arrays.iter().filter(|(name, _)| !placed.contains_key(name.as_str())) {
            let copy =
                placed.keys().find(|other| like.arrays.get(**other).is_some_and(|a| a.dims == theirs.dims && a.values == theirs.values));
            match copy.and_then(|other| out.arrays.get(*other)).cloned() {
                Some(array) => drop(out.arrays.insert(foreign.clone(), array)),
                None if is_counter(foreign) => drop(out.arrays.insert(foreign.clone(), theirs.clone())),
                None => out.left_out.push(foreign.clone()),
            }
        }
        let used: HashSet<&str> = placed.values().copied().collect();
        let missing: Vec<&str> = own.keys().map(String::as_str).filter(|name| !used.contains(name)).collect();
        if !missing.is_empty() {
            let message = format!("`{}` has no place for {} by the map", file.display(), a_few(&missing, NAMED));
            found.push(
                Diagnostic::error(Code::E0802, message)
                    .help("follow a checkpoint of the same network, and give the map a rule for each weight"),
            );
        }
        found.or(out)
    }

    /// The foreign names that lead to a weight, with the layouts of their rules.
    fn back(&self, own: &str, known: &HashSet<String>, params: &Scope) -> Vec<(String, Layout)> {
        let mut names: Vec<(String, Layout)> = vec![];
        for rule in &self.rules {
            for foreign in led_back(rule, own, params) {
                let leads = self.place(&foreign, known, params).is_some_and(|(name, layout)| name == own && layout == rule.layout);
                if leads && !names.iter().any(|(name, _)| *name == foreign) {
                    names.push((foreign, rule.layout));
                }
                if names.len() >= MOST {
                    return names;
                }
            }
        }
        if names.is_empty() && self.place(own, known, params).is_some_and(|(name, _)| name == own) {
            names.push((own.to_owned(), Layout::Same));
        }
        names
    }
}

/// What the left side of a rule may be where its right side is a weight's name.
fn led_back(rule: &Rule, own: &str, params: &Scope) -> BTreeSet<String> {
    let mut captures = vec![];
    capture(&rule.to, own, &mut vec![], None, &mut captures);
    let mut variables: Vec<&str> = vec![];
    for part in &rule.from {
        if let Part::Number(name) | Part::Repeated { count: name, .. } = part {
            variables.push(name);
        }
    }
    variables.dedup();
    let mut names = BTreeSet::new();
    for (asked, rest) in &captures {
        assign(&variables, asked, &mut params.clone(), &mut |numbers| {
            if let Some(foreign) = written(&rule.from, numbers, rest.as_deref().unwrap_or_default()) {
                names.insert(foreign);
            }
            names.len() < MOST
        });
    }
    names
}

/// An expression, and the text that stands at its place.
type Asked<'a> = Vec<(&'a str, String)>;

/// Every way in which a name is what the parts say.
fn capture<'a>(parts: &'a [Part], name: &str, asked: &mut Asked<'a>, rest: Option<String>, all: &mut Vec<(Asked<'a>, Option<String>)>) {
    if all.len() >= MOST {
        return;
    }
    match parts.split_first() {
        None if name.is_empty() => all.push((asked.clone(), rest)),
        None => {}
        Some((Part::Text(text), more)) => {
            if let Some(name) = name.strip_prefix(text.as_str()) {
                capture(more, name, asked, rest, all);
            }
        }
        Some((Part::Number(expression), more)) => {
            let most = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
            for end in (1..=most).rev() {
                asked.push((expression, name[..end].to_owned()));
                capture(more, &name[end..], asked, rest.clone(), all);
                asked.pop();
            }
        }
        Some((Part::Rest, more)) => {
            for end in name.char_indices().map(|(i, _)| i).chain([name.len()]).rev() {
                capture(more, &name[end..], asked, Some(name[..end].to_owned()), all);
            }
        }
        Some((Part::Repeated { .. }, _)) => {}
    }
}

/// Tries numbers for the variables, and gives those for which every expression is what stands at its place, until `take` wants no more.
fn assign(variables: &[&str], asked: &Asked, numbers: &mut Scope, take: &mut impl FnMut(&Scope) -> bool) -> bool {
    let holds = |numbers: &Scope| {
        // What uses a variable that has no number yet is an error, and looked at later.
        asked.iter().all(|(expression, text)| evaluate(expression, numbers).map_or(true, |value| value.to_string() == *text))
    };
    let Some((first, more)) = variables.split_first() else {
        let all = asked.iter().all(|(expression, text)| evaluate(expression, numbers).is_ok_and(|value| value.to_string() == *text));
        return !all || take(numbers);
    };
    for number in 0..NUMBERS {
        numbers.insert((*first).to_owned(), Value::Int(number));
        if holds(numbers) && !assign(more, asked, numbers, take) {
            return false;
        }
    }
    numbers.remove(*first);
    true
}

/// The left side of a rule with its numbers.
fn written(parts: &[Part], numbers: &Scope, rest: &str) -> Option<String> {
    let plain: Vec<Part> = parts
        .iter()
        .map(|part| match part {
            Part::Repeated { count, text } => match numbers.get(count) {
                Some(Value::Int(n)) => Some(Part::Text(text.repeat(usize::try_from(*n).ok()?))),
                _ => None,
            },
            other => Some(other.clone()),
        })
        .collect::<Option<_>>()?;
    fill(&plain, numbers, rest)
}

/// An array of ours as the other program lays it out; in the dimensions `wanted` where they are known.
fn turned_back(array: &Array, wanted: Option<&Vec<usize>>, layout: Layout) -> Array {
    let dims = match (wanted, layout) {
        (Some(dims), _) => dims.clone(),
        (None, Layout::Transposed) => {
            let mut dims = bare(&array.dims);
            if dims.len() > 1 {
                dims.swap(0, 1);
            }
            dims
        }
        (None, _) => array.dims.clone(),
    };
    laid_out(array, &dims, layout)
}

#[cfg(test)]
mod tests {
    use super::super::tests::map;
    use super::*;

    fn array(dims: &[usize]) -> Array {
        Array::new(dims, (0..dims.iter().product()).map(|i| i as f32).collect())
    }

    #[test]
    fn what_is_mapped_is_mapped_back() {
        let m = map("prefix net.\nignore *.all.*\nmodel{n*.1.sub}.0.{*} -> down{n}.{*}\nmodel{n*.1.sub}.2.{*} -> up{levels - 1 - n}.{*}\n\
             e.{i}.c.{j}.{*} -> enc{i + 1}.{if(j == 0, 'first', 'second')}.{*}\nout.{*} -> head.{*} transposed\n");
        let params = Scope::from([("levels".to_owned(), Value::Int(3))]);
        let names = ["model.1.sub.1.sub.0.weight", "model.1.sub.2.bias", "e.4.c.0.weight", "out.weight", "same.weight"];
        let foreign = Store { arrays: names.iter().map(|n| ((*n).to_owned(), array(&[2, 3]))).collect(), ..Store::default() };
        let known: BTreeMap<String, Vec<usize>> = [
            ("down2.weight", vec![2, 3]),
            ("up1.bias", vec![2, 3]),
            ("enc5.first.weight", vec![2, 3]),
            ("head.weight", vec![3, 2, 1, 1, 1]),
            ("same.weight", vec![2, 3]),
        ]
        .map(|(name, dims)| (name.to_owned(), dims))
        .into();
        let (ours, _) = m.rename(&foreign, &known, &params, Path::new("w")).expect("it fits");
        assert_eq!(ours.len(), 5);
        assert_eq!(m.export(&ours, &params).expect("one name each").arrays, foreign.arrays);
        let mut like = foreign.clone();
        like.arrays.insert("all.copy".into(), array(&[2, 3]));
        like.arrays.insert("bn.num_batches_tracked".into(), array(&[1]));
        like.arrays.insert("other".into(), array(&[7]));
        let followed = m.export_like(&ours, &params, &like, Path::new("w")).expect("all have places");
        assert_eq!((followed.arrays.len(), followed.left_out), (7, vec!["other".to_owned()]));
    }

    #[test]
    fn several_names_and_none_are_told() {
        let m = map("a.{i}.w -> conv{i / 2}.w\n");
        let own = Arrays::from([("conv1.w".to_owned(), array(&[1])), ("none.w".to_owned(), array(&[1]))]);
        let said = m.export(&own, &Scope::new()).expect_err("two names").to_string();
        assert!(said.contains("`a.2.w`, `a.3.w`"), "{said}");
        let m = map("a.{i}.w -> conv{i}.w\nignore none.w\n");
        let said = m.export(&own, &Scope::new()).expect_err("no name").to_string();
        assert!(said.contains("no rule of the map leads to `none.w`"), "{said}");
    }
}
