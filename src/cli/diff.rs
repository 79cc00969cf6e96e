//! `lmsc diff`: two graphs side by side.
//!
//! May use `compile`, `read`, `show`, `text`.

use std::path::PathBuf;

use super::graph::{Delivery, picture, program};
use super::output::{Overwrite, WIDTH, width};
use crate::show::diff::{compare, json, page, text, text_within};
use crate::text::{Diagnostics, Form, Result};

/// Compare two graphs: what is written differently, and what it costs
///
/// Nodes are the same when they have the same name. Shown are nodes that were added (+), removed (-) or are written differently (~):
/// another block, field or connection; below them, what changed. Nodes that only have other shapes or counts because of these stand
/// without a sign. Composites are opened where they differ inside. Extends, set and replace are applied before; spaces, comments and
/// the order of nodes do not count.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc diff graphs/lightmedseg.ron graphs/lightmedseg-no-lspm.ron
  lmsc diff graphs/lightmedseg.ron graphs/lightmedseg.ron --set-b anchors=16
  lmsc diff graphs/lightmedseg.ron graphs/lightmedseg-literal.ron --format html --out literal.html
  lmsc diff old.ron new.ron --exit-code > /dev/null || echo \"the network changed\"")]
pub struct Args {
    /// The first graph (.ron)
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// The second graph (.ron)
    #[arg(value_name = "B")]
    pub b: PathBuf,
    /// Change a parameter or a field of both graphs
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Change one of the first graph
    #[arg(long, value_name = "NAME=VALUE")]
    pub set_a: Vec<String>,
    /// Change one of the second graph
    #[arg(long, value_name = "NAME=VALUE")]
    pub set_b: Vec<String>,
    /// The input's size, CxDxHxW or DxHxW, HxW in two dimensions; by default the one that each graph states
    #[arg(long, value_name = "SIZE")]
    pub input: Option<String>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    pub format: DiffFormat,
    /// Exit with 1 when the graphs differ
    #[arg(long)]
    pub exit_code: bool,
    /// Write to this file; without it, to standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub overwrite: Overwrite,
}

/// The formats by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DiffFormat {
    /// lines for the terminal
    Text,
    /// for programs
    Json,
    /// both graphs as one page, coloured by what changed
    Html,
}

/// Runs the verb.
///
/// # Errors
/// Everything that is wrong with either graph, and E0603 when the file cannot be written; with `--exit-code` nothing at all, as an
/// empty list, when the graphs differ: there is nothing to complain of, but the program fails.
pub fn run(args: Args) -> Result<()> {
    let form = match args.format {
        DiffFormat::Text => Form::Plain,
        DiffFormat::Json => Form::Json,
        DiffFormat::Html => Form::Html,
    };
    let delivery = Delivery::new(args.overwrite.outputs("diff"), &[&args.a, &args.b], args.out.as_deref(), form)?;
    let mut found = Diagnostics::default();
    let mut load = |file, own: &[String]| {
        let set = [args.set.as_slice(), own].concat();
        let p = found.keep(program(file, &set, args.input.as_deref()))?;
        found.keep(picture(&p, &set))
    };
    let (a, b) = (load(&args.a, &args.set_a), load(&args.b, &args.set_b));
    let (Some(a), Some(b)) = (a, b) else { return Err(found) };
    let comparison = compare(&a, &b);
    let shown = match args.format {
        // A file has no width of its own.
        DiffFormat::Text if args.out.is_some() => text(&comparison),
        DiffFormat::Text => text_within(&comparison, width(&std::io::stdout(), WIDTH)),
        DiffFormat::Json => json(&comparison),
        DiffFormat::Html => page(&a, &b, &comparison),
    };
    delivery.deliver(&shown)?;
    if args.exit_code && !(comparison.equal && comparison.params.is_empty()) {
        return Err(Diagnostics::default());
    }
    Ok(())
}
