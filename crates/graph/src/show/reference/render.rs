//! Pages as text and Markdown.

use super::page::{Field, Page};
use crate::text::{thousands, wrap};

/// Text is broken at this column.
const WIDTH: usize = 100;

/// One line a block: name, ports, first sentence.
pub fn list(pages: &[Page], markdown: bool) -> String {
    let rows: Vec<[String; 3]> = pages.iter().map(|p| [p.name.clone(), ports(p), p.summary.clone()]).collect();
    if markdown {
        let lines = rows.iter().map(|[name, ports, text]| format!("| `{name}` | `{ports}` | {text} |\n"));
        return format!("| block | ports | |\n|---|---|---|\n{}", lines.collect::<String>());
    }
    let widest = |i: usize| rows.iter().map(|r| r[i].chars().count()).max().unwrap_or(0);
    let (a, b) = (widest(0), widest(1));
    rows.iter().map(|[name, ports, text]| format!("{name:a$}  {ports:b$}  {text}").trim_end().to_owned() + "\n").collect()
}

/// `x, anchors? -> texture, features`; a list is `paths[]`.
fn ports(p: &Page) -> String {
    let mark = |arity| match arity {
        "optional" => "?",
        "many" => "[]",
        _ => "",
    };
    let inputs: Vec<String> = p.inputs.iter().map(|i| format!("{}{}", i.name, mark(i.arity))).collect();
    let outputs: Vec<&str> = p.outputs.iter().map(String::as_str).filter(|o| !o.is_empty()).collect();
    let arrow = if outputs.is_empty() { String::new() } else { format!(" -> {}", outputs.join(", ")) };
    format!("{}{arrow}", inputs.join(", "))
}

/// The page of a block.
pub fn print(p: &Page, markdown: bool) -> String {
    let mut out = if markdown { format!("# {}\n", p.name) } else { format!("{}\n", p.name) };
    // What is said of a composite begins with its summary.
    let summary = Some(&p.summary).filter(|s| !s.is_empty() && !p.text.iter().any(|t| t.starts_with(s.as_str())));
    for t in summary.into_iter().chain(&p.text) {
        out.push('\n');
        out.push_str(&if markdown { format!("{t}\n") } else { wrapped(t, 2) });
    }
    let inputs = p.inputs.iter().map(|i| vec![i.name.clone(), arity(i.arity).into(), i.doc.clone()]).collect();
    section(&mut out, "Inputs", &["input", "takes", ""], inputs, markdown);
    let outputs: Vec<Vec<String>> = p.outputs.iter().filter(|o| !o.is_empty()).map(|o| vec![o.clone()]).collect();
    section(&mut out, "Outputs", &["output"], outputs, markdown);
    let fields = p.fields.iter().map(|f| vec![f.name.clone(), f.kind.title().into(), default(f), f.doc.clone()]).collect();
    section(&mut out, "Fields", &["field", "type", "default", ""], fields, markdown);
    if let Some(e) = &p.example {
        let shapes = |all: &[(String, [usize; 5])]| {
            let each = all.iter().map(|(n, [_, c, d, h, w])| format!("{n} [N, {c}, {d}, {h}, {w}]"));
            each.collect::<Vec<_>>().join(", ")
        };
        let cost =
            format!("{} parameters, {} MACs for {} -> {}", thousands(e.params), thousands(e.macs), shapes(&e.inputs), shapes(&e.outputs));
        out.push_str(&if markdown {
            format!("\n## Example\n\n```ron\n\"node\": {}\n```\n\n{cost}\n", e.ron)
        } else {
            format!("\nExample\n  \"node\": {}\n{}", e.ron, wrapped(&cost, 2))
        });
    }
    out
}

fn arity(arity: &str) -> &'static str {
    match arity {
        "optional" => "one or none",
        "many" => "a list",
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
fn section(out: &mut String, title: &str, headings: &[&str], rows: Vec<Vec<String>>, markdown: bool) {
    if rows.is_empty() {
        return;
    }
    if markdown {
        out.push_str(&format!("\n## {title}\n\n| {} |\n|{}\n", headings.join(" | "), "---|".repeat(headings.len())));
        rows.iter().for_each(|r| out.push_str(&format!("| {} |\n", r.join(" | "))));
        return;
    }
    out.push_str(&format!("\n{title}\n"));
    let last = headings.len() - 1;
    let widths: Vec<usize> = (0..last).map(|i| rows.iter().map(|r| r[i].chars().count()).max().unwrap_or(0)).collect();
    let before = 2 + widths.iter().map(|w| w + 2).sum::<usize>();
    for r in &rows {
        let mut line = String::from("  ");
        r.iter().zip(&widths).for_each(|(cell, w)| line.push_str(&format!("{cell:w$}  ")));
        let text = wrapped(&r[last], before);
        line.push_str(text.trim());
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// Text broken into lines, each behind `indent` blanks.
fn wrapped(text: &str, indent: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let lines = wrap(&words.join(" "), WIDTH.saturating_sub(indent));
    lines.iter().map(|l| format!("{}{l}\n", " ".repeat(indent))).collect()
}
