//! `lmsc stats`: what a graph costs.
//!
//! May use `compile`, `read`, `show`, `text`.

use std::path::PathBuf;

use super::print;
use crate::compile::{Program, compile};
use crate::read::Set;
use crate::show::{self, Format, Stats, compare};
use crate::text::{Code, Diagnostic, Diagnostics, Place, Result, Source, Span};

/// Count parameters, MACs, FLOPs and activations of graphs
///
/// One graph gives a table of its nodes; several graphs, or a parameter with several values, give one table that compares them.
/// Nothing is run and no weights are made. FLOPs are 2 x MACs; what other tools print is named as theirs.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc stats graphs/lightmedseg.ron
  lmsc stats graphs/lightmedseg.ron --depth 2 --input 4x96x96x96
  lmsc stats graphs/lightmedseg.ron --set anchors=8,16,32
  lmsc stats graphs/*.ron --format markdown")]
pub struct Args {
    /// Graphs (.ron)
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Change a parameter or a field of the graph; `anchors=8,16,32` compares three
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// The input's size, CxDxHxW or DxHxW; by default the one that the graph states
    #[arg(long, value_name = "SIZE")]
    pub input: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Style::Table)]
    pub format: Style,
    /// Open composites down to this level
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub depth: u16,
}

/// The formats by name.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Style {
    Table,
    Json,
    Csv,
    Markdown,
}

/// Runs the verb.
///
/// # Errors
/// Everything that is wrong with the graphs.
pub fn run(args: Args) -> Result<()> {
    let format = match args.format {
        Style::Table => Format::Table,
        Style::Json => Format::Json,
        Style::Csv => Format::Csv,
        Style::Markdown => Format::Markdown,
    };
    let input = args.input.as_deref().map(size).transpose()?;
    let variants = variants(&args.set)?;
    let single = args.files.len() == 1 && variants.len() == 1;
    let mut found = Diagnostics::default();
    let mut all: Vec<Stats> = vec![];
    for file in &args.files {
        for (names, sets) in &variants {
            let program = Source::read(file).map_err(Diagnostics::from).and_then(|s| compile(&s, sets, input.map(|i| i.size)));
            let Some(p) = found.keep(program) else { continue };
            match input.and_then(|i| i.channels_differ(&p)) {
                Some(d) => found.push(d),
                None => all.extend(found.keep(counted(&p, if single { args.depth.into() } else { 1 }, names))),
            }
        }
    }
    found.or(())?;
    print(&match all.as_slice() {
        [one] => one.print(format),
        many => compare(many, format),
    });
    Ok(())
}

fn counted(p: &Program, depth: usize, names: &[String]) -> Result<Stats> {
    show::stats(p, depth, names).map_err(|f| Diagnostic::error(f.code, format!("`{}`: {}", p.name, f.message)).help(f.help.unwrap_or_default()).into())
}

/// Every combination of the values to set, each with its names.
fn variants(given: &[String]) -> Result<Vec<(Vec<String>, Vec<Set>)>> {
    let mut all: Vec<(Vec<String>, Vec<Set>)> = vec![(vec![], vec![])];
    for text in given {
        let values = Set::sweep(text)?;
        all = all
            .into_iter()
            .flat_map(|(names, sets)| {
                values.iter().map(move |v| {
                    let name = format!("{}={}", v.path, v.value);
                    (names.iter().cloned().chain([name]).collect(), sets.iter().cloned().chain([v.clone()]).collect())
                })
            })
            .collect();
    }
    Ok(all)
}

/// An input's size as asked for on the command line.
#[derive(Clone, Copy, Debug)]
pub struct InputSize {
    channels: Option<usize>,
    pub size: [usize; 3],
}

impl InputSize {
    /// An error when channels were given and the graph takes another number of them.
    pub fn channels_differ(&self, p: &Program) -> Option<Diagnostic> {
        let c = self.channels.filter(|c| *c != p.input_channels())?;
        let message = format!("--input has {c} channels, but `{}` takes {}", p.name, p.input_channels());
        Some(Diagnostic::error(Code::E0302, message).help(format!("set the graph's parameter, as in `--set modalities={c}`, or leave the channels out")))
    }
}

/// Reads `4x128x128x128` or `128x128x128`.
///
/// # Errors
/// E0303 when it is neither.
pub fn size(text: &str) -> Result<InputSize> {
    let numbers: Option<Vec<usize>> = text.split(['x', 'X']).map(|n| n.trim().parse().ok().filter(|n| *n > 0)).collect();
    match numbers.as_deref() {
        Some([c, d, h, w]) => Ok(InputSize { channels: Some(*c), size: [*d, *h, *w] }),
        Some([d, h, w]) => Ok(InputSize { channels: None, size: [*d, *h, *w] }),
        _ => {
            let source = Source::new("--input", text);
            let place = Place::new(&source, Span::new(0, text.len()));
            let d = Diagnostic::error(Code::E0303, "this is not the size of an input").at(place, "here");
            Err(d.help("write channels, depth, height and width, as in 4x128x128x128, or 128x128x128").into())
        }
    }
}
