//! `lmsc blocks`: what there is to build with.
//!
//! May use `block`, `show`, `text`.

use std::path::PathBuf;

use super::output::{print, width};
use crate::block::no_such_block;
use crate::show::reference::{Page, composites, list, pages, print as page, schema};
use crate::text::{Code, Diagnostic, Result, Source};

/// Lines of a page are at most this long. The list has a line a block where it goes to no terminal, for `grep`.
const WIDEST: usize = 100;

/// List the blocks, or print the page of one
///
/// A page says what the block computes, its inputs, outputs and fields, and an example with its cost. Ports in the list: `x` takes one
/// value, `anchors?` one or none, `paths[]` a list, `above[]?` one that may be empty; outputs with names stand after `->`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc blocks
  lmsc blocks GhostConv3D
  lmsc blocks --in graphs/lightmedseg.ron                  the graph's own blocks as well
  lmsc blocks EncoderStage --in graphs/lightmedseg.ron
  lmsc blocks --format markdown > blocks.md
  lmsc blocks --format json                                the language for editors and other programs
  lmsc blocks --schema > lmsc.schema.json

About --schema: tools for RON know no schemas, so none checks a .ron file against this one. It describes a graph in the JSON that serde \
makes of it: `Name(a: 1)` is {\"Name\": {\"a\": 1}}, groups and maps are objects, words are strings. It is of use to programs that write or \
check graphs as JSON, and to editor extensions that want names, types, defaults and documentation to complete and to show. \
`lmsc check` is what checks a graph.")]
pub struct Args {
    /// The block; all of them when not given
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Add the blocks that this graph, or file of blocks, defines
    #[arg(long = "in", value_name = "FILE")]
    pub graph: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t = BlocksFormat::Text)]
    pub format: BlocksFormat,
    /// Print a JSON schema of graph files
    #[arg(long, conflicts_with_all = ["name", "format"])]
    pub schema: bool,
}

/// The formats by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum BlocksFormat {
    Text,
    Markdown,
    Json,
}

/// Runs the verb.
///
/// # Errors
/// E0201 for a block that is not there, and what is wrong with the graph.
pub fn run(args: Args) -> Result<()> {
    let built_in = pages()?;
    let own = match &args.graph {
        Some(file) => composites(&Source::read(file)?)?,
        None => vec![],
    };
    if args.schema {
        print(&json(&schema(&built_in, &own)));
        return Ok(());
    }
    let lines = |otherwise| (args.format != BlocksFormat::Markdown).then(|| width(&std::io::stdout(), otherwise));
    let Some(name) = &args.name else {
        let all: Vec<Page> = built_in.into_iter().chain(own).collect();
        print(&if args.format == BlocksFormat::Json { json(&all) } else { list(&all, lines(usize::MAX)) });
        return Ok(());
    };
    let all = || own.iter().chain(&built_in);
    let Some(found) = all().find(|p| p.name == *name || p.older == Some(name)) else {
        let d = Diagnostic::error(Code::E0201, format!("there is no block `{}`", crate::text::printable(name)));
        return Err(d.help(no_such_block(name, own.iter().map(|p| p.name.as_str()))).into());
    };
    print(&if args.format == BlocksFormat::Json { json(found) } else { page(found, lines(WIDEST).map(|w| w.min(WIDEST))) });
    Ok(())
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
