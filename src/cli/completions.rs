//! `lmsc completions`: what a shell needs to complete `lmsc`.

use clap::CommandFactory;

use super::{Cli, print};
use crate::text::Result;

/// Print shell completions
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc completions bash > ~/.local/share/bash-completion/completions/lmsc
  lmsc completions zsh > \"${fpath[1]}/_lmsc\"
  lmsc completions fish > ~/.config/fish/completions/lmsc.fish
  lmsc completions powershell >> $PROFILE
  lmsc completions elvish >> ~/.config/elvish/rc.elv")]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Runs the verb.
///
/// # Errors
/// None.
pub fn run(args: Args) -> Result<()> {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut Cli::command(), "lmsc", &mut script);
    print(&String::from_utf8_lossy(&script));
    Ok(())
}
