//! Pages as text and Markdown.

use super::page::{Field, Page};
use crate::text::{columns, hang, many, wrap};

/// Text has at least as many columns beside what it explains; where there are fewer, it stands below.
const ROOM: usize = 24;

/// Name, ports and first sentence of each block, in lines of at most `width` columns; with no `width` as Markdown.
pub fn list(pages: &[Page], width: Option<usize>) -> String {
    let rows: Vec<[String; 3]> = pages.iter().map(|p| [p.name.clone(), ports(p), summary(p)]).collect();
    let Some(width) = width else {
        let lines = rows.iter().map(|[name, ports, text]| format!("| `{name}` | `{ports}` | {text} |\n"));
        return format!("| block | ports | |\n|---|---|---|\n{}", lines.collect::<String>());
    };
    let heads: Vec<Vec<String>> = rows.iter().map(|[name, ports, _]| vec![name.clone(), ports.clone()]).collect();
    let texts: Vec<&str> = rows.iter().map(|r| r[2].as_str()).collect();
    described(&heads, &texts, 0, width)
}

/// What a block is, and the name that it had before.
fn summary(p: &Page) -> String {
    match p.older {
        Some(older) => format!("{} Before: {older}.", p.summary),
        None => p.summary.clone(),
    }
}

/// Cells in columns with a text beside each row, or below it where there is no room beside it. All behind `indent` blanks.
fn described(heads: &[Vec<String>], texts: &[&str], indent: usize, width: usize) -> String {
    let count = heads.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..count).map(|i| heads.iter().filter_map(|r| r.get(i)).map(|c| columns(c)).max().unwrap_or(0)).collect();
    let before = indent + widths.iter().map(|w| w + 2).sum::<usize>();
    let beside = before + ROOM <= width;
    let mut out = String::new();
    for (head, text) in heads.iter().zip(texts) {
        let mut line = " ".repeat(indent);
        for (cell, w) in head.iter().zip(&widths) {
            line.push_str(&format!("{cell}{}  ", " ".repeat(w - columns(cell))));
        }
        let text = wrapped(text, if beside { before } else { indent + 4 }, width);
        if beside {
            line.push_str(text.trim());
            out.push_str(line.trim_end());
            out.push('\n');
        } else {
            out.push_str(&hang(line.trim_end(), width));
            out.push('\n');
            out.push_str(&text);
        }
    }
    out
}

/// `x, anchors? -> texture, features`; a list is `paths[]`, one that may be empty `paths[]?`.
fn ports(p: &Page) -> String {
    let mark = |arity| match arity {
        "optional" => "?",
        "many" => "[]",
        "any" => "[]?",
        _ => "",
    };
    let inputs: Vec<String> = p.inputs.iter().map(|i| format!("{}{}", i.name, mark(i.arity))).collect();
    let outputs: Vec<&str> = p.outputs.iter().map(String::as_str).filter(|o| !o.is_empty()).collect();
    let arrow = if outputs.is_empty() { String::new() } else { format!(" -> {}", outputs.join(", ")) };
    format!("{}{arrow}", inputs.join(", "))
}

/// The page of a block, in lines of at most `width` columns; with no `width` as Markdown.
pub fn print(p: &Page, width: Option<usize>) -> String {
    let markdown = width.is_none();
    let wrapped = |text: &str, indent| wrapped(text, indent, width.unwrap_or(usize::MAX));
    let mut out = if markdown { format!("# {}\n", p.name) } else { format!("{}\n", p.name) };
    // What is said of a composite begins with its summary.
    let summary = Some(&p.summary).filter(|s| !s.is_empty() && !p.text.iter().any(|t| t.starts_with(s.as_str())));
    let older = p.older.map(|older| format!("`{older}` is read for it, too."));
    for t in summary.into_iter().chain(&p.text).chain(&older) {
        out.push('\n');
        out.push_str(&if markdown { format!("{t}\n") } else { wrapped(t, 2) });
    }
    let inputs = p.inputs.iter().map(|i| vec![i.name.clone(), arity(i.arity).into(), i.doc.clone()]).collect();
    section(&mut out, "Inputs", &["input", "takes", ""], inputs, width);
    let outputs: Vec<Vec<String>> = p.outputs.iter().filter(|o| !o.is_empty()).map(|o| vec![o.clone()]).collect();
    section(&mut out, "Outputs", &["output"], outputs, width);
    let fields = p.fields.iter().map(|f| vec![f.name.clone(), f.kind.title().into(), default(f), f.doc.clone()]).collect();
    section(&mut out, "Fields", &["field", "type", "default", ""], fields, width);
    if let Some(e) = &p.example {
        let shapes = |all: &[(String, [usize; 5])]| {
            let each = all.iter().map(|(n, [_, c, d, h, w])| format!("{n} [N, {c}, {d}, {h}, {w}]"));
            each.collect::<Vec<_>>().join(", ")
        };
        let cost = format!("{}, {} for {} -> {}", many(e.params, "parameter"), many(e.macs, "MAC"), shapes(&e.inputs), shapes(&e.outputs));
        out.push_str(&if markdown {
            format!("\n## Example\n\n```ron\n\"node\": {}\n```\n\n{cost}\n", e.ron)
        } else {
            format!("\nExample\n{}{}", wrapped(&format!("\"node\": {}", e.ron), 2), wrapped(&cost, 2))
        });
    }
    out
}

fn arity(arity: &str) -> &'static str {
    match arity {
        "optional" => "one or none",
        "many" => "a list",
        "any" => "a list, which may be empty",
        _ => "one",
    }
}

fn default(f: &Field) -> String {
    match &f.default {
        _ if f.required => "required".into(),
        None => "none".into(),
        Some(serde_json::Value::String(s)) => s.clone(),
        Some(v) => v.to_string(),
    }
}

/// A heading and its rows; nothing without rows.
fn section(out: &mut String, title: &str, headings: &[&str], mut rows: Vec<Vec<String>>, width: Option<usize>) {
    if rows.is_empty() {
        return;
    }
    let Some(width) = width else {
        out.push_str(&format!("\n## {title}\n\n| {} |\n|{}\n", headings.join(" | "), "---|".repeat(headings.len())));
        rows.iter().for_each(|r| out.push_str(&format!("| {} |\n", r.join(" | "))));
        return;
    };
    out.push_str(&format!("\n{title}\n"));
    let texts: Vec<String> = rows.iter_mut().map(|r| r.pop().unwrap_or_default()).collect();
    out.push_str(&described(&rows, &texts.iter().map(String::as_str).collect::<Vec<_>>(), 2, width));
}

/// Text broken into lines of at most `width` columns, each behind `indent` blanks.
fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() {
        return String::new();
    }
    let lines = wrap(&words.join(" "), width.saturating_sub(indent));
    lines.iter().map(|l| format!("{}{l}\n", " ".repeat(indent))).collect()
}
