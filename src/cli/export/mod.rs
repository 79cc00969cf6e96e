//! `lmsc export`: what was trained here, for other programs.
//!
//! May use `export`, `import`, `infer`, `show`, `store`, `text`.

mod bundle;
mod card;
mod fold;
mod onnx;
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
    Onnx(onnx::Args),
    Bundle(bundle::Args),
    Weights(weights::Args),
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with the files, or where the result cannot be written.
pub fn run(args: Args) -> Result<()> {
    match args.what {
        What::Onnx(args) => onnx::run(args),
        What::Bundle(args) => bundle::run(args),
        What::Weights(args) => weights::run(args),
    }
}
