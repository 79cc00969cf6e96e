//! Values as they are written: of parameters, and of what is given to them.
//!
//! May use `expr`, `eval`, `value`, `words`, `tree`, `budget` beside it and `text`.

use std::sync::Arc;

use super::budget::{self, at_most};
use super::calculate::one_kind;
use super::expr::{evaluate, names};
use super::habit;
use super::scope::Scope;
use super::tree::{Entry, Kind, Tree};
use super::value::{FormValue, Value};
use super::words::{Class, classes};
use crate::text::{Code, Diagnostic, nearest, printable};

type Result<T> = std::result::Result<T, Diagnostic>;

/// The value of a parameter: a literal, a list, a form, an expression, or the first choice of `OneOf(...)`.
///
/// # Errors
/// What is wrong with it, at its place.
pub fn value(tree: &Tree, scope: &Scope) -> Result<Value> {
    short(written(tree, scope)?, tree)
}

/// The value that is given to a parameter which was declared as `declared`: one of its choices where it lists some, and of its class where it
/// is a norm, a function or a block.
///
/// # Errors
/// What is wrong with it, at its place.
pub fn given(name: &str, tree: &Tree, declared: &Tree, scope: &Scope) -> Result<Value> {
    let Some(words) = choices(declared) else {
        let value = value(tree, scope)?;
        let Some(class) = class(declared) else { return Ok(value) };
        return of_class(name, value, class, tree, declared);
    };
    let value = match &tree.kind {
        Kind::Word(w) | Kind::Str(w) if words.contains(&w.as_str()) => Value::Text(w.clone()),
        Kind::Word(w) => Value::Text(w.clone()),
        // A word that is written as other words are meant to be, or an expression.
        Kind::Str(s) if !scope.contains_key(s) && names(s).next() == Some(s) => Value::Text(s.clone()),
        _ => written(tree, scope)?,
    };
    if matches!(value, Value::Unknown) {
        return Ok(value);
    }
    match value.word().filter(|w| words.contains(w)) {
        Some(word) => choice(declared, word, scope),
        None => {
            let all: Vec<String> = words.iter().map(|w| format!("`{w}`")).collect();
            let shown = value.to_string();
            let message = format!("`{}` is not one of the choices here", printable(&shown));
            let near = nearest(&shown, words).map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
            let d =
                Diagnostic::error(Code::E0104, message).at(tree.place.clone(), "given here").also(declared.place.clone(), "declared here");
            Err(d.help(format!("{near}choices: {}", all.join(", "))))
        }
    }
}

/// The value of the choice of that name.
fn choice(declared: &Tree, word: &str, scope: &Scope) -> Result<Value> {
    let items = if let Kind::Tuple(_, items) = &declared.kind { items.as_slice() } else { &[] };
    match items.iter().find(|t| word_of(t) == Some(word)) {
        Some(item) => one(item, scope),
        None => Ok(Value::Text(word.to_owned())),
    }
}

fn word_of(tree: &Tree) -> Option<&str> {
    if let Kind::Str(s) = &tree.kind { Some(s) } else { tree.name() }
}

/// The names of `OneOf(...)`.
pub fn choices(declared: &Tree) -> Option<Vec<&str>> {
    let Kind::Tuple(Some(name), items) = &declared.kind else { return None };
    (name == "OneOf").then(|| items.iter().filter_map(word_of).collect())
}

/// Whether a parameter has to be given: `Required`, `Required(norm)`.
pub fn required(declared: &Tree) -> bool {
    declared.name() == Some("Required")
}

/// What a parameter is by its declaration, if that is a norm, a function or a block: one of several where it is `none`.
pub fn class(declared: &Tree) -> Option<Vec<Class>> {
    let all = match &declared.kind {
        Kind::Tuple(Some(n), items) if n == "Required" => items.first().and_then(Tree::name).and_then(Class::named).into_iter().collect(),
        Kind::Tuple(Some(n), items) if n == "OneOf" => items.iter().find_map(Tree::name).map(classes).unwrap_or_default(),
        Kind::Word(_) | Kind::Tuple(Some(_), _) | Kind::Struct(Some(_), _) => classes(declared.name().unwrap_or_default()),
        _ => vec![],
    };
    (!all.is_empty()).then_some(all)
}

