//! The fields of a run config, from the files that define them.

use serde_json::Value as Json;

use super::source::{WrittenField, attributes, choices, written};
use crate::show::format::written as shown;

/// A type of a config, and the file that defines it.
#[derive(Clone, Copy, Debug)]
pub struct WrittenType<'a> {
    /// The field that is of this type, as `optimiser.kind`; nothing for the config itself.
    pub field: &'a str,
    pub name: &'a str,
    pub source: &'a str,
}

/// Every field of the types with its type, its default and what is said of it, in Markdown. `defaults` is a config in which nothing is given that
/// need not be.
pub fn config_fields(types: &[WrittenType], defaults: &Json) -> String {
    let mut out = String::new();
    for t in types {
        let title = if t.field.is_empty() { "Fields" } else { t.field };
        out.push_str(&format!("## {title}\n\n"));
        let all = choices(t.source, t.name);
        let doc = if all.is_empty() { written(t.source, t.name).text } else { doc_of(t.source, t.name) };
        if !t.field.is_empty() {
            doc.iter().for_each(|text| out.push_str(&format!("{text}\n\n")));
        }
        for c in &all {
            let fields: Vec<String> = c.fields.iter().map(|f| f.name.clone()).collect();
            let fields = if fields.is_empty() { String::new() } else { format!("({})", fields.join(", ")) };
            out.push_str(format!("- `{}{fields}`: {}", c.name, c.doc).trim_end_matches([' ', ':']));
            for f in c.fields.iter().filter(|f| !f.doc.is_empty()) {
                out.push_str(&format!(" `{}`: {}", f.name, f.doc));
            }
            out.push('\n');
        }
        if all.is_empty() {
            let whole = attributes(t.source, &format!("pub struct {} {{", t.name)).contains("default");
            for f in written(t.source, t.name).fields {
                out.push_str(&item(t, &f, whole, types, defaults));
            }
        }
        out.push('\n');
    }
    out
}

/// The dotted name of every field of the types, in their order, with its type as Rust has it. A choice has none of its own.
pub fn config_names(types: &[WrittenType]) -> Vec<(String, String)> {
    let groups = types.iter().filter(|t| choices(t.source, t.name).is_empty());
    let of = |t: &WrittenType| {
        let within = if t.field.is_empty() { String::new() } else { format!("{}.", t.field) };
        written(t.source, t.name).fields.into_iter().map(move |f| (format!("{within}{}", f.name), f.rust))
    };
    groups.flat_map(of).collect()
}

/// `- `lr`: number, 0.001. The learning rate at the end of the warmup.`
fn item(t: &WrittenType, f: &WrittenField, whole: bool, types: &[WrittenType], defaults: &Json) -> String {
    let path = if t.field.is_empty() { f.name.clone() } else { format!("{}.{}", t.field, f.name) };
    let own = types.iter().find(|o| o.field == path);
    let kind = match own {
        Some(o) if choices(o.source, o.name).is_empty() => "a group, below".to_owned(),
        Some(_) => "a choice, below".to_owned(),
        None => match types.iter().find(|o| o.name == f.rust) {
            Some(same) => format!("a group as `{}`", same.field),
            None => kind(&f.rust),
        },
    };
    let value = path.split('.').try_fold(defaults, |v, key| v.get(key)).filter(|v| !v.is_null());
    let default = match value {
        _ if f.required && !whole && !f.rust.starts_with("Option<") => ", required".to_owned(),
        Some(v) if !v.is_object() && !v.as_array().is_some_and(Vec::is_empty) => format!(", `{}`", shown(v)),
        _ => String::new(),
    };
    let doc = match own {
        Some(o) if f.doc.is_empty() => written(o.source, o.name).text.first().cloned().unwrap_or_default(),
        _ => f.doc.clone(),
    };
    format!("- `{}`: {kind}{default}. {doc}", f.name).trim_end().to_owned() + "\n"
}

/// What is said of an enum.
fn doc_of(source: &str, name: &str) -> Vec<String> {
    // It is read as a struct would be: what stands above both is written alike.
    written(&source.replacen(&format!("pub enum {name} {{"), &format!("pub struct {name} {{"), 1), name).text
}

/// A type of Rust in a config's words.
fn kind(rust: &str) -> String {
    let inside = |head: &str| rust.strip_prefix(head).and_then(|r| r.strip_suffix('>'));
    if let Some(inner) = inside("Option<") {
        return kind(inner);
    }
    if let Some(inner) = inside("Vec<") {
        return format!("list of {}s", kind(inner));
    }
    if let Some((_, inner)) = inside("BTreeMap<").and_then(|i| i.split_once(", ")) {
        return format!("map from names to {}s", kind(inner));
    }
    match rust {
        "usize" | "u64" | "u32" => "whole number".into(),
        "f64" => "number".into(),
        "bool" => "true or false".into(),
        "String" => "text".into(),
        "PathBuf" => "path".into(),
        "[usize; 3]" => "size".into(),
        "[f64; 2]" => "two numbers".into(),
        _ => {
            rust.chars().flat_map(|c| c.is_uppercase().then_some(' ').into_iter().chain(c.to_lowercase())).collect::<String>().trim().into()
        }
    }
}
