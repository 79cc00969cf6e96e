//! `lmsc explain`: the page of an error's code.
//!
//! May use `text`.

use std::io::IsTerminal;

use super::output::{colour, print, width};
use crate::text::{Code, Result, nearest, wrap};

/// Lines of a page are at most this long.
const WIDEST: usize = 100;

/// Explain an error by its code, or list the codes
///
/// A page says what the error means, shows a graph that has it and what is said of it, and how to mend it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  lmsc explain\n  lmsc explain E0204\n  lmsc explain w0302")]
pub struct Args {
    /// The code, as E0204, e0204 or 204; all of them when not given
    #[arg(value_name = "CODE", value_parser = code)]
    pub code: Option<Code>,
}

fn code(text: &str) -> std::result::Result<Code, String> {
    Code::parse(text).ok_or_else(|| {
        let known = Code::ALL.iter().map(|c| c.name());
        let help = match nearest(text.trim(), known) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "`lmsc explain` lists them".into(),
        };
        format!("there is no such code; {help}")
    })
}

/// Runs the verb.
///
/// # Errors
/// None: a code that is not there is refused when the arguments are read.
pub fn run(args: Args) -> Result<()> {
    let out = std::io::stdout();
    let pen = Pen { colour: colour(out.is_terminal()), width: width(&out, WIDEST).min(WIDEST) };
    print(&match args.code {
        Some(code) => page(code, &pen),
        None => list(&pen),
    });
    Ok(())
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

/// Every code with what it stands for, by subject.
fn list(pen: &Pen) -> String {
    let mut out = String::new();
    for (subject, codes) in Code::by_subject() {
        out.push_str(&format!("{}\n", pen.bold(subject)));
        for c in codes {
            let text = wrap(c.summary(), pen.width.saturating_sub(9)).join("\n         ");
            out.push_str(&format!("  {}  {text}\n", c.name()));
        }
        out.push('\n');
    }
    out + &wrap("E is an error, W a warning. `lmsc explain E0204` prints the page of a code.", pen.width).join("\n") + "\n"
}

/// A page for a terminal: headings bold, paragraphs wrapped, code set in and left as it is.
fn page(code: Code, pen: &Pen) -> String {
    let heading = format!("{}: {}", code.name(), code.summary());
    let mut out: Vec<String> = wrap(&heading, pen.width).iter().map(|l| pen.bold(l)).collect();
    out.push(String::new());
    let mut paragraph = String::new();
    let mut fenced = false;
    for line in code.page().lines().chain([""]) {
        let fence = line.starts_with("```");
        if fenced {
            if !fence {
                out.push(format!("    {line}").trim_end().to_owned());
            }
            fenced = !fence;
            continue;
        }
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