fn of_class(name: &str, value: Value, class: Vec<Class>, tree: &Tree, declared: &Tree) -> Result<Value> {
    let fits = |word: &str| classes(word).iter().any(|c| class.contains(c));
    match value {
        Value::Unknown => Ok(value),
        Value::Form(ref f) if fits(f.name()) => Ok(value),
        // A word of an expression, `'none'`.
        Value::Text(w) if fits(&w) => {
            Ok(Value::Form(Arc::new(FormValue { tree: Tree { kind: Kind::Word(w), place: tree.place.clone() } })))
        }
        other => Err(misfit(name, &other, &class).at(tree.place.clone(), "given here").also(declared.place.clone(), "declared here")),
    }
}

/// That a parameter is of one class, and something else is given.
pub fn misfit(name: &str, given: &Value, class: &[Class]) -> Diagnostic {
    let is = class.first().map_or("something else", |c| c.one());
    let what = match given {
        Value::Form(_) | Value::Text(_) => format!("the {} `{}`", given.noun(), printable(&given.to_string())),
        other => other.kind().to_owned(),
    };
    let help = class.first().map_or("", |c| c.examples());
    Diagnostic::error(Code::E0207, format!("the parameter `{name}` is {is}, but {what} is given")).help(help)
}

fn short(value: Value, tree: &Tree) -> Result<Value> {
    if let Value::Text(word) = &value {
        at_most(budget::NAME, word.chars().count(), "letters of a word", &tree.place)?;
    }
    Ok(value)
}

fn refuse(tree: &Tree, message: String, help: &str) -> Diagnostic {
    Diagnostic::error(Code::E0104, message).at(tree.place.clone(), "here").help(help).echo(tree.kind == Kind::Fault)
}

fn written(tree: &Tree, scope: &Scope) -> Result<Value> {
    match &tree.kind {
        Kind::Bool(b) => Ok(Value::Bool(*b)),
        Kind::Float(f) => Ok(Value::Float(*f)),
        Kind::Int(n) => i64::try_from(*n).map(Value::Int).map_err(|_| refuse(tree, format!("{n} is too large"), "use a smaller number")),
        Kind::Str(s) => evaluate(s, scope).map_err(|w| w.at(&tree.place)),
        Kind::List(items) | Kind::Tuple(None, items) if !items.is_empty() || matches!(tree.kind, Kind::List(_)) => {
            let all = items.iter().map(|t| written(t, scope)).collect::<Result<Vec<_>>>()?;
            one_kind(&all).map_err(|(message, help)| refuse(tree, message, &help))?;
            let list = Value::list(all);
            at_most(super::eval::MOST, list.entries(), "entries of a list", &tree.place)?;
            Ok(list)
        }
        Kind::Tuple(Some(n), items) if n == "OneOf" => match items.first() {
            Some(first) if word_of(first).is_some() => one(first, scope),
            _ => Err(refuse(tree, "`OneOf` lists words, the default first".into(), "write `OneOf(silu, relu)`")),
        },
        Kind::Word(_) | Kind::Tuple(Some(_), _) | Kind::Struct(Some(_), _) if class(tree).is_some() => form(tree, scope),
        other => {
            let meant = if let Kind::Word(w) = other { habit::word(w, true, false) } else { None };
            let message = format!(
                "a parameter has a number, `true`, `false`, a list, a norm, a function, a block, an expression or `OneOf(...)`, but {} is given",
                tree.what()
            );
            let forms = "write `8`, `0.5`, `true`, `[32, 64]`, `\"width * 2\"`, `group(4)`, `relu` or `OneOf(silu, relu)`";
            Err(refuse(tree, message, meant.as_deref().unwrap_or(forms)))
        }
    }
}

