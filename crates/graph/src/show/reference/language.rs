//! The page of the language: its text, with the tables that follow from the code.

use super::source::choices;
use crate::block::{FunctionForm, InitForm, NormForm, Spec};
use crate::read::{self, Scope};
use crate::show::format::written;
use crate::text::{Source, Topic, columns};

const FORMS: &str = include_str!("../../block/forms.rs");
const INITS: &str = include_str!("../../block/init.rs");

/// The meaning of a graph file, in Markdown.
pub fn language() -> String {
    let mut out = String::new();
    for line in Topic::Language.page().lines() {
        match line {
            "{calls}" => out.push_str(&table(read::calls())),
            "{blocks}" => out.push_str(&blocks()),
            "{norms}" => out.push_str(&table(forms::<NormForm>(FORMS, "NormForm"))),
            "{functions}" => out.push_str(&table(forms::<FunctionForm>(FORMS, "FunctionForm"))),
            "{inits}" => out.push_str(&table(forms::<InitForm>(INITS, "InitForm"))),
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// The names of the blocks.
fn blocks() -> String {
    let names: Vec<String> = Spec::LIST.iter().map(|e| format!("`{}`", e.name)).collect();
    names.join(", ") + "."
}

/// Each word of a class with the values that its fields have when they are not given, and what is said of it.
fn forms<T: serde::de::DeserializeOwned + serde::Serialize>(source: &str, name: &str) -> Vec<(String, String)> {
    let all = choices(source, name);
    all.into_iter().map(|c| (with_defaults::<T>(&c.name, &c.fields.iter().map(|f| f.name.clone()).collect::<Vec<_>>()), c.doc)).collect()
}

/// `leaky_relu(slope: 0.01)`; a field without a default is shown with a number that it could have.
fn with_defaults<T: serde::de::DeserializeOwned + serde::Serialize>(name: &str, fields: &[String]) -> String {
    // A field without a default comes first.
    let first = fields.first().map(|f| format!("{name}({f}: {})", if f == "groups" { "4" } else { "0.02" }));
    let read = |text: &str| {
        let tree = read::parse(&Source::new("form", text)).ok()?;
        serde_json::to_value(read::typed::<T>(&tree, &Scope::new()).ok()?).ok()
    };
    let value = read(name).or_else(|| first.as_deref().and_then(read));
    let values = value.as_ref().and_then(|v| v.get(name)).and_then(serde_json::Value::as_object);
    let shown: Vec<String> = fields.iter().filter_map(|f| Some(format!("{f}: {}", written(values?.get(f)?)))).collect();
    if shown.is_empty() { name.to_owned() } else { format!("{name}({})", shown.join(", ")) }
}

/// Rows as a fenced block of two columns.
fn table<A: AsRef<str>, B: AsRef<str>>(rows: Vec<(A, B)>) -> String {
    let width = rows.iter().map(|(form, _)| columns(form.as_ref())).max().unwrap_or(0);
    let line = |(form, about): &(A, B)| {
        let form = form.as_ref();
        format!("{form}{}  {}\n", " ".repeat(width - columns(form)), about.as_ref())
    };
    format!("```text\n{}```", rows.iter().map(line).collect::<String>())
}
