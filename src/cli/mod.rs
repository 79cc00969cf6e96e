//! The command line: one file per verb.
//!
//! Level 10: may use everything.

#[cfg(feature = "run")]
mod bench;
mod blocks;
mod check;
mod completions;
#[cfg(feature = "run")]
mod data;
#[cfg(feature = "run")]
mod demo;
mod diff;
#[cfg(feature = "run")]
mod doctor;
#[cfg(feature = "run")]
mod eval;
mod explain;
mod fmt;
#[cfg(feature = "run")]
mod forward;
mod graph;
#[cfg(feature = "run")]
mod info;
#[cfg(feature = "run")]
mod named;
mod new;
mod output;
#[cfg(feature = "run")]
mod predict;
#[cfg(feature = "run")]
mod report;
mod size;
mod stats;
#[cfg(feature = "run")]
mod train;
#[cfg(feature = "run")]
mod view;

pub use output::{complain, print};

use crate::text::Result;

/// A compiler for 3D medical image segmentation networks.
///
/// A network is a RON file, a graph of typed blocks. lmsc checks it, counts it, trains it, and segments volumes with it.
#[derive(Debug, clap::Parser)]
#[command(
    name = "lmsc",
    version,
    max_term_width = 120,
    after_help = "Examples:\n  lmsc check graphs/lightmedseg.ron\n  lmsc stats graphs/lightmedseg.ron --set anchors=8,16,32"
)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    messages: output::Messages,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Check(check::Args),
    Stats(stats::Args),
    Graph(graph::Args),
    #[cfg(feature = "run")]
    Info(info::Args),
    Diff(diff::Args),
    Blocks(blocks::Args),
    New(new::Args),
    Fmt(fmt::Args),
    Explain(explain::Args),
    Completions(completions::Args),
    #[cfg(feature = "run")]
    Doctor(doctor::Args),
    #[cfg(feature = "run")]
    Data(data::Args),
    #[cfg(feature = "run")]
    Train(train::Args),
    #[cfg(feature = "run")]
    Report(report::Args),
    #[cfg(feature = "run")]
    Predict(predict::Args),
    #[cfg(feature = "run")]
    View(view::Args),
    #[cfg(feature = "run")]
    Eval(eval::Args),
    #[cfg(feature = "run")]
    Demo(demo::Args),
    #[cfg(feature = "run")]
    Forward(forward::Args),
    #[cfg(feature = "run")]
    Bench(bench::Args),
}

impl Cli {
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
            #[cfg(feature = "run")]
            Verb::Info(a) => info::run(a),
            Verb::Diff(a) => diff::run(a),
            Verb::Blocks(a) => blocks::run(a),
            Verb::New(a) => new::run(a),
            Verb::Fmt(a) => fmt::run(a),
            Verb::Explain(a) => explain::run(a),
            Verb::Completions(a) => completions::run(a),
            #[cfg(feature = "run")]
            Verb::Doctor(a) => doctor::run(a),
            #[cfg(feature = "run")]
            Verb::Data(a) => data::run(a),
            #[cfg(feature = "run")]
            Verb::Train(a) => train::run(a),
            #[cfg(feature = "run")]
            Verb::Report(a) => report::run(a),
            #[cfg(feature = "run")]
            Verb::Predict(a) => predict::run(a),
            #[cfg(feature = "run")]
            Verb::View(a) => view::run(a),
            #[cfg(feature = "run")]
            Verb::Eval(a) => eval::run(a),
            #[cfg(feature = "run")]
            Verb::Demo(a) => demo::run(a),
            #[cfg(feature = "run")]
            Verb::Forward(a) => forward::run(a),
            #[cfg(feature = "run")]
            Verb::Bench(a) => bench::run(a),
        }
    }
}
