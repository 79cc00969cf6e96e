//! Diagnostics as text: in full with the source's lines, and one a line.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Severity};

/// In full, with the lines of the source (rustc's look).
pub fn full(d: &Diagnostic, colour: bool, width: usize) -> String {
    let level = match d.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(d.message.as_str()).id(d.code.name()));
    let mut seen: Vec<&str> = vec![];
    for l in &d.labels {
        let name = l.place.source.name.as_str();
        if seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let text = l.place.source.text.as_str();
        let mut snippet = Snippet::source(text).path(name);
        for l in d.labels.iter().filter(|l| l.place.source.name == name) {
            let kind = if l.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let start = l.place.span.start.min(text.len());
            let end = l.place.span.end.clamp(start, text.len());
            snippet = snippet.annotation(kind.span(start..end).label(l.text.as_str()));
        }
        group = group.element(snippet);
    }
    for h in &d.help {
        group = group.element(Level::HELP.message(h.as_str()));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.term_width(width).render(&[group])
}

/// One line: `path:line:column: error[E0204]: message; help`.
pub fn concise(d: &Diagnostic) -> String {
    let place = d.labels.iter().find(|l| l.primary).or(d.labels.first()).map(|l| {
        let (line, column) = l.place.source.line_column(l.place.span.start);
        format!("{}:{line}:{column}: ", l.place.source.name)
    });
    let severity = match d.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let help: String = d.help.iter().map(|h| format!("; {h}")).collect();
    format!("{}{severity}[{}]: {}{help}", place.unwrap_or_default(), d.code.name(), d.message)
}
