//! `lmsc explain`: the page of an error's code, or of a topic.
//!
//! May use `show`, `text`; with training, `train`.

#[cfg(feature = "train")]
pub(super) mod config;

use std::io::IsTerminal;

use clap::builder::{PossibleValue, TypedValueParser};

use super::output::{colour, print, width};
use crate::show::reference::language;
use crate::text::{Code, Result, Topic, nearest, wrap};

/// Lines of a page are at most this long.
const WIDEST: usize = 100;

/// Explain an error by its code, or a topic; or list both
///
/// The page of a code says what the error means, shows a graph that has it and what is said of it, and how to mend it. Topics are references: `language`
/// of graph files, `config` of run configs, `map` of maps of weights, `card`
/// of cards of trained networks.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  lmsc explain\n  lmsc explain language\n  lmsc explain E0204\n  lmsc explain w0302")]
pub struct Args {
    /// A topic, or a code as E0204, e0204 or 204; all of them when not given
    #[arg(value_name = "TOPIC|CODE", value_parser = Subjects, hide_possible_values = true)]
    pub subject: Option<Subject>,
}

/// What there is a page of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Code(Code),
    Topic(Topic),
}

/// The topics whose pages this build has.
fn topics() -> impl Iterator<Item = Topic> {
    let here = |t: &Topic| match t {
        Topic::Language => true,
        Topic::Map | Topic::Card => cfg!(feature = "predict"),
        Topic::Config => cfg!(feature = "train"),
    };
    Topic::ALL.iter().copied().filter(here)
}

/// Reads a topic or a code; shells complete both.
#[derive(Clone, Debug)]
struct Subjects;

impl TypedValueParser for Subjects {
    type Value = Subject;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> std::result::Result<Subject, clap::Error> {
        let text = value.to_string_lossy();
        let read = |t: &str| subject(t);
        clap::builder::StringValueParser::new().try_map(move |t| read(&t)).parse_ref(command, arg, std::ffi::OsStr::new(text.as_ref()))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let topics = topics().map(|t| PossibleValue::new(t.name()).help(t.summary()));
        let codes = Code::ALL.iter().map(|c| PossibleValue::new(c.name()).help(c.summary()));
        Some(Box::new(topics.chain(codes)))
    }
}

fn subject(text: &str) -> std::result::Result<Subject, String> {
    let word = text.trim().to_ascii_lowercase();
    if let Some(t) = Topic::ALL.iter().copied().find(|t| t.name() == word) {
        return match topics().any(|here| here == t) {
            true => Ok(Subject::Topic(t)),
            false => Err("this build of lmsc has nothing that takes one, so that its page is not in it".into()),
        };
    }
    Code::parse(text).map(Subject::Code).ok_or_else(|| {
        let known = topics().map(Topic::name).chain(Code::ALL.iter().map(|c| c.name()));
        let help = match nearest(text.trim(), known) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "`lmsc explain` lists them".into(),
        };
        format!("there is no such topic or code; {help}")
    })
}

/// Runs the verb.
///
/// # Errors
/// None: what has no page is refused when the arguments are read.
pub fn run(args: Args) -> Result<()> {
    let out = std::io::stdout();
    let pen = Pen { colour: colour(out.is_terminal()), width: width(&out, WIDEST).min(WIDEST) };
    print(&match args.subject {
        Some(Subject::Code(code)) => page(code.name(), code.summary(), code.page(), &pen),
        Some(Subject::Topic(topic)) => page(topic.name(), topic.summary(), &text(topic)?, &pen),
        None => list(&pen),
    });
    Ok(())
}

/// The page of a topic, with what follows from the code.
fn text(topic: Topic) -> Result<String> {
    match topic {
        Topic::Language => Ok(language()),
        #[cfg(feature = "train")]
        Topic::Config => config::page(),
        _ => Ok(topic.page().to_owned()),
    }
}

struct Pen {
    colour: bool,
    width: usize,
}

