//! In full, with the lines of the source.

use annotate_snippets::renderer::{DEFAULT_EMPHASIS_STYLE, DEFAULT_ERROR_STYLE, DEFAULT_LINE_NUM_STYLE, DEFAULT_WARNING_STYLE, Style};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::super::fold::wrap;
use super::super::printable::{columns, shown};
use super::super::{Diagnostic, Label, Severity};
use super::excerpt::Excerpt;

/// The least width that is drawn for; a narrower terminal folds the lines.
const NARROWEST: usize = 20;

/// In full, with the lines of the source (rustc's look), for a terminal of `width` columns.
pub fn full(d: &Diagnostic, colour: bool, width: usize) -> String {
    let pen = Pen { colour, width: width.max(NARROWEST) };
    let mut out = title(d, &pen);
    let mut sources: Vec<Vec<&Label>> = vec![];
    for l in d.labels.iter().filter(|l| l.primary).chain(d.labels.iter().filter(|l| !l.primary)) {
        match sources.iter_mut().find(|s| s[0].place.source.name == l.place.source.name) {
            Some(s) => s.push(l),
            None => sources.push(vec![l]),
        }
    }
    let last = |s: &Vec<&Label>| s.iter().map(|l| l.place.source.line_column(l.place.span.start).0).max().unwrap_or(1);
    let gutter = sources.iter().map(last).max().unwrap_or(1).to_string().len();
    let mut apart = vec![];
    for (i, labels) in sources.iter().enumerate() {
        let source = &labels[0].place.source;
        let (line, column) = source.line_column(labels[0].place.span.start);
        let arrow = pen.paint(DEFAULT_LINE_NUM_STYLE, if i == 0 { "-->" } else { ":::" });
        out.push_str(&format!("\n{:gutter$}{arrow} {}:{line}:{column}", "", shown(&source.name)));
        let excerpt = Excerpt::new(source, labels, pen.width.saturating_sub(gutter + 3));
        out.push('\n');
        out.push_str(&body(&excerpt, gutter, &pen));
        apart.extend(excerpt.apart.iter().filter(|l| l.text != "here").map(|l| {
            let (line, column) = l.place.source.line_column(l.place.span.start);
            format!("{line}:{column}: {}", l.text)
        }));
    }
    let notes = apart.iter().map(|t| ("at", " ", t)).chain(d.help.iter().map(|t| ("help", ": ", t)));
    for (i, (what, between, text)) in notes.enumerate() {
        if i == 0 && !sources.is_empty() {
            out.push_str(&format!("\n{:gutter$} {}", "", pen.paint(DEFAULT_LINE_NUM_STYLE, "|")));
        }
        out.push_str(&note(what, between, text, gutter, &pen));
    }
    out
}

/// How to write to a terminal.
struct Pen {
    colour: bool,
    width: usize,
}

impl Pen {
    fn paint(&self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// `error[E0204]: message`; what does not fit goes on in the next line.
fn title(d: &Diagnostic, pen: &Pen) -> String {
    let head = format!("{}[{}]", d.severity.name(), d.code.name());
    let text = format!("{head}: {}", shown(&d.message));
    let lines = if columns(&text) <= pen.width { vec![text] } else { wrap(&text, pen.width.saturating_sub(2)) };
    let style = match d.severity {
        Severity::Error => DEFAULT_ERROR_STYLE,
        Severity::Warning => DEFAULT_WARNING_STYLE,
    };
    let mut out = pen.paint(style, &head);
    for (i, line) in lines.iter().enumerate() {
        let line = if i == 0 { line.strip_prefix(&head).unwrap_or(line) } else { line };
        out.push_str(if i == 0 { "" } else { "\n  " });
        out.push_str(&pen.paint(DEFAULT_EMPHASIS_STYLE, line));
    }
    out
}

/// The lines with their numbers and marks.
fn body(excerpt: &Excerpt, gutter: usize, pen: &Pen) -> String {
    let marks = excerpt.marks.iter().map(|m| {
        let kind = if m.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        let mark = kind.span(m.span.clone());
        if m.label.is_empty() { mark } else { mark.label(m.label) }
    });
    let snippet = Snippet::source(excerpt.text.as_str()).line_start(excerpt.first).annotations(marks);
    let renderer = if pen.colour { Renderer::styled() } else { Renderer::plain() };
    // The excerpt is as wide as it may be: nothing is left to be cut.
    let text = renderer.term_width(usize::MAX >> 1).render(&[Group::with_level(Level::ERROR).element(snippet)]);
    let indent = " ".repeat(gutter - excerpt.last.to_string().len().min(gutter));
    text.lines().map(|l| format!("{indent}{}", l.trim_end())).collect::<Vec<_>>().join("\n")
}

/// ` = help: text`, with the later lines of the text under its first one where there is room.
fn note(what: &str, between: &str, text: &str, gutter: usize, pen: &Pen) -> String {
    let head = gutter + 3 + what.len() + between.len();
    let indent = if pen.width < 60 { gutter + 3 } else { head };
    let text = shown(text);
    // The first line begins behind the head: it is wrapped as if the head were a word of it.
    let filler = "x".repeat(head - indent);
    let lines = wrap(&format!("{filler}{text}"), pen.width.saturating_sub(indent));
    let mut out = format!("\n{:gutter$} {} ", "", pen.paint(DEFAULT_LINE_NUM_STYLE, "="));
    out.push_str(&pen.paint(DEFAULT_EMPHASIS_STYLE, what));
    out.push_str(between);
    for (i, line) in lines.iter().enumerate() {
        if i == 0 {
            out.push_str(line.strip_prefix(&filler).unwrap_or(line));
        } else {
            out.push_str(&format!("\n{:indent$}{line}", ""));
        }
    }
    out
}
