//! `lmsc man`: manual pages.

use std::path::PathBuf;

use clap::CommandFactory;

use super::output::Overwrite;
use super::{Cli, print_lines};
use crate::text::{Code, Diagnostic, Form, Result, several};

/// Write manual pages
///
/// One page for lmsc and one for each verb, as `man` shows them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  lmsc man --out ~/.local/share/man/man1
      then `man lmsc-predict`")]
pub struct Args {
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    #[command(flatten)]
    overwrite: Overwrite,
}

/// Runs the verb.
///
/// # Errors
/// E0603 when a page cannot be written.
pub fn run(args: Args) -> Result<()> {
    let mut outputs = args.overwrite.outputs("man");
    outputs.folder(&args.out)?;
    outputs.make(&args.out)?;
    let mut command = Cli::command();
    command.build();
    let mut pages = vec![(String::from("lmsc.1"), command.clone())];
    collect(&command, "lmsc", &mut pages);
    let count = pages.len();
    for (name, command) in pages {
        let path = args.out.join(name);
        let mut page = vec![];
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|e| Diagnostic::error(Code::E0603, format!("cannot write `{}`: {e}", path.display())).help("give another folder"))?;
        outputs.claim(&path, Form::Plain)?;
        outputs.write(&path, Form::Plain, &String::from_utf8_lossy(&page))?;
    }
    print_lines(&format!("{} in {}\n", several(count, "page"), args.out.display()));
    Ok(())
}

/// The pages of a command's subcommands, and of theirs.
fn collect(command: &clap::Command, path: &str, pages: &mut Vec<(String, clap::Command)>) {
    for own in command.get_subcommands().filter(|c| c.get_name() != "help" && !c.is_hide_set()) {
        let name = format!("{path}-{}", own.get_name());
        pages.push((format!("{name}.1"), own.clone()));
        collect(own, &name, pages);
    }
}
