//! The config of a run as it is resolved: every field, and which of them nobody has named.
//!
//! Part of `cli::train`; may use `train` and `text`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cli::explain::config::names;
use crate::text::{columns, hang, printable, rounded};
use crate::train::{Job, RunConfig};

/// Longer values are cut: a list of cases says no more in a thousand characters than in these.
const LONGEST: usize = 60;

/// A field: its dotted name, its value, and whether that is a default.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub name: String,
    pub value: String,
    pub is_default: bool,
}

/// The config with what follows from the data and the graph.
pub(super) fn settled(job: &Job) -> RunConfig {
    job.settled(RunConfig { steps: Some(job.steps()), ..job.config.clone() })
}

/// All fields in their order; those of `named` are written in the config's file or given on the command line.
pub(super) fn fields(config: &Value, named: &BTreeSet<String>) -> Vec<Field> {
    let mut all = vec![];
    flatten("", config, named, &mut all);
    let names = names();
    // What is left out of a text where it is not given.
    for (name, rust) in &names {
        let within = |f: &Field, of: &str| f.name.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let group = name.rsplit_once('.').map(|(group, _)| group);
        let has_group = group.is_none_or(|g| all.iter().any(|f| f.name != g && within(f, g)));
        if has_group && !all.iter().any(|f| within(f, name)) {
            all.push(Field { name: name.clone(), value: absent(rust).into(), is_default: !named.contains(name) });
        }
    }
    let place = |f: &Field| {
        let at = |of: &str| names.iter().position(|(name, _)| name == of).unwrap_or(usize::MAX);
        let first = f.name.split('.').next().unwrap_or_default();
        (at(first), at(&f.name))
    };
    all.sort_by_key(place);
    all
}

/// The value of a field of this type, in Rust's words, that a text leaves out.
fn absent(rust: &str) -> &'static str {
    match rust {
        "bool" => "false",
        "SlicePlane" => "axial",
        _ if rust.starts_with("Vec<") => "[]",
        _ if rust.starts_with("BTreeMap<") => "{}",
        _ => "none",
    }
}

/// Whether a field has a fixed number of values, which stand in brackets as a size does.
fn is_size(name: &str) -> bool {
    matches!(name, "patch" | "spacing" | "data.size" | "optimiser.betas") || name.starts_with("augment.")
}

/// A line for each field, in columns where the terminal has room for them.
pub(super) fn text(fields: &[Field], room: usize) -> String {
    let width = |of: &dyn Fn(&Field) -> usize| fields.iter().map(of).max().unwrap_or(0);
    let (names, values) = (width(&|f| columns(&f.name)), width(&|f| columns(&f.value)));
    if names + values + " default".len() + 4 > room {
        let line = |f: &Field| format!("{}: {}{}\n", f.name, f.value, if f.is_default { " (default)" } else { "" });
        return hang(&fields.iter().map(line).collect::<String>(), room);
    }
    let line = |f: &Field| {
        let mark = if f.is_default { "default" } else { "" };
        let gap = |width: usize, text: &str| " ".repeat(width - columns(text) + 2);
        format!("{}{}{}{}{mark}", f.name, gap(names, &f.name), f.value, gap(values, &f.value)).trim_end().to_owned() + "\n"
    };
    fields.iter().map(line).collect()
}

fn flatten(path: &str, value: &Value, named: &BTreeSet<String>, all: &mut Vec<Field>) {
    let mut add = |value: String| {
        let shown = printable(&value);
        let cut: String = shown.chars().take(LONGEST).collect();
        let value = if cut == shown { shown } else { cut + "..." };
        all.push(Field { name: path.to_owned(), value, is_default: !named.contains(path) });
    };
    match value {
        Value::Null => add("none".into()),
        Value::String(text) => add(text.clone()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            add(if is_size(path) { format!("({})", items.join(", ")) } else { format!("[{}]", items.join(", ")) });
        }
        Value::Object(of) => {
            // An enum with fields: the kind, and the fields beside it.
            if let [(kind, inner)] = &of.iter().collect::<Vec<_>>()[..]
                && kind.starts_with(|c: char| c.is_ascii_uppercase())
                && !path.is_empty()
                && !matches!(path, "set" | "regions")
            {
                add((*kind).clone());
                return flatten(path, inner, named, all);
            }
            let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            of.iter().for_each(|(name, inner)| flatten(&join(name), inner, named, all));
        }
        other => add(plain(other)),
    }
}

/// A value in a line; of a number as many digits as matter.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(n) if n.is_f64() => format!("{:?}", rounded(n.as_f64().unwrap_or_default())),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_field_has_a_line_and_defaults_are_marked() {
        let loss = json!({"dice": 1.0, "focal": 0.0, "anneal": null, "deep_supervision": [1.0, 1.0 / 3.0]});
        let config = json!({"data": {"Msd": {"root": "/x"}}, "loss": loss, "patience": null, "patch": [8, 8, 8]});
        let named = ["data", "data.root", "loss", "loss.dice", "patch"].map(String::from).into();
        let all = fields(&config, &named);
        let listed = text(&all, 200);
        let line = |name: &str| {
            let words = |l: &str| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            listed.lines().map(words).find(|l| l[0] == name).unwrap_or_else(|| panic!("{name}: {listed}"))[1..].join(" ")
        };
        for (name, wanted) in [
            ("data", "Msd"),
            ("data.root", "/x"),
            ("loss.dice", "1.0"),
            ("loss.focal", "0.0 default"),
            ("loss.deep_supervision", "[1.0, 0.333333] default"),
            ("patience", "none default"),
            ("patch", "(8, 8, 8)"),
            // What a text leaves out.
            ("regions", "none default"),
            ("slices", "axial default"),
            ("freeze", "[] default"),
            ("rates", "{} default"),
            ("frozen_statistics", "false default"),
            ("budget", "none default"),
        ] {
            assert_eq!(line(name), wanted, "{name}");
        }
        assert!(!listed.contains("loss.anneal.until"), "{listed}");
        // In the order of the reference.
        let at = |name: &str| all.iter().position(|f| f.name == name);
        assert!(at("regions") > at("data.root") && at("regions") < at("patch") && at("patch") < at("loss.dice"), "{listed}");
    }
}
