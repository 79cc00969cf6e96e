//! Results to standard output, complaints to standard error.
//!
//! May use `read` and `text`.

use std::collections::BTreeSet;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::sync::OnceLock;

use crate::text::{Code, Diagnostic, Diagnostics, Outputs, Severity, Source, hang, reason, render, wrap};

/// The width of lines where neither a terminal nor COLUMNS says it.
pub const WIDTH: usize = 140;

/// No terminal is taken to be narrower.
const LEAST: usize = 20;

/// As many messages are shown in full; the rest are counted.
const SHOWN: usize = 100;

/// How messages are written; options of every verb.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[command(next_help_heading = "Messages")]
pub struct Messages {
    /// How errors and warnings are written: with the lines that they are about, one a line as path:line:column, or one a line as JSON
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    error_format: Format,
    /// When to use colours; `auto` does on a terminal, and heeds NO_COLOR and CLICOLOR_FORCE
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: When,
}

/// The formats by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Full,
    Concise,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum When {
    #[default]
    Auto,
    Always,
    Never,
}

static CHOSEN: OnceLock<Messages> = OnceLock::new();

impl Messages {
    /// Makes this the way of the whole run; the first choice stays.
    pub fn choose(self) {
        let _ = CHOSEN.set(self);
    }
}

/// What a verb may write to; an option of every verb that writes files.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Overwrite {
    /// Also write over files that lmsc is not known to have written; never over an input
    #[arg(long)]
    pub overwrite: bool,
}

impl Overwrite {
    /// The outputs of the verb with that name.
    pub fn outputs(self, verb: &str) -> Outputs {
        Outputs::new(verb, Some(self.overwrite))
    }
}

/// Names a graph's file, and those that it extends and imports, as inputs.
pub fn graph_inputs(outputs: &mut Outputs, graph: &Path) {
    outputs.input(graph);
    if let Ok(source) = Source::read(graph) {
        outputs.inputs(crate::read::files(&source));
    }
}

/// Writes a result. A reader that went away (`lmsc stats | head`) is no error; a disk that is full ends the program.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            let message = format!("cannot write to standard output: {}", reason(&e));
            let d = Diagnostic::error(Code::E0603, message).help("make room where it is redirected to, or send it elsewhere");
            complain(&d.into());
            std::process::exit(1);
        }
        _ => {}
    }
}

/// Writes a result for people: lines that are wider than the terminal are broken between words.
pub fn print_lines(text: &str) {
    print(&hang(text, width(&std::io::stdout(), WIDTH)));
}

/// Writes what is under way to standard error, with lines broken as by [`print_lines`].
#[cfg(feature = "train")]
pub fn tell(text: &str) {
    eprintln!("{}", hang(text, width(&std::io::stderr(), WIDTH)));
}

/// Writes diagnostics as the options ask for; in full, with their number and where more is said of them.
pub fn complain(found: &Diagnostics) {
    if found.0.is_empty() {
        return;
    }
    let found = &found.in_order();
    let for_people = CHOSEN.get().copied().unwrap_or_default().error_format != Format::Json;
    let found = &if for_people { found.gathered() } else { found.clone() };
    let one_a_line = |line: fn(&_) -> String| found.0.iter().map(|d| line(d) + "\n").collect();
    let text: String = match CHOSEN.get().copied().unwrap_or_default().error_format {
        Format::Full => in_full(found, colour(std::io::stderr().is_terminal()), width(&std::io::stderr(), WIDTH)),
        Format::Concise => one_a_line(render::concise),
        Format::Json => one_a_line(render::json),
    };
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

fn in_full(found: &Diagnostics, colour: bool, width: usize) -> String {
    let mut text = String::new();
    for d in found.0.iter().take(SHOWN) {
        text.push_str(&render::full(d, colour, width));
        text.push_str("\n\n");
    }
    if found.0.len() > SHOWN {
        text.push_str(&format!("... and {} more\n\n", found.0.len() - SHOWN));
    }
    text + &wrap(&summary(found), width).join("\n") + "\n"
}

/// `2 errors, 1 warning; "lmsc explain E0202" says more, likewise of E0105`.
fn summary(found: &Diagnostics) -> String {
    let count = |severity, one: &str| match found.0.iter().filter(|d| d.severity == severity).count() {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {one}s")),
    };
    let counts: Vec<String> = [count(Severity::Error, "error"), count(Severity::Warning, "warning")].into_iter().flatten().collect();
    let first = found.0.iter().find(|d| d.severity == Severity::Error).or(found.0.first()).map(|d| d.code);
    let others: BTreeSet<Code> = found.0.iter().map(|d| d.code).filter(|c| Some(*c) != first).collect();
    let others: Vec<&str> = others.iter().map(|c| c.name()).collect();
    let likewise = match others.as_slice() {
        [] => String::new(),
        [one] => format!(", and likewise of {one}"),
        [several @ .., last] => format!(", and likewise of {} and {last}", several.join(", ")),
    };
    let first = first.map_or("", Code::name);
    format!("{}; `lmsc explain {first}` says more{likewise}", counts.join(", "))
}

/// What is wrong with one of several files, each of which it names: what has no place in the file is said of it by name.
pub fn of_file(mut found: Diagnostics, file: &Path) -> Diagnostics {
    let name = file.display().to_string();
    for d in found.0.iter_mut().filter(|d| !d.labels.iter().any(|l| l.place.source.name == name) && !d.message.contains(&name)) {
        d.message = format!("`{name}`: {}", d.message);
    }
    found
}

/// Whether to write colours to a stream that is a terminal or not.
pub fn colour(terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    match CHOSEN.get().copied().unwrap_or_default().color {
        When::Always => true,
        When::Never => false,
        When::Auto if set("NO_COLOR") => false,
        When::Auto if set("CLICOLOR_FORCE") && std::env::var_os("CLICOLOR_FORCE").is_some_and(|v| v != "0") => true,
        When::Auto => terminal && std::env::var_os("TERM").is_none_or(|t| t != "dumb"),
    }
}

/// The columns of a stream: what COLUMNS says, or the terminal, or `otherwise`; at least 20.
pub fn width(stream: &impl IsTerminal, otherwise: usize) -> usize {
    let asked = std::env::var("COLUMNS").ok().and_then(|c| c.trim().parse().ok()).filter(|w| *w > 0);
    let terminal = || terminal_size::terminal_size().map(|(columns, _)| columns.0.into());
    asked.or_else(|| if stream.is_terminal() { terminal() } else { None }).unwrap_or(otherwise).max(LEAST)
}
