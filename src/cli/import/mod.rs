//! `lmsc import`: models of other programs become model files.
//!
//! May use `compile`, `import`, `infer`, `read`, `store`, `text`.

mod nnunet;
mod weights;

use crate::text::Result;

/// Make a model of another program one of lmsc
///
/// The network, its weights and how images are prepared go into one file, which `lmsc predict` runs as the other program would.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    Nnunet(nnunet::Args),
    Weights(weights::Args),
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with the files, or where the model cannot be written.
pub fn run(args: Args) -> Result<()> {
    match args.from {
        From::Nnunet(args) => nnunet::run(args),
        From::Weights(args) => weights::run(args),
    }
}
