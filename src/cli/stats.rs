//! `lmsc stats`: what a graph costs.
//!
//! May use `compile`, `read`, `show`, `text`.

use std::path::{Path, PathBuf};

use super::output::{of_file, print, width};
use super::size;
use crate::compile::memory::{Optimiser, Precision};
use crate::compile::{Program, compile};
use crate::read::{self, Kind, Tree, Variant, variants};
use crate::show::{self, Convention, Format, Question, Sort, Stats, compare, weights};
use crate::text::{Code, Diagnostic, Diagnostics, FileKind, Place, Result, Source, Span, list, printable, several};

/// Count parameters, MACs, FLOPs, activations and memory of graphs
///
/// One graph gives a table of its nodes; several graphs, or a parameter with several values, give one table that compares them.
/// Nothing is run and no weights are made. FLOPs are 2 x MACs; what other tools print is named as theirs. Memory is what an
/// exact plan needs: the values that are alive together, in the order in which the network runs.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc stats graphs/lightmedseg.ron
  lmsc stats graphs/lightmedseg.ron --depth 2 --input 4x96x96x96
  lmsc stats graphs/lightmedseg.ron --set anchors=8,16,32
  lmsc stats graphs/lightmedseg.ron --depth 2 --sort activations
  lmsc stats graphs/lightmedseg.ron --precision bf16 --batch 2 --fit 24GiB
  lmsc stats graphs/lightmedseg.ron --checkpointing --fit 24GiB
  lmsc stats graphs/lightmedseg.ron --convention fvcore
  lmsc stats graphs/lightmedseg.ron --weights
  lmsc stats graphs --format markdown

Columns:
  MMAC     multiply-accumulates in millions, of convolutions, linear layers and products; GFLOP are 2 x MACs, in thousands of millions
  other M  operations that are no MAC, in millions: additions, activations, comparisons, interpolation
  act MiB  all values that the node's operations give; what is alive at once is under the table
  op/B     FLOPs and other operations for each byte that is read or written, weights included: a small number is bound by memory
  share    of the MACs of the whole graph")]
pub struct Args {
    /// Graphs (.ron), or folders of them; in a folder, files that only define blocks are passed over
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Change a parameter or a field of the graph; `anchors=8,16,32` compares three
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// The input's size, CxDxHxW or DxHxW, HxW in two dimensions; by default the one that the graph states
    #[arg(long, value_name = "SIZE")]
    pub input: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t = StatsFormat::Table)]
    pub format: StatsFormat,
    /// Open composites down to this level
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub depth: u16,
    /// Order the nodes of each composite
    #[arg(long, value_enum, value_name = "BY")]
    pub sort: Option<By>,
    /// Show only nodes whose path or block contains this; `*` stands for anything
    #[arg(long, value_name = "PATTERN")]
    pub filter: Option<String>,
    /// What the cost column counts: MACs, or what another tool prints as FLOPs
    #[arg(long, value_enum, default_value_t = Rules::Macs)]
    pub convention: Rules,
    /// Volumes that pass at once; all counts but the parameters grow with it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: u32,
    /// How numbers are held; weights, their gradients and the optimiser's state stay float32 in training
    #[arg(long, value_enum, default_value_t = PrecisionArg::F32)]
    pub precision: PrecisionArg,
    /// What updates the weights in training
    #[arg(long, value_enum, default_value_t = Updates::Adamw)]
    pub optimiser: Updates,
    /// Count the memory of training with activation checkpointing (`checkpointing: true` in a run config)
    #[arg(long)]
    pub checkpointing: bool,
    /// Count the memory of a forward pass after all passes of the compiler, as lmsc runs it on a CPU (see `lmsc graph --after`)
    #[arg(long)]
    pub optimised: bool,
    /// List the weights instead: names, as files of weights and maps have them, and shapes
    #[arg(long, conflicts_with_all = ["depth", "sort", "filter", "convention", "batch", "precision", "optimiser", "checkpointing", "optimised", "fit"])]
    pub weights: bool,
    /// Find the largest input that fits into a memory, as in 24GiB
    #[arg(long, value_name = "MEMORY")]
    pub fit: Option<String>,
}

/// Orders by name.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum By {
    Params,
    /// What the cost column counts
    Macs,
    Activations,
    Name,
}

/// Conventions by name.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Rules {
    /// Multiply-accumulates of convolutions and linear layers
    Macs,
    /// fvcore 0.1.5: MACs and 5 for each normalised element
    Fvcore,
    /// ptflops 0.7.5: MACs, biases, norms, some activations, pools and resizes
    Ptflops,
    /// thop 0.1.1: MACs, transposed convolutions counted at each place of their output
    Thop,
}