/// The names that the expressions of a value use.
pub fn uses(tree: &Tree) -> Vec<&str> {
    match &tree.kind {
        Kind::Str(s) => super::expr::used(s),
        Kind::List(items) | Kind::Tuple(_, items) => items.iter().flat_map(uses).collect(),
        Kind::Struct(_, e) | Kind::Map(e) => e.iter().flat_map(|e| uses(&e.value)).collect(),
        _ => vec![],
    }
}

/// One of the choices of `OneOf`: a text is a word.
fn one(tree: &Tree, scope: &Scope) -> Result<Value> {
    match &tree.kind {
        Kind::Str(s) => Ok(Value::Text(s.clone())),
        _ if class(tree).is_some() => form(tree, scope),
        _ => Ok(Value::Text(word_of(tree).unwrap_or_default().to_owned())),
    }
}

fn form(tree: &Tree, scope: &Scope) -> Result<Value> {
    Ok(Value::Form(Arc::new(FormValue { tree: settled(tree, scope)? })))
}

/// A value of a form with its expressions evaluated.
fn settled(tree: &Tree, scope: &Scope) -> Result<Tree> {
    let all = |items: &[Tree]| items.iter().map(|t| settled(t, scope)).collect::<Result<Vec<_>>>();
    let fields =
        |entries: &[Entry]| entries.iter().map(|e| Ok(Entry { value: settled(&e.value, scope)?, ..e.clone() })).collect::<Result<Vec<_>>>();
    let kind = match &tree.kind {
        Kind::Str(s) => return evaluate(s, scope).map(|v| literal(&v, tree)).map_err(|w| w.at(&tree.place)),
        Kind::List(items) => Kind::List(all(items)?),
        Kind::Tuple(name, items) => Kind::Tuple(name.clone(), all(items)?),
        Kind::Struct(name, entries) => Kind::Struct(name.clone(), fields(entries)?),
        Kind::Map(entries) => Kind::Map(fields(entries)?),
        other => other.clone(),
    };
    Ok(Tree { kind, place: tree.place.clone() })
}

/// A value as it would be written where `tree` stands; a form stands where it was written.
pub fn literal(value: &Value, tree: &Tree) -> Tree {
    let kind = match value {
        Value::Int(n) => Kind::Int((*n).into()),
        Value::Float(f) => Kind::Float(*f),
        Value::Bool(b) => Kind::Bool(*b),
        Value::Text(t) => Kind::Word(t.clone()),
        Value::List(all) => Kind::List(all.iter().map(|v| literal(v, tree)).collect()),
        Value::Form(f) => return f.tree.clone(),
        Value::Unknown => Kind::Fault,
    };
    Tree { kind, place: tree.place.clone() }
}

/// The fields of a node with those expressions that give a list, a form or a word in place of their value; others are evaluated where a field
/// is read, as it then says what was expected. A name alone that is a word is left, too: it is told where it was given.
pub fn with_values(entry: &Entry, scope: &Scope) -> Entry {
    Entry { value: inside(&entry.value, scope), key: entry.key.clone(), key_place: entry.key_place.clone() }
}

fn inside(tree: &Tree, scope: &Scope) -> Tree {
    let kind = match &tree.kind {
        Kind::Str(s) => match evaluate(s, scope) {
            Ok(v @ (Value::List(_) | Value::Form(_))) => return literal(&v, tree),
            Ok(v @ Value::Text(_)) if !scope.contains_key(s) => return literal(&v, tree),
            _ => return tree.clone(),
        },
        Kind::List(items) => Kind::List(items.iter().map(|t| inside(t, scope)).collect()),
        Kind::Tuple(name, items) => Kind::Tuple(name.clone(), items.iter().map(|t| inside(t, scope)).collect()),
        Kind::Struct(name, entries) => Kind::Struct(name.clone(), entries.iter().map(|e| with_values(e, scope)).collect()),
        other => other.clone(),
    };
    Tree { kind, place: tree.place.clone() }
}
