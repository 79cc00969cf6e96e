//! The headers of loops, `for: "i in 1..=4"` and `chain: ["i in ..", "u in .."]`, and their turns.
//!
//! May use `expr`, `scope`, `value`, `budget`, `graph` beside it and `text`.

use std::borrow::Cow;

use super::budget::{Budget, Limit};
use super::expand::with;
use super::expr::{OPEN, evaluate, is_name, names, used};
use super::fill::{Part, parts};
use super::graph::NodeText;
use super::reference::Reference;
use super::scope::Scope;
use super::tree::{Entry, Kind, Tree};
use super::value::Value;
use crate::text::{Code, Diagnostic, Diagnostics, Place, nearest, printable};

/// A node that is not there though it is written.
#[derive(Clone, Debug)]
pub struct Absent {
    pub id: String,
    /// What leaves it out, after its name: `was dropped`, ``is switched off by `when: "deep"` ``.
    pub why: String,
    pub place: Place,
}

impl Absent {
    /// That a variant's `drop` names it at `place`.
    pub fn dropped(id: &str, place: &Place) -> Self {
        Self { id: id.to_owned(), why: "was dropped".into(), place: place.clone() }
    }
}

/// The nodes that an entry with `{...}` in its name stands for.
#[derive(Clone, Debug)]
pub struct Loop {
    /// What their names have before and after the first and last `{...}`.
    pub before: String,
    pub after: String,
    /// The first and the last of them.
    pub ends: Option<(String, String)>,
    /// Whether the turns of the loop are known.
    pub sound: bool,
    pub place: Place,
}

impl Loop {
    pub(super) fn new(n: &NodeText) -> Self {
        let before = n.id.split('{').next().unwrap_or_default().to_owned();
        let after = n.id.rsplit('}').next().filter(|_| n.id.contains('}')).unwrap_or_default().to_owned();
        Self { before, after, ends: None, sound: true, place: n.id_place.clone() }
    }

    /// Whether a name could be that of one of its turns.
    pub fn could_be(&self, name: &str) -> bool {
        let inside = name.strip_prefix(self.before.as_str()).and_then(|rest| rest.strip_suffix(self.after.as_str()));
        inside.is_some_and(|i| i.starts_with(|c: char| c.is_ascii_digit()) && i.ends_with(|c: char| c.is_ascii_digit()))
    }

    /// Whether a name has what stands around the first and last `{...}`.
    pub fn fits(&self, name: &str) -> bool {
        name.strip_prefix(self.before.as_str()).is_some_and(|rest| rest.len() > self.after.len() && rest.ends_with(self.after.as_str()))
    }

    /// Whether a name may be that of one of its turns, as these are not known.
    pub fn unclear(&self, name: &str) -> bool {
        !self.sound && name.strip_prefix(self.before.as_str()).is_some_and(|rest| rest.ends_with(self.after.as_str()))
    }

    /// In words, which nodes it makes: "the loop makes `seg1` to `seg4`".
    pub fn told(&self) -> String {
        match &self.ends {
            None => format!("the loop makes no node `{}...{}`", printable(&self.before), printable(&self.after)),
            Some((one, other)) if one == other => format!("the loop makes `{one}` alone"),
            Some((first, last)) => format!("the loop makes `{first}` to `{last}`"),
        }
    }
}

/// What `{last}` stands for.
#[derive(Clone, Debug, Default)]
pub struct Last {
    /// The last turn that is there.
    pub id: Option<String>,
    /// Without one, what a chain begins with.
    pub start: Option<Reference>,
    /// Without one, the last turn that was left out.
    pub absent: Option<Absent>,
    /// The entry, where it has no turn.
    pub place: Option<Place>,
    /// The name of the entry as it is written.
    entry: Option<Place>,
}

impl Last {
    pub(super) fn turn(&mut self, id: &str, absent: Option<Absent>, entry: &Place) {
        self.entry.get_or_insert_with(|| entry.clone());
        match absent {
            None => self.id = Some(id.to_owned()),
            Some(absent) => self.absent = Some(absent),
        }
    }

