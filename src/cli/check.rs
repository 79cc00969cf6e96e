//! `lmsc check`: is a graph sound?
//!
//! May use `compile`, `read`, `show`, `text`.

use std::path::PathBuf;

use super::print;
use super::stats::size;
use crate::compile::compile;
use crate::read::Set;
use crate::show::thousands;
use crate::text::{Diagnostics, Result, Source};

/// Check graphs: names, ports, rings, shapes and counts
///
/// Nothing is run and no weights are made. Every error of a file is shown at once, with its place.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  lmsc check graphs/lightmedseg.ron\n  lmsc check graphs/*.ron --set modalities=1 --set classes=3 --input 1x96x96x96")]
pub struct Args {
    /// Graphs (.ron)
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Change a parameter or a field of the graph
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// The input's size, CxDxHxW or DxHxW; by default the one that the graph states
    #[arg(long, value_name = "SIZE")]
    pub input: Option<String>,
}

/// Runs the verb.
///
/// # Errors
/// Everything that is wrong with the graphs.
pub fn run(args: Args) -> Result<()> {
    let sets = args.set.iter().map(|s| Set::parse(s)).collect::<Result<Vec<_>>>()?;
    let input = args.input.as_deref().map(size).transpose()?;
    let mut found = Diagnostics::default();
    for file in &args.files {
        let program = Source::read(file).map_err(Diagnostics::from).and_then(|s| compile(&s, &sets, input.map(|i| i.size)));
        let Some(p) = found.keep(program) else { continue };
        if let Some(d) = input.and_then(|i| i.channels_differ(&p)) {
            found.push(d);
            continue;
        }
        let shape = |v| p.graph.fact(v).to_string();
        let ends = |all: &[(String, crate::ir::Value)]| all.iter().map(|(n, v)| format!("{n} {}", shape(*v))).collect::<Vec<_>>().join(", ");
        let params = p.cost(0..p.graph.len()).map(|c| c.params).unwrap_or_default();
        let nodes = p.rows.iter().filter(|r| r.depth == 0).count();
        print(&format!(
            "{}: ok: {} -> {}, {nodes} nodes, {} operations, {} parameters, sizes multiples of {}\n",
            file.display(),
            ends(&p.inputs),
            ends(&p.graph.outputs),
            p.graph.len(),
            thousands(params),
            p.multiple().map(|m| m.to_string()).join("x"),
        ));
    }
    found.or(())
}
