//! The picture for Graphviz: clusters for what is open, fills by cost.
//!
//! May use `model`, `view`, `place` (for the words in a box), `colour`.

use std::fmt::Write;

use super::colour;
use super::model::{Kind, Picture};
use super::place::lines;
use super::view::{View, leaving};

/// The digraph with some items open.
pub fn dot(p: &Picture, open: &[bool]) -> String {
    let view = View::new(p, open);
    let mut out = format!(
        "digraph {name} {{\n    label={name}; labelloc=t; fontname=\"Helvetica\"; fontsize=16; ranksep=0.35; nodesep=0.3\n    node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fontsize=11, color=\"#8a97a8\", margin=\"0.14,0.07\"]\n    edge [fontname=\"Helvetica\", fontsize=8.5, color=\"#6a7789\", fontcolor=\"#4a5667\", arrowsize=0.6]\n",
        name = quoted(&p.name)
    );
    let mut around: Vec<usize> = vec![];
    for &i in &view.items {
        let item = &p.items[i];
        while around.last().is_some_and(|a| item.parent != Some(*a)) {
            around.pop();
            let _ = writeln!(out, "{}}}", indent(around.len()));
        }
        let before = indent(around.len());
        if view.open[i] {
            let label = quoted(&format!("{} · {}", item.name, item.block));
            let _ = writeln!(
                out,
                "{before}subgraph cluster_{i} {{\n{before}    label={label}; labeljust=l; style=\"rounded,dashed\"; color=\"#9aa6b5\"; fontname=\"Helvetica\"; fontsize=11"
            );
            around.push(i);
            continue;
        }
        let words: Vec<String> = lines(item).into_iter().filter(|l| !l.is_empty()).collect();
        let (fill, text) = match item.kind {
            Kind::Input | Kind::Output => ("#ffffff".to_owned(), "#17202c"),
            _ => colour::light(colour::step(item.cost.macs, p.total.macs)),
        };
        let shape = match item.kind {
            Kind::Input | Kind::Output => ", shape=ellipse, style=filled",
            Kind::Composite => ", peripheries=2",
            _ => "",
        };
        let _ = writeln!(
            out,
            "{before}n{i} [label={}, tooltip={}, fillcolor=\"{fill}\", fontcolor=\"{text}\"{shape}]",
            quoted(&words.join("\n")),
            quoted(&item.path)
        );
    }
    while around.pop().is_some() {
        let _ = writeln!(out, "{}}}", indent(around.len()));
    }
    for l in &view.lines {
        let _ = writeln!(out, "    n{} -> n{} [label={}]", l.from, l.to, quoted(&leaving(p, l.from, l.value)));
    }
    out + "}\n"
}

fn indent(depth: usize) -> String {
    "    ".repeat(depth + 1)
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
