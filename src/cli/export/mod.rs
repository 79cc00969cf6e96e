//! `lmsc export`: what was trained here, for other programs.
//!
//! May use `import`, `infer`, `store`, `text`.

mod weights;

use crate::text::Result;

/// Hand a model to another program
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Weights(weights::Args),
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with the files, or where the result cannot be written.
pub fn run(args: Args) -> Result<()> {
    match args.what {
        What::Weights(args) => weights::run(args),
    }
}
