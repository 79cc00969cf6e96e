//! `lmsc graph`: a graph as a picture.
//!
//! May use `compile`, `read`, `show`, `text`.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser};

use super::output::{Overwrite, graph_inputs, print, width};
use super::stats::size;
use crate::compile::passes;
use crate::compile::{Program, compile};
use crate::ir::Fault;
use crate::read::Set;
use crate::show::picture::{self, Picture, Style, draw};
use crate::show::{listing, operations_text, scheduled};
use crate::text::{Code, Diagnostic, Diagnostics, Form, Outputs, Result, Source, printable, suggestion};

/// Draw a graph: in the terminal, for a paper, or as a page to explore
///
/// Boxes are the graph's nodes, lines are values with their shapes (channels x D x H x W), colours are shares of the MACs. A network
/// that narrows and widens again is drawn as a U. Composites are closed; --depth and --open open them, and in the page they open
/// with a click.
///
/// text is for the terminal, mermaid for Markdown (GitHub draws it), dot for Graphviz, svg for papers and slides, html is one page
/// without anything from the network: pan, zoom, search, open and close, and each node's fields, shapes, cost, weights and line.
/// listing has one line for each operation, with its place in memory after --after; json is the same for programs.
///
/// What is drawn is the graph as it was written. --after shows it as it runs: each pass of the compiler changes the operations and
/// leaves every output as it is.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc graph graphs/lightmedseg.ron
  lmsc graph graphs/lightmedseg.ron --out lightmedseg.html
  lmsc graph graphs/lightmedseg.ron --format svg --open enc1 --open dec4 > figure.svg
  lmsc graph graphs/lightmedseg.ron --format dot --depth 2 | dot -Tpdf > figure.pdf
  lmsc graph graphs/lightmedseg.ron --format mermaid --set anchors=16 --input 4x96x96x96
  lmsc graph graphs/lightmedseg.ron --format listing --after in-place")]
pub struct Args {
    /// The graph (.ron)
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Change a parameter or a field of the graph
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// The input's size, CxDxHxW or DxHxW, HxW in two dimensions; by default the one that the graph states
    #[arg(long, value_name = "SIZE")]
    pub input: Option<String>,
    /// What to draw; by default what the name of --out ends with (.svg, .html, .dot, .mmd, .json), else text
    #[arg(long, value_enum)]
    pub format: Option<GraphFormat>,
    /// Open composites down to this level
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub depth: u16,
    /// Open this node (and those around it); a block opens to its operations
    #[arg(long, value_name = "NODE")]
    pub open: Vec<String>,
    /// Show the graph after the passes up to this one
    #[arg(long, value_name = "PASS", value_parser = passes_by_name())]
    pub after: Option<String>,
    /// Write to this file; without it, to standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub overwrite: Overwrite,
}

/// The formats by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum GraphFormat {
    /// lines for the terminal
    Text,
    /// a flowchart for Markdown
    Mermaid,
    /// Graphviz
    Dot,
    /// a picture for papers
    Svg,
    /// a page to explore
    Html,
    /// a line for each operation
    Listing,
    /// the operations for programs
    Json,
}

/// Ends the program where the name of a file asks for a format that there is not.
fn known(out: &Path) {
    let ending = out.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    if !matches!(ending.as_deref(), None | Some("txt" | "text")) && GraphFormat::of(Some(out)) == GraphFormat::Text {
        let message = format!(
            "invalid value '{}' for '--out <FILE>': its name must end in .svg, .html, .dot, .mmd, .json or .txt, or --format say what to write\n",
            printable(&out.display().to_string())
        );
        clap::Error::raw(clap::error::ErrorKind::ValueValidation, message).exit()
    }
}

