//! A diagnostic as a line of JSON, for editors and other programs.

use serde::Serialize;

use super::super::Diagnostic;

#[derive(Serialize)]
struct Line<'d> {
    code: &'static str,
    severity: &'static str,
    message: &'d str,
    labels: Vec<Mark<'d>>,
    help: &'d [String],
}

/// Lines and columns count from 1, columns in characters; the end is the first character that is not meant.
#[derive(Serialize)]
struct Mark<'d> {
    file: &'d str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    text: &'d str,
    primary: bool,
}

/// One line: an object with `code`, `severity`, `message`, `labels` and `help`.
pub fn json(d: &Diagnostic) -> String {
    let labels = d.labels.iter().map(|l| {
        let source = &l.place.source;
        let (line, column) = source.line_column(l.place.span.start);
        let (end_line, end_column) = source.line_column(l.place.span.end.max(l.place.span.start));
        Mark { file: &source.name, line, column, end_line, end_column, text: &l.text, primary: l.primary }
    });
    let line = Line { code: d.code.name(), severity: d.severity.name(), message: &d.message, labels: labels.collect(), help: &d.help };
    // Strings and numbers alone: nothing that JSON cannot say.
    serde_json::to_string(&line).unwrap_or_default()
}
