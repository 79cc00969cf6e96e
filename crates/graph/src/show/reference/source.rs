//! The documentation of a block, read from the file that defines it.

use crate::show::format::snake;

/// What a block's file says of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// The first sentence of the file.
    pub summary: String,
    /// What it computes: paragraphs.
    pub text: Vec<String>,
    pub fields: Vec<WrittenField>,
}

/// A field of the block's struct.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WrittenField {
    pub name: String,
    pub rust: String,
    pub doc: String,
    /// It has no default.
    pub required: bool,
}

/// Reads the file of the block called `name`.
pub fn written(source: &str, name: &str) -> Written {
    let summary = paragraphs(source.lines().map_while(|l| l.strip_prefix("//!"))).into_iter().next().unwrap_or_default();
    let mut w = Written { summary: first_sentence(&summary), ..Written::default() };
    let head = format!("pub struct {name} {{");
    let mut docs: Vec<&str> = vec![];
    let mut lines = source.lines();
    for line in lines.by_ref() {
        if let Some(doc) = line.strip_prefix("///") {
            docs.push(doc);
        } else if line.starts_with(&head) {
            w.text = paragraphs(docs.iter().copied());
            if line.trim_end().ends_with('}') {
                return w;
            }
            break;
        } else if !line.starts_with("#[") {
            docs.clear();
        }
    }
    docs.clear();
    let mut default = false;
    for line in lines.map(str::trim).take_while(|l| *l != "}") {
        if let Some(doc) = line.strip_prefix("///") {
            docs.push(doc);
        } else if line.starts_with("#[serde(") {
            default |= line.contains("default");
        } else if let Some((name, rust)) = line.strip_prefix("pub ").and_then(|l| l.trim_end_matches(',').split_once(": ")) {
            let doc = paragraphs(docs.drain(..)).join(" ");
            w.fields.push(WrittenField { name: name.into(), rust: rust.into(), doc, required: !std::mem::take(&mut default) });
        }
    }
    w
}

/// A choice of an enum.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WrittenChoice {
    /// As files have it.
    pub name: String,
    pub doc: String,
    pub fields: Vec<WrittenField>,
}

/// The choices of the enum called `name`, as the file that defines it writes them.
pub fn choices(source: &str, name: &str) -> Vec<WrittenChoice> {
    let head = format!("pub enum {name} {{");
    let attributes = attributes(source, &head);
    let named = |name: &str| match () {
        _ if attributes.contains("\"snake_case\"") => snake(name),
        _ if attributes.contains("\"lowercase\"") => name.to_lowercase(),
        _ => name.to_owned(),
    };
    let mut all: Vec<WrittenChoice> = vec![];
    let mut docs: Vec<&str> = vec![];
    let (mut open, mut default) = (false, false);
    for line in source.lines().skip_while(|l| !l.starts_with(&head)).skip(1).take_while(|l| *l != "}").map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            docs.push(doc);
        } else if line.starts_with('#') {
            default |= line.contains("default");
        } else if line == "}," {
            open = false;
        } else if let (true, Some((field, rust)), Some(last)) = (open, line.split_once(": "), all.last_mut()) {
            let doc = paragraphs(docs.drain(..)).join(" ");
            let required = !std::mem::take(&mut default) && !rust.starts_with("Option<");
            last.fields.push(WrittenField { name: field.into(), rust: rust.trim_end_matches(',').into(), doc, required });
        } else if !line.is_empty() {
            default = false;
            open = line.ends_with('{');
            let inside = line.split_once("{ ").and_then(|(_, rest)| rest.split_once(" }")).map_or("", |(inside, _)| inside);
            let field = |f: &str| {
                f.split_once(": ").map(|(name, rust)| WrittenField {
                    name: name.into(),
                    rust: rust.into(),
                    doc: String::new(),
                    required: true,
                })
            };
            let fields = inside.split(", ").filter_map(field).collect();
            all.push(WrittenChoice {
                name: named(line.split([',', ' ', '(']).next().unwrap_or_default()),
                doc: paragraphs(docs.drain(..)).join(" "),
                fields,
            });
        }
    }
    all
}

/// The lines with attributes before the line that begins as `head`.
pub fn attributes(source: &str, head: &str) -> String {
    let before: Vec<&str> = source.lines().take_while(|l| !l.starts_with(head)).collect();
    before.into_iter().rev().take_while(|l| l.starts_with("#[")).collect()
}

/// Lines joined to paragraphs.
fn paragraphs<'s>(lines: impl Iterator<Item = &'s str>) -> Vec<String> {
    let mut all = vec![String::new()];
    for line in lines.map(str::trim) {
        match all.last_mut() {
            Some(last) if line.is_empty() && !last.is_empty() => all.push(String::new()),
            Some(last) => {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(line);
            }
            None => {}
        }
    }
    all.retain(|p| !p.is_empty());
    // Links of rustdoc are of no use outside it.
    all.into_iter().map(|p| p.replace("[`", "`").replace("`]", "`")).collect()
}

/// Up to the first full stop that ends a sentence, the stop included.
pub fn first_sentence(text: &str) -> String {
    match text.find(". ") {
        Some(i) => text[..=i].to_owned(),
        None => text.to_owned(),
    }
}
