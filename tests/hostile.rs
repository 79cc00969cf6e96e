//! Graphs that are meant to break a compiler: each gets its promised answer, an error with a code, a place and a remedy. Nothing
//! panics, wraps, recurses without bound or takes memory before its limit is checked.
//!
//! `hostile/text.rs`: files and RON. `hostile/meaning.rs`: names, ports, shapes, counts. `hostile/limits.rs`: what is refused for its
//! size, `hostile/lists.rs`: the same of lists, loops in loops and blocks as values. `hostile/program.rs`: the same through the program, with its exit code and little memory. `hostile/mutations.rs`: every graph
//! of the project, broken in many ways, and the corpus of `fuzz/`. `hostile/models.rs`: the same of model files,
//! `hostile/readers.rs`: of run configs, descriptions of data sets, rules of names, journals, states of runs and prepared cases.

#[path = "hostile/limits.rs"]
mod limits;
#[path = "hostile/lists.rs"]
mod lists;
#[path = "hostile/meaning.rs"]
mod meaning;
#[cfg(feature = "predict")]
#[path = "hostile/models.rs"]
mod models;
#[path = "hostile/mutations.rs"]
mod mutations;
#[path = "hostile/program.rs"]
mod program;
#[cfg(feature = "train")]
#[path = "hostile/readers.rs"]
mod readers;
#[path = "hostile/text.rs"]
mod text;

use lmsc::compile::{Program, compile};
use lmsc::text::{Code, Diagnostic, Diagnostics, Label, Source};

/// Where the error must point: the character after it is the first of the primary place.
const HERE: char = '«';
/// Where the other party stands.
const THERE: char = '‹';

/// A graph with these nodes, on lines of their own from the fourth on.
fn graph(nodes: &str, output: &str) -> String {
    format!("(\ninputs: {{\"image\": (channels: 4, size: (8, 8, 8))}},\nnodes: {{\n{nodes}\n}},\noutputs: {{\"y\": \"{output}\"}},\n)")
}

/// The same where the input is a vector, which a linear layer takes.
fn vector(nodes: &str, output: &str) -> String {
    graph(nodes, output).replace("(8, 8, 8)", "(1, 1, 1)")
}

/// `n` nodes `n0`, `n1`, ..., each after the one before; `body` writes one from its number and what it takes.
fn chain(n: usize, body: impl Fn(usize, &str) -> String) -> String {
    let before = |i: usize| if i == 0 { "image".to_owned() } else { format!("n{}", i - 1) };
    (0..n).map(|i| format!("\"n{i}\":{},\n", body(i, &before(i)))).collect()
}

fn compiled(text: &str) -> Result<Program, Diagnostics> {
    compile(&Source::new("hostile.ron", text), &[], None)
}

/// Refuses a text with markers: the first error has this code and stands where they say.
fn refused(code: Code, marked: &str) -> Diagnostic {
    let text = marked.replace([HERE, THERE], "");
    told(code, marked, compiled(&text).map(|_| ()))
}

fn told(code: Code, marked: &str, result: Result<(), Diagnostics>) -> Diagnostic {
    let shown: String = marked.chars().take(400).collect();
    let found = result.expect_err(&shown);
    let d = found.0.first().unwrap_or_else(|| panic!("refused without a word: {shown}")).clone();
    assert_eq!(d.code, code, "{shown}\n{d:?}");
    assert!(!d.message.is_empty() && !d.help.is_empty(), "{shown}\n{d:?}");
    let at = |label: &Label| label.place.source.line_column(label.place.span.start);
    let place = |marker: char| marked.find(marker).map(|byte| position(&marked[..byte]));
    if let Some(expected) = place(HERE) {
        let found = d.labels.iter().find(|l| l.primary).map(at);
        assert_eq!(found, Some(expected), "{shown}\n{d:?}");
    }
    if let Some(expected) = place(THERE) {
        assert!(d.labels.iter().any(|l| !l.primary && at(l) == expected), "{expected:?} is not shown: {shown}\n{d:?}");
    }
    d
}

/// Line and column after a text, markers not counted.
fn position(before: &str) -> (usize, usize) {
    let last = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, last.chars().filter(|c| ![HERE, THERE].contains(c)).count() + 1)
}