impl Pen {
    fn bold(&self, text: &str) -> String {
        if self.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Every topic and code with what it stands for, codes by subject.
fn list(pen: &Pen) -> String {
    let mut out = String::new();
    let mut section = |title: &str, rows: &[(&str, &str)]| {
        out.push_str(&format!("{}\n", pen.bold(title)));
        let names = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, summary) in rows {
            let text = wrap(summary, pen.width.saturating_sub(names + 4)).join(&format!("\n{}", " ".repeat(names + 4)));
            out.push_str(&format!("  {name:names$}  {text}\n"));
        }
        out.push('\n');
    };
    section("topics", &topics().map(|t| (t.name(), t.summary())).collect::<Vec<_>>());
    for (subject, codes) in Code::by_subject() {
        section(subject, &codes.iter().map(|c| (c.name(), c.summary())).collect::<Vec<_>>());
    }
    let end = "E is an error, W a warning. `lmsc explain E0204` prints the page of a code, `lmsc explain language` that of a topic.";
    out + &wrap(end, pen.width).join("\n") + "\n"
}

/// A page for a terminal: headings bold, paragraphs wrapped, code set in and left as it is.
fn page(name: &str, summary: &str, text: &str, pen: &Pen) -> String {
    let heading = format!("{name}: {summary}");
    let mut out: Vec<String> = wrap(&heading, pen.width).iter().map(|l| pen.bold(l)).collect();
    out.push(String::new());
    let mut paragraph = String::new();
    let mut fenced = false;
    // The headings of the table that is read.
    let mut headings: Vec<&str> = vec![];
    for line in text.lines().chain([""]) {
        let fence = line.starts_with("```");
        if fenced {
            if !fence {
                out.push(format!("    {line}").trim_end().to_owned());
            }
            fenced = !fence;
            continue;
        }
        if let Some(row) = line.strip_prefix("| ").and_then(|l| l.strip_suffix('|')).filter(|_| !fenced) {
            let cells: Vec<&str> = row.split(" | ").map(str::trim).collect();
            match headings.is_empty() {
                true => headings = cells,
                false => out.extend(filled(&as_item(&headings, &cells), pen.width)),
            }
            continue;
        }
        if line.starts_with("|---") {
            continue;
        }
        headings.clear();
        let item = line.starts_with("- ");
        if (line.is_empty() || fence || item || line.starts_with('#')) && !paragraph.is_empty() {
            out.extend(filled(&paragraph, pen.width));
            paragraph.clear();
        }
        match line.trim_start_matches('#').trim_start() {
            _ if fence => fenced = true,
            title if title.len() < line.len() && line.starts_with('#') => out.push(pen.bold(title)),
            "" => out.push(String::new()),
            text => {
                paragraph.push_str(if paragraph.is_empty() { "" } else { " " });
                paragraph.push_str(text);
            }
        }
    }
    out.dedup_by(|a, b| a.is_empty() && b.is_empty());
    out.join("\n").trim_end().to_owned() + "\n"
}

/// A row of a table as an item of a list: `- first: second (third heading: third)`.
fn as_item(headings: &[&str], cells: &[&str]) -> String {
    let mut item = format!("- {}", cells.iter().take(2).copied().collect::<Vec<_>>().join(": "));
    for (heading, cell) in headings.iter().zip(cells).skip(2).filter(|(_, cell)| !cell.is_empty()) {
        item.push_str(&format!(" ({heading}: {cell})"));
    }
    item
}

/// The lines of a paragraph; those of an item of a list stand under its text.
fn filled(text: &str, width: usize) -> Vec<String> {
    match text.strip_prefix("- ") {
        Some(item) => {
            let lines = wrap(item, width.saturating_sub(2));
            lines.iter().enumerate().map(|(i, l)| format!("{}{l}", if i == 0 { "- " } else { "  " })).collect()
        }
        None => wrap(text, width),
    }
}
