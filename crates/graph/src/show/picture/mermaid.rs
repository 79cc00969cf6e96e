//! The picture as a Mermaid flowchart, as GitHub draws it in Markdown.
//!
//! May use `model`, `view`, `place` (for the words in a box), `colour`.

use std::fmt::Write;

use super::colour;
use super::model::{Kind, Picture};
use super::place::lines;
use super::view::{View, leaving};

/// The flowchart with some items open.
pub fn mermaid(p: &Picture, open: &[bool]) -> String {
    let view = View::new(p, open);
    let title = serde_json::to_string(&p.name).unwrap_or_default();
    let mut out = format!("---\ntitle: {title}\n---\nflowchart TD\n");
    let mut around: Vec<usize> = vec![];
    for &i in &view.items {
        let item = &p.items[i];
        while around.last().is_some_and(|a| item.parent != Some(*a)) {
            around.pop();
            let _ = writeln!(out, "{}end", indent(around.len()));
        }
        let before = indent(around.len());
        if view.open[i] {
            let _ = writeln!(out, "{before}subgraph n{i}[\"{} · {}\"]", quoted(&item.name), quoted(&item.block));
            around.push(i);
            continue;
        }
        let words: Vec<String> = lines(item).iter().filter(|l| !l.is_empty()).map(|l| quoted(l)).collect();
        let label = match words.as_slice() {
            [name, rest @ ..] => std::iter::once(format!("<b>{name}</b>")).chain(rest.iter().cloned()).collect::<Vec<_>>().join("<br/>"),
            [] => String::new(),
        };
        let (left, right) = match item.kind {
            Kind::Input | Kind::Output => ("([", "])"),
            Kind::Composite => ("[[", "]]"),
            _ => ("[", "]"),
        };
        let class = if matches!(item.kind, Kind::Input | Kind::Output) {
            "ends".to_owned()
        } else {
            format!("c{}", colour::step(item.cost.macs, p.total.macs))
        };
        let _ = writeln!(out, "{before}n{i}{left}\"{label}\"{right}:::{class}");
    }
    while around.pop().is_some() {
        let _ = writeln!(out, "{}end", indent(around.len()));
    }
    for l in &view.lines {
        let _ = writeln!(out, "    n{} -->|\"{}\"| n{}", l.from, quoted(&leaving(p, l.from, l.value)), l.to);
    }
    for i in view.items.iter().filter(|i| view.open[**i]) {
        let _ = writeln!(out, "    style n{i} fill:#f4f6f9,stroke:#9aa6b5,stroke-dasharray:4 3,color:#17202c");
    }
    let _ = writeln!(out, "    classDef ends fill:#ffffff,stroke:#5b6676,color:#17202c");
    let mut steps: Vec<usize> =
        view.items.iter().filter(|i| !view.open[**i]).map(|i| colour::step(p.items[*i].cost.macs, p.total.macs)).collect();
    steps.sort_unstable();
    steps.dedup();
    for s in steps {
        let (fill, text) = colour::light(s);
        let _ = writeln!(out, "    classDef c{s} fill:{fill},stroke:#8a97a8,color:{text}");
    }
    out
}

fn indent(depth: usize) -> String {
    "    ".repeat(depth + 1)
}

/// A text that may stand in quotes: Mermaid reads `#38;` as a character reference.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' | ';' => {
                let _ = write!(out, "#{};", u32::from(c));
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
