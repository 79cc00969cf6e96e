//! `lmsc new`: a graph to begin with.
//!
//! May use `show`, `text`.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::print_lines;
use crate::show::reference::Template;
use crate::text::{Code, Diagnostic, Form, Outputs, Result};

/// Begin a graph: a commented file that compiles
///
/// Nothing is ever overwritten.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc new mine.ron                           a small 3D U-Net of plain blocks
  lmsc new mine.ron --template blank          one convolution, and what every part of a graph is for
  lmsc new mine.ron --template nnunet         nnU-Net's network, to be changed in its own file

To change a few things of a network that is there already, a variant is shorter; see `extends` in graphs/lightmedseg-k16.ron.")]
pub struct Args {
    /// The file to write (.ron)
    #[arg(value_name = "FILE", value_parser = graph_file)]
    pub file: PathBuf,
    /// What to begin with
    #[arg(long, value_name = "NAME", default_value = Template::ALL[0].name, value_parser = templates())]
    pub template: &'static Template,
    /// The graph's name; by default the file's
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

/// A path with the ending of a graph.
fn graph_file(text: &str) -> std::result::Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(ending) if ending.eq_ignore_ascii_case("ron") => Ok(path),
        _ => Err(format!("a graph's name ends in .ron: give {}", path.with_extension("ron").display())),
    }
}

/// The templates by name, each with what it is.
fn templates() -> impl TypedValueParser<Value = &'static Template> {
    let names = PossibleValuesParser::new(Template::ALL.iter().map(|t| PossibleValue::new(t.name).help(t.about)));
    names.map(|name| Template::find(&name).unwrap_or(&Template::ALL[0]))
}

/// Runs the verb.
///
/// # Errors
/// E0603 when the file is there already or cannot be written, E0109 for an empty name.
pub fn run(args: Args) -> Result<()> {
    let stem = args.file.file_stem().map(|s| s.to_string_lossy().into_owned());
    let name = args.name.or(stem).filter(|n| !n.trim().is_empty() && !n.chars().any(char::is_control));
    let name = name.ok_or_else(|| Diagnostic::error(Code::E0109, "the graph has no name").help("give one, as in `--name unet`"))?;
    let shown = args.file.display();
    let mut outputs = Outputs::new("new", None);
    outputs.claim(&args.file, Form::Plain)?;
    outputs.write(&args.file, Form::Plain, args.template.named(&name).as_str())?;
    print_lines(&format!(
        "wrote {shown}\n\nNext:\n  lmsc check {shown}     names, ports, shapes\n  lmsc stats {shown}     parameters, MACs, memory\n  \
         lmsc blocks            what else there is to build with\n  lmsc fmt {shown}       lay it out after editing\n"
    ));
    Ok(())
}