    pub(super) fn of(&self, n: &NodeText) -> bool {
        self.entry.as_ref() == Some(&n.id_place)
    }
}

/// A node of one turn, its name part by part, and what leaves it out.
pub(super) struct Turn {
    pub node: NodeText,
    pub parts: Vec<String>,
    pub off: Option<Absent>,
}

/// A loop's variables with the lists that they go over, from the outside in.
pub(super) struct Header {
    pub variables: Vec<(String, Tree)>,
    /// Where it is said that each turn feeds the next.
    pub chain: Option<Place>,
}

/// The loop of a node, if it has one.
///
/// # Errors
/// E0105 for what is no loop; E0109 where a variable does not stand in the name.
pub(super) fn headers(n: &NodeText) -> Result<Option<Header>, Diagnostic> {
    let find = |key: &str| n.entries.iter().find(|e| e.key == key);
    let (e, chained) = match (find("for"), find("chain")) {
        (None, None) => return Ok(None),
        (Some(e), None) => (e, false),
        (None, Some(e)) => (e, true),
        (Some(e), Some(other)) => {
            return Err(Diagnostic::error(Code::E0105, "a node has `for` or `chain`, not both")
                .at(e.value.place.clone(), "here")
                .also(other.value.place.clone(), "and here")
                .help("`chain` repeats as `for` does, and feeds each turn from the one before"));
        }
    };
    let items = if let Kind::List(items) = &e.value.kind { items.as_slice() } else { std::slice::from_ref(&e.value) };
    let mut variables: Vec<(String, Tree)> = vec![];
    for t in items {
        let (name, list) = header(t, e)?;
        if variables.iter().any(|(other, _)| *other == name) {
            let d = Diagnostic::error(Code::E0103, format!("`{}` is the variable of two loops", printable(&name)));
            return Err(d.at(t.place.clone(), "here again").help("rename one of them"));
        }
        variables.push((name, list));
    }
    if variables.is_empty() {
        return Err(Diagnostic::error(Code::E0105, "a loop has a variable")
            .at(e.value.place.clone(), "here")
            .help("write `for: \"i in 1..=4\"`"));
    }
    in_name(n, &variables)?;
    Ok(Some(Header { variables, chain: chained.then(|| e.value.place.clone()) }))
}

/// That the name of a node without a loop has variables of one.
pub(super) fn no_loop(n: &NodeText, scope: &Scope) -> Option<Diagnostic> {
    let first = holes(&n.id).flat_map(used).find(|w| !scope.contains_key(*w) && *w != "last")?;
    let message = format!("the name `{}` has the variable `{}`, and there is no loop", printable(&n.id), printable(first));
    let near = nearest(first, scope.keys().map(String::as_str).filter(|k| is_name(k) && first.len() > 1));
    let other = near.map_or(String::new(), |near| format!(", or name the parameter `{near}`"));
    let d = Diagnostic::error(Code::E0105, message).at(n.id_place.clone(), "here");
    Some(d.help(format!("add `for: \"{} in 0..3\"` with the values that it takes{other}", printable(first))).echo(scope.contains_key(OPEN)))
}

/// What stands in the braces of a name.
pub(super) fn holes(name: &str) -> impl Iterator<Item = &str> {
    name.split('{').skip(1).filter_map(|part| part.split('}').next())
}

/// The variables of a loop that may have a fault.
pub(super) fn variables(n: &NodeText) -> Vec<String> {
    let mut all = vec![];
    for e in n.entries.iter().filter(|e| matches!(e.key.as_str(), "for" | "chain")) {
        let items = if let Kind::List(items) = &e.value.kind { items.as_slice() } else { std::slice::from_ref(&e.value) };
        for t in items {
            if let Kind::Str(text) = &t.kind
                && let Some((name, _)) = text.split_once(" in ")
                && is_name(name.trim())
            {
                all.push(name.trim().to_owned());
            }
        }
    }
    all
}