/// Precisions by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PrecisionArg {
    F32,
    Bf16,
    F16,
}

impl From<PrecisionArg> for Precision {
    fn from(numbers: PrecisionArg) -> Self {
        match numbers {
            PrecisionArg::F32 => Self::F32,
            PrecisionArg::Bf16 => Self::Bf16,
            PrecisionArg::F16 => Self::F16,
        }
    }
}

/// Optimisers by name.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Updates {
    /// Two numbers of state for each weight
    Adamw,
    /// With momentum: one
    Sgd,
    None,
}

/// The formats by name.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum StatsFormat {
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
        StatsFormat::Table => Format::Table,
        StatsFormat::Json => Format::Json,
        StatsFormat::Csv => Format::Csv,
        StatsFormat::Markdown => Format::Markdown,
    };
    let input = args.input.as_deref().map(size).transpose()?;
    let variants = variants(&args.set)?;
    let mut question = question(&args)?;
    let files = graph_files(&args.files)?;
    let single = files.len() == 1 && variants.len() == 1;
    let mut found = Diagnostics::default();
    let mut all: Vec<Stats> = vec![];
    let mut programs: Vec<Program> = vec![];
    for file in in_order(&files) {
        for Variant { sets, .. } in &variants {
            let program = Source::read(file).map_err(Diagnostics::from).and_then(|s| compile(&s, sets, input.map(|i| i.size)));
            let told = |e: Diagnostics| if files.len() > 1 { of_file(e, file) } else { e };
            let Some(p) = found.keep(program.map_err(told)) else { continue };
            match input.and_then(|i| i.channels_differ(&p)) {
                Some(d) => found.0.extend(told(d.into()).0),
                None if args.weights => programs.push(p),
                None => {
                    question.set = sets.iter().map(|s| format!("{}={}", s.path, s.value)).collect();
                    if !single {
                        question.depth = 1;
                    }
                    all.extend(found.keep(counted(&p, &question)));
                    // The program ends with the table: to give back the blocks of a large graph one by one would take longer.
                    std::mem::forget(p);
                }
            }
        }
    }
    found.or(())?;
    if let Some(filter) = args.filter.as_deref().filter(|_| single && all.iter().all(|s| s.nodes.is_empty())) {
        let message = format!("--filter: neither the path nor the block of any node has `{}`", printable(filter));
        let help = "leave it out to see all nodes; --depth opens composites, whose nodes it looks at then";
        return Err(Diagnostic::error(Code::E0202, message).help(help).into());
    }
    // What goes to no terminal is as wide as it is.
    let width = width(&std::io::stdout(), usize::MAX);
    print(&match all.as_slice() {
        _ if args.weights => weights(&programs, format, width),
        [one] => one.print_within(format, width),
        many => compare(many, format, width),
    });
    Ok(())
}

/// The files, and in the place of a folder its graphs by name. The folder of a run stays, to be refused for what it is: its graph is one
/// file of it. So does a data set.
///
/// # Errors
/// E0110 for a folder in which there is no graph.
fn graph_files(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = vec![];
    for file in given {
        let entries = std::fs::read_dir(file).into_iter().flatten();
        let paths = entries.filter_map(|e| Some(e.ok()?.path()));
        let mut own: Vec<PathBuf> = paths.filter(|p| p.extension().is_some_and(|e| e == "ron") && is_graph(p)).collect();
        own.sort_by_key(|f| f.with_extension(""));
        if FileKind::of(file).is_ok_and(|kind| kind == FileKind::Folder) && own.is_empty() {
            let message = format!("there is no graph in the folder `{}`", file.display());
            return Err(Diagnostic::error(Code::E0110, message)
                .help("graphs are files that end in .ron; `lmsc new FILE` starts one")
                .into());
        }
        if own.is_empty() || file.join("config.ron").is_file() {
            own = vec![file.clone()];
        }
        all.append(&mut own);
    }
    Ok(all)
}

/// Whether a file has what a graph has: it is no run config, and defines more than blocks.
fn is_graph(file: &Path) -> bool {
    let Ok(tree) = Source::read(file).map_err(Diagnostics::from).and_then(|s| crate::read::parse(&s)) else { return true };
    tree.entries().unwrap_or_default().iter().any(|e| ["nodes", "extends"].contains(&e.key.as_str()))
}

