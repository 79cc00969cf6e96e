//! The composites of a graph as pages: ports, parameters, and the comment above each.

use super::page::{Field, Input, Kind, Page};
use super::source::first_sentence;
use crate::read::{self, Composite, Tree};
use crate::text::{Place, Result, Source};

/// The pages of the composites of a graph, its bases' among them, or of a file that only defines blocks.
///
/// # Errors
/// What is wrong with the graph's text.
pub fn composites(source: &std::sync::Arc<Source>) -> Result<Vec<Page>> {
    let graph = read::graph(&read::defining(source)?)?;
    Ok(graph.blocks.iter().map(page).collect())
}

fn page(c: &Composite) -> Page {
    let doc = comment_above(&c.place);
    let inputs = c.inputs.iter().map(|p| Input {
        name: p.name.clone(),
        arity: match (p.list, p.optional) {
            (false, false) => "one",
            (false, true) => "optional",
            (true, false) => "many",
            (true, true) => "any",
        },
        doc: documentation(&p.place, &p.place),
    });
    let required = |t: &Tree| read::required(t);
    let fields = c.params.iter().map(|p| Field {
        name: p.name.clone(),
        kind: Kind::Any,
        required: required(&p.value),
        default: (!required(&p.value)).then(|| serde_json::Value::String(written(&p.value))),
        doc: documentation(&p.value.place, &p.place),
    });
    let nodes: Vec<String> = c.nodes.iter().map(|n| format!("{} {}", n.id, n.block)).collect();
    let inside = format!("Inside: {}.", nodes.join(", "));
    Page {
        name: c.name.clone(),
        older: None,
        summary: first_sentence(&doc),
        text: [doc, inside].into_iter().filter(|t| !t.is_empty()).collect(),
        inputs: inputs.collect(),
        outputs: c.outputs.iter().map(|o| o.name.clone()).collect(),
        fields: fields.collect(),
        example: None,
        built_in: false,
    }
}

/// A default as it is written, on a line: an expression without its quotes.
fn written(value: &Tree) -> String {
    if let read::Kind::Str(s) = &value.kind { s.clone() } else { value.on_a_line() }
}

/// A comment without its slashes: `///` documents, and so does `//`.
fn text(comment: &str) -> &str {
    comment.trim_start_matches('/').trim()
}

/// The documentation of an input or a parameter: behind it, or on the lines above it where those are its own.
fn documentation(behind: &Place, name: &Place) -> String {
    let own = name.source.text.get(..name.span.start).unwrap_or_default().rsplit('\n').next().is_some_and(|l| l.trim().is_empty());
    let doc = comment_behind(behind);
    if doc.is_empty() && own { comment_above(name) } else { doc }
}

/// The comment on the lines above a place.
fn comment_above(place: &Place) -> String {
    let before = place.source.text.get(..place.span.start).unwrap_or_default();
    let lines = before.lines().rev().skip(usize::from(!before.ends_with('\n')));
    let mut all: Vec<&str> = lines.map(str::trim).map_while(|l| l.strip_prefix("//")).map(text).collect();
    all.reverse();
    all.join(" ")
}

/// The comment that ends the line of a place, if what it stands behind ends there too.
fn comment_behind(place: &Place) -> String {
    let after = place.source.text.get(place.span.end..).and_then(|t| t.lines().next()).unwrap_or_default();
    let after = after.trim_start_matches(',').trim();
    after.strip_prefix("//").map(|t| text(t).to_owned()).unwrap_or_default()
}
