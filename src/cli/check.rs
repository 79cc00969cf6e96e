//! `lmsc check`: is a graph sound?
//!
//! May use `compile`, `read`, `show`, `text`.

use std::path::{Path, PathBuf};

use super::output::of_file;
use super::stats::{InputSize, size};
use super::{complain, print_lines};
use crate::compile::{compile, library, verify};
use crate::read::{Set, recognise};
use crate::text::{Diagnostics, FileKind, Result, Source, many, several};

/// Check graphs: names, ports, rings, shapes and counts
///
/// Nothing is run and no weights are made. Every error of a file is shown at once, with its place. A file of blocks for `import` is checked alone.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  lmsc check graphs/lightmedseg.ron\n  lmsc check graphs/lightmedseg*.ron --set modalities=1 --set classes=3 --input 1x96x96x96"
)]
pub struct Args {
    /// Graphs (.ron)
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Change a parameter or a field of the graph
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// The input's size, CxDxHxW or DxHxW, HxW in two dimensions; by default the one that the graph states
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
    let mut all = Diagnostics::default();
    for file in &args.files {
        let found = one(&args, file, &sets, input);
        all.0.extend(if args.files.len() > 1 { of_file(found, file) } else { found }.0);
    }
    // Warnings are shown, and are no failure.
    if !all.has_errors() {
        complain(&all);
    }
    all.or(())
}

/// Checks a file, and says that it is sound where it is; else gives what is wrong.
fn one(args: &Args, file: &Path, sets: &[Set], input: Option<InputSize>) -> Diagnostics {
    let mut found = Diagnostics::default();
    let Some(s) = found.keep(Source::read(file)) else { return found };
    if recognise(file) == FileKind::Blocks {
        if let Some((n, warnings)) = found.keep(library(&s)) {
            found.0.extend(warnings.0);
            print_lines(&format!("{}: ok, {} for `import`\n", file.display(), several(n, "block")));
        }
        return found;
    }
    let Some(p) = found.keep(compile(&s, sets, input.map(|i| i.size))) else { return found };
    if let Some(d) = input.and_then(|i| i.channels_differ(&p)) {
        found.push(d);
        return found;
    }
    let claims = if sets.is_empty() && input.is_none() { found.keep(verify(&s, &p)) } else { Some(0) };
    let Some(claims) = claims else { return found };
    found.0.extend(p.warnings.0.iter().cloned());
    let shape = |v| p.graph.fact(v).to_string();
    let ends = |all: &[(String, crate::ir::Value)]| all.iter().map(|(n, v)| format!("{n} {}", shape(*v))).collect::<Vec<_>>().join(", ");
    let params = p.cost(0..p.graph.len()).map(|c| c.params).unwrap_or_default();
    let nodes = p.rows.iter().filter(|r| r.depth == 0).count();
    let claims = match claims {
        0 => String::new(),
        n => format!(", {} hold{}", several(n, "claim"), if n == 1 { "s" } else { "" }),
    };
    print_lines(&format!("{}: ok, {}{claims}\n", file.display(), many(params, "parameter")));
    if args.files.len() == 1 {
        print_lines(&format!(
            "  {} -> {}; {}, {}\n  {}\n",
            ends(&p.inputs),
            ends(&p.graph.outputs),
            several(nodes, "node"),
            several(p.graph.len(), "operation"),
            p.sizes()
        ));
    }
    found
}