impl GraphFormat {
    /// The one that a file's name asks for.
    fn of(file: Option<&Path>) -> Self {
        match file.and_then(Path::extension).map(|e| e.to_string_lossy().to_ascii_lowercase()).as_deref() {
            Some("svg") => Self::Svg,
            Some("html" | "htm") => Self::Html,
            Some("dot" | "gv") => Self::Dot,
            Some("mmd" | "mermaid") => Self::Mermaid,
            Some("json") => Self::Json,
            _ => Self::Text,
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// Everything that is wrong with the graph, and E0603 when the file cannot be written.
pub fn run(args: Args) -> Result<()> {
    if args.format.is_none() {
        args.out.iter().for_each(|out| known(out));
    }
    let format = args.format.unwrap_or_else(|| GraphFormat::of(args.out.as_deref()));
    let form = match format {
        GraphFormat::Svg => Form::Svg,
        GraphFormat::Html => Form::Html,
        GraphFormat::Json => Form::Json,
        GraphFormat::Text | GraphFormat::Mermaid | GraphFormat::Dot | GraphFormat::Listing => Form::Plain,
    };
    let delivery = Delivery::new(args.overwrite.outputs("graph"), &[&args.file], args.out.as_deref(), form)?;
    let mut program = program(&args.file, &args.set, args.input.as_deref())?;
    let mut optimised = None;
    if let Some(pass) = args.after.as_deref().and_then(|name| passes::after(&program, name)) {
        let o = pass.map_err(|f| said(&program, f))?;
        program = o.program.clone();
        optimised = Some(o);
    }
    match (format, &optimised) {
        (GraphFormat::Listing, None) => return delivery.deliver(&listing(&program)),
        (GraphFormat::Listing, Some(o)) => return delivery.deliver(&scheduled(o).map_err(|f| said(&program, f))?),
        (GraphFormat::Json, _) => return delivery.deliver(&operations_text(&program)),
        _ => {}
    }
    let changes: Vec<String> = args.set.iter().cloned().chain(args.after.iter().map(|name| format!("after {name}"))).collect();
    let picture = picture(&program, &changes)?;
    let mut open = picture.opened_to(args.depth.into());
    for path in &args.open {
        let place = picture.items.iter().position(|i| i.path == *path && !i.children.is_empty());
        let Some(mut at) = place else {
            let known = picture.items.iter().filter(|i| !i.children.is_empty()).map(|i| i.path.as_str());
            let d = Diagnostic::error(Code::E0202, format!("--open: there is no node `{}` that opens", printable(path)));
            return Err(d.help(suggestion(path, known, "nodes that open")).into());
        };
        open[at] = true;
        while let Some(up) = picture.items[at].parent {
            open[up] = true;
            at = up;
        }
    }
    let style = match format {
        // A file has no width of its own.
        GraphFormat::Text if args.out.is_some() => Style::Text,
        GraphFormat::Text => {
            print(&picture::text(&picture, &open, width(&std::io::stdout(), picture::WIDTH)));
            return Ok(());
        }
        GraphFormat::Mermaid => Style::Mermaid,
        GraphFormat::Dot => Style::Dot,
        GraphFormat::Svg => Style::Svg,
        GraphFormat::Html => Style::Html,
        GraphFormat::Listing | GraphFormat::Json => unreachable!("delivered above"),
    };
    delivery.deliver(&draw(&picture, &open, style))
}

/// Reads and compiles a graph as the options say.
pub(super) fn program(file: &Path, set: &[String], input: Option<&str>) -> Result<Program> {
    let sets = set.iter().map(|s| Set::parse(s)).collect::<Result<Vec<_>>>()?;
    let input = input.map(size).transpose()?;
    let source = Source::read(file)?;
    let program = compile(&source, &sets, input.map(|i| i.size))?;
    match input.and_then(|i| i.channels_differ(&program)) {
        Some(d) => Err(d.into()),
        None => Ok(program),
    }
}

/// The picture of a program.
pub(super) fn picture(program: &Program, set: &[String]) -> Result<Picture> {
    Picture::new(program, set).map_err(|f| said(program, f))
}

fn said(program: &Program, f: Fault) -> Diagnostics {
    Diagnostic::error(f.code, format!("`{}`: {}", program.name, f.message)).help(f.help.unwrap_or_default()).into()
}

fn passes_by_name() -> PossibleValuesParser {
    PossibleValuesParser::new(passes::PASSES.iter().map(|p| PossibleValue::new(p.name).help(p.about)))
}

/// Where a text goes: to standard output, or to a file, which is there in whole or not at all.
pub(super) struct Delivery<'a> {
    outputs: Outputs,
    out: Option<&'a Path>,
    form: Form,
}

impl<'a> Delivery<'a> {
    /// Looks whether it may go there, before it is made of `graphs`.
    pub(super) fn new(mut outputs: Outputs, graphs: &[&Path], out: Option<&'a Path>, form: Form) -> Result<Self> {
        if let Some(path) = out {
            graphs.iter().for_each(|graph| graph_inputs(&mut outputs, graph));
            outputs.claim(path, form)?;
        }
        Ok(Self { outputs, out, form })
    }

    pub(super) fn deliver(&self, text: &str) -> Result<()> {
        match self.out {
            Some(path) => Ok(self.outputs.write(path, self.form, text)?),
            None => {
                print(text);
                Ok(())
            }
        }
    }
}