/// `i in 1..=4` as the variable and the list.
fn header(t: &Tree, e: &Entry) -> Result<(String, Tree), Diagnostic> {
    let refuse =
        |why: String| Diagnostic::error(Code::E0105, why).at(t.place.clone(), "here").help(format!("write `{}: \"i in 1..=4\"`", e.key));
    let Kind::Str(text) = &t.kind else {
        return Err(refuse(format!("a loop is a text, but {} is given", t.what())).echo(t.kind == Kind::Fault));
    };
    let (name, list) = text.split_once(" in ").ok_or_else(|| refuse(format!("`{}` is not a loop", printable(text))))?;
    let name = name.trim();
    if !is_name(name) || name == "last" {
        return Err(refuse(format!("`{}` cannot be a name", printable(name))));
    }
    Ok((name.to_owned(), Tree { kind: Kind::Str(list.to_owned()), place: t.place.clone() }))
}

/// Every variable stands in the name.
fn in_name(n: &NodeText, variables: &[(String, Tree)]) -> Result<(), Diagnostic> {
    // What cannot be read of the name is told when it is filled in.
    let Ok(all) = parts(&n.id, &n.id_place) else { return Ok(()) };
    let inside = |name: &str| all.iter().any(|p| matches!(p, Part::Hole(h) if names(h).any(|w| w == name)));
    let Some((name, _)) = variables.iter().find(|(name, _)| !inside(name)) else { return Ok(()) };
    let message = match n.id.contains('{') {
        false => format!("every turn of the loop would be called `{}`", printable(&n.id)),
        true => format!("every turn of `{name}` would have the same name, `{}`", printable(&n.id)),
    };
    let joint = if n.id.contains('{') { "_" } else { "" };
    Err(Diagnostic::error(Code::E0109, message)
        .at(n.id_place.clone(), "here")
        .help(format!("put the variable into the name: \"{}{joint}{{{name}}}\"", printable(&n.id))))
}

/// The values of the variables in each turn.
///
/// # Errors
/// What is wrong with a list.
pub(super) fn turns(
    n: &NodeText,
    header: &Header,
    scope: &Scope,
    budget: &mut Budget,
    found: &mut Diagnostics,
    all: &mut Vec<Vec<(String, Value)>>,
) -> Result<(), Diagnostic> {
    let mut locals = vec![];
    nested(n, &header.variables, scope, &mut locals, budget, found, all)
}

fn nested(
    n: &NodeText,
    variables: &[(String, Tree)],
    scope: &Scope,
    locals: &mut Vec<(String, Value)>,
    budget: &mut Budget,
    found: &mut Diagnostics,
    all: &mut Vec<Vec<(String, Value)>>,
) -> Result<(), Diagnostic> {
    let Some(((name, list), inner)) = variables.split_first() else {
        all.push(locals.clone());
        return Ok(());
    };
    for value in list_of(list, scope)?.iter() {
        // Turns of an outer loop count, too: those of an inner one may be none.
        if !inner.is_empty() && !budget.take(Limit::Nodes, 1, &n.id_place, found) || all.len() > super::budget::NODES {
            return Ok(());
        }
        locals.push((name.clone(), value.clone()));
        let own = if inner.is_empty() { Cow::Borrowed(scope) } else { with(scope, &locals[locals.len() - 1..]) };
        let result = nested(n, inner, &own, locals, budget, found, all);
        locals.pop();
        result?;
    }
    Ok(())
}

fn list_of(t: &Tree, scope: &Scope) -> Result<std::sync::Arc<Vec<Value>>, Diagnostic> {
    let Kind::Str(text) = &t.kind else { return Ok(std::sync::Arc::default()) };
    match evaluate(text, scope).map_err(|w| w.at(&t.place))? {
        Value::List(all) => Ok(all),
        other => {
            let message = format!("`{}` is {}, and a loop goes over a list", printable(text), other.kind());
            Err(Diagnostic::error(Code::E0105, message)
                .at(t.place.clone(), "here")
                .help("write `1..=4` (with its end), `0..4` (without) or `[1, 2, 4]`"))
        }
    }
}
