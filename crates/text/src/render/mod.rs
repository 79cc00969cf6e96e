//! Diagnostics as text: in full with the source's lines (feature `render`), one a line, and as JSON.

#[cfg(feature = "render")]
mod excerpt;
#[cfg(feature = "render")]
mod full;
mod json;

#[cfg(feature = "render")]
pub use full::full;
pub use json::json;

use super::Diagnostic;
use super::printable::shown;

/// One line: `path:line:column: error[E0204]: message`. Lines and columns count from 1, columns in characters.
pub fn concise(d: &Diagnostic) -> String {
    let place = d.labels.iter().find(|l| l.primary).or(d.labels.first()).map(|l| {
        let (line, column) = l.place.source.line_column(l.place.span.start);
        format!("{}:{line}:{column}: ", shown(&l.place.source.name))
    });
    let message = shown(&d.message).replace('\n', " ");
    format!("{}{}[{}]: {message}", place.unwrap_or_default(), d.severity.name(), d.code.name())
}
