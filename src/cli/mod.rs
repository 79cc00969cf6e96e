//! The command line: one file per verb.
//!
//! Level 10: may use everything.

#[cfg(feature = "train")]
mod bench;
mod blocks;
mod check;
mod completions;
#[cfg(feature = "train")]
mod data;
#[cfg(feature = "train")]
mod demo;
mod diff;
#[cfg(feature = "predict")]
mod doctor;
#[cfg(feature = "predict")]
mod engine;
#[cfg(feature = "predict")]
mod eval;
mod explain;
#[cfg(feature = "predict")]
mod export;
mod fmt;
#[cfg(feature = "train")]
mod forward;
mod graph;
#[cfg(feature = "predict")]
mod import;
#[cfg(feature = "predict")]
mod info;
mod man;
#[cfg(feature = "predict")]
mod named;
mod new;
mod output;
#[cfg(feature = "predict")]
mod predict;
#[cfg(feature = "train")]
mod report;
mod size;
mod stats;
#[cfg(feature = "train")]
mod train;
#[cfg(feature = "predict")]
mod view;

use output::print_lines;
#[cfg(feature = "train")]
use output::tell;
pub use output::{complain, print};

use clap::{CommandFactory, FromArgMatches};

use crate::text::{Result, hang, wrap};

/// A compiler for 3D medical image segmentation networks.
///
/// A network is a RON file, a graph of typed blocks. lmsc checks it, counts it, trains it, and segments volumes with it.
#[derive(Debug, clap::Parser)]
#[command(
    name = "lmsc",
    version,
    max_term_width = WIDEST,
    after_help = "Examples:\n  lmsc check graphs/lightmedseg.ron\n  lmsc stats graphs/lightmedseg.ron --set anchors=8,16,32"
)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    messages: output::Messages,
}

/// What stands below the options, with long lines broken by us: what goes on of an example would else look like another one.
fn hung(command: clap::Command, width: usize) -> clap::Command {
    let broken = |line: &str| if line.starts_with(' ') { hang(line, width) } else { wrap(line, width).join("\n") };
    let text = |text: &clap::builder::StyledStr| text.to_string().split('\n').map(broken).collect::<Vec<_>>().join("\n");
    let (short, long) = (command.get_after_help().map(text), command.get_after_long_help().map(text));
    let command = short.into_iter().fold(command, clap::Command::after_help);
    let command = long.into_iter().fold(command, clap::Command::after_long_help);
    command.mut_subcommands(|c| hung(c, width))
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Check(check::Args),
    Stats(stats::Args),
    Graph(graph::Args),
    #[cfg(feature = "predict")]
    Info(info::Args),
    Diff(diff::Args),
    Blocks(blocks::Args),
    New(new::Args),
    Fmt(fmt::Args),
    Explain(explain::Args),
    Completions(completions::Args),
    Man(man::Args),
    #[cfg(feature = "predict")]
    Doctor(doctor::Args),
    #[cfg(feature = "train")]
    Data(data::Args),
    #[cfg(feature = "train")]
    Train(train::Args),
    #[cfg(feature = "train")]
    Report(report::Args),
    #[cfg(feature = "predict")]
    Import(import::Args),
    #[cfg(feature = "predict")]
    Export(export::Args),
    #[cfg(feature = "predict")]
    Predict(predict::Args),
    #[cfg(feature = "predict")]
    View(view::Args),
    #[cfg(feature = "predict")]
    Eval(eval::Args),
    #[cfg(feature = "train")]
    Demo(demo::Args),
    #[cfg(feature = "train")]
    Forward(forward::Args),
    #[cfg(feature = "train")]
    Bench(bench::Args),
}

/// No line of a help is longer.
const WIDEST: usize = 120;

impl Cli {
    /// Reads the arguments of this process; ends it where they are wrong, or where help was asked for.
    pub fn from_arguments() -> Self {
        // Where nothing is known of the terminal, clap takes it to be as wide.
        let width = output::width(&std::io::stdout(), 100).min(WIDEST);
        let mut command = hung(Self::command(), width);
        match Self::from_arg_matches(&command.get_matches_mut()) {
            Ok(cli) => cli,
            Err(e) => e.format(&mut command).exit(),
        }
    }

    /// Runs the verb.
    ///
    /// # Errors
    /// Everything that is wrong with what the user gave.
    pub fn run(self) -> Result<()> {
        self.messages.choose();
        match self.verb {
            Verb::Check(a) => check::run(a),
            Verb::Stats(a) => stats::run(a),
            Verb::Graph(a) => graph::run(a),
            #[cfg(feature = "predict")]
            Verb::Info(a) => info::run(a),
            Verb::Diff(a) => diff::run(a),
            Verb::Blocks(a) => blocks::run(a),
            Verb::New(a) => new::run(a),
            Verb::Fmt(a) => fmt::run(a),
            Verb::Explain(a) => explain::run(a),
            Verb::Completions(a) => completions::run(a),
            Verb::Man(a) => man::run(a),
            #[cfg(feature = "predict")]
            Verb::Doctor(a) => doctor::run(a),
            #[cfg(feature = "train")]
            Verb::Data(a) => data::run(a),
            #[cfg(feature = "train")]
            Verb::Train(a) => train::run(a),
            #[cfg(feature = "train")]
            Verb::Report(a) => report::run(a),
            #[cfg(feature = "predict")]
            Verb::Import(a) => import::run(a),
            #[cfg(feature = "predict")]
            Verb::Export(a) => export::run(a),
            #[cfg(feature = "predict")]
            Verb::Predict(a) => predict::run(a),
            #[cfg(feature = "predict")]
            Verb::View(a) => view::run(a),
            #[cfg(feature = "predict")]
            Verb::Eval(a) => eval::run(a),
            #[cfg(feature = "train")]
            Verb::Demo(a) => demo::run(a),
            #[cfg(feature = "train")]
            Verb::Forward(a) => forward::run(a),
            #[cfg(feature = "train")]
            Verb::Bench(a) => bench::run(a),
        }
    }
}
