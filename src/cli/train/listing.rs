//! The config of a run as it is resolved: every field, and which of them nobody has named.
//!
//! Part of `cli::train`; may use `train` and `text`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::text::{columns, hang, printable};
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

/// Its fields in their order; those of `named` are written in the config's file or given on the command line.
pub(super) fn fields(config: &Value, named: &BTreeSet<String>) -> Vec<Field> {
    let mut all = vec![];
    flatten("", config, named, &mut all);
    all
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
            let items: Vec<String> = items.iter().map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned)).collect();
            add(format!("({})", items.join(", ")));
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
        other => add(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_field_has_a_line_and_defaults_are_marked() {
        let config = json!({"data": {"Msd": {"root": "/x"}}, "loss": {"dice": 1.0, "focal": 0.0}, "patience": null, "patch": [8, 8, 8]});
        let named = ["data", "data.root", "loss", "loss.dice", "patch"].map(String::from).into();
        assert_eq!(
            text(&fields(&config, &named), 200),
            "data        Msd\ndata.root   /x\nloss.dice   1.0\nloss.focal  0.0        default\npatience    none       default\n\
             patch       (8, 8, 8)\n"
        );
    }
}