/// Files as they were given; those that come in the order of a shell's `*.ron` by name without the extension, so that a graph stands
/// before its variants (`net.ron`, `net-wide.ron`) and differences are to it.
fn in_order(files: &[PathBuf]) -> Vec<&PathBuf> {
    let mut all: Vec<&PathBuf> = files.iter().collect();
    if files.is_sorted() {
        all.sort_by_key(|f| f.with_extension(""));
    }
    all
}

/// What the options ask for.
fn question(args: &Args) -> Result<Question> {
    Ok(Question {
        depth: args.depth.into(),
        set: vec![],
        batch: args.batch as usize,
        precision: args.precision.into(),
        optimiser: match args.optimiser {
            Updates::Adamw => Optimiser::AdamW,
            Updates::Sgd => Optimiser::Sgd,
            Updates::None => Optimiser::None,
        },
        convention: match args.convention {
            Rules::Macs => Convention::Macs,
            Rules::Fvcore => Convention::Fvcore,
            Rules::Ptflops => Convention::Ptflops,
            Rules::Thop => Convention::Thop,
        },
        sort: args.sort.map(|by| match by {
            By::Params => Sort::Params,
            By::Macs => Sort::Macs,
            By::Activations => Sort::Activations,
            By::Name => Sort::Name,
        }),
        filter: args.filter.clone(),
        checkpointing: args.checkpointing,
        optimised: args.optimised,
        hash: matches!(args.format, StatsFormat::Json),
        fit: args.fit.as_deref().map(|t| Ok::<_, Diagnostics>((t.to_owned(), bytes(t)?))).transpose()?,
    })
}

/// Reads the amount of --fit.
fn bytes(text: &str) -> Result<u64> {
    size::parse(text).map_err(|how| {
        let source = Source::new("--fit", text);
        let d = Diagnostic::error(Code::E0104, "this is not an amount of memory").at(Place::new(&source, Span::new(0, text.len())), "here");
        d.help(how).into()
    })
}

fn counted(p: &Program, q: &Question) -> Result<Stats> {
    show::measure(p, q)
        .map_err(|f| Diagnostic::error(f.code, format!("`{}`: {}", p.name, f.message)).help(f.help.unwrap_or_default()).into())
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
        let message = format!("--input has {}, but `{}` takes {}", several(c, "channel"), p.name, p.input_channels());
        Some(Diagnostic::error(Code::E0302, message).help(format!("{}, or leave them out of --input", channels_set(p, c))))
    }
}

/// How the channels of the first input are set to `c`.
fn channels_set(p: &Program, c: usize) -> String {
    let text = read::parse(&Source::new("resolved", p.resolved())).and_then(|tree| read::graph(&tree)).ok();
    let channels = text.and_then(|text| text.inputs.into_iter().next()?.channels);
    let Some(Tree { kind: Kind::Str(expression), .. }) = channels else {
        let input = p.inputs.first().map_or("", |(name, _)| name);
        return format!("the graph writes the channels of `{input}` as a number: change it there");
    };
    let used: Vec<&str> = read::names(&expression).filter(|name| p.params.contains_key(*name)).collect();
    match used.as_slice() {
        [one] if *one == expression.trim() => format!("set the graph's parameter, `--set {one}={c}`"),
        _ => format!("they are `{expression}` in the graph: set {}", list(used.iter().map(|name| format!("`{name}`")), used.len())),
    }
}

/// Reads `4x128x128x128`, `128x128x128`, or `128x128` of a graph in two dimensions.
///
/// # Errors
/// E0303 when it is none of these.
pub fn size(text: &str) -> Result<InputSize> {
    let numbers: Option<Vec<usize>> = text.split(['x', 'X']).map(|n| n.trim().parse().ok().filter(|n| *n > 0)).collect();
    match numbers.as_deref() {
        Some([c, d, h, w]) => Ok(InputSize { channels: Some(*c), size: [*d, *h, *w] }),
        Some([d, h, w]) => Ok(InputSize { channels: None, size: [*d, *h, *w] }),
        Some([h, w]) => Ok(InputSize { channels: None, size: [1, *h, *w] }),
        _ => {
            let source = Source::new("--input", text);
            let place = Place::new(&source, Span::new(0, text.len()));
            let d = Diagnostic::error(Code::E0303, "this is not the size of an input").at(place, "here");
            Err(d.help("write channels, depth, height and width, as in 4x128x128x128, or 128x128x128; height and width in two dimensions, 128x128").into())
        }
    }
}
